"""Activation functions as layers."""

from __future__ import annotations

from tinydl.nn.module import Module
from tinydl.ops import activation
from tinydl.tensor import Tensor


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.relu(x)


class LeakyReLU(Module):
    """x where x > 0, negative_slope * x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return activation.leaky_relu(x, self.negative_slope)

    def options(self) -> str:
        return str(self.negative_slope)


class ELU(Module):
    """x where x > 0, alpha (e^x - 1) elsewhere."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        return activation.elu(x, self.alpha)

    def options(self) -> str:
        return str(self.alpha)


class Sigmoid(Module):
    """1 / (1 + e^-x)."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.tanh(x)


class Softplus(Module):
    """log(1 + e^x)."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.softplus(x)


class Softmax(Module):
    """e^x / sum(e^x) along the axis."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return activation.softmax(x, self.axis)

    def options(self) -> str:
        return f"axis={self.axis}"


class Maxout(Module):
    """The largest of each group of `pieces` neighbours along the axis."""

    def __init__(self, pieces: int, axis: int = 1) -> None:
        self.pieces, self.axis = pieces, axis

    def forward(self, x: Tensor) -> Tensor:
        return activation.maxout(x, self.pieces, self.axis)

    def options(self) -> str:
        return f"{self.pieces}, axis={self.axis}"
