"""Pooling: indices, conventions, the course's numbers, dtypes, errors.

Loops, derivatives and PyTorch are in tests/grid/pool.py.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from grid.pool import TABLE, places, pooled
from tinydl.functional import avg_pool2d, max_pool2d, min_pool2d
from tinydl.ops import pool as ops
from tinydl.testing import gradcheck, strategies
from tinydl.testing.point import host


@given(data=st.data())
def test_indices(data: Any, torch: Any, on: Any) -> None:
    """Flat in the image; of equal elements the first. Few different values make many ties."""
    g = data.draw(strategies.pool_geometries(dilated=True))
    values = data.draw(strategies.arrays(g.input_shape, np.int64, 0, 1, "contiguous")).astype(np.float64)
    out, indices = max_pool2d(on.tensor(values), return_indices=True, **g.options)
    assert indices.dtype == np.int64
    want = pooled(values, lambda inside, _: max(inside, key=lambda e: e[0])[1], g.options)
    assert np.array_equal(host(indices), want)
    theirs = torch.nn.functional.max_pool2d(torch.tensor(values), return_indices=True, **g.options)
    assert np.array_equal(host(out), theirs[0].numpy())
    assert np.array_equal(host(indices), theirs[1].numpy())


# ---- conventions


def test_max_pool2d_takes_the_first(on: Any) -> None:
    x = on.ones(1, 1, 2, 4, requires_grad=True)
    assert host(td.grad(max_pool2d(x, 2).sum(), x)[0])[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    assert host(td.grad(min_pool2d(x, 2).sum(), x)[0])[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    assert host(td.grad(max_pool2d(x, 2, stride=1).sum(), x)[0])[0, 0].tolist() == [[1, 1, 1, 0], [0] * 4]


def test_the_border_is_never_chosen(on: Any) -> None:
    x = on.tensor(np.full((1, 1, 2, 2), -5.0), requires_grad=True)
    assert host(max_pool2d(x, 2, padding=1)).tolist() == [[[[-5.0] * 2] * 2]]
    assert host(min_pool2d(-x, 2, padding=1)).tolist() == [[[[5.0] * 2] * 2]]
    assert max_pool2d(on.full((1, 1, 2, 2), -np.inf), 2).item() == -np.inf


def test_the_border_counts_in_averages(on: Any) -> None:
    x = on.ones(1, 1, 2, 2)
    assert host(avg_pool2d(x, 2, padding=1))[0, 0].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert host(avg_pool2d(x, 2, padding=1, count_include_pad=False))[0, 0].tolist() == [
        [1.0, 1.0],
        [1.0, 1.0],
    ]
    # What ceil_mode reaches beyond the border does not count.
    assert host(avg_pool2d(on.ones(1, 1, 3, 3), 2, ceil_mode=True)).tolist() == [[[[1.0] * 2] * 2]]


def test_a_window_in_the_border_alone(on: Any) -> None:
    """Dilation 3 and padding 1 around an image of length 2: nothing of it is seen, -inf as in PyTorch."""
    x = on.tensor(np.arange(8.0).reshape(2, 1, 2, 2), requires_grad=True)
    out = max_pool2d(x, 2, padding=1, dilation=3)
    assert isinstance(out, td.Tensor)
    assert host(out).tolist() == [[[[-np.inf]]]] * 2
    assert np.all(host(td.grad(out, x, td.ones_like(out))[0]) == 0)


def test_nan_is_the_largest(on: Any) -> None:
    x = on.tensor([[[1.0, np.nan], [3.0, 2.0]]])
    assert np.isnan(host(max_pool2d(x, 2))).all()


def test_max_pooling_of_the_course(on: Any) -> None:
    x = on.tensor([[[[6, 4, 8, 5], [5, 4, 5, 8], [3, 6, 7, 7], [7, 9, 7, 2]]]], dtype="float32")
    assert host(max_pool2d(x, 2, stride=2))[0, 0].tolist() == [[6, 8], [9, 7]]
    assert host(max_pool2d(x, 2))[0, 0].tolist() == [[6, 8], [9, 7]]


def test_output_size_of_the_course(on: Any) -> None:
    for pool in (max_pool2d, avg_pool2d, min_pool2d):
        assert pool(on.zeros(1, 1, 28, 28), 2, stride=2).shape == (1, 1, 14, 14)


# ---- dtypes, errors


def test_integers(on: Any) -> None:
    x = on.tensor(np.arange(16, dtype=np.int64).reshape(1, 4, 4))
    for pool, want in (
        (max_pool2d, [[5, 7], [13, 15]]),
        (min_pool2d, [[0, 2], [8, 10]]),
        (avg_pool2d, [[2.5, 4.5], [10.5, 12.5]]),
    ):
        out = pool(x, 2)
        assert out.dtype == np.float32
        assert host(out)[0].tolist() == want
        assert host(pool(x.astype("uint8"), 2))[0].tolist() == want


def test_large_windows_keep_their_precision(on: Any) -> None:
    x = on.tensor(td.Generator(0).normal((1, 1, 50, 50), np.float64), requires_grad=True)
    np.testing.assert_allclose(avg_pool2d(x, 50).item(), host(x).mean(), rtol=1e-12)
    assert gradcheck(lambda x: avg_pool2d(x, 50), x)


@pytest.mark.parametrize("name", TABLE)
def test_errors(name: str, on: Any) -> None:
    fn = getattr(ops, name)
    x = on.ones(1, 1, 4, 4)
    for arguments, kind, sentence in [
        (
            (x, 5),
            ValueError,
            r"a window of \(5, 5\) with dilation \(1, 1\) is larger than the padded image \(input shape \(1, 1, 4, 4\)",
        ),
        ((x, 0), ValueError, "kernel_size must be 1 or more, got 0"),
        ((x, 2, 0), ValueError, "stride must be 1 or more, got 0"),
        ((x, 2, 2, -1), ValueError, "padding must be 0 or more, got -1"),
        ((x, 2, 2, 2), ValueError, r"padding \(2, 2\) must be at most half the kernel size \(2, 2\)"),
        ((x, 2.0), TypeError, "kernel_size must be an integer or two of them, got 2.0"),
        (
            (on.ones(4, 4), 2),
            ValueError,
            r"expected images \(N, C, H, W\) or one image \(C, H, W\), got shape \(4, 4\)",
        ),
    ]:
        with pytest.raises(kind, match=f"^{name}: {sentence}"):
            fn(*arguments)
    if name != "avg_pool2d":
        with pytest.raises(ValueError, match="dilation must be 1 or more, got 0"):
            fn(x, 2, dilation=0)
    with pytest.raises(TypeError, match="expected tensors, got a plain array"):
        fn(on.ones(1, 1, 4, 4).data, 2)


def test_sizes_are_those_of_the_loops(on: Any) -> None:
    """Every size, kernel, stride, padding and ceil_mode there is, small."""
    options = itertools.product(range(1, 7), range(1, 4), range(1, 4), range(2), (False, True))
    for size, k, s, p, ceil in options:
        if 2 * p <= k and size + 2 * p >= k:
            out = max_pool2d(on.zeros(1, 1, size), (1, k), (1, s), (0, p), ceil_mode=ceil)
            assert out.shape == (1, 1, places(size, k, s, p, 1, ceil)), (size, k, s, p, ceil)
