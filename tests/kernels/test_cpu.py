"""The fast kernels against the textbook's, over drawn geometries and memory layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels import cpu, reference
from tinydl.testing import memory_order, strategies

ONE = (1, 1)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    """Images, a weight and options, with paddings larger than the kernel and sizes the stride does not divide."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    size = [max(1, k - 2 * p) + draw(st.integers(0, 6)) for k, p in zip(kernel, padding, strict=True)]
    # Channels on both sides of the numbers where another path begins.
    n, c, o = draw(st.integers(1, 4)), *(draw(st.sampled_from((1, 2, 3, 11, 12, 13))) for _ in range(2))
    options = {"stride": draw(pairs), "padding": padding, "dilation": ONE, "groups": 1}
    if draw(st.integers(0, 4)) == 0:  # not covered: the textbook runs
        options |= {"dilation": (2, 1)} if draw(st.booleans()) else {"groups": c}
        size = [n + k for n, k in zip(size, kernel, strict=True)]
        o = c if options["groups"] > 1 else o
    dtype = draw(st.sampled_from((np.float32, np.float64)))
    x = draw(strategies.arrays((n, c, *size), dtype))
    return x, draw(strategies.arrays((o, c // options["groups"], *kernel), dtype)), options


@given(drawn=convolutions())
def test_convolutions(drawn: Any) -> None:
    x, weight, options = drawn
    tol = 1e-12 if x.dtype == np.float64 else 1e-4
    want = reference.conv2d(np, x, weight, **options)
    g = td.Generator(1).normal(want.shape, x.dtype)
    pairs = [
        (cpu.conv2d(np, x, weight, **options), want),
        (
            cpu.conv2d_input_gradient(np, g, weight, x.shape[2:], **options),
            reference.conv2d_input_gradient(np, g, weight, x.shape[2:], **options),
        ),
        (
            cpu.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options),
            reference.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options),
        ),
    ]
    for ours, theirs in pairs:
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol)


def test_a_product_is_cut_into_pieces_and_a_large_one_is_not() -> None:
    """Sizes beyond what OpenBLAS multiplies unpacked, and kernels so large that short rows run the textbook."""
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
