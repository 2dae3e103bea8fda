"""Binds the operations to `Tensor`: `x.exp()`, `a + b`, `x[1:3]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinydl.ops import activation, arithmetic, cast, index, linalg, reduce, shape
from tinydl.tensor import Tensor


def _swapped(function: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
    """The method for an operand on the right: `2 - x` calls `x.__rsub__(2)`."""
    return lambda right, left: function(left, right)


def _comparison(ufunc: str) -> Callable[[Any, Any], Tensor]:
    return lambda a, b: arithmetic.compare(ufunc, a, b)


def _logical(ufunc: str) -> Callable[..., Tensor]:
    return lambda *operands: arithmetic.logical(ufunc, *operands)


METHODS: dict[str, Any] = {
    "__add__": arithmetic.add,
    "__radd__": _swapped(arithmetic.add),
    "__sub__": arithmetic.subtract,
    "__rsub__": _swapped(arithmetic.subtract),
    "__mul__": arithmetic.multiply,
    "__rmul__": _swapped(arithmetic.multiply),
    "__truediv__": arithmetic.divide,
    "__rtruediv__": _swapped(arithmetic.divide),
    "__pow__": arithmetic.power,
    "__rpow__": _swapped(arithmetic.power),
    "__matmul__": linalg.matmul,
    "__rmatmul__": _swapped(linalg.matmul),
    "__neg__": arithmetic.negative,
    "__abs__": arithmetic.abs,
    "__eq__": _comparison("equal"),
    "__ne__": _comparison("not_equal"),
    "__lt__": _comparison("less"),
    "__le__": _comparison("less_equal"),
    "__gt__": _comparison("greater"),
    "__ge__": _comparison("greater_equal"),
    "__and__": _logical("logical_and"),
    "__or__": _logical("logical_or"),
    "__xor__": _logical("logical_xor"),
    "__invert__": _logical("logical_not"),
    "__getitem__": index.getitem,
    "T": property(shape.transpose),
    "pow": arithmetic.power,
    "exp": arithmetic.exp,
    "log": arithmetic.log,
    "sqrt": arithmetic.sqrt,
    "abs": arithmetic.abs,
    "sign": arithmetic.sign,
    "sin": arithmetic.sin,
    "cos": arithmetic.cos,
    "clip": arithmetic.clip,
    "tanh": activation.tanh,
    "sigmoid": activation.sigmoid,
    "relu": activation.relu,
    "sum": reduce.sum,
    "mean": reduce.mean,
    "var": reduce.var,
    "std": reduce.std,
    "max": reduce.max,
    "min": reduce.min,
    "prod": reduce.prod,
    "argmax": reduce.argmax,
    "argmin": reduce.argmin,
    "cumsum": reduce.cumsum,
    "reshape": shape.reshape,
    "transpose": shape.transpose,
    "squeeze": shape.squeeze,
    "unsqueeze": shape.unsqueeze,
    "broadcast_to": shape.broadcast_to,
    "flatten": shape.flatten,
    "astype": cast.astype,
    "to": cast.to,
}

for _name, _function in METHODS.items():
    setattr(Tensor, _name, _function)
