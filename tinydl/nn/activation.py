"""Activation functions as layers: float32 gives float32, and so do integers, except in `Maxout`."""

from __future__ import annotations

from tinydl.nn.module import Module
from tinydl.ops import activation
from tinydl.tensor import Tensor


class ReLU(Module):
    """max(x, 0), in the shape of x. Raises TypeError for what is no tensor (Nair and Hinton, 2010)."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.relu(x)


class LeakyReLU(Module):
    """x where x > 0, negative_slope * x elsewhere, in the shape of x (Maas et al., 2013).

    Raises: TypeError for what is no tensor.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return activation.leaky_relu(x, self.negative_slope)

    def options(self) -> str:
        return str(self.negative_slope)


class ELU(Module):
    """x where x > 0, alpha (e^x - 1) elsewhere, in the shape of x (Clevert et al., 2015).

    Raises: TypeError for what is no tensor.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        return activation.elu(x, self.alpha)

    def options(self) -> str:
        return str(self.alpha)


class Sigmoid(Module):
    """1 / (1 + e^-x), in the shape of x. Raises TypeError for what is no tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent, in the shape of x. Raises TypeError for what is no tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.tanh(x)


class Softplus(Module):
    """log(1 + e^x), in the shape of x. Raises TypeError for what is no tensor (Dugas et al., 2001)."""

    def forward(self, x: Tensor) -> Tensor:
        return activation.softplus(x)


class Softmax(Module):
    """e^x / sum(e^x) along the axis, in the shape of x. Raises ValueError for an axis out of range."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return activation.softmax(x, self.axis)

    def options(self) -> str:
        return f"axis={self.axis}"


class Maxout(Module):
    """The largest of each group of `pieces` neighbours along the axis: (N, C, ...) to (N, C / pieces, ...).

    Keeps the dtype. Raises ValueError when C is not a multiple of `pieces` (Goodfellow et al., 2013).
    """

    def __init__(self, pieces: int, axis: int = 1) -> None:
        self.pieces, self.axis = pieces, axis

    def forward(self, x: Tensor) -> Tensor:
        return activation.maxout(x, self.pieces, self.axis)

    def options(self) -> str:
        return f"{self.pieces}, axis={self.axis}"
