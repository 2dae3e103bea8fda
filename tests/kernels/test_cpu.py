"""The fast kernels: elementwise and pooling against the textbook's, how results lie, and when the textbook runs."""

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
