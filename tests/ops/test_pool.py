"""Pooling, against loops and against PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.functional import avg_pool2d, max_pool2d, min_pool2d
from tinydl.ops import pool as ops
from tinydl.testing import check_function, gradcheck, strategies

TESTED = {"max_pool2d", "min_pool2d", "avg_pool2d"}
LATER = {"adaptive_avg_pool2d", "max_unpool2d"}  # tested with the other ops that change sizes


def test_every_public_function_is_tested(public_functions: Any) -> None:
    assert public_functions(ops) - LATER == TESTED


def places(size: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """How many windows fit: with `ceil`, also one that reaches over the end, if it starts before the end."""
    n = 0
    while True:
        start = n * s - p
        last = start + d * (k - 1)
        fits = last <= size + p - 1
        hangs = ceil and last - (s - 1) <= size + p - 1 and start < size
        if not (fits or hangs):
            return n
        n += 1


def windows(
    a: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    ceil_mode: bool = False,
) -> Any:
    """For every output place: the elements of its window, and how many places it has inside the border."""
    s = stride or kernel_size
    h, w = a.shape[-2:]
    sizes = [
        places(a.shape[-2 + i], kernel_size[i], s[i], padding[i], dilation[i], ceil_mode) for i in (0, 1)
    ]
    for *lead, i, j in np.ndindex(*a.shape[:-2], *sizes):
        inside, counted = [], 0
        for u, v in np.ndindex(*kernel_size):
            row, col = i * s[0] + u * dilation[0] - padding[0], j * s[1] + v * dilation[1] - padding[1]
            if 0 <= row < h and 0 <= col < w:
                inside.append((a[(*lead, row, col)], row * w + col))
            counted += -padding[0] <= row < h + padding[0] and -padding[1] <= col < w + padding[1]
        yield (*lead, i, j), inside, counted
    if a.size == 0:
        yield None, sizes, 0


def pooled(a: Any, number: Callable[[Any, int], float], options: dict[str, Any]) -> Any:
    found = list(windows(a, **options))
    if a.size == 0:
        return np.zeros((*a.shape[:-2], *found[0][1]))
    out = np.zeros([n + 1 for n in found[-1][0]])
    for at, inside, counted in found:
        out[at] = number(inside, counted)
    return out


def mean(options: dict[str, Any]) -> Callable[[Any, int], float]:
    return lambda inside, counted: (
        sum(v for v, _ in inside) / (counted if options["count_include_pad"] else len(inside))
    )


@given(data=st.data())
def test_avg_pool2d(data: Any) -> None:
    g = data.draw(strategies.pool_geometries())
    x = data.draw(strategies.tensors(g.input_shape))
    rest = {k: v for k, v in g.options.items() if k != "count_include_pad"}
    assert check_function(
        lambda x: avg_pool2d(x, **g.options), [x], lambda a: pooled(a, mean(g.options), rest)
    )


@pytest.mark.parametrize("name", ["max_pool2d", "min_pool2d"])
@given(data=st.data())
def test_extremes(name: str, data: Any) -> None:
    g = data.draw(strategies.pool_geometries(dilated=True))
    x = data.draw(strategies.tensors(g.input_shape))
    fn, best = (max_pool2d, max) if name == "max_pool2d" else (min_pool2d, min)
    assert check_function(
        lambda x: fn(x, **g.options),
        [x],
        lambda a: pooled(a, lambda inside, _: best(v for v, _ in inside), g.options),
    )


@given(data=st.data())
def test_agreement_with_torch(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    g, d = data.draw(strategies.pool_geometries()), data.draw(strategies.pool_geometries(dilated=True))
    x, y = (data.draw(strategies.tensors(shape.input_shape)) for shape in (g, d))
    functions = torch.nn.functional
    assert agrees_with_torch(
        lambda x: avg_pool2d(x, **g.options), lambda a: functions.avg_pool2d(a, **g.options), [x]
    )
    assert agrees_with_torch(
        lambda x: max_pool2d(x, **d.options), lambda a: functions.max_pool2d(a, **d.options), [y]
    )
    assert agrees_with_torch(
        lambda x: min_pool2d(x, **d.options), lambda a: -functions.max_pool2d(-a, **d.options), [y]
    )


@given(data=st.data())
def test_indices(data: Any, torch: Any) -> None:
    """Flat in the image; of equal elements the first. Few different values make many ties."""
    g = data.draw(strategies.pool_geometries(dilated=True))
    values = data.draw(strategies.arrays(g.input_shape, np.int64, 0, 1, "contiguous")).astype(np.float64)
    out, indices = max_pool2d(td.tensor(values), return_indices=True, **g.options)
    assert indices.dtype == np.int64
    want = pooled(values, lambda inside, _: max(inside, key=lambda e: e[0])[1], g.options)
    assert np.array_equal(indices.numpy(), want)
    theirs = torch.nn.functional.max_pool2d(torch.tensor(values), return_indices=True, **g.options)
    assert np.array_equal(out.numpy(), theirs[0].numpy())
    assert np.array_equal(indices.numpy(), theirs[1].numpy())


# ---- conventions


def test_max_pool2d_takes_the_first() -> None:
    x = td.ones(1, 1, 2, 4, requires_grad=True)
    assert td.grad(max_pool2d(x, 2).sum(), x)[0].numpy()[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    assert td.grad(min_pool2d(x, 2).sum(), x)[0].numpy()[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    assert td.grad(max_pool2d(x, 2, stride=1).sum(), x)[0].numpy()[0, 0].tolist() == [[1, 1, 1, 0], [0] * 4]


def test_the_border_is_never_chosen() -> None:
    x = td.tensor(np.full((1, 1, 2, 2), -5.0), requires_grad=True)
    assert max_pool2d(x, 2, padding=1).numpy().tolist() == [[[[-5.0] * 2] * 2]]
    assert min_pool2d(-x, 2, padding=1).numpy().tolist() == [[[[5.0] * 2] * 2]]
    assert max_pool2d(td.full((1, 1, 2, 2), -np.inf), 2).item() == -np.inf


def test_the_border_counts_in_averages() -> None:
    x = td.ones(1, 1, 2, 2)
    assert avg_pool2d(x, 2, padding=1).numpy()[0, 0].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert avg_pool2d(x, 2, padding=1, count_include_pad=False).numpy()[0, 0].tolist() == [
        [1.0, 1.0],
        [1.0, 1.0],
    ]
    # What ceil_mode reaches beyond the border does not count.
    assert avg_pool2d(td.ones(1, 1, 3, 3), 2, ceil_mode=True).numpy().tolist() == [[[[1.0] * 2] * 2]]


def test_a_window_in_the_border_alone() -> None:
    """Dilation 3 and padding 1 around an image of length 2: nothing of it is seen, -inf as in PyTorch."""
    x = td.tensor(np.arange(8.0).reshape(2, 1, 2, 2), requires_grad=True)
    out = max_pool2d(x, 2, padding=1, dilation=3)
    assert isinstance(out, td.Tensor)
    assert out.numpy().tolist() == [[[[-np.inf]]]] * 2
    assert np.all(td.grad(out, x, td.ones_like(out))[0].numpy() == 0)


def test_nan_is_the_largest() -> None:
    x = td.tensor([[[1.0, np.nan], [3.0, 2.0]]])
    assert np.isnan(max_pool2d(x, 2).numpy()).all()


def test_max_pooling_of_the_course() -> None:
    x = td.tensor([[[[6, 4, 8, 5], [5, 4, 5, 8], [3, 6, 7, 7], [7, 9, 7, 2]]]], dtype="float32")
    assert max_pool2d(x, 2, stride=2).numpy()[0, 0].tolist() == [[6, 8], [9, 7]]
    assert max_pool2d(x, 2).numpy()[0, 0].tolist() == [[6, 8], [9, 7]]


def test_output_size_of_the_course() -> None:
    for pool in (max_pool2d, avg_pool2d, min_pool2d):
        assert pool(td.zeros(1, 1, 28, 28), 2, stride=2).shape == (1, 1, 14, 14)


# ---- dtypes, errors


def test_integers() -> None:
    x = td.tensor(np.arange(16, dtype=np.int64).reshape(1, 4, 4))
    for pool, want in (
        (max_pool2d, [[5, 7], [13, 15]]),
        (min_pool2d, [[0, 2], [8, 10]]),
        (avg_pool2d, [[2.5, 4.5], [10.5, 12.5]]),
    ):
        out = pool(x, 2)
        assert out.dtype == np.float32
        assert out.numpy()[0].tolist() == want
        assert pool(x.astype("uint8"), 2).numpy()[0].tolist() == want


def test_large_windows_keep_their_precision() -> None:
    x = td.tensor(td.Generator(0).normal((1, 1, 50, 50), np.float64), requires_grad=True)
    np.testing.assert_allclose(avg_pool2d(x, 50).item(), x.numpy().mean(), rtol=1e-12)
    assert gradcheck(lambda x: avg_pool2d(x, 50), x)


@pytest.mark.parametrize("name", sorted(TESTED))
def test_errors(name: str) -> None:
    fn = getattr(ops, name)
    x = td.ones(1, 1, 4, 4)
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
            (td.ones(4, 4), 2),
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
        fn(np.ones((1, 1, 4, 4)), 2)


def test_sizes_are_those_of_the_loops() -> None:
    """Every size, kernel, stride, padding and ceil_mode there is, small."""
    options = itertools.product(range(1, 7), range(1, 4), range(1, 4), range(2), (False, True))
    for size, k, s, p, ceil in options:
        if 2 * p <= k and size + 2 * p >= k:
            out = max_pool2d(td.zeros(1, 1, size), (1, k), (1, s), (0, p), ceil_mode=ceil)
            assert out.shape == (1, 1, places(size, k, s, p, 1, ceil)), (size, k, s, p, ceil)
