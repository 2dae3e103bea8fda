"""Elementwise arithmetic, each operation with its derivative.

`g` is the gradient of the output throughout. Shapes broadcast as NumPy's do; the gate sums a gradient back
over the axes along which its input was broadcast.

float32 gives float32 and float64 float64; integers beside floats become floats of that kind, and Python numbers
never widen a tensor. All raise TypeError for plain arrays and for float32 with float64, RuntimeError for two
devices, ValueError for shapes that can't be broadcast. What has no value, as log(-1), is NaN and no error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinydl.device import Array
from tinydl.errors import DTypeError
from tinydl.op import Op
from tinydl.operators import Scalar
from tinydl.tensor import Tensor

_NO_FRACTIONS = "integers to a negative power are fractions; convert them with .astype('float32')"


class Elementwise(Op):
    """out = ufunc(a, b), in the memory layout of the larger operand, or the first."""

    __slots__ = ()
    broadcasts = True
    optional = False
    ufunc: str

    def forward(self, a: Array, b: Array) -> Array:
        xp = self.device.xp
        ufunc = getattr(xp, self.ufunc)
        if getattr(a, "ndim", 0) <= 2 or getattr(b, "ndim", 0) <= 2:
            return ufunc(a, b)
        # NumPy answers in C order as soon as the operands differ in layout, and all that follows would pay.
        if a.shape == b.shape and 0 not in a.strides + b.strides and not _lie_alike(a, b):
            return ufunc(a, _laid_out_as(xp, a, b))
        large, small = (a, b) if a.size >= b.size else (b, a)
        if large.flags.c_contiguous or large.strides == small.strides:
            return ufunc(a, b)
        shape = xp.broadcast_shapes(a.shape, b.shape)
        if shape != large.shape:
            return ufunc(a, b)
        dtype = xp.result_type(a, b) if self.differentiable else bool
        return ufunc(a, b, out=xp.empty_like(large, dtype=dtype))


def _lie_alike(a: Array, b: Array) -> bool:
    """Whether two arrays of one shape have the same layout; the stride of an axis of length 1 says nothing."""
    return all(n == 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides, strict=True))


def _laid_out_as(xp: Any, like: Array, x: Array) -> Array:
    """A copy of x in the memory layout of an array of its shape: faster than to compute with both as they lie."""
    copy = xp.empty_like(like, dtype=x.dtype)
    copy[...] = x
    return copy


class Add(Elementwise):
    """out = a + b,  da = g,  db = g."""

    __slots__ = ()
    ufunc = "add"

    def backward(self, g: Any) -> Any:
        return g, g


class Subtract(Elementwise):
    """out = a - b,  da = g,  db = -g."""

    __slots__ = ()
    ufunc = "subtract"

    def backward(self, g: Any) -> Any:
        return g, -g if self.needs[1] else None


class Multiply(Elementwise):
    """out = a b,  da = g b,  db = g a."""

    __slots__ = ()
    ufunc = "multiply"

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        return g * b if self.needs[0] else None, g * a if self.needs[1] else None


class Divide(Elementwise):
    """out = a / b,  da = g / b,  db = -g a / b^2."""

    __slots__ = ()
    name = "divide"
    ufunc = "true_divide"
    promotes = "always"

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        over = g / b
        return over if self.needs[0] else None, -over * (a / b) if self.needs[1] else None


class Power(Elementwise):
    """out = a^b,  da = g b a^(b-1),  db = g a^b log a  (0 where a = 0)."""

    __slots__ = ()
    ufunc = "power"

    def forward(self, a: Array, b: Array) -> Array:
        if hasattr(b, "dtype"):
            if b.dtype.kind == "i" and self.device.checks_values and (b < 0).any():
                raise ValueError(f"{self.name}: {_NO_FRACTIONS}")
            return super().forward(a, b)
        if isinstance(b, int) and b < 0 and a.dtype.kind in "biu":
            raise ValueError(f"{self.name}: {_NO_FRACTIONS}, got {b} for {a.dtype}")
        return a**b  # ** knows squares and roots

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        da = db = None
        less: Any
        if self.needs[0]:
            if hasattr(b, "dtype"):
                less = where((a == 0) & (b == 0), 1.0, b) - 1.0  # 0 a^-1 is 0, also where a = 0
            else:
                less = (b or 1.0) - 1.0
            da = g * (b * power(a, less))
        if self.needs[1]:
            if hasattr(a, "dtype"):
                db = g * power(a, b) * log(where(a == 0, 1.0, a))
            else:
                db = g * power(a, b) * (math.log(a) if a > 0 else 0.0 if a == 0 else math.nan)
        return da, db


class Maximum(Elementwise):
    """out = max(a, b),  da = g where a > b,  db = g where a < b; where a = b each gets half of g."""

    __slots__ = ()
    ufunc = "maximum"

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        tie = g * (a == b) * 0.5
        return (
            g * (a > b) + tie if self.needs[0] else None,
            g * (a < b) + tie if self.needs[1] else None,
        )


class Minimum(Elementwise):
    """out = min(a, b),  da = g where a < b,  db = g where a > b; where a = b each gets half of g."""

    __slots__ = ()
    ufunc = "minimum"

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        tie = g * (a == b) * 0.5
        return (
            g * (a < b) + tie if self.needs[0] else None,
            g * (a > b) + tie if self.needs[1] else None,
        )


class Negative(Op):
    """out = -x,  dx = -g."""

    __slots__ = ()

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, g: Any) -> Any:
        return -g


class Exp(Op):
    """out = exp x,  dx = g out."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        return self.device.xp.exp(x)

    def backward(self, g: Any, out: Any) -> Any:
        return g * out


