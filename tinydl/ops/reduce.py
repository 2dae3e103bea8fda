"""Reductions over axes: sums, means, extremes and products, with their derivatives.

`axis` is an integer, a tuple of integers or None for all axes; `keepdims` keeps reduced axes with length 1.
float32 gives float32 and float64 float64. All raise ValueError for an axis that is out of range or named twice,
TypeError for what is no tensor and for an axis that is no integer.
"""

from __future__ import annotations

from typing import Any

from tinydl.device import Array
from tinydl.errors import ShapeError
from tinydl.op import Op, check_tensors
from tinydl.operators import Axis
from tinydl.ops.arithmetic import exp, sqrt, where
from tinydl.ops.cast import astype
from tinydl.ops.index import normalize_axis
from tinydl.ops.shape import broadcast_to, flip, normalize_axes, reshape, transpose
from tinydl.tensor import Tensor


class Reduction(Op):
    """What reductions share: the axes, and the way a gradient goes back to the shape of the input."""

    __slots__ = ("axis", "full", "keepdims", "kept")

    def __init__(self, axis: Axis = None, keepdims: bool = False) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def prepare(self, x: Array) -> tuple[int, ...]:
        """Notes the shape of x and returns the axes to reduce, as a tuple of non-negative integers."""
        axes = normalize_axes(self.name, self.axis, x.ndim)
        self.full = x.shape
        self.kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        return axes

    def spread(self, g: Any) -> Any:
        """A reduced array, laid out along the axes of the input again, with length 1 where reduced."""
        return g if self.keepdims else g.reshape(self.kept)

    def repeated(self, g: Any) -> Any:
        """A reduced array, repeated to the shape of the input."""
        g = self.spread(g)
        return (
            broadcast_to(g, self.full) if isinstance(g, Tensor) else self.device.xp.broadcast_to(g, self.full)
        )


class Sum(Reduction):
    """out = sum of x over the axes,  dx = g, repeated over them."""

    __slots__ = ()

    def forward(self, x: Array) -> Array:
        return x.sum(axis=self.prepare(x), keepdims=self.keepdims)

    def backward(self, g: Any) -> Any:
        return self.repeated(g)


class Mean(Reduction):
    """out = sum of x over the axes / n,  dx = g / n, repeated over them."""

    __slots__ = ("n",)
    promotes = "always"

    def forward(self, x: Array) -> Array:
        axes = self.prepare(x)
        self.n = 1
        for i in axes:
            self.n *= x.shape[i]
        if self.n == 0:
            raise ShapeError(self.name, f"nothing to average over axis {self.axis} of shape {x.shape}")
        return x.sum(axis=axes, keepdims=self.keepdims) / self.n

    def backward(self, g: Any) -> Any:
        return self.repeated(g / self.n)


class Max(Reduction):
    """out = largest x over the axes,  dx = g where x = out; k equal ones get g / k each."""

    __slots__ = ()
    largest = True

    def forward(self, x: Array) -> Array:
        axes = self.prepare(x)
        if any(x.shape[i] == 0 for i in axes):
            raise ShapeError(self.name, f"no element to choose over axis {self.axis} of shape {x.shape}")
        choose = x.max if self.largest else x.min
        return choose(axis=axes, keepdims=self.keepdims)

    def backward(self, g: Any, x: Any, out: Any) -> Any:
        chosen = x == self.spread(out)
        axes = normalize_axes(self.name, self.axis, len(self.full))
        ties = chosen.sum(axis=axes, keepdims=True).astype(g.dtype)
        return self.spread(g) / ties * chosen


class Min(Max):
    """out = smallest x over the axes,  dx = g where x = out; k equal ones get g / k each."""

    __slots__ = ()
    largest = False


class LogSumExp(Reduction):
    """out = log(sum of exp x over the axes),  dx = g exp(x - out)."""

    __slots__ = ()
    name = "logsumexp"
    promotes = "always"

    def forward(self, x: Array) -> Array:
        xp = self.device.xp
        axes = self.prepare(x)
        if any(x.shape[i] == 0 for i in axes):
            raise ShapeError(self.name, f"no element over axis {self.axis} of shape {x.shape}")
        top = x.max(axis=axes, keepdims=True)
        top = xp.where(xp.isfinite(top), top, top.dtype.type(0))  # inf - inf would be NaN
        out = top + xp.log(xp.exp(x - top).sum(axis=axes, keepdims=True))
        return out if self.keepdims else xp.squeeze(out, axes)

    def backward(self, g: Any, x: Any, out: Any) -> Any:
        return self.spread(g) * exp(x - self.spread(out))


