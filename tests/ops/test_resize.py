"""Images at another size: which pixels, windows and places, layout, dtypes, errors.

Loops, derivatives and PyTorch are in tests/grid/resize.py.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tinydl as td
from grid.resize import FACTORS
from tinydl.functional import adaptive_avg_pool2d, interpolate, max_pool2d, max_unpool2d
from tinydl.testing import memory_order, strategies
from tinydl.testing.point import host

# ---- interpolate


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nearest_chooses_torchs_pixels(dtype: str, torch: Any, on: Any) -> None:
    """All lengths up to 30 to all up to 60, and by factors: the rounding of floor(i n / m) is PyTorch's."""
    for n in range(1, 31):
        row = np.arange(n, dtype=dtype).reshape(1, 1, 1, n)
        options: list[dict[str, Any]] = [{"size": (1, m)} for m in range(1, 61)]
        options += [{"scale_factor": (1, f)} for f in FACTORS if int(n * f) > 0]
        for option in options:
            ours = host(interpolate(on.tensor(row), **option))
            theirs = torch.nn.functional.interpolate(torch.tensor(row), **option).numpy()
            assert np.array_equal(ours, theirs), (n, option)


def test_nearest_rounds_in_float32(on: Any) -> None:
    """Place 11 of 22 comes from 11 * 26 / 22 = 13; PyTorch multiplies 11 by a float32 below 26 / 22 and takes 12."""
    row = on.tensor(np.arange(26.0).reshape(1, 1, 1, 26))
    assert host(interpolate(row, (1, 22)))[0, 0, 0, 11] == 12
    pair = on.tensor([[[[0.0, 1.0]]]])
    assert host(interpolate(pair, scale_factor=(1, 2.1)))[0, 0, 0].tolist() == [0, 0, 1, 1]


def test_nearest_stays_within_the_longest_rows(on: Any) -> None:
    """The last of 2**24 + 4 places rounds up to the length of the image, which has no such pixel."""
    out = interpolate(on.full((1, 1, 1, 1), 3.0), (1, 2**24 + 4))
    assert np.all(host(out) == 3)


def test_nearest_repeats_pixels_and_one_number_is_for_both_axes(on: Any) -> None:
    x = on.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    want = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    for out in (
        interpolate(x, 4),
        interpolate(x, (4, 4)),
        interpolate(x, scale_factor=2),
        interpolate(x, None, (2.0, 2)),
    ):
        assert host(out)[0, 0].tolist() == want
    assert host(interpolate(x, [2, 4]))[0, 0].tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]
    assert host(interpolate(x, scale_factor=[1, 2.0]))[0, 0].tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]
    assert host(interpolate(x, 1)).tolist() == [[[[1.0]]]]


def test_bilinear_by_hand(on: Any) -> None:
    x = on.tensor([[[[0.0, 4.0]]]])
    assert host(interpolate(x, (1, 4), mode="bilinear"))[0, 0, 0].tolist() == [0, 1, 3, 4]
    corners = interpolate(x, (1, 5), mode="bilinear", align_corners=True)
    assert host(corners)[0, 0, 0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_the_same_size_is_the_same_image(mode: str, on: Any) -> None:
    x = on.random(2, 3, 4, 5)
    assert np.array_equal(host(interpolate(x, (4, 5), mode=mode)), host(x))
    assert np.array_equal(host(interpolate(x, scale_factor=1.1, mode=mode)), host(x))
    if mode == "bilinear":
        assert np.array_equal(host(interpolate(x, (4, 5), mode=mode, align_corners=True)), host(x))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"x": (2, 3, 4), "size": 2}, r"expected images \(N, C, H, W\) with pixels, got shape \(2, 3, 4\)"),
        ({"x": (1, 1, 0, 4), "size": 2}, r"expected images .* with pixels, got shape \(1, 1, 0, 4\)"),
        ({"size": 2, "mode": "cubic"}, "mode must be 'nearest' or 'bilinear', got 'cubic'"),
        ({}, "give either size or scale_factor, got None and None"),
        ({"size": 2, "scale_factor": 2}, "give either size or scale_factor, got 2 and 2"),
        ({"size": 2, "align_corners": True}, "align_corners is for mode 'bilinear'"),
        ({"size": 0}, "size must be 1 or more, got 0"),
        ({"scale_factor": 0}, "scale_factor must be positive, one or two of them, got 0"),
        ({"scale_factor": (2, -1.0)}, r"scale_factor must be positive, one or two of them, got \(2, -1\.0\)"),
        ({"scale_factor": (2, 2, 2)}, "scale_factor must be positive, one or two of them"),
        ({"scale_factor": 0.2}, r"scale_factor 0\.2 leaves nothing of images \(1, 1, 4, 4\)"),
    ],
)
def test_interpolate_refuses(options: Any, sentence: str, on: Any) -> None:
    options = dict(options)
    with pytest.raises(ValueError, match=f"^interpolate: {sentence}"):
        interpolate(on.ones(options.pop("x", (1, 1, 4, 4))), **options)


