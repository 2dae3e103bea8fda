"""Arrays and tensors: their memory, their numbers, what they shrink to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.testing import memory_order, strategies

# ---- layouts


@pytest.mark.parametrize("layout", [*strategies.LAYOUTS, *strategies.IMAGE_LAYOUTS])
def test_layouts(layout: str) -> None:
    values = np.arange(120.0).reshape(2, 3, 4, 5)
    x = strategies.lay_out(values, layout)
    assert x.shape == values.shape
    assert not np.shares_memory(x, values)
    if layout == "broadcast":
        assert x.strides == (96, 32, 8, 0)
        assert np.array_equal(x, np.repeat(values[..., :1], 5, axis=3))
    else:
        assert np.array_equal(x, values)
        order = {"transposed": (3, 2, 1, 0), "nhwc": (0, 2, 3, 1), "hcwn": (2, 1, 3, 0)}
        assert memory_order(x) == order.get(layout, (0, 1, 2, 3))
    assert x.flags.writeable == (layout != "broadcast")
    assert (min(x.strides) < 0) == (layout == "reversed")
    assert (min(map(abs, x.strides)) == 16) == (layout == "strided")
    assert x.flags.c_contiguous == (layout in ("contiguous", "nchw"))


@pytest.mark.parametrize("layout", strategies.LAYOUTS)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3,), (1, 2)])
def test_layouts_of_any_shape(layout: str, shape: tuple[int, ...]) -> None:
    """Also NumPy's scalars, which its functions return for 0-d arrays, become arrays that can be written to."""
    values = np.round(np.full(shape, 1.5), 1)
    x = strategies.lay_out(values, layout)
    assert isinstance(x, np.ndarray)
    assert x.shape == shape
    assert np.array_equal(x, values)
    assert x.flags.writeable == (layout != "broadcast" or x.size < 2)


def test_layouts_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="no layout 'hcwn' for shape"):
        strategies.lay_out(np.ones(3), "hcwn")
    with pytest.raises(ValueError, match="no layout 'spiral'"):
        strategies.lay_out(np.ones(()), "spiral")


# ---- numbers


RANGES = [(-2.0, 2.0), (0.0, 0.0), (0.25, 0.3), (-1e-6, 1e-6), (-1e30, 1e30), (1.0 / 3, 100.0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), RANGES)
@given(data=st.data())
def test_floats_keep_their_range(low: float, high: float, dtype: Any, data: Any) -> None:
    x = data.draw(strategies.arrays(strategies.shapes(), dtype, low, high))
    assert x.dtype == dtype
    assert np.all(np.isfinite(x))
    assert np.all((x >= dtype(low)) & (x <= dtype(high)))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
@pytest.mark.parametrize(("low", "high"), [(-2, 2), (0, 0), (-0.5, 1.5), (-1e9, 1e9)])
@given(data=st.data())
def test_integers_keep_their_range(low: float, high: float, dtype: Any, data: Any) -> None:
    x = data.draw(strategies.arrays(strategies.shapes(), dtype, low, high))
    assert x.dtype == dtype
    assert all(low <= int(i) <= high for i in x.flat)


def test_numbers_reach(examples: Any) -> None:
    def values(*args: Any) -> set[Any]:
        return set(np.concatenate([x.ravel() for x in examples(strategies.arrays((20,), *args))]).tolist())

    assert values(np.int64, 0, 2) == {0, 1, 2}
    assert values(np.int64, -0.5, 1.5) == {0, 1}
    assert values(np.bool_) == {False, True}
    assert values(np.uint8) == {0, 1, 2}
    floats = values(np.float64, -1.0, 1.0)
    assert min(floats) < -0.99
    assert max(floats) > 0.99
    assert len(floats) > 1000
    assert all(x == round(x, 3) for x in floats)
    assert len(values(np.float64, 0.0, 1e-6)) > 500  # three decimals would leave one number


def test_ranges_with_nothing_in_them(smallest: Any) -> None:
    cases = [(np.int64, 0.2, 0.8), (np.uint8, -3, -1), (np.int64, 0, 2**60)]
    cases += [(np.float64, 1.0, 0.0), (np.float64, -1.7e308, 1.7e308), (np.float64, float("nan"), 1.0)]
    for dtype, low, high in cases:
        with pytest.raises(ValueError, match="arrays: expected low <= high"):
            smallest(strategies.arrays((2,), dtype, low, high))


# ---- tensors


def is_strided(a: Any) -> bool:
    return bool(min(a.strides) > a.itemsize)


