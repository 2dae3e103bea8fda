"""The fast kernels against the textbook's, over drawn geometries and memory layouts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import tinydl as td
from tinydl.kernels import cpu, reference, threads
from tinydl.testing import memory_order, strategies

ONE = (1, 1)
NONE = (0, 0)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, Any, Any, tuple[int, int], dict[str, Any]]:
    """Images, a weight, a cotangent, the size that a transposed convolution gives it, and options.

    Among them paddings larger than the kernel, sizes the stride does not divide, windows that do not overlap,
    few windows, and fewer than fit.
    """
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(st.integers(0, 5), st.integers(0, 5)))
    kind = draw(st.sampled_from(("any", "one", "apart", "few")))
    stride = draw(pairs) if kind in ("any", "apart") else ONE
    if kind == "apart":
        stride = (kernel[0] + stride[0] - 1, kernel[1] + stride[1] - 1)
    if kind == "few":
        padding = NONE
    more = st.integers(0, 1 if kind == "few" else 6)
    size = [max(1, k - 2 * p) + draw(more) for k, p in zip(kernel, padding, strict=True)]
    # Channels on both sides of the numbers where another path begins.
    n, c, o = draw(st.integers(1, 4)), *(draw(st.sampled_from((1, 2, 3, 11, 12, 13))) for _ in range(2))
    options = {"stride": stride, "padding": padding, "dilation": ONE, "groups": 1}
    if draw(st.integers(0, 4)) == 0:  # not covered: the textbook runs
        options |= {"dilation": (2, 1)} if draw(st.booleans()) else {"groups": c}
        size = [n + k for n, k in zip(size, kernel, strict=True)]
        o = c if options["groups"] > 1 else o
    dtype = draw(st.sampled_from((np.float32, np.float64)))
    x = draw(strategies.arrays((n, c, *size), dtype))
    weight = draw(strategies.arrays((o, c // options["groups"], *kernel), dtype))
    places = [
        reference.output_size(*numbers)
        for numbers in zip(size, kernel, stride, padding, options["dilation"], strict=True)
    ]
    if draw(st.booleans()):
        places = [draw(st.integers(1, most)) for most in places]
    # As with the padding of the output: rests that no window reads.
    back = tuple(
        max(1, s * (places[i] - 1) - 2 * padding[i] + options["dilation"][i] * (kernel[i] - 1) + 1)
        + draw(st.integers(0, s - 1))
        for i, s in enumerate(stride)
    )
    return x, weight, draw(strategies.arrays((n, o, *places), dtype)), back, options


@contextmanager
def tuned(data: Any) -> Iterator[None]:
    """Inside it the limits are drawn, so that small arrays take the ways of large ones; new memory holds NaN."""
    original = np.empty

    def empty(shape: Any, dtype: Any) -> Any:
        out = original(shape, dtype)
        out.fill(np.nan)
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "empty", empty)
        patch.setattr(cpu, "_UNPACKED", data.draw(st.sampled_from((cpu._UNPACKED, 1000, 1))))
        patch.setattr(cpu, "_NARROWEST", data.draw(st.sampled_from((cpu._NARROWEST, 1))))
        patch.setattr(cpu, "_SCRATCH", data.draw(st.sampled_from((cpu._SCRATCH, 1))))
        yield


def convolved(kernels: Any, drawn: Any) -> list[Any]:
    """The convolution, and both of its gradients for the cotangent; that of the input also for another size."""
    x, weight, g, back, options = drawn
    out = kernels.conv2d(np, x, weight, **options)
    return [
        out,
        kernels.conv2d_input_gradient(np, out, weight, x.shape[2:], **options),
        kernels.conv2d_input_gradient(np, g, weight, back, **options),
        kernels.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options),
    ]


def bits(arrays: list[Any]) -> list[tuple[Any, Any, bytes]]:
    return [(a.shape, a.dtype, a.tobytes()) for a in arrays]


@given(drawn=convolutions(), data=st.data())
def test_convolutions(drawn: Any, data: Any) -> None:
    before = bits(drawn[:3])
    with tuned(data):
        found = convolved(cpu, drawn)
    assert bits(drawn[:3]) == before
    tol = 1e-12 if drawn[0].dtype == np.float64 else 1e-5
    for ours, theirs in zip(found, convolved(reference, drawn), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol * max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize("turned", [False, True])
def test_a_window_column_that_no_image_reaches(turned: bool) -> None:
    """A kernel of 7 columns over an image of one and its border of 4: the last column is beyond for all places."""
    shapes = [(2, 3, 7, 1), (4, 3, 7, 7), (2, 4, 1, 3)]
    padding = (0, 4)
    if turned:
        shapes, padding = [(*s[:2], s[3], s[2]) for s in shapes], (4, 0)
    x, weight, g = (td.Generator(i).normal(shape, np.float64) for i, shape in enumerate(shapes))
    options: Any = {"stride": ONE, "padding": padding, "dilation": ONE, "groups": 1}
    drawn = (x, weight, g, x.shape[2:], options)
    for ours, theirs in zip(convolved(cpu, drawn), convolved(reference, drawn), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@given(drawn=convolutions(), data=st.data())
def test_helpers_change_no_bit_of_a_convolution(drawn: Any, data: Any, helpers: int) -> None:
    with tuned(data):
        found = bits(convolved(cpu, drawn))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threads, "WORTHWHILE", math.inf)
            assert bits(convolved(cpu, drawn)) == found


@given(several=st.lists(convolutions(), min_size=2, max_size=3), data=st.data())
def test_threads_of_the_user_change_no_bit_of_a_convolution(several: Any, data: Any, helpers: int) -> None:
    """Whoever comes first has the helpers."""
    with tuned(data), ThreadPoolExecutor(len(several)) as users:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threads, "WORTHWHILE", math.inf)
            want = [bits(convolved(cpu, drawn)) for drawn in several]
        for found in users.map(lambda drawn: [bits(convolved(cpu, drawn)) for _ in range(5)], several):
            assert found == [want.pop(0)] * 5


def test_helpers_change_no_bit_of_a_large_convolution(helpers: int) -> None:
    """As large as those of networks, with BLAS of more than one thread around them."""
    random = td.Generator(0)
    x, weight = random.normal((16, 32, 24, 24)), random.normal((64, 32, 3, 3))
    for stride in (ONE, (2, 2), (3, 3)):
        options: Any = {"stride": stride, "padding": ONE, "dilation": ONE, "groups": 1}
        g = random.normal(cpu.conv2d(np, x, weight, **options).shape)
        drawn = (x, weight, g, (24, 24), options)
        found = bits(convolved(cpu, drawn))
        with pytest.MonkeyPatch.context() as patch, threadpool_limits(2, "blas"):
            patch.setattr(threads, "WORTHWHILE", math.inf)
            assert bits(convolved(cpu, drawn)) == found


@given(x=strategies.arrays(st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_helpers_change_no_bit_of_an_elementwise_computation(x: Any, helpers: int) -> None:
    def compute(data: Any, out: Any) -> None:
        out += np.exp(data) / 3.0

    found, want = np.zeros_like(x), np.zeros_like(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "_ELEMENTS", 50)
        cpu.elementwise(np, compute, x, found)
    compute(x, want)
    assert found.tobytes() == want.tobytes()


def test_a_product_is_cut_into_pieces_and_a_large_one_is_not() -> None:
    """Sizes beyond what OpenBLAS multiplies unpacked, and kernels so large that short rows are one product."""
    random = td.Generator(0)
    for n, c, o, h in ((64, 6, 16, 14), (8, 16, 16, 64), (4, 64, 64, 16), (2, 128, 128, 6)):
        x, weight = random.normal((n, c, h, h)), random.normal((o, c, 3, 3))
        options: Any = {"stride": ONE, "padding": ONE, "dilation": ONE, "groups": 1}
        want = reference.conv2d(np, x, weight, **options)
        scale = np.abs(want).max()
        assert np.abs(cpu.conv2d(np, x, weight, **options) - want).max() < 1e-5 * scale
        for name, arguments in {
            "conv2d_input_gradient": (want, weight, (h, h)),
            "conv2d_weight_gradient": (x, want, (3, 3)),
        }.items():
            theirs = getattr(reference, name)(np, *arguments, **options)
            ours = getattr(cpu, name)(np, *arguments, **options)
            assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


@given(data=st.data())
def test_pooling(data: Any) -> None:
    g = data.draw(strategies.pool_geometries(dilated=True))
    x = data.draw(
        strategies.tensors(g.input_shape if len(g.input_shape) == 4 else (1, *g.input_shape))
    ).numpy()
    options = {name: g.options[name] for name in ("padding", "ceil_mode")}
    kernel, stride = g.options["kernel_size"], g.options["stride"] or g.options["kernel_size"]

    def run() -> list[Any]:
        """Both poolings, where the maxima are, and the first and second derivatives."""
        leaf = td.tensor(x, requires_grad=True)
        dilation = g.options["dilation"]
        largest, at = td.functional.max_pool2d(
            leaf, kernel, stride, dilation=dilation, return_indices=True, **options
        )
        found = [largest, at]
        if dilation == ONE:
            found.append(td.functional.avg_pool2d(leaf, kernel, stride, **options))
        for out in (largest, *found[2:]):
            v = td.tensor(td.Generator(1).normal(out.shape, np.float64), requires_grad=True)
            (dx,) = td.grad(out, leaf, v, create_graph=True)
            u = td.tensor(td.Generator(2).normal(dx.shape, np.float64))
            found += [dx, *td.grad(dx, v, u)]
        return [t.detach().numpy() for t in found]

    with td.textbook():
        want = run()
    for ours, theirs in zip(run(), want, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_results_lie_rows_first() -> None:
    """H, C, W, N in memory, whatever the input was, so that the next convolution copies no more than it must."""
    x, weight = np.ones((3, 4, 8, 8), np.float32), np.ones((5, 4, 3, 3), np.float32)
    options: Any = {"stride": ONE, "padding": ONE, "dilation": ONE, "groups": 1}
    out = cpu.conv2d(np, x, weight, **options)
    assert memory_order(out) == (2, 1, 3, 0)
    assert memory_order(cpu.conv2d_input_gradient(np, out, weight, (8, 8), **options)) == (2, 1, 3, 0)
    pooled, chosen = cpu.max_pool2d(np, out, (2, 2), (2, 2), (0, 0), ONE, (4, 4))
    summed = cpu.sum_pool2d(np, out, (2, 2), (2, 2), (0, 0), (4, 4))
    back = cpu.max_pool2d_gradient(np, pooled, chosen, (2, 2), (2, 2), (0, 0), ONE, (8, 8))
    again = cpu.sum_pool2d_gradient(np, summed, (2, 2), (2, 2), (0, 0), (8, 8))
    for array in (pooled, chosen, summed, back, again):
        assert memory_order(array) == (2, 1, 3, 0)


def test_nan_is_the_largest_here_too() -> None:
    x = np.array([[[[1.0, np.nan], [2.0, 3.0]]]])
    out, chosen = cpu.max_pool2d(np, x, (2, 2), (2, 2), (0, 0), ONE, ONE)
    assert np.isnan(out).all()
    assert chosen.tolist() == [[[[1]]]]


def test_textbook_forces_the_textbook_in_its_thread_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    for module in (cpu, reference):
        original = module.conv2d
        monkeypatch.setattr(
            module,
            "conv2d",
            lambda *a, m=module, f=original: (ran.append(m.__name__.split(".")[-1]), f(*a))[1],
        )
    x, weight = td.ones(1, 1, 4, 4), td.ones(1, 1, 2, 2)
    td.functional.conv2d(x, weight)
    with td.textbook():
        td.functional.conv2d(x, weight)
        with td.textbook():
            td.functional.conv2d(x, weight)
        td.functional.conv2d(x, weight)
    td.functional.conv2d(x, weight)
    assert ran == ["cpu", "reference", "reference", "reference", "cpu"]