class ArgMax(Op):
    """The index of the first largest (or smallest) element; not differentiable."""

    __slots__ = ("axis", "keepdims", "largest", "name")
    differentiable = False
    promotes = "never"

    def __init__(self, axis: int | None, keepdims: bool, largest: bool) -> None:
        self.axis, self.keepdims, self.largest = axis, keepdims, largest
        self.name = "argmax" if largest else "argmin"

    def forward(self, x: Array) -> Array:
        axes = range(x.ndim) if self.axis is None else (normalize_axis(self.name, self.axis, x.ndim),)
        if any(x.shape[i] == 0 for i in axes):
            raise ShapeError(self.name, f"no element to choose over axis {self.axis} of shape {x.shape}")
        choose = x.argmax if self.largest else x.argmin
        out = choose(axis=self.axis)
        if not self.keepdims:
            return out
        kept = tuple(1 if self.axis is None or i == self.axis % x.ndim else n for i, n in enumerate(x.shape))
        return out.reshape(kept)


class CumSum(Op):
    """out_i = x_0 + ... + x_i along the axis,  dx_i = g_i + ... + g_last."""

    __slots__ = ("axis",)
    name = "cumsum"

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return x.cumsum(axis=normalize_axis(self.name, self.axis, x.ndim))

    def backward(self, g: Any) -> Any:
        return flip(cumsum(flip(g, self.axis), self.axis), self.axis)


# ---- the functions


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over the axes; integers are added up in int64. Raises ValueError for an axis out of range."""
    return Sum(axis, keepdims)(x)


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean over the axes; integers give float32.

    Raises: ValueError for no elements and for an axis out of range.
    """
    return Mean(axis, keepdims)(x)


def var(x: Tensor, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The variance over the axes: the sum of (x - mean)^2 / (n - ddof).

    Integers give float32. Raises ValueError where n - ddof is not positive and for an axis out of range.
    """
    return _var("var", x, axis, ddof, keepdims)


def std(x: Tensor, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation over the axes, the square root of `var`; where it is 0 the gradient is 0.

    Integers give float32. Raises ValueError where n - ddof is not positive and for an axis out of range.
    """
    variance = _var("std", x, axis, ddof, keepdims)
    constant = variance == 0
    return where(constant, 0.0, sqrt(where(constant, 1.0, variance)))


def _var(who: str, x: Tensor, axis: Axis, ddof: int, keepdims: bool) -> Tensor:
    check_tensors(who, x)
    n = 1
    for i in normalize_axes(who, axis, x.ndim):
        n *= x.shape[i]
    if n <= ddof:
        raise ShapeError(who, f"{n} elements are too few for ddof={ddof} (axis {axis} of shape {x.shape})")
    deviation = x - mean(x, axis, keepdims=True)
    return sum(deviation * deviation, axis, keepdims) / (n - ddof)


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest value over the axes, in the dtype of x; equal largest ones share the gradient evenly.

    Raises: ValueError for no elements and for an axis out of range.
    """
    return Max(axis, keepdims)(x)


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest value over the axes, in the dtype of x; equal smallest ones share the gradient evenly.

    Raises: ValueError for no elements and for an axis out of range.
    """
    return Min(axis, keepdims)(x)


def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest value along the axis, int64; of the flattened tensor for None.

    Raises: ValueError for no elements and for an axis out of range, TypeError for several axes.
    """
    return ArgMax(axis, keepdims, largest=True)(x)


def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest value along the axis, int64; of the flattened tensor for None.

    Raises: ValueError for no elements and for an axis out of range, TypeError for several axes.
    """
    return ArgMax(axis, keepdims, largest=False)(x)


def cumsum(x: Tensor, axis: int | None = None) -> Tensor:
    """Running sums along the axis, in the shape of x; of the flattened tensor for None.

    Integers are added up in int64. Raises ValueError for an axis out of range, TypeError for several axes.
    """
    check_tensors("cumsum", x)
    if axis is None:
        return CumSum(0)(reshape(x, -1))
    return CumSum(axis)(x)


def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over the axes; 1 over an empty axis.

    The first half times the second, log2(n) times: every derivative is right where factors are 0, too. Integers
    are multiplied in int64. Raises ValueError for an axis out of range.
    """
    check_tensors("prod", x)
    axes = normalize_axes("prod", axis, x.ndim)
    if x.dtype.kind in "biu":
        x = astype(x, "uint64" if x.dtype.kind == "u" else "int64")  # as NumPy: small integers overflow soon
    others = tuple(i for i in range(x.ndim) if i not in axes)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    shape = kept if keepdims else tuple(x.shape[i] for i in others)
    n = 1
    for i in axes:
        n *= x.shape[i]
    if n == 0 or not axes:
        return x.sum(axis=axes, keepdims=keepdims) + (1 if n == 0 else 0)
    x = reshape(transpose(x, axes + others), n, *(x.shape[i] for i in others))
    odd = None
    while n > 1:
        half = n // 2
        if n % 2:
            odd = x[n - 1 :] if odd is None else odd * x[n - 1 :]
        x = x[:half] * x[half : 2 * half]
        n = half
    return reshape(x if odd is None else x * odd, shape)


def logsumexp(x: Tensor, axis: Axis = -1, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over the axes, without overflow; integers give float32.

    Raises: ValueError for no elements and for an axis out of range.
    """
    return LogSumExp(axis, keepdims)(x)