class Log(Op):
    """out = log x,  dx = g / x."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        return self.device.xp.log(x)

    def backward(self, g: Any, x: Any) -> Any:
        return g / x


class Log1p(Op):
    """out = log(1 + x), exact for small x;  dx = g / (1 + x)."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        return self.device.xp.log1p(x)

    def backward(self, g: Any, x: Any) -> Any:
        return g / (1.0 + x)


class Sqrt(Op):
    """out = sqrt x,  dx = g / (2 out)."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        return self.device.xp.sqrt(x)

    def backward(self, g: Any, out: Any) -> Any:
        return g / (2.0 * out)


class Abs(Op):
    """out = |x|,  dx = g sign x  (0 at 0)."""

    __slots__ = ()

    def forward(self, x: Array) -> Array:
        return self.device.xp.abs(x)

    def backward(self, g: Any, x: Any) -> Any:
        return g * sign(x)


class Sign(Op):
    """out = -1, 0 or 1. Its derivative is 0 wherever it has one."""

    __slots__ = ()

    def forward(self, x: Array) -> Array:
        return self.device.xp.sign(x)

    def backward(self, g: Any) -> Any:
        return g * 0.0


class Sin(Op):
    """out = sin x,  dx = g cos x."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        return self.device.xp.sin(x)

    def backward(self, g: Any, x: Any) -> Any:
        return g * cos(x)


