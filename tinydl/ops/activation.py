"""Activation functions, each with its derivative.

float32 gives float32, float64 float64 and integers float32, except in `maxout`, in the shape of x unless said. All
raise TypeError for what is no tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinydl.device import Array
from tinydl.errors import ShapeError
from tinydl.op import Op, check_tensors
from tinydl.ops.arithmetic import exp, where
from tinydl.ops.index import normalize_axis
from tinydl.ops.reduce import Reduction
from tinydl.ops.reduce import max as max_over
from tinydl.ops.shape import reshape
from tinydl.tensor import Tensor


class Activation(Op):
    """A function of one floating input; integers give float32."""

    __slots__ = ()
    promotes = "always"


class ReLU(Activation):
    """out = max(x, 0),  dx = g where x > 0."""

    __slots__ = ()
    name = "relu"

    def forward(self, x: Array) -> Array:
        return self.device.kernels.relu(self.device.xp, x)

    def backward(self, g: Any, out: Any) -> Any:
        return ReLUGradient()(g, out)


class ReLUGradient(Op):
    """out = u where y > 0, for y = relu(x),  du = g where y > 0; y does not change it."""

    __slots__ = ()
    name = "relu_gradient"

    def forward(self, u: Array, y: Array) -> Array:
        def compute(u: Array, y: Array, out: Array) -> None:
            out[...] = y > 0  # `where` takes ten times as long; it differs for an infinite u alone
            out *= u

        return _in_blocks(self, compute, u, y)

    def backward(self, g: Any, y: Any) -> Any:
        return ReLUGradient()(g, y), None


class LeakyReLU(Activation):
    """out = x where x > 0, else slope x,  dx = g where x > 0, else slope g."""

    __slots__ = ("slope",)
    name = "leaky_relu"

    def __init__(self, slope: float) -> None:
        self.slope = float(slope)  # a NumPy scalar would widen float32 arrays

    def forward(self, x: Array) -> Array:
        return x * self._gain(x)

    def backward(self, g: Any, x: Any) -> Any:
        return g * self._gain(x)

    def _gain(self, x: Any) -> Any:
        return (x > 0).astype(x.dtype) * (1.0 - self.slope) + self.slope


class ELU(Activation):
    """out = x where x > 0, else alpha (e^x - 1),  dx = g where x > 0, else alpha e^x g."""

    __slots__ = ("alpha",)
    name = "elu"

    def __init__(self, alpha: float) -> None:
        self.alpha = float(alpha)

    def forward(self, x: Array) -> Array:
        xp = self.device.xp
        return xp.where(x > 0, x, self.alpha * xp.expm1(xp.minimum(x, x.dtype.type(0))))

    def backward(self, g: Any, x: Any) -> Any:
        positive = x > 0
        # e^x only where x <= 0: elsewhere it could be infinite, and the derivative of the unused branch NaN
        return where(positive, g, g * (self.alpha * exp(where(positive, 0.0, x))))


class Softplus(Activation):
    """out = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|),  dx = g sigmoid(x)."""

    __slots__ = ()

    def forward(self, x: Array) -> Array:
        xp = self.device.xp
        return xp.maximum(x, x.dtype.type(0)) + xp.log1p(xp.exp(xp.minimum(x, -x)))

    def backward(self, g: Any, x: Any) -> Any:
        return g * sigmoid(x)


class Sigmoid(Activation):
    """out = 1 / (1 + e^-x) = (1 + tanh(x / 2)) / 2,  dx = g out (1 - out)."""

    __slots__ = ()

    def forward(self, x: Array) -> Array:
        xp = self.device.xp

        def compute(x: Array, out: Array) -> None:
            small = xp.exp(xp.minimum(x, -x))  # in (0, 1]: no overflow, and all digits where out is near 0
            # The numerator is 1 where x >= 0, else `small`; `where` would take seven times as long.
            xp.maximum((x >= 0).astype(x.dtype), small, out=out)
            small += 1.0
            out /= small

        return _in_blocks(self, compute, x)

    def backward(self, g: Any, out: Any) -> Any:
        return SigmoidGradient()(g, out)


class SigmoidGradient(Op):
    """out = u y (1 - y), for y = sigmoid(x),  du = g y (1 - y),  dy = g u (1 - 2 y)."""

    __slots__ = ()

    def forward(self, u: Array, y: Array) -> Array:
        xp = self.device.xp

        def compute(u: Array, y: Array, out: Array) -> None:
            xp.subtract(1.0, y, out=out)
            out *= y
            out *= u

        return _in_blocks(self, compute, u, y)

    def backward(self, g: Any, u: Any, y: Any) -> Any:
        return SigmoidGradient()(g, y), g * u * (1.0 - 2.0 * y) if self.needs[1] else None


class Tanh(Activation):
    """out = tanh x,  dx = g (1 - out^2)."""

    __slots__ = ()

    def forward(self, x: Array) -> Array:
        xp = self.device.xp
        return _in_blocks(self, lambda x, out: xp.tanh(x, out=out), x)

    def backward(self, g: Any, out: Any) -> Any:
        return TanhGradient()(g, out)


class TanhGradient(Op):
    """out = u (1 - y^2), for y = tanh(x),  du = g (1 - y^2),  dy = -2 g u y."""

    __slots__ = ()

    def forward(self, u: Array, y: Array) -> Array:
        xp = self.device.xp

        def compute(u: Array, y: Array, out: Array) -> None:
            xp.multiply(y, y, out=out)
            xp.subtract(1.0, out, out=out)
            out *= u

        return _in_blocks(self, compute, u, y)

    def backward(self, g: Any, u: Any, y: Any) -> Any:
        return TanhGradient()(g, y), -2.0 * g * u * y if self.needs[1] else None


def _in_blocks(op: Op, compute: Callable[..., None], *arrays: Array) -> Array:
    """A new array `out` after compute(*arrays, out), which sets each element of it from those at its place."""
    return op.device.kernels.activation(op.device.xp, op.name, compute, *arrays)


class Softmax(Reduction):
    """out_i = e^(x_i) / sum_j e^(x_j),  dx = out (g - sum_j g_j out_j)."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        axes = self.prepare(x)
        if x.size == 0:
            return x.copy()
        e = self.device.xp.exp(x - x.max(axis=axes, keepdims=True))
        return e / e.sum(axis=axes, keepdims=True)

    def backward(self, g: Any, out: Any) -> Any:
        return out * (g - (g * out).sum(axis=self.axis, keepdims=True))


