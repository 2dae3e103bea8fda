"""Poolings of the CUDA kernels, run on the CPU, against the textbook's."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels import cuda, reference
from tinydl.testing import memory_order, strategies

ONE, NONE = (1, 1), (0, 0)


@given(data=st.data())
def test_pooling(data: Any, on_cuda_kernels: Any) -> None:
    """Values, places, first and second derivatives, through the public functions: the same bits."""
    g = data.draw(strategies.pool_geometries(dilated=True))
    dtype = data.draw(st.sampled_from((np.float32, np.float64)))
    values = data.draw(strategies.arrays(g.input_shape, dtype))
    if data.draw(st.booleans()):
        values = np.round(values)  # equal numbers in a window
    options = {name: g.options[name] for name in ("padding", "ceil_mode")}
    kernel, stride, dilation = (g.options[name] for name in ("kernel_size", "stride", "dilation"))

    def run() -> list[Any]:
        x = td.tensor(values, requires_grad=True)
        largest, at = td.functional.max_pool2d(
            x, kernel, stride, dilation=dilation, return_indices=True, **options
        )
        outs = [largest, td.functional.min_pool2d(x, kernel, stride, dilation=dilation, **options)]
        if dilation == ONE:
            outs.append(td.functional.avg_pool2d(x, kernel, stride, **options))
        found = [*outs, at]
        for out in outs:
            v = td.tensor(td.Generator(1).normal(out.shape, dtype), requires_grad=True)
            (dx,) = td.grad(out, x, v, create_graph=True)
            u = td.tensor(td.Generator(2).normal(dx.shape, dtype))
            found += [dx, *td.grad(dx, v, u)]
        return [t.detach().numpy() for t in found]

    before = values.tobytes()
    with td.textbook():
        want = run()
    for ours, theirs in zip(run(), want, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_array_equal(ours, theirs)
    assert values.tobytes() == before


@given(data=st.data())
def test_windows_in_the_border_and_images_that_no_window_reaches(data: Any, launcher: Any) -> None:
    """What the public functions never ask for: windows with nothing but border, NaN, infinities."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation, size, places = (data.draw(pair) for _ in range(5))
    padding = (data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4)))
    x = data.draw(strategies.arrays((2, 2, *size)))
    x = np.where(np.round(x) == 0, data.draw(st.sampled_from((0.0, np.nan, -np.inf))), x)
    found, want = (k.max_pool2d(np, x, kernel, stride, padding, dilation, places) for k in (cuda, reference))
    for ours, theirs in zip(found, want, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    g = td.Generator(0).normal((2, 2, *places), np.float64)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("max_pool2d_gradient", (g, want[1], kernel, stride, padding, dilation, size)),
        ("max_pool2d_chosen", (g.sum() + np.ones_like(x), want[1], kernel, stride, padding, dilation)),
        ("sum_pool2d", (np.nan_to_num(x, neginf=0.0), kernel, stride, padding, places)),
        ("sum_pool2d_gradient", (g, kernel, stride, padding, size)),
    ]
    for name, arguments in calls:
        ours, theirs = (getattr(k, name)(np, *arguments) for k in (cuda, reference))
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_results_lie_channels_last(launcher: Any) -> None:
    x = np.ones((3, 4, 6, 6), np.float32)
    out, chosen = cuda.max_pool2d(np, x, (2, 2), (2, 2), NONE, ONE, (3, 3))
    found = [
        out,
        chosen,
        cuda.sum_pool2d(np, x, (2, 2), (2, 2), NONE, (3, 3)),
        cuda.max_pool2d_gradient(np, out, chosen, (2, 2), (2, 2), NONE, ONE, (6, 6)),
        cuda.sum_pool2d_gradient(np, out, (2, 2), (2, 2), NONE, (6, 6)),
        cuda.max_pool2d_chosen(np, x, chosen, (2, 2), (2, 2), NONE, ONE),
    ]
    assert {memory_order(a) for a in found} == {(0, 2, 3, 1)}
    assert chosen.dtype == np.int32
