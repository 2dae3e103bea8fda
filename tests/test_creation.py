"""New tensors: filled, counted, random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td


@pytest.mark.parametrize("make", [td.zeros, td.ones, td.rand, td.randn])
@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), ()),
        ((3,), (3,)),
        ((2, 3), (2, 3)),
        (((2, 3),), (2, 3)),
        (([2, 3],), (2, 3)),
        (((),), ()),
        ((0, 4), (0, 4)),
        ((np.int64(2), 3), (2, 3)),
        ((np.int64(2),), (2,)),
        (((np.int32(2), 1),), (2, 1)),
    ],
)
def test_shape_or_sizes(make: Any, shape: Any, expected: tuple[int, ...]) -> None:
    t = make(*shape)
    assert t.shape == expected
    assert t.dtype == np.float32
    assert isinstance(t.data, t.device.array_type)
    assert make(*shape, dtype="float64").dtype == np.float64
    assert make(*shape, requires_grad=True).requires_grad


@pytest.mark.parametrize("make", [td.zeros, td.ones, td.rand, td.randn])
def test_negative_and_fractional_sizes_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"negative|or more"):
        make(-1)
    with pytest.raises(TypeError):
        make(2.5)
    with pytest.raises(TypeError):
        make((2, 1.0))


def test_values() -> None:
    assert td.zeros(2).data.tolist() == [0.0, 0.0]
    assert td.ones(2, dtype="int64").data.tolist() == [1, 1]
    assert td.ones(2, dtype="int64").dtype == np.int64


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1.5, "float32"), (2, "int64"), (True, "bool"), (np.float64(2), "float32"), (np.float32(2), "float32")],
)
def test_full_takes_its_dtype_from_the_value(value: Any, dtype: str) -> None:
    t = td.full((2, 2), value)
    assert t.dtype == np.dtype(dtype)
    assert (t.numpy() == value).all()
    assert td.full(3, value, dtype="float64").dtype == np.float64
    assert td.full(3, value).shape == (3,)


def test_full_with_gradients() -> None:
    assert td.full(2, 1.0, requires_grad=True).requires_grad
    with pytest.raises(TypeError, match="floating"):
        td.full(2, 1, requires_grad=True)


@pytest.mark.parametrize("make", [td.zeros_like, td.ones_like])
def test_like_keeps_shape_dtype_and_layout(make: Any) -> None:
    x = td.tensor(np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1), requires_grad=True)
    t = make(x)
    assert (t.shape, t.dtype, t.data.strides) == (x.shape, x.dtype, x.data.strides)
    assert (t.numpy() == (make is td.ones_like)).all()
    assert not t.requires_grad
    assert make(x, requires_grad=True).requires_grad
    assert make(x, dtype="int64").dtype == np.int64


@pytest.mark.parametrize(
    ("args", "values", "dtype"),
    [
        ((3,), [0, 1, 2], "int64"),
        ((1, 4), [1, 2, 3], "int64"),
        ((1, 8, 3), [1, 4, 7], "int64"),
        ((3, 0, -1), [3, 2, 1], "int64"),
        ((2.5,), [0.0, 1.0, 2.0], "float32"),
        ((0, 1, 0.25), [0.0, 0.25, 0.5, 0.75], "float32"),
        ((0,), [], "int64"),
        ((np.float32(2.5),), [0.0, 1.0, 2.0], "float32"),
        ((np.float16(0.5), 3), [0.5, 1.5, 2.5], "float32"),
        ((0, np.float64(1), 0.5), [0.0, 0.5], "float32"),
        ((0, 1, np.float32(0.25)), [0.0, 0.25, 0.5, 0.75], "float32"),
        ((np.array(2.5),), [0.0, 1.0, 2.0], "float32"),
        ((td.tensor(1.5),), [0.0, 1.0], "float32"),
        ((np.int8(1), np.uint8(3)), [1, 2], "int64"),
    ],
)
def test_arange(args: Any, values: list[float], dtype: str) -> None:
    t = td.arange(*args)
    assert t.data.tolist() == values
    assert t.dtype == np.dtype(dtype)
    assert td.arange(*args, dtype="float64").dtype == np.float64


@pytest.mark.parametrize("step", [0, 0.0, np.float32(0), np.int64(0), False])
def test_arange_refuses_a_step_of_0(step: Any) -> None:
    for start, stop in ((0, 3), (1, 1), (2.5, 0)):
        with pytest.raises(ValueError, match=rf"^arange: the step must not be 0 \(from {start} to {stop}\)"):
            td.arange(start, stop, step)


@pytest.mark.parametrize("wrong", ["3", [2], 2j, np.complex64(1)])
def test_arange_takes_numbers(wrong: Any) -> None:
    for args in ((wrong,), (wrong, 3), (0, 3, wrong)):
        with pytest.raises(TypeError, match=r"^arange: expected numbers, got start "):
            td.arange(*args)


def test_eye() -> None:
    assert td.eye(2).data.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert td.eye(2, 3, dtype="int64").data.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert td.eye(2).dtype == np.float32


def test_random_tensors_are_those_of_the_generator() -> None:
    assert np.array_equal(td.rand(2, 3, generator=5).numpy(), td.Generator(5).random((2, 3)))
    assert np.array_equal(
        td.randn(4, generator=5, dtype="float64").numpy(), td.Generator(5).normal(4, np.float64)
    )


def test_random_tensors_without_a_generator_follow_manual_seed() -> None:
    td.manual_seed(3)
    a, b = td.rand(4), td.randn(4)
    td.manual_seed(3)
    assert np.array_equal(td.rand(4).numpy(), a.numpy())
    assert np.array_equal(td.randn(4).numpy(), b.numpy())
    assert not np.array_equal(td.rand(4).numpy(), a.numpy())
