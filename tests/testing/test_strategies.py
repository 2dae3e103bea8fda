"""The strategies: what they can reach, what they never produce, what they shrink to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import tinydl as td
from tinydl.testing import memory_order, strategies

quick = settings(max_examples=2000, derandomize=True, database=None)


def reachable(strategy: Any, condition: Any) -> bool:
    """Whether some example fulfils the condition."""
    find(strategy, condition, settings=settings(quick, phases=[Phase.generate]))  # raises when there is none
    return True


def reach(strategy: Any, condition: Any) -> Any:
    """The smallest example that fulfils the condition."""
    return find(strategy, condition, settings=quick)


@given(strategies.shapes(1, 3, 2, 5))
def test_shapes_keep_their_bounds(shape: tuple[int, ...]) -> None:
    assert 1 <= len(shape) <= 3
    assert all(2 <= n <= 5 for n in shape)


def test_shapes_reach_and_shrink() -> None:
    assert reach(strategies.shapes(), lambda s: True) == ()
    assert reach(strategies.shapes(), lambda s: len(s) == 4) == (1, 1, 1, 1)
    assert reach(strategies.shapes(), lambda s: 0 in s) == (0,)
    assert reach(strategies.shapes(), lambda s: 3 in s and 4 in s) in ((3, 4), (4, 3))
    assert reach(strategies.shapes(max_side=0, min_dims=1), lambda s: True) == (0,)


@given(strategies.broadcastable_shapes(3, max_dims=3))
def test_broadcastable_shapes_broadcast(shapes: tuple[tuple[int, ...], ...]) -> None:
    assert len(shapes) == 3
    assert len(np.broadcast_shapes(*shapes)) <= 3


def test_broadcastable_shapes_reach() -> None:
    pairs = strategies.broadcastable_shapes()
    assert reach(pairs, lambda p: True) == ((), ())
    assert reachable(pairs, lambda p: len(p[0]) < len(p[1]))
    assert reachable(pairs, lambda p: len(p[0]) > len(p[1]) > 0)
    both = reach(pairs, lambda p: np.broadcast_shapes(*p) not in p)  # each is broadcast along another axis
    assert np.broadcast_shapes(*both) not in both
    assert reachable(pairs, lambda p: 0 in np.broadcast_shapes(*p) and 0 not in p[0])


@pytest.mark.parametrize("layout", [*strategies.LAYOUTS, *strategies.IMAGE_LAYOUTS])
def test_layouts(layout: str) -> None:
    values = np.arange(120.0).reshape(2, 3, 4, 5)
    x = strategies.lay_out(values, layout)
    assert x.shape == values.shape
    if layout == "broadcast":
        assert 0 in x.strides
        assert not x.flags.writeable
        assert np.array_equal(x[..., :1], values[..., :1])
    else:
        assert np.array_equal(x, values)
        assert not np.shares_memory(x, values)
    order = {"transposed": (3, 2, 1, 0), "nhwc": (0, 2, 3, 1), "hcwn": (2, 1, 3, 0)}
    if layout != "broadcast":
        assert memory_order(x) == order.get(layout, (0, 1, 2, 3))
    assert (min(x.strides) < 0) == (layout == "reversed")
    assert x.flags.c_contiguous == (layout in ("contiguous", "nchw"))
    for shape in ((), (0, 3), (1,)):
        if layout in strategies.LAYOUTS:
            assert strategies.lay_out(np.ones(shape), layout).shape == shape


def test_layouts_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="no layout 'hcwn' for shape"):
        strategies.lay_out(np.ones(3), "hcwn")
    with pytest.raises(ValueError, match="no layout 'spiral'"):
        strategies.lay_out(np.ones((1, 1, 1, 1)), "spiral")


@given(strategies.arrays(strategies.shapes(), low=-1.0, high=3.0))
def test_arrays_keep_their_bounds(x: Any) -> None:
    assert x.dtype == np.float64
    assert np.all((x >= -1) & (x <= 3))


@given(st.data())
def test_arrays_of_integers_and_booleans(data: Any) -> None:
    x = data.draw(strategies.arrays((4, 5), np.int64, 0, 2))
    assert x.dtype == np.int64
    assert set(x.ravel()) <= {0, 1, 2}
    assert data.draw(strategies.arrays((3,), np.bool_)).dtype == bool
    y = data.draw(strategies.labels((50,), 3))
    assert y.dtype == np.int64
    assert not y.requires_grad
    assert set(y.numpy()) == {0, 1, 2}


def test_arrays_reach_and_shrink() -> None:
    images = strategies.tensors((2, 3, 4, 5))
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (0, 2, 3, 1), (2, 1, 3, 0)):
        assert reachable(images, lambda x, order=order: memory_order(x) == order)
    assert reachable(images, lambda x: not x.numpy().flags.writeable)
    assert reachable(images, lambda x: min(x.numpy().strides) < 0)
    x = reach(strategies.tensors(strategies.shapes()), lambda x: x.size > 1)
    assert x.shape == (2,)
    assert x.requires_grad
    assert x.numpy().flags.c_contiguous


@given(st.data())
def test_axes_are_valid(data: Any) -> None:
    ndim = data.draw(st.integers(0, 4))
    x = np.zeros((2,) * ndim)
    x.sum(axis=data.draw(strategies.axes(ndim)))  # NumPy knows which are


def test_axes_reach() -> None:
    some = strategies.axes(3)
    assert reach(some, lambda a: True) is None
    assert reach(some, lambda a: a == ()) == ()
    assert reach(some, lambda a: isinstance(a, int) and a < 0) == -1
    assert reachable(some, lambda a: isinstance(a, tuple) and a != tuple(sorted(a)))
    assert reachable(some, lambda a: isinstance(a, tuple) and len(a) == 3)


@given(st.data())
def test_indices_are_valid(data: Any) -> None:
    shape = data.draw(strategies.shapes(max_dims=3))
    np.zeros(shape)[data.draw(strategies.indices(shape))]


def test_indices_reach() -> None:
    some = strategies.indices((3, 4))

    def parts(key: Any) -> tuple[Any, ...]:
        return key if isinstance(key, tuple) else (key,)

    def arrays(key: Any) -> list[Any]:
        return [p for p in parts(key) if isinstance(p, np.ndarray)]

    assert reachable(some, lambda k: any(p is None for p in parts(k)))
    assert reachable(some, lambda k: any(p is Ellipsis for p in parts(k)))
    assert reachable(some, lambda k: any(isinstance(p, slice) and (p.step or 1) < 0 for p in parts(k)))
    assert reachable(some, lambda k: any(isinstance(p, int) and p < 0 for p in parts(k)))
    assert reachable(some, lambda k: any(len(set(a.ravel())) < a.size for a in arrays(k) if a.dtype != bool))
    assert reachable(some, lambda k: len(arrays(k)) == 2)
    assert reachable(some, lambda k: any(a.dtype == bool and a.shape == (3, 4) for a in arrays(k)))
    assert reachable(some, lambda k: not isinstance(k, tuple))


@given(strategies.conv_geometries(), strategies.conv_geometries(transposed=True))
def test_conv_geometries_are_valid(g: strategies.Geometry, t: strategies.Geometry) -> None:
    x, w = td.zeros(g.input_shape), td.zeros(g.weight_shape)
    assert 0 not in td.functional.conv2d(x, w, **g.options).shape[-3:]
    x, w = td.zeros(t.input_shape), td.zeros(t.weight_shape)
    assert 0 not in td.functional.conv_transpose2d(x, w, **t.options).shape[-3:]


def test_conv_geometries_reach() -> None:
    some, back = strategies.conv_geometries(), strategies.conv_geometries(transposed=True)
    least = reach(some, lambda g: True)
    assert least.input_shape == (1, 1, 1, 1)
    assert least.weight_shape == (1, 1, 1, 1)
    assert reachable(some, lambda g: len(g.input_shape) == 3)
    assert reachable(some, lambda g: g.input_shape[0] == 0)
    assert reachable(some, lambda g: g.options["groups"] > 1 and g.weight_shape[1] > 1)
    assert reachable(some, lambda g: g.options["stride"][0] > g.weight_shape[2])
    assert reachable(some, lambda g: g.options["stride"][0] != g.options["stride"][1])
    assert reachable(some, lambda g: g.weight_shape[2] > g.input_shape[-2])
    assert reachable(back, lambda g: g.options["output_padding"][0] > 0)
    assert reachable(back, lambda g: g.options["output_padding"][1] >= g.options["stride"][1])


@given(strategies.pool_geometries(), strategies.pool_geometries(dilated=True))
def test_pool_geometries_are_valid(a: strategies.Geometry, m: strategies.Geometry) -> None:
    td.functional.avg_pool2d(td.zeros(a.input_shape), **a.options)
    out = td.functional.max_pool2d(td.zeros(m.input_shape), **m.options)
    assert isinstance(out, td.Tensor)
    assert np.all(out.numpy() == 0)  # every window has an element of the image in it


def test_pool_geometries_reach() -> None:
    some = strategies.pool_geometries(dilated=True)
    assert reachable(some, lambda g: g.options["ceil_mode"] and g.options["stride"] is not None)
    assert reachable(some, lambda g: g.options["padding"] == (1, 1) and g.options["dilation"][0] == 3)
    assert reachable(some, lambda g: g.options["stride"] is None)
    assert reachable(strategies.pool_geometries(), lambda g: not g.options["count_include_pad"])