LAYOUTS: dict[str, Callable[[Any], bool]] = {
    "contiguous": lambda a: a.flags.c_contiguous,
    "transposed": lambda a: memory_order(a) == (3, 2, 1, 0),
    "strided": is_strided,
    "reversed": lambda a: max(a.strides) < 0,
    "broadcast": lambda a: 0 in a.strides and not a.flags.writeable,
    "nhwc": lambda a: memory_order(a) == (0, 2, 3, 1),
    "hcwn": lambda a: memory_order(a) == (2, 1, 3, 0),
}


@pytest.fixture(scope="module")
def images(examples: Any) -> Any:
    return [x.numpy() for x in examples(strategies.tensors((2, 3, 4, 5)))]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_reach(layout: str, images: list[Any]) -> None:
    assert sum(map(LAYOUTS[layout], images)) > len(images) / 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_that_is_asked_for(layout: str, examples: Any) -> None:
    assert all(LAYOUTS[layout](x) for x in examples(strategies.arrays((2, 3, 4, 5), layout=layout)))


@given(strategies.tensors(strategies.shapes()), st.data())
def test_tensors_are_leaves(x: td.Tensor, data: Any) -> None:
    assert x.is_leaf
    assert x.requires_grad
    assert x.dtype == np.float64
    assert isinstance(x.data, np.ndarray)
    assert not data.draw(strategies.tensors(x.shape, requires_grad=False)).requires_grad
    assert not data.draw(strategies.tensors(x.shape, np.int64)).requires_grad


def test_tensors_shrink(smallest: Any) -> None:
    some = strategies.tensors(strategies.shapes())
    assert smallest(some).shape == ()
    large = smallest(some, lambda x: (x.numpy() > 1).any())
    assert large.shape == ()
    several = smallest(some, lambda x: x.size > 1)
    assert several.shape == (2,)
    assert several.numpy().flags.c_contiguous
    # The numbers are those of the seed 0: they do not shrink.
    first = np.round(td.Generator(0).random((2,), np.float64) * 4 - 2, 3)
    assert np.array_equal(several.numpy(), first)
    odd = smallest(some, lambda x: not x.numpy().flags.c_contiguous)
    assert odd.shape in ((2,), (2, 2))
    assert repr(several) == "tensor([-1.954, -1.034], dtype=float64, requires_grad=True)"


def test_a_layout_that_matters_is_noted() -> None:
    @given(strategies.tensors((2, 3)))
    def fails(x: Any) -> None:
        assert min(x.numpy().strides) >= 0, "reversed"

    with pytest.raises(AssertionError, match="reversed") as error:
        fails()
    assert "An array of shape (2, 3) has the memory layout 'reversed'." in error.value.__notes__

    @given(strategies.tensors((2, 3)))
    def fails_always(x: Any) -> None:
        raise AssertionError("always")

    with pytest.raises(AssertionError, match="always") as error:
        fails_always()
    assert not any("memory" in line for line in error.value.__notes__)


# ---- groups


@given(strategies.broadcastable_tensors(3, max_dims=3, low=0.5, high=1.5))
def test_broadcastable_tensors_broadcast(xs: tuple[td.Tensor, ...]) -> None:
    assert len(xs) == 3
    a, b, c = xs
    assert (a + b + c).shape == np.broadcast_shapes(a.shape, b.shape, c.shape)
    assert all(x.requires_grad and x.ndim <= 3 for x in xs)
    assert all(np.all((x.numpy() >= 0.5) & (x.numpy() <= 1.5)) for x in xs)
    assert not np.shares_memory(a.numpy(), b.numpy())


def test_broadcastable_tensors_reach(examples: Any) -> None:
    pairs = [(a.numpy(), b.numpy()) for a, b in examples(strategies.broadcastable_tensors())]
    assert any(a.shape != b.shape for a, b in pairs)
    assert any(np.broadcast_shapes(a.shape, b.shape) not in (a.shape, b.shape) for a, b in pairs)
    assert any(a.size == 0 for a, _ in pairs)
    both = [(a, b) for a, b in pairs if min(a.ndim, b.ndim) > 1 and min(a.size, b.size) > 1]
    assert any(memory_order(a) != memory_order(b) for a, b in both)
    assert any(0 in a.strides for a, _ in both)
    assert any(a.size > 1 and a.flat[0] != b.flat[0] for a, b in both)


def test_broadcastable_tensors_shrink(smallest: Any) -> None:
    pairs = strategies.broadcastable_tensors()
    assert [x.shape for x in smallest(pairs)] == [(), ()]
    a, b = smallest(pairs, lambda p: p[0].ndim != p[1].ndim)
    assert (a.shape, b.shape) == ((1,), ())
    a, b = smallest(pairs, lambda p: (p[0] * p[1]).size > 1)
    assert (a.shape, b.shape) == ((2,), (2,))
    assert a.numpy().flags.c_contiguous
    assert b.numpy().flags.c_contiguous