class LogSoftmax(Reduction):
    """out_i = x_i - log sum_j e^(x_j),  dx = g - e^out sum_j g_j."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        xp = self.device.xp
        axes = self.prepare(x)
        if x.size == 0:
            return x.copy()
        shifted = x - x.max(axis=axes, keepdims=True)
        return shifted - xp.log(xp.exp(shifted).sum(axis=axes, keepdims=True))

    def backward(self, g: Any, out: Any) -> Any:
        return g - exp(out) * g.sum(axis=self.axis, keepdims=True)


# ---- the functions


def relu(x: Tensor) -> Tensor:
    """max(x, 0), any shape; the gradient at 0 is 0 (Nair and Hinton, 2010).

    Integers give float32. Raises TypeError for what is no tensor.
    """
    return ReLU()(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, negative_slope * x elsewhere; the gradient at 0 is negative_slope (Maas et al., 2013).

    Any shape; integers give float32. Raises TypeError for what is no tensor.
    """
    return LeakyReLU(negative_slope)(x)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, alpha (e^x - 1) elsewhere (Clevert et al., 2015).

    Any shape; integers give float32. Raises TypeError for what is no tensor.
    """
    return ELU(alpha)(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), a smooth ReLU, without overflow (Dugas et al., 2001).

    Any shape; integers give float32. Raises TypeError for what is no tensor.
    """
    return Softplus()(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x), any shape, without overflow; integers give float32. Raises TypeError for what is no tensor."""
    return Sigmoid()(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, any shape; integers give float32. Raises TypeError for what is no tensor."""
    return Tanh()(x)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """e^x / sum(e^x) along the axis: probabilities, in the shape of x (Bridle, 1990).

    Without overflow; integers give float32. Raises ValueError for an axis out of range.
    """
    return Softmax(axis)(x)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """log(softmax(x)) along the axis, in the shape of x, without overflow or log of 0.

    Integers give float32. Raises ValueError for an axis out of range.
    """
    return LogSoftmax(axis)(x)


def maxout(x: Tensor, pieces: int, axis: int = 1) -> Tensor:
    """The largest of each group of `pieces` neighbours along the axis (Goodfellow et al., 2013).

    (N, C, ...) becomes (N, C / pieces, ...), in the dtype of x; raises ValueError when C is not a multiple of
    `pieces` and for an axis out of range.
    """
    check_tensors("maxout", x)
    axis = normalize_axis("maxout", axis, x.ndim)
    n = x.shape[axis]
    if pieces < 1 or n % pieces:
        raise ShapeError("maxout", f"axis {axis} of shape {x.shape} is not a multiple of {pieces} pieces")
    return max_over(reshape(x, (*x.shape[:axis], n // pieces, pieces, *x.shape[axis + 1 :])), axis + 1)