def test_sizes_are_integers(on: Any) -> None:
    for size in (2.0, (2, 2.5), (2, 2, 2)):
        with pytest.raises(TypeError, match=r"^interpolate: size must be an integer or two of them, got"):
            interpolate(on.ones(1, 1, 4, 4), size)
    with pytest.raises(
        TypeError, match=r"^adaptive_avg_pool2d: output_size must be an integer or two of them, got"
    ):
        adaptive_avg_pool2d(on.ones(1, 1, 4, 4), (2, 2.5))


# ---- adaptive average pooling


def test_adaptive_windows_for_all_lengths(torch: Any, on: Any) -> None:
    for n, m in itertools.product(range(1, 13), range(1, 15)):
        row = np.random.default_rng(0).normal(size=(1, 1, n))
        ours = host(adaptive_avg_pool2d(on.tensor(row), (1, m)))
        theirs = torch.nn.functional.adaptive_avg_pool2d(torch.tensor(row), (1, m)).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-14)


def test_adaptive_to_one_is_the_mean_and_none_keeps_a_length(on: Any) -> None:
    x = on.random(2, 3, 4, 5)
    np.testing.assert_allclose(host(adaptive_avg_pool2d(x, 1))[..., 0, 0], host(x).mean((2, 3)), rtol=1e-13)
    assert np.array_equal(host(adaptive_avg_pool2d(x, None)), host(x))
    out = adaptive_avg_pool2d(x, (None, 1))
    np.testing.assert_allclose(host(out), host(x).mean(3, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(
        host(adaptive_avg_pool2d(x, [2, None])), host(x).reshape(2, 3, 2, 2, 5).mean(3), rtol=1e-13
    )


@pytest.mark.parametrize(
    ("shape", "size", "sentence"),
    [
        ((4, 4), 2, r"expected images \(N, C, H, W\) or \(C, H, W\) with pixels, got shape \(4, 4\)"),
        ((1, 1, 4, 0), 2, r"expected images .* with pixels, got shape \(1, 1, 4, 0\)"),
        ((1, 4, 4), (2, 2, 2), r"expected one output size or two, got \(2, 2, 2\)"),
        ((1, 4, 4), 0, r"output_size must be 1 or more, got \[0, 0\]"),
    ],
)
def test_adaptive_avg_pool2d_refuses(shape: Any, size: Any, sentence: str, on: Any) -> None:
    with pytest.raises(ValueError, match=f"^adaptive_avg_pool2d: {sentence}"):
        adaptive_avg_pool2d(on.ones(shape), size)


def test_integers_give_float32(on: Any) -> None:
    x = on.tensor(np.arange(16).reshape(1, 1, 4, 4))
    for out in (interpolate(x, 2), interpolate(x, 2, mode="bilinear"), adaptive_avg_pool2d(x, 2)):
        assert out.dtype == np.float32
    assert host(interpolate(x, 2))[0, 0].tolist() == [[0, 2], [8, 10]]
    assert host(adaptive_avg_pool2d(x, 2))[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


# ---- unpooling


def test_max_unpool2d_by_hand(on: Any) -> None:
    x = on.tensor([[[[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 0.0, 9.0]]]])
    maxima, places = max_pool2d(x, 2, return_indices=True)
    want = [[0, 5, 0, 0], [0, 0, 0, 9]]
    assert host(max_unpool2d(maxima, places, 2))[0, 0].tolist() == want
    assert host(max_unpool2d(maxima, places, 2, 2, 0, (2, 4)))[0, 0].tolist() == want
    assert host(max_unpool2d(maxima, places, 2, output_size=(1, 1, 2, 4)))[0, 0].tolist() == want
    assert host(max_unpool2d(maxima[0], places[0], 2))[0].tolist() == want
    small = on.tensor(host(places).astype(np.uint8))
    assert host(max_unpool2d(maxima, small, 2))[0, 0].tolist() == want
    assert max_unpool2d(on.tensor([[[[5, 9]]]]), places, 2).dtype == np.int64


def test_max_unpool2d_sizes_are_those_that_the_windows_cover(on: Any) -> None:
    for n, k, s, p in itertools.product(range(1, 4), range(1, 4), range(1, 4), range(2)):
        size = (n - 1) * s - 2 * p + k
        if size > 0 and 2 * p <= k:
            zeros = on.zeros(1, n, n, dtype="int64")
            assert max_unpool2d(on.ones(1, n, n), zeros, k, s, p).shape == (1, size, size)


def test_max_unpool2d_of_no_images(on: Any) -> None:
    zeros = on.zeros(0, 2, 3, 3, dtype="int64")
    assert max_unpool2d(on.ones(0, 2, 3, 3), zeros, 2).shape == (0, 2, 6, 6)


def test_places_that_windows_shared_are_added(on: Any) -> None:
    x = on.tensor(np.array([[[0.0, 7.0, 0.0]]]), requires_grad=True)
    maxima, places = max_pool2d(x, (1, 2), 1, return_indices=True)
    assert host(max_unpool2d(maxima, places, (1, 2), 1)).tolist() == [[[0.0, 14.0, 0.0]]]


def test_indices_may_be_changed_afterwards(on: Any) -> None:
    x, places = on.tensor(np.array([[[2.0, 3.0]]]), requires_grad=True), on.tensor([[[1, 2]]])
    out = max_unpool2d(x, places, (1, 2))
    places.data[...] = 0
    (dx,) = td.grad(out, x, on.tensor(np.array([[[1.0, 10.0, 100.0, 1000.0]]])))
    assert host(dx).tolist() == [[[10.0, 100.0]]]


def test_max_unpool2d_refuses(on: Any) -> None:
    x, places = on.ones(1, 1, 2, 2), on.zeros(1, 1, 2, 2, dtype="int64")
    elsewhere = {"cpu": "strict", "strict": "cpu"}[on.device]
    for arguments, kind, sentence in [
        ((x, places[0], 2), ValueError, r"expected \(N, C, H, W\) and indices of that shape, got \(1, 1, 2, 2\), \(1,"),
        ((x[0, 0], places[0, 0], 2), ValueError, r"expected \(N, C, H, W\) and indices of that shape, got \(2, 2\)"),
        ((x, places + 16, 2), ValueError, "indices reach beyond an output of 4 x 4"),
        ((x, places - 1, 2), ValueError, "indices reach beyond an output of 4 x 4"),
        ((x, places + 8, 2, None, 0, (2, 4)), ValueError, "indices reach beyond an output of 2 x 4"),
        ((x, places, 2, None, 2), ValueError, "indices reach beyond an output of 0 x 0"),
        ((x, places, 0), ValueError, "kernel_size must be 1 or more, got 0"),
        ((x, places, 2, 0), ValueError, "stride must be 1 or more, got 0"),
        ((x, places, 2, 2, -1), ValueError, "padding must be 0 or more, got -1"),
        ((x, places, 2, 2, 0, (0, 4)), ValueError, r"output_size must be 1 or more, got \(0, 4\)"),
        ((x, places, 2, 2, 0, (4,)), TypeError, r"output_size must be an integer or two of them, got \(4,\)"),
        ((x, places.astype("float32"), 2), TypeError, "expected an integer tensor of indices, got float32"),
        ((x, np.zeros((1, 1, 2, 2), int), 2), TypeError, "expected an integer tensor of indices, got ndarray"),
        (
            (x, td.zeros(1, 1, 2, 2, dtype="int64", device=elsewhere), 2), td.DeviceError,
            rf"x is on {on.device}, the indices on {elsewhere}; move one with \.to\('{on.device}'\)$",
        ),
        ((np.ones((1, 1, 2, 2)), places, 2), TypeError, "expected tensors, got a plain array; wrap it with td"),
    ]:  # fmt: skip
        with pytest.raises(kind, match=f"^max_unpool2d: {sentence}"):
            max_unpool2d(*arguments)


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
def test_the_layout_is_kept(layout: str, on: Any) -> None:
    x = on.leaf(strategies.lay_out(host(on.random(2, 3, 4, 5)), layout))
    for out in (
        interpolate(x, scale_factor=2),
        interpolate(x, (3, 4), mode="bilinear"),
        adaptive_avg_pool2d(x, 2),
    ):
        assert memory_order(out) == memory_order(x)
        g = on.leaf(strategies.lay_out(host(on.random(*out.shape)), layout))
        assert memory_order(td.grad(out, x, g)[0]) == memory_order(x)


def test_plain_arrays_are_an_error(on: Any) -> None:
    a = on.ones(1, 1, 4, 4).data
    for fn in (interpolate, adaptive_avg_pool2d):
        with pytest.raises(TypeError, match=r"expected tensors, got a plain array; wrap it with td\.tensor"):
            fn(a, 2)
