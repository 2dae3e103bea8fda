"""Reading by index, and adding back by index."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from grid.index import places_read
from tinydl.ops import index as ops
from tinydl.strict import SyncError, no_sync
from tinydl.testing import strategies
from tinydl.testing.point import host


@given(data=st.data())
def test_the_gradient_adds_up_where_an_element_is_read_twice(data: Any, on: Any) -> None:
    x = on.leaf(data.draw(strategies.arrays(strategies.shapes(max_dims=3))))
    key = data.draw(strategies.indices(x.shape))
    at = places_read(x.shape, key)
    g = td.Generator(1).normal(at.shape, np.float64)
    want = np.zeros(x.size)
    for i, v in zip(at.flat, g.flat, strict=True):
        want[i] += v
    (dx,) = td.grad(x[key], x, on.tensor(g))
    np.testing.assert_allclose(host(dx), want.reshape(x.shape), rtol=1e-14)


def test_keys_of_all_kinds(on: Any) -> None:
    values = np.arange(12.0).reshape(3, 4)
    x = on.tensor(values, requires_grad=True)
    rows, mask = np.array([2, 0, 2]), values > 4
    for key, plain in [
        (1, 1),
        (-1, -1),
        (np.int64(2), 2),
        (on.tensor(2), 2),
        ((1, 2), (1, 2)),
        (slice(None, None, -2), slice(None, None, -2)),
        (Ellipsis, Ellipsis),
        (None, None),
        ([2, 0, 2], rows),
        ([], np.array([], int)),
        (on.tensor(rows), rows),
        (rows, rows),
        ((on.tensor(rows), on.tensor([1, 1, 3])), (rows, np.array([1, 1, 3]))),
        ((slice(1), [1, 1]), (slice(1), np.array([1, 1]))),
        ((on.tensor(0), [3, 1]), (0, np.array([3, 1]))),
        ((..., on.tensor([[0], [3]])), (..., np.array([[0], [3]]))),
        (mask, mask),
        (on.tensor(mask), mask),
        (x > 4, mask),
        (([True, False, True], 0), (np.array([True, False, True]), 0)),
        (True, True),
        (on.tensor(np.uint8(1)), 1),
    ]:
        out = x[key]
        assert np.array_equal(host(out), values[plain]), key
        assert out.shape == values[plain].shape
        (g,) = td.grad(out, x, td.ones_like(out))
        want = np.zeros((3, 4))
        np.add.at(want, plain, 1.0)
        assert np.array_equal(host(g), want), key


def test_iteration_unpacks_rows(on: Any) -> None:
    x = on.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * 2.0 + second).sum().backward()
    assert x.grad is not None
    assert host(x.grad).tolist() == [[2.0, 2.0], [1.0, 1.0]]


def test_dtypes_and_memory(on: Any) -> None:
    for dtype in ("float32", "float64", "int64", "bool", "uint8"):
        x = on.ones(3, 4, dtype=dtype)
        assert x[1:].dtype == x[[0, 0]].dtype == dtype
        assert on.share_memory(x[1:, 0], x)
        assert not on.share_memory(x[[0, 1]], x)


def test_a_key_that_is_changed_afterwards_changes_nothing(on: Any) -> None:
    for key in (on.tensor([0, 1]), np.array([0, 1]), [0, 1]):
        x = on.tensor([1.0, 2.0, 3.0], requires_grad=True)
        out = x[key]
        changed = key.data if isinstance(key, td.Tensor) else key
        changed[0] = 2
        (g,) = td.grad(out.sum(), x)
        assert host(g).tolist() == [1.0, 1.0, 0.0]
    places = on.tensor([[0], [1]])
    x = on.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    out = td.take_along_axis(x, places, 1)
    places.data[...] = 0
    assert host(td.grad(out.sum(), x)[0]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_take_along_axis_broadcasts_the_indices(on: Any) -> None:
    x = on.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    out = td.take_along_axis(x, on.tensor([[2, 0, 2]]), 1)
    assert host(out).tolist() == [[2.0, 0.0, 2.0], [5.0, 3.0, 5.0]]
    assert host(td.grad(out.sum(), x)[0]).tolist() == [[1.0, 0.0, 2.0]] * 2


def test_one_hot(torch: Any, on: Any) -> None:
    labels = np.array([[0, 2], [1, 2]])
    out = td.functional.one_hot(on.tensor(labels))
    assert out.dtype == np.int64
    assert np.array_equal(host(out), np.eye(3, dtype=int)[labels])
    assert np.array_equal(host(out), torch.nn.functional.one_hot(torch.tensor(labels)).numpy())
    assert td.functional.one_hot(on.tensor(labels), 5).shape == (2, 2, 5)
    assert td.functional.one_hot(on.tensor(np.zeros((0, 2), int)), 3).shape == (0, 2, 3)
    for wrong, classes in ((labels, 2), (labels, 1), (-labels, 3), (np.zeros(0, int), -1)):
        with pytest.raises(ValueError, match=r"^one_hot: labels must be in"):
            td.functional.one_hot(on.tensor(wrong), classes)
    with pytest.raises(TypeError, match=r"^one_hot: expected an integer tensor of labels, got float32"):
        td.functional.one_hot(on.ones(2))


def test_one_hot_makes_the_host_wait_only_to_count_the_classes() -> None:
    labels = td.tensor([0, 2], device="strict")
    with no_sync():
        assert td.functional.one_hot(labels, 3).shape == (2, 3)
        with pytest.raises(SyncError):
            td.functional.one_hot(labels)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((2, 4), 1), ((3, 2), 0), ((3, 2), -2), ((4, 4), 1), ((3, 5), 0), ((3,), 0), ((3, 4, 1), 0)],
)
def test_take_along_axis_refuses_indices_that_do_not_fit_beside_the_axis(
    shape: tuple[int, ...], axis: int, on: Any
) -> None:
    sentence = (
        rf"indices of shape {re.escape(str(shape))} do not fit x of shape \(3, 4\) along axis {axis % 2}"
    )
    with pytest.raises(ValueError, match=f"^take_along_axis: {sentence}"):
        td.take_along_axis(on.ones(3, 4), on.zeros(shape, dtype="int64"), axis)


@pytest.mark.parametrize("axis", [-4, -3, 2, 3])
def test_take_along_axis_refuses_an_axis_that_does_not_exist(axis: int, on: Any) -> None:
    with pytest.raises(ValueError, match=f"^take_along_axis: axis {axis} is out of range for 2 axes"):
        td.take_along_axis(on.ones(3, 4), on.zeros(3, 4, dtype="int64"), axis)


@pytest.mark.parametrize("axis", [1.0, None, (0,)])
def test_take_along_axis_takes_one_integer_as_axis(axis: Any, on: Any) -> None:
    with pytest.raises(TypeError, match=r"^take_along_axis: an axis must be an integer, got "):
        td.take_along_axis(on.ones(3, 4), on.zeros(3, 4, dtype="int64"), axis)


def test_errors(on: Any) -> None:
    x = on.ones(3, 4)
    for key in (3, -4, (0, 4), [0, 3], np.array([3]), (slice(None), on.tensor([4])), (0, 0, 0), (0, 0, [0])):
        with pytest.raises(IndexError, match=r"^getitem: .* \(input shape \(3, 4\)\)$"):
            x[key]
    with pytest.raises(IndexError, match=r"^getitem: boolean index did not match"):
        x[on.tensor([True, False])]
    for key, index, axis in (
        (5, 5, 0),
        ([0, -9, 3], -9, 0),
        ((1, 7), 7, 1),
        ((..., on.tensor([2, 6])), 6, 1),
    ):
        with pytest.raises(
            IndexError, match=f"^getitem: index {index} is out of bounds for axis {axis} with"
        ):
            x[key]
    for key, got in (
        (1.5, "float"),
        ("a", "str"),
        (on.tensor([0.5]), "float32"),
        ([0.5], "float64"),
        ((0, {}), "dict"),
    ):
        with pytest.raises(
            TypeError, match=f"getitem: an index must be integers, booleans or slices, got {got}"
        ):
            x[key]
    with pytest.raises(TypeError, match="getitem: expected tensors, got a plain array"):
        ops.getitem(np.ones(3), 0)
    with pytest.raises(
        TypeError, match="take_along_axis: expected an integer tensor of indices, got float32"
    ):
        td.take_along_axis(x, on.ones(3, 4), 0)
    with pytest.raises(
        TypeError, match="take_along_axis: expected an integer tensor of indices, got ndarray"
    ):
        td.take_along_axis(x, np.ones((3, 4), int), 0)
    with pytest.raises(
        IndexError, match=r"^take_along_axis: index 4 is out of bounds for axis 1 with size 4 \(input shape"
    ):
        td.take_along_axis(x, on.full((3, 1), 4), 1)
