"""The reference kernels on their own: small pictures, exact numbers, any memory layout."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels import reference as kernels
from tinydl.testing import strategies

ONE = (1, 1)


@given(
    size=st.integers(1, 9), k=st.integers(1, 4), s=st.integers(1, 3), p=st.integers(0, 2), d=st.integers(1, 3)
)
def test_output_size_counts_the_windows(size: int, k: int, s: int, p: int, d: int) -> None:
    starts = [i for i in range(-p, size + p, s) if i + d * (k - 1) <= size + p - 1]
    assert max(0, kernels.output_size(size, k, s, p, d)) == len(starts)


def test_window() -> None:
    line = np.arange(10)
    assert line[kernels.window(0, 3, 2, 1)].tolist() == [0, 2, 4]
    assert line[kernels.window(1, 3, 2, 3)].tolist() == [3, 5, 7]
    assert line[kernels.window(4, 1, 3, 2)].tolist() == [8]


def test_padded() -> None:
    x = np.ones((1, 1, 1, 2))
    assert kernels.padded(np, x, (0, 0)) is x
    assert kernels.padded(np, x, (1, 0), 7.0)[0, 0].tolist() == [[7, 7], [1, 1], [7, 7]]
    assert kernels.padded(np, x, (0, 2), -1.0)[0, 0].tolist() == [[-1, -1, 1, 1, -1, -1]]
    assert kernels.padded(np, x.astype(np.float32), (1, 1)).dtype == np.float32


def test_im2col_of_one_image() -> None:
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    columns = kernels.im2col(np, x, (2, 2), ONE, (0, 0), ONE).reshape(4, 4)
    assert columns.T.tolist() == [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]


@given(data=st.data())
def test_col2im_is_the_adjoint_of_im2col(data: Any) -> None:
    """<im2col(x), c> = <x, col2im(c)>."""
    g = data.draw(strategies.conv_geometries())
    shape = g.input_shape if len(g.input_shape) == 4 else (1, *g.input_shape)
    where = (g.options["stride"], g.options["padding"], g.options["dilation"])
    x = data.draw(strategies.arrays(shape))
    columns = kernels.im2col(np, x, g.weight_shape[2:], *where)
    c = np.random.default_rng(0).normal(size=columns.shape)
    back = kernels.col2im(np, c, shape[2:], *where)
    assert back.shape == x.shape
    assert np.vdot(columns, c) == pytest.approx(np.vdot(x, back), rel=1e-10, abs=1e-10)


@given(data=st.data())
def test_the_three_convolutions_are_one_trilinear_form(data: Any) -> None:
    """<conv(x, w), y> = <x, input_gradient(y, w)> = <w, weight_gradient(x, y)>, in every memory layout."""
    g = data.draw(strategies.conv_geometries())
    shape = g.input_shape if len(g.input_shape) == 4 else (1, *g.input_shape)
    where = (g.options["stride"], g.options["padding"], g.options["dilation"], g.options["groups"])
    x, w = data.draw(strategies.arrays(shape)), data.draw(strategies.arrays(g.weight_shape))
    before = x.copy(), w.copy()
    out = kernels.conv2d(np, x, w, *where)
    y = data.draw(strategies.arrays(out.shape))
    value = pytest.approx(np.vdot(out, y), rel=1e-10, abs=1e-10)
    dx = kernels.conv2d_input_gradient(np, y, w, shape[2:], *where)
    dw = kernels.conv2d_weight_gradient(np, x, y, w.shape[2:], *where)
    assert (dx.shape, dw.shape) == (x.shape, w.shape)
    assert np.vdot(x, dx) == value
    assert np.vdot(w, dw) == value
    assert np.array_equal(x, before[0])
    assert np.array_equal(w, before[1])


@given(data=st.data())
def test_sum_pooling_and_its_gradient_are_adjoint(data: Any) -> None:
    kernel, stride = (data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    size = tuple(k + data.draw(st.integers(0, 3)) for k in kernel)
    places = tuple(
        kernels.output_size(n, k, s, p) + data.draw(st.integers(0, 1))  # one more reaches over the end
        for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
    )
    x = data.draw(strategies.arrays((2, 1, *size)))
    y = data.draw(strategies.arrays((2, 1, *places)))
    out = kernels.sum_pool2d(np, x, kernel, stride, padding, places)
    back = kernels.sum_pool2d_gradient(np, y, kernel, stride, padding, size)
    assert (out.shape, back.shape) == (y.shape, x.shape)
    assert np.vdot(out, y) == pytest.approx(np.vdot(x, back), rel=1e-10, abs=1e-10)


def test_max_pooling() -> None:
    """Element (i, j) of a window has the number i kw + j."""
    x = np.array([[[[1.0, 5.0, 5.0], [2.0, 0.0, 5.0]]]])
    out, chosen = kernels.max_pool2d(np, x, (2, 2), ONE, (0, 0), ONE, (1, 2))
    assert out.tolist() == [[[[5, 5]]]]
    assert chosen.tolist() == [[[[1, 0]]]]  # the first of equal ones
    out, chosen = kernels.max_pool2d(np, x - 9, (2, 2), (2, 2), (1, 1), ONE, (2, 2))
    assert out.tolist() == [[[[-8, -4], [-7, -4]]]]  # the border is -inf, not 0
    assert chosen.tolist() == [[[[3, 2], [1, 1]]]]
    out, chosen = kernels.max_pool2d(np, np.full((1, 1, 1, 2), -np.inf), (1, 2), ONE, (0, 0), ONE, (1, 1))
    assert (out.item(), chosen.item()) == (-np.inf, 0)
    # A dilated window may have nothing but border.
    _, chosen = kernels.max_pool2d(np, np.zeros((1, 1, 1, 1)), (2, 2), ONE, ONE, (2, 2), ONE)
    assert chosen.item() == 4


@given(data=st.data())
def test_what_max_pooling_chose_and_its_gradient_are_adjoint(data: Any) -> None:
    """<chosen(x), y> = <x, gradient(y)>, and chosen(x) is the maximum where x was what was pooled."""
    g = data.draw(strategies.pool_geometries(dilated=True))
    n, c, *size = g.input_shape if len(g.input_shape) == 4 else (1, *g.input_shape)
    kernel, dilation, padding = g.options["kernel_size"], g.options["dilation"], g.options["padding"]
    stride = g.options["stride"] or kernel
    places = tuple(
        kernels.output_size(size[i], kernel[i], stride[i], padding[i], dilation[i]) for i in (0, 1)
    )
    random = td.Generator(0)
    pooled, x = (random.normal((n, c, *size), np.float64) for _ in range(2))
    out, chosen = kernels.max_pool2d(np, pooled, kernel, stride, padding, dilation, places)
    options = (kernel, stride, padding, dilation)
    again = kernels.max_pool2d_chosen(np, pooled, chosen, *options)
    assert np.array_equal(again, np.where(np.isinf(out), 0, out))
    y = random.normal(out.shape, np.float64)
    back = kernels.max_pool2d_gradient(np, y, chosen, *options, tuple(size))
    left = float((kernels.max_pool2d_chosen(np, x, chosen, *options) * y).sum())
    assert left == pytest.approx(float((x * back).sum()), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("axis", [0, 1])
def test_pooling_reads_what_a_table_of_places_says(axis: int) -> None:
    """Every small geometry along one axis: windows that reach over the edge, and rests that none of them reads."""
    random = td.Generator(0)

    def pair(along: int, across: int) -> tuple[int, int]:
        return (along, across) if axis == 0 else (across, along)

    def images(line: Any) -> Any:
        return line.reshape(1, 1, *pair(len(line), 1))

    for size, k, s, d in itertools.product(range(1, 8), range(1, 5), range(1, 5), (1, 2)):
        for p, more in itertools.product(range(k // 2 + 1), range(2)):
            n = kernels.output_size(size, k, s, p, d) + more
            if n < 1 or (n - 1) * s >= size + p:
                continue
            at = np.arange(n)[:, None] * s + np.arange(k) * d - p
            reads = at[:, :, None] == np.arange(size)  # (place, element of the window, element of the line)
            x, other, g = (random.normal((length,), np.float64) for length in (size, size, n))
            seen = np.where(reads.any(2), (reads * x).sum(2), -np.inf)
            number = np.where(reads.any((1, 2)), seen.argmax(1), k)
            chose = (reads & (np.arange(k) == number[:, None])[:, :, None]).any(1)
            where: Any = (pair(k, 1), pair(s, 1), pair(p, 0))
            dilated: Any = (*where, pair(d, 1))
            out, chosen = kernels.max_pool2d(np, images(x), *dilated, pair(n, 1))
            results = [
                (out, seen.max(1)),
                (chosen, number),
                (kernels.max_pool2d_chosen(np, images(other), chosen, *dilated), chose @ other),
                (kernels.max_pool2d_gradient(np, images(g), chosen, *dilated, pair(size, 1)), g @ chose),
            ]
            if d == 1:
                sums = reads.sum(1)
                results += [
                    (kernels.sum_pool2d(np, images(x), *where, pair(n, 1)), sums @ x),
                    (kernels.sum_pool2d_gradient(np, images(g), *where, pair(size, 1)), g @ sums),
                ]
            for ours, want in results:
                np.testing.assert_allclose(ours, images(want), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("number", range(4))
def test_nan_is_the_largest_wherever_it_is(number: int) -> None:
    x = np.array([3.0, -np.inf, np.inf, 5.0])
    x[number] = np.nan
    out, chosen = kernels.max_pool2d(np, x.reshape(1, 1, 2, 2), (2, 2), ONE, (0, 0), ONE, ONE)
    assert np.isnan(out.item())
    assert chosen.item() == number


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype: Any) -> None:
    x, w = np.ones((2, 2, 4, 4), dtype), np.ones((2, 1, 3, 3), dtype)
    out = kernels.conv2d(np, x, w, ONE, ONE, ONE, 2)
    results = [
        out,
        kernels.conv2d_input_gradient(np, out, w, (4, 4), ONE, ONE, ONE, 2),
        kernels.conv2d_weight_gradient(np, x, out, (3, 3), ONE, ONE, ONE, 2),
        kernels.sum_pool2d(np, x, (2, 2), (2, 2), (0, 0), (2, 2)),
        kernels.sum_pool2d_gradient(np, x, (2, 2), (2, 2), (0, 0), (8, 8)),
        kernels.max_pool2d(np, x, (2, 2), (2, 2), ONE, ONE, (3, 3))[0],
    ]
    assert {r.dtype for r in results} == {np.dtype(dtype)}
