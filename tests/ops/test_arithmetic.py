"""Elementwise arithmetic: values, derivatives, dtypes, memory layout, conventions and errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from grid.arithmetic import COMPARISONS, ELEMENTWISE, LOGIC
from tinydl.ops import arithmetic as ops
from tinydl.testing import gradcheck, gradgradcheck, memory_order, strategies
from tinydl.testing.point import host

BINARY = [name for name, (*_, domains) in ELEMENTWISE.items() if len(domains) == 2]
UNARY = [*(name for name, (*_, domains) in ELEMENTWISE.items() if len(domains) == 1), "clip"]


def function(name: str) -> Callable[..., td.Tensor]:
    return (lambda x: ops.clip(x, -1, 0.5)) if name == "clip" else ELEMENTWISE[name][0]


def formula(name: str) -> Callable[..., Any]:
    return ELEMENTWISE[name][1]


# ---- where, comparisons, logic


def test_where_beside_numbers(on: Any) -> None:
    condition, x = on.tensor([True, False, True]), on.random(3)
    assert gradgradcheck(lambda a: td.where(condition, a, 2.0), x)
    assert gradgradcheck(lambda b: td.where(condition, 2.0, b), x)


def test_where_of_numbers_and_mixed_dtypes(on: Any) -> None:
    condition = on.tensor([True, False])
    assert td.where(condition, 1.0, 2.0).dtype == np.float32
    assert td.where(condition, 1, 2).dtype == np.int64
    assert host(td.where(condition, 1, 2.5)).tolist() == [1.0, 2.5]
    assert td.where(condition, 1, 2.5).dtype == np.float32
    assert td.where(condition, on.tensor([1, 2]), 0.5).dtype == np.float32
    assert td.where(condition, on.ones(2, dtype="float64"), np.float32(2)).dtype == np.float64
    assert td.where(condition, on.ones(2), np.float64(2)).dtype == np.float32
    with pytest.raises(TypeError, match="where: the condition must be boolean, got int64"):
        td.where(on.tensor([1, 0]), 1.0, 2.0)
    with pytest.raises(TypeError, match="where: float32 with float64"):
        td.where(condition, on.ones(2), on.ones(2, dtype="float64"))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_where_refuses_numbers_that_the_dtype_can_not_hold(dtype: str, on: Any) -> None:
    condition, x = on.tensor([True, False]), on.ones(2, dtype=dtype)
    wide = on.ones(2, 3, 4, 5, dtype=dtype).transpose(3, 2, 1, 0)
    for call in (
        lambda: td.where(condition, x, 300),
        lambda: td.where(condition, -300, x),
        lambda: td.where(wide > 0, wide, 300),
    ):
        with pytest.raises(ValueError, match=rf"^where: .*300.*{dtype}.*\.astype"):
            call()
    assert host(td.where(condition, x, 100)).tolist() == [1, 100]
    assert td.where(condition, 100, x).dtype == dtype
    assert host(td.where(condition, on.tensor([True, True]), 3)).tolist() == [1, 3]


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_with_numbers(name: str, on: Any) -> None:
    a = on.tensor([[0, 1], [2, 1]])
    out = COMPARISONS[name](a, 1)
    assert out.dtype == bool
    assert np.array_equal(host(out), COMPARISONS[name](host(a), 1))


def test_comparisons_record_nothing_and_mix_numbers(on: Any) -> None:
    x = on.random(3)
    assert not (x > 0).requires_grad
    assert (x.astype("float32") < np.float64(0.5)).dtype == bool
    assert host(np.int64(1) > on.tensor([0, 1])).tolist() == [True, False]
    assert host(on.tensor([1, 2]) == on.tensor([1.0, 2.5])).tolist() == [True, False]


@pytest.mark.parametrize("name", LOGIC)
def test_logic(name: str, on: Any) -> None:
    a, b = [False, False, True, True], [False, True, False, True]
    want = {"logical_and": [0, 0, 0, 1], "logical_or": [0, 1, 1, 1], "logical_xor": [0, 1, 1, 0]}[name]
    assert host(LOGIC[name](on.tensor(a), on.tensor(b))).tolist() == [bool(w) for w in want]
    assert host(ops.logical(name, on.tensor(a), on.tensor(b))).tolist() == [bool(w) for w in want]
    assert LOGIC[name](on.tensor(a), True).dtype == bool
    with pytest.raises(TypeError, match=f"{name}: expected booleans, got int64"):
        LOGIC[name](on.tensor([1]), on.tensor([1]))
    with pytest.raises(TypeError, match=f"{name}: expected booleans, got float"):
        LOGIC[name](on.tensor(a), 1.0)
    with pytest.raises(ValueError, match=rf"{name}: shapes \(4,\) and \(3,\) can't be broadcast together"):
        LOGIC[name](on.tensor(a), on.tensor(b[:3]))


def test_not(on: Any) -> None:
    assert host(~on.tensor([True, False])).tolist() == [False, True]
    with pytest.raises(TypeError, match="logical_not: expected booleans, got float32"):
        ~on.tensor([1.0])


# ---- dtypes

SCALARS = [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.bool_(True)]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_never_widen(name: str, dtype: str, on: Any) -> None:
    x = on.tensor(np.array([0.5, 1.5]), dtype=dtype, requires_grad=True)
    for number, swapped in itertools.product(SCALARS, (False, True)):
        out = function(name)(number, x) if swapped else function(name)(x, number)
        assert out.dtype == dtype, (number, swapped)
        values = (float(number), host(x)) if swapped else (host(x), float(number))
        np.testing.assert_allclose(host(out), formula(name)(*values), rtol=1e-6)
        (g,) = td.grad(out.sum(), x)
        assert g.dtype == dtype


OPERATORS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: a**b,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name: str, on: Any) -> None:
    a, b = on.random(3).exp(), on.random(3, seed=1)
    for x, y in ((a, b), (a, 2.0), (2.0, b), (np.float64(2), b), (a, np.int64(2))):
        out = OPERATORS[name](x, y)
        values = [host(v) if isinstance(v, td.Tensor) else v for v in (x, y)]
        np.testing.assert_allclose(host(out), formula(name)(*values), rtol=1e-12)
    array = np.ones(3)
    for x, y in ((a, array), (array, a)):
        with pytest.raises(
            TypeError, match=f"{name}: expected tensors, got a plain array; wrap it with td.tensor"
        ):
            OPERATORS[name](x, y)
    with pytest.raises(TypeError, match=f"{name}: expected tensors, got str"):
        OPERATORS[name](a, "2")


def test_integers(on: Any) -> None:
    i, j = on.tensor([7, -3]), on.tensor([2, 2])
    for name in ("add", "subtract", "multiply", "maximum", "minimum"):
        out = function(name)(i, j)
        assert out.dtype == np.int64
        assert host(out).tolist() == formula(name)(host(i), host(j)).tolist()
        assert function(name)(i, 2).dtype == np.int64
        assert function(name)(i, 2.0).dtype == np.float32
        assert function(name)(i, on.ones(2)).dtype == np.float32
        assert function(name)(i, on.ones(2, dtype="float64")).dtype == np.float64
    assert host(i**2).tolist() == [49, 9]
    assert (i / j).dtype == np.float32
    assert host(i / j).tolist() == [3.5, -1.5]
    assert host(i / 2).tolist() == [3.5, -1.5]
    for name in ("exp", "log1p", "sqrt", "sin", "cos", "log"):
        assert function(name)(on.tensor([1, 2])).dtype == np.float32
    assert host(-i).tolist() == [-7, 3]
    assert host(abs(i)).tolist() == [7, 3]
    assert host(td.sign(i)).tolist() == [1, -1]
    assert host(on.tensor([True, False]) * on.tensor([2.0, 2.0])).tolist() == [2.0, 0.0]


def test_clip_keeps_the_dtype(on: Any) -> None:
    i = on.tensor([7, -3])
    assert host(td.clip(i, 0, 5)).tolist() == [5, 0]
    assert td.clip(i, 0, 5).dtype == np.int64
    assert td.clip(i, -0.5, 0.5).dtype == np.float32
    assert host(td.clip(i, -0.5, 0.5)).tolist() == [0.5, -0.5]
    for low, high in ((np.float64(-1), np.float64(1)), (None, np.float64(1)), (-1, 1), (-1.0, None)):
        assert td.clip(on.tensor([2.0]), low, high).dtype == np.float32
    assert host(td.clip(on.tensor([2.0, -2.0]))).tolist() == [2.0, -2.0]
    assert host(on.tensor([2.0, -2.0]).clip(high=1.0)).tolist() == [1.0, -2.0]


@pytest.mark.parametrize("name", BINARY)
def test_two_float_dtypes_are_an_error(name: str, on: Any) -> None:
    with pytest.raises(TypeError, match=rf"{name}: float32 with float64; convert one with \.astype"):
        function(name)(on.ones(2), on.ones(2, dtype="float64"))


@pytest.mark.parametrize("name", BINARY)
def test_shapes_that_do_not_broadcast(name: str, on: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name}: shapes \(2, 3\) and \(2,\) can't be broadcast together"):
        function(name)(on.ones(2, 3), on.ones(2))


@pytest.mark.parametrize("name", UNARY)
def test_plain_arrays_are_an_error(name: str, on: Any) -> None:
    with pytest.raises(TypeError, match=rf"{name}: expected tensors, got a plain array"):
        function(name)(on.ones(2).data)


# ---- conventions


def gradients(on: Any, fn: Callable[..., td.Tensor], *values: list[float]) -> list[list[float]]:
    inputs = [on.tensor(v, requires_grad=True) for v in values]
    out = fn(*inputs)
    return [host(g).tolist() for g in td.grad(out, inputs, on.ones(out.shape))]


def test_ties_share_evenly(on: Any) -> None:
    assert gradients(on, td.maximum, [1.0, 2.0, 0.0], [1.0, 1.0, 1.0]) == [[0.5, 1.0, 0.0], [0.5, 0.0, 1.0]]
    assert gradients(on, td.minimum, [1.0, 2.0, 0.0], [1.0, 1.0, 1.0]) == [[0.5, 0.0, 1.0], [0.5, 1.0, 0.0]]
    assert gradients(on, lambda x: td.maximum(x, 0.0), [-1.0, 0.0, 1.0]) == [[0.0, 0.5, 1.0]]
    assert gradients(on, lambda x: td.maximum(x, x), [3.0]) == [[1.0]]


def test_clip_passes_at_its_bounds(on: Any) -> None:
    x = [-1.5, -1.0, 0.0, 0.5, 0.75]
    assert gradients(on, lambda x: td.clip(x, -1, 0.5), x) == [[0.0, 1.0, 1.0, 1.0, 0.0]]
    assert gradients(on, lambda x: td.clip(x, low=-1), x) == [[0.0, 1.0, 1.0, 1.0, 1.0]]
    assert gradients(on, lambda x: td.clip(x, high=0.5), x) == [[1.0, 1.0, 1.0, 1.0, 0.0]]


def test_abs_and_sign_at_zero(on: Any) -> None:
    assert gradients(on, td.abs, [-2.0, 0.0, 2.0]) == [[-1.0, 0.0, 1.0]]
    assert gradients(on, td.sign, [-2.0, 0.0, 2.0]) == [[0.0, 0.0, 0.0]]


def test_powers_of_zero_and_to_zero(on: Any) -> None:
    assert gradients(on, lambda x: x**2, [0.0, 3.0]) == [[0.0, 6.0]]
    assert gradients(on, lambda x: x**1, [0.0, 3.0]) == [[1.0, 1.0]]
    assert gradients(on, lambda x: x**0, [0.0, 3.0]) == [[0.0, 0.0]]
    assert gradients(on, lambda x: x**3, [-2.0]) == [[12.0]]
    assert gradients(on, lambda a, b: a**b, [0.0, 0.0], [2.0, 0.0]) == [[0.0, 0.0], [0.0, 0.0]]
    assert gradients(on, lambda b: 0.0**b, [2.0]) == [[0.0]]
    np.testing.assert_allclose(gradients(on, lambda b: 2.0**b, [3.0]), [[8 * np.log(2)]], rtol=1e-6)
    negative = on.tensor(np.array([-1.5, -0.5]), requires_grad=True)
    for exponent in (2, 3.0, -1):
        assert gradgradcheck(lambda x, e=exponent: x**e, negative)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int64", "uint64"])
def test_integers_to_a_negative_integer_power_are_refused(dtype: str, on: Any) -> None:
    x = on.ones(3, dtype=dtype)
    with pytest.raises(ValueError, match=rf"^power: integers to a negative power .*, got -1 for {dtype}$"):
        x**-1
    for call in (
        lambda: x ** on.tensor([1, 0, -2], dtype="int8"),
        lambda: 2 ** on.tensor([1, 0, -2]),
    ):
        with pytest.raises(ValueError, match=r"^power: integers to a negative power are fractions"):
            call()
    assert host(x**0).tolist() == [1, 1, 1]
    assert host(x**-1.0).tolist() == host(x.astype("float32") ** -1).tolist() == [1.0, 1.0, 1.0]
    assert host(on.tensor([2.0]) ** on.tensor([-1])).tolist() == [0.5]


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "power", "maximum", "minimum"])
def test_python_integers_that_the_dtype_can_not_hold_are_a_value_error(name: str, on: Any) -> None:
    for x, number in ((on.ones(2, dtype="uint8"), 300), (on.ones(2, dtype="int64"), 2**70)):
        with pytest.raises(ValueError, match=rf"^{name}: .*; convert the tensor with \.astype"):
            getattr(ops, name)(x, number)


def test_second_derivatives_of_powers_at_exponent_zero(on: Any) -> None:
    a = on.tensor(np.array([0.5, 2.0]), requires_grad=True)
    b = on.tensor(np.array([0.0, 0.0]), requires_grad=True)
    assert gradcheck(td.pow, [a, b])
    assert gradgradcheck(td.pow, [a, b])  # d2/dadb a^b = 1/a at b = 0


def test_higher_derivatives(on: Any) -> None:
    x = on.tensor(np.array([0.7]), requires_grad=True)
    y = x.sin()
    for want in (np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v), np.sin):
        (y,) = td.grad(y, x, create_graph=True)
        np.testing.assert_allclose(host(y), want(0.7), rtol=1e-14)


# ---- memory layout

LAYOUTS = strategies.IMAGE_LAYOUTS


def image(on: Any, layout: str, shape: tuple[int, ...] = (2, 3, 4, 5), low: float = 0.5) -> td.Tensor:
    values = td.Generator(0).uniform(low, 2.0, shape, np.float64)
    return on.leaf(strategies.lay_out(values, layout))


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_keep_the_layout(name: str, layout: str, on: Any) -> None:
    x = image(on, layout)
    assert memory_order(function(name)(x)) == memory_order(x)


@pytest.mark.parametrize(
    ("a", "b", "copied"),
    [
        (((2, 3, 4, 5), (2, 1, 3, 0)), ((2, 3, 4, 5), (0, 1, 2, 3)), True),
        (((2, 3, 4, 5), (2, 1, 3, 0)), ((2, 3, 4, 5), (2, 1, 3, 0)), False),
        # An axis of length 1 may have any stride; a broadcast operand has nothing that lies anywhere.
        (((2, 1, 4, 5), (0, 1, 2, 3)), ((2, 1, 4, 5), (1, 0, 2, 3)), False),
        (((2, 3, 4, 5), (2, 1, 3, 0)), None, False),
    ],
)
def test_only_an_operand_that_lies_otherwise_is_copied(
    a: Any, b: Any, copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def laid(shape: Any, order: Any) -> Any:
        """Random values whose axes lie in that order."""
        lying = td.Generator(0).normal([shape[axis] for axis in order], np.float64)
        return lying.transpose(np.argsort(order))

    copies = []
    original = ops._laid_out_as
    monkeypatch.setattr(ops, "_laid_out_as", lambda *args: (copies.append(1), original(*args))[1])
    x = laid(*a)
    y = laid(*b) if b else np.broadcast_to(np.arange(5.0), x.shape)
    found = (td.Tensor(x) - td.Tensor(y)).numpy()
    np.testing.assert_array_equal(found, x - y)
    assert memory_order(td.Tensor(found)) == memory_order(td.Tensor(x))
    assert bool(copies) == copied


SMALLER = [(), (5,), (4, 5), (3, 1, 1), (1, 3, 1, 1), (2, 1, 4, 5), (2, 3, 4, 1), (2, 1, 1, 1)]


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
@pytest.mark.parametrize("a", LAYOUTS)
@pytest.mark.parametrize("b", LAYOUTS)
@pytest.mark.parametrize("name", [*BINARY, "less", "logical_and", "where"])
def test_binary_functions_keep_the_layout_of_the_larger_operand(name: str, a: str, b: str, on: Any) -> None:
    def apply(x: td.Tensor, y: td.Tensor) -> td.Tensor:
        if name == "less":
            return x < y
        if name == "logical_and":
            return (x > 1) & (y > 1)
        if name == "where":
            return td.where(image(on, b) > 1, x, y)
        return function(name)(x, y)

    x = image(on, a)
    assert memory_order(apply(x, image(on, b))) == memory_order(x)
    for shape in SMALLER:
        y = image(on, b, shape) if len(shape) == 4 else on.ones(shape, dtype="float64")
        assert memory_order(apply(x, y)) == memory_order(x), shape
        assert memory_order(apply(y, x)) == memory_order(x), shape
    assert memory_order(apply(x, on.tensor(np.array(2.0)))) == memory_order(x)
