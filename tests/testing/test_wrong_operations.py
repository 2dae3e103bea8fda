"""Operations that are wrong in the ways that people get them wrong; each must be caught, and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.testing import GradientError, check_function, gradcheck, gradgradcheck


class Swish(td.Op):
    """out = x / (1 + e^-x), the term from the product rule forgotten."""

    def forward(self, x: Any) -> Any:
        return x / (1 + np.exp(-x))

    def backward(self, g: Any, x: Any) -> Any:
        return g / (1 + td.exp(-x))


class Outer(td.Op):
    """out = x x^T, whose gradient (g + g^T) x is given as 2 g x."""

    def forward(self, x: Any) -> Any:
        return x @ x.T

    def backward(self, g: Any, x: Any) -> Any:
        return 2 * g @ x


class Product(td.Op):
    """out = A B for square matrices, dA = (g B^T)^T."""

    def forward(self, a: Any, b: Any) -> Any:
        return a @ b

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        return b @ g.T, a.T @ g


class Shift(td.Op):
    """out = x + b for each row, the sum over the rows forgotten."""

    def forward(self, x: Any, b: Any) -> Any:
        return x + b

    def backward(self, g: Any) -> Any:
        return g, g


class ShiftByMean(Shift):
    """The same, a mean in place of the sum."""

    def backward(self, g: Any) -> Any:
        return g, g.mean(axis=0)


class Narrow(td.Op):
    """out = x^2, computed in float32."""

    def forward(self, x: Any) -> Any:
        return x.astype(np.float32) ** 2

    def backward(self, g: Any, x: Any) -> Any:
        return 2 * g * x.astype("float32")


class NarrowGradient(Narrow):
    """out = x^2, the gradient in float32."""

    def forward(self, x: Any) -> Any:
        return x**2

    def backward(self, g: Any, x: Any) -> Any:
        return (2 * g * x).astype("float32")


class RoundedGradient(Narrow):
    """out = x^2, the gradient once rounded to float32."""

    def forward(self, x: Any) -> Any:
        return x**2

    def backward(self, g: Any, x: Any) -> Any:
        return (2 * g * x).astype("float32").astype("float64")


class Wide(td.Op):
    """out = x^2 by way of a constant that widens float32."""

    def forward(self, x: Any) -> Any:
        return x * x * np.float64(1)

    def backward(self, g: Any, x: Any) -> Any:
        return 2 * g * x


class InPlace(td.Op):
    """out = 2 x, written over x."""

    def forward(self, x: Any) -> Any:
        x *= 2.0
        return x.copy()

    def backward(self, g: Any) -> Any:
        return 2 * g


class LastElement(td.Op):
    """out = sin x, the gradient of the last element left at 0."""

    def forward(self, x: Any) -> Any:
        return np.sin(x)

    def backward(self, g: Any, x: Any) -> Any:
        dx = g * np.cos(x)
        dx[-1, -1] = 0
        return dx


class SavedIntermediate(td.Op):
    """out = tanh x, with 1 - out^2 saved by the forward pass: it has no second derivative."""

    __slots__ = ("slope",)

    def forward(self, x: Any) -> Any:
        out = np.tanh(x)
        self.slope = 1 - out * out
        return out

    def backward(self, g: Any) -> Any:
        return g * (td.Tensor(self.slope) if isinstance(g, td.Tensor) else self.slope)


X = td.tensor(td.Generator(1).normal((3, 3), np.float64), requires_grad=True)
B = td.tensor(td.Generator(2).normal((3,), np.float64), requires_grad=True)


@pytest.mark.parametrize(
    ("op", "inputs", "error", "message"),
    [
        (Swish, [X], GradientError, r"input 0 of shape \(3, 3\).*by complex step"),
        (Outer, [X], GradientError, "input 0 of shape"),
        (Product, [X, X * 2.0 + 1.0], GradientError, "input 0 of shape"),
        (
            Shift,
            [X, B],
            td.op.GraphError,
            r"shift: backward returned a gradient of shape \(3, 3\) for .*\(3,\)",
        ),
        (ShiftByMean, [X, B], GradientError, r"input 1 of shape \(3,\)"),
        (Narrow, [X], TypeError, "output 0 is float32"),
        (NarrowGradient, [X], td.op.GraphError, "narrow_gradient: backward returned a float32 gradient"),
        (RoundedGradient, [X], GradientError, "input 0 of shape"),
        (InPlace, [X], GradientError, "input 0 was changed in place"),
        (LastElement, [X], GradientError, r"most wrong element is \[2, 2\]: 0 by backward"),
    ],
)
def test_wrong_first_derivatives(op: Any, inputs: list[Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        gradcheck(lambda *xs: op()(*xs), [td.tensor(x, requires_grad=True) for x in inputs])


def test_wrong_second_derivatives() -> None:
    assert gradcheck(lambda x: SavedIntermediate()(x), X)
    with pytest.raises(GradientError, match=r"gradgradcheck: input 0 of shape \(3, 3\): 0 by backward"):
        gradgradcheck(lambda x: SavedIntermediate()(x), X)


def test_what_float32_turns_into() -> None:
    with pytest.raises(AssertionError, match="float32 inputs gave float64"):
        check_function(lambda x: Wide()(x) if x.device == "cpu" else x * x, [X], np.square, order=0)