class Cos(Op):
    """out = cos x,  dx = -g sin x."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        return self.device.xp.cos(x)

    def backward(self, g: Any, x: Any) -> Any:
        return -g * sin(x)


class Clip(Op):
    """out = min(max(x, low), high),  dx = g where low <= x <= high."""

    __slots__ = ("high", "low")

    def __init__(self, low: float | None, high: float | None) -> None:
        self.low, self.high = low, high

    def _promote(self, arrays: list[Array]) -> list[Array]:
        return super()._promote([*arrays, self.low, self.high])[:1]

    def forward(self, x: Array) -> Array:
        if self.low is None and self.high is None:
            return x.copy("K")
        return self.device.xp.clip(x, self.low, self.high)

    def backward(self, g: Any, x: Any) -> Any:
        if self.low is not None:
            g = g * (x >= self.low)
        if self.high is not None:
            g = g * (x <= self.high)
        return g


class Where(Op):
    """out = a where condition, else b;  da = g where condition,  db = g where not."""

    __slots__ = ()
    broadcasts = True
    optional = False

    def _promote(self, arrays: list[Array]) -> list[Array]:
        condition, a, b = arrays
        return [condition, *super()._promote([a, b])]

    def forward(self, condition: Array, a: Array, b: Array) -> Array:
        got = getattr(condition, "dtype", type(condition).__name__)
        if got != np.dtype(bool):
            raise DTypeError(self.name, f"the condition must be boolean, got {got}")
        xp = self.device.xp
        if not hasattr(a, "dtype") and not hasattr(b, "dtype"):  # two Python numbers
            a = xp.full((), a, dtype="float32" if float in (type(a), type(b)) else None)
        if int in (type(a), type(b)):  # xp.where wraps those that are too large; the scalar type refuses them
            number = xp.result_type(a, b).type
            a, b = (number(x) if type(x) is int else x for x in (a, b))
        large = max((x for x in (a, b, condition) if hasattr(x, "dtype")), key=lambda x: x.size)
        if large.ndim <= 2 or large.flags.c_contiguous:
            return xp.where(condition, a, b)
        out = xp.empty_like(large, dtype=xp.result_type(a, b))  # in its layout, as in Elementwise
        if out.shape != xp.broadcast_shapes(*(getattr(x, "shape", ()) for x in (condition, a, b))):
            return xp.where(condition, a, b)
        out[...] = b
        xp.copyto(out, a, where=condition)
        return out

    def backward(self, g: Any, condition: Any) -> Any:
        return None, g * condition if self.needs[1] else None, g * ~condition if self.needs[2] else None


class Compare(Elementwise):
    """out = a < b and the like, boolean; not differentiable."""

    __slots__ = ("name", "ufunc")
    differentiable = False
    optional = True  # x == None is false, as it is for any object

    def __init__(self, ufunc: str) -> None:
        self.name = self.ufunc = ufunc


class Logical(Elementwise):
    """out = a and b, a or b, a xor b, not a, of booleans; not differentiable."""

    __slots__ = ("name", "ufunc")
    differentiable = False

    def __init__(self, ufunc: str) -> None:
        self.name = self.ufunc = ufunc

    def forward(self, *arrays: Array) -> Array:
        for a in arrays:
            got = getattr(a, "dtype", type(a).__name__)
            if got not in (np.dtype(bool), "bool"):
                raise DTypeError(self.name, f"expected booleans, got {got}")
        return super().forward(*arrays) if len(arrays) == 2 else self.device.xp.logical_not(*arrays)


# ---- the functions


def add(a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """a + b, broadcast; integers stay integers. Raises TypeError for float32 with float64."""
    return Add()(a, b)


def subtract(a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """a - b, broadcast; integers stay integers. Raises TypeError for float32 with float64 and for two booleans."""
    return Subtract()(a, b)


def multiply(a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """a * b elementwise, broadcast; integers stay integers. Raises TypeError for float32 with float64."""
    return Multiply()(a, b)


def divide(a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """a / b elementwise, broadcast; integers give float32. Raises TypeError for float32 with float64."""
    return Divide()(a, b)


def power(a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """a to the power b elementwise, broadcast; integers give integers, with a float b float32.

    Raises: ValueError for integers to a negative integer power, TypeError for float32 with float64.
    """
    return Power()(a, b)


def maximum(a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """The larger of a and b elementwise, broadcast; at ties the gradient is shared evenly.

    Integers stay integers. Raises ValueError for shapes that can't be broadcast, TypeError for float32 with float64.
    """
    return Maximum()(a, b)


def minimum(a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """The smaller of a and b elementwise, broadcast; at ties the gradient is shared evenly.

    Integers stay integers. Raises ValueError for shapes that can't be broadcast, TypeError for float32 with float64.
    """
    return Minimum()(a, b)


def where(condition: Tensor, a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """a where the boolean condition is true, b elsewhere, broadcast, in the common dtype of a and b.

    Raises: TypeError for a condition that is not boolean and for float32 with float64, ValueError for shapes that
    can't be broadcast.
    """
    return Where()(condition, a, b)


def negative(x: Tensor) -> Tensor:
    """-x, in the shape and dtype of x. Raises TypeError for booleans."""
    return Negative()(x)


def exp(x: Tensor) -> Tensor:
    """e to the power x, elementwise; integers give float32. Raises TypeError for what is no tensor."""
    return Exp()(x)


def log(x: Tensor) -> Tensor:
    """The natural logarithm, elementwise; integers give float32.

    It is -inf at 0 and NaN below, which is no error. Raises TypeError for what is no tensor.
    """
    return Log()(x)


def log1p(x: Tensor) -> Tensor:
    """log(1 + x), accurate for small x, elementwise; integers give float32.

    It is -inf at -1 and NaN below, which is no error. Raises TypeError for what is no tensor.
    """
    return Log1p()(x)


def sqrt(x: Tensor) -> Tensor:
    """The square root, elementwise; integers give float32.

    It is NaN below 0, which is no error. Raises TypeError for what is no tensor.
    """
    return Sqrt()(x)


def abs(x: Tensor) -> Tensor:
    """|x| elementwise, in the dtype of x; the gradient at 0 is 0. Raises TypeError for what is no tensor."""
    return Abs()(x)


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1 elementwise, in the dtype of x; the gradient is 0. Raises TypeError for booleans."""
    return Sign()(x)


def sin(x: Tensor) -> Tensor:
    """The sine of x radians, elementwise; integers give float32. Raises TypeError for what is no tensor."""
    return Sin()(x)


def cos(x: Tensor) -> Tensor:
    """The cosine of x radians, elementwise; integers give float32. Raises TypeError for what is no tensor."""
    return Cos()(x)


def clip(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """x limited to [low, high]; the gradient passes where low <= x <= high, the bounds included.

    A bound is a number, or None for no limit; integers stay integers unless one is a float. Raises TypeError for
    other bounds.
    """
    return Clip(_python(low), _python(high))(x)


def _python(number: Any) -> Any:
    """A NumPy scalar, which would widen float32 arrays to float64, as a Python number."""
    return number.item() if isinstance(number, np.generic) else number


def compare(ufunc: str, a: Tensor | Scalar, b: Tensor | Scalar) -> Tensor:
    """A boolean tensor; `ufunc` is equal, not_equal, less, less_equal, greater or greater_equal.

    Raises: TypeError for float32 with float64, ValueError for shapes that can't be broadcast.
    """
    return Compare(ufunc)(a, b)


def logical(ufunc: str, *operands: Tensor | bool) -> Tensor:
    """A boolean tensor; `ufunc` is logical_and, logical_or, logical_xor or logical_not.

    Raises: TypeError for operands that are not boolean, ValueError for shapes that can't be broadcast.
    """
    return Logical(ufunc)(*operands)
