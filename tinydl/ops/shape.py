"""Operations that move elements about and change none: reshape, transpose, broadcast, join, pad.

Their derivatives move the gradient back. All keep the dtype, and raise TypeError for what is no tensor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinydl.device import Array
from tinydl.errors import DTypeError, ShapeError
from tinydl.op import Op, check_tensors, listed
from tinydl.operators import Axis
from tinydl.ops.index import GetItem, getitem, integer, normalize_axis
from tinydl.tensor import Tensor


def normalize_axes(who: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """`axis` as a tuple of axes in [0, ndim); None is all of them.

    Raises, in the name of `who`: ValueError for an axis out of range or named twice, TypeError for what is no integer.
    """
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    axes = tuple([normalize_axis(who, i, ndim) for i in given])
    if len(set(axes)) < len(axes):
        raise ShapeError(who, f"axis {axis} names an axis twice")
    return axes


class Reshape(Op):
    """out = the elements of x, in C order, in another shape;  dx = g in the shape of x."""

    __slots__ = ("before", "to")
    promotes = "never"
    views = True

    def __init__(self, to: tuple[int, ...]) -> None:
        self.to = to

    def forward(self, x: Array) -> Array:
        self.before = x.shape
        known = math.prod(n for n in self.to if n != -1)
        unknown = self.to.count(-1)
        fits = known == x.size if unknown == 0 else unknown == 1 and known > 0 and x.size % known == 0
        if not fits or min(self.to, default=0) < -1:
            raise ShapeError(self.name, f"{x.size} elements of shape {x.shape} do not fit shape {self.to}")
        return x.reshape(self.to)

    def backward(self, g: Any) -> Any:
        return g.reshape(self.before)


class Transpose(Op):
    """out = x with its axes in another order;  dx = g with its axes in the inverse order."""

    __slots__ = ("axes",)
    promotes = "never"
    views = True

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def forward(self, x: Array) -> Array:
        self.axes = normalize_axes(self.name, self.axes, x.ndim)
        if len(self.axes) != x.ndim:
            raise ShapeError(self.name, f"expected an order of {x.ndim} axes, got {self.axes}")
        return x.transpose(self.axes)

    def backward(self, g: Any) -> Any:
        return g.transpose(tuple(sorted(range(len(self.axes)), key=self.axes.__getitem__)))


class BroadcastTo(Op):
    """out = x repeated to a larger shape;  dx = g summed over what was repeated (the gate does that)."""

    __slots__ = ("to",)
    promotes = "never"
    broadcasts = True
    views = True

    def __init__(self, to: tuple[int, ...]) -> None:
        self.to = to

    def forward(self, x: Array) -> Array:
        lead = len(self.to) - x.ndim
        if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, self.to[lead:], strict=True)):
            raise ShapeError(self.name, f"shape {x.shape} can't be broadcast to {self.to}")
        return self.device.xp.broadcast_to(x, self.to)

    def backward(self, g: Any) -> Any:
        return g


class Cat(Op):
    """out = the inputs one after the other along an axis;  each input gets its part of g."""

    __slots__ = ("axis", "ends")

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, *xs: Array) -> Array:
        self.axis = normalize_axis(self.name, self.axis, xs[0].ndim)
        rest = [x.shape[: self.axis] + x.shape[self.axis + 1 :] for x in xs]
        if any(x.ndim != xs[0].ndim for x in xs) or any(r != rest[0] for r in rest):
            shapes = ", ".join(str(x.shape) for x in xs)
            raise ShapeError(self.name, f"shapes {shapes} differ along other axes than {self.axis}")
        self.ends = [0]
        for x in xs:
            self.ends.append(self.ends[-1] + x.shape[self.axis])
        return self.device.xp.concatenate(xs, axis=self.axis)

    def backward(self, g: Any) -> Any:
        before = (slice(None),) * self.axis
        return tuple(
            g[(*before, slice(start, stop))] if needed else None
            for start, stop, needed in zip(self.ends, self.ends[1:], self.needs, strict=False)
        )


class Pad(Op):
    """out = x with a border of one value;  dx = the part of g inside the border."""

    __slots__ = ("inside", "pairs", "value")

    def __init__(self, pairs: tuple[tuple[int, int], ...], value: float) -> None:
        self.pairs, self.value = pairs, value

    def forward(self, x: Array) -> Array:
        self.inside = tuple(slice(a, a + n) for (a, _), n in zip(self.pairs, x.shape, strict=True))
        shape = tuple(a + n + b for (a, b), n in zip(self.pairs, x.shape, strict=True))
        out = self.device.xp.empty_like(x, shape=shape)  # the layout of x, which xp.pad would not keep
        out[...] = self.value
        out[self.inside] = x
        return out

    def backward(self, g: Any) -> Any:
        return g[self.inside]


# ---- the functions


def reshape(x: Tensor, *shape: int | tuple[int, ...]) -> Tensor:
    """The elements of x, in C order, in another shape; one length may be -1. Shares memory where it can.

    Raises: ValueError for a shape that holds another number of elements.
    """
    return Reshape(_ints("reshape", "a length", shape))(x)


def transpose(x: Tensor, *axes: int | tuple[int, ...]) -> Tensor:
    """x with its axes in the given order; reversed when none is given. Shares memory.

    Raises: ValueError for an order that does not name every axis of the shape once.
    """
    check_tensors("transpose", x)
    return Transpose(_ints("transpose", "an axis", axes) or tuple(reversed(range(x.ndim))))(x)


def squeeze(x: Tensor, axis: Axis = None) -> Tensor:
    """x without the named axes of its shape, which must have length 1; without all of length 1 for None.

    Raises: ValueError for an axis of another length or out of range.
    """
    check_tensors("squeeze", x)
    if axis is None:
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1)
    else:
        axes = normalize_axes("squeeze", axis, x.ndim)
        if any(x.shape[i] != 1 for i in axes):
            raise ShapeError("squeeze", f"axis {axis} of shape {x.shape} is not of length 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def unsqueeze(x: Tensor, axis: int) -> Tensor:
    """x with a new axis of length 1 at place `axis` of the result's shape. Raises ValueError for one out of range."""
    check_tensors("unsqueeze", x)
    axis = normalize_axis("unsqueeze", axis, x.ndim + 1)
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def flatten(x: Tensor, start_axis: int = 0) -> Tensor:
    """x with all axes from `start_axis` on made one; a 0-d tensor becomes (1,).

    Raises: ValueError for an axis out of range.
    """
    check_tensors("flatten", x)
    if x.ndim == 0:
        return reshape(x, 1)
    start = normalize_axis("flatten", start_axis, x.ndim)
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start:])))


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x repeated to `shape` by NumPy's broadcasting rule, without a copy. Raises ValueError where it does not fit."""
    return BroadcastTo(tuple(shape))(x)


def flip(x: Tensor, axis: int) -> Tensor:
    """x in reverse order along the axis, in the same shape. Raises ValueError for an axis out of range."""
    check_tensors("flip", x)
    axis = normalize_axis("flip", axis, x.ndim)
    return getitem(x, (*(slice(None),) * axis, slice(None, None, -1)))


def cat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The tensors one after the other along an existing axis; their other lengths must agree.

    Integers beside floats become floats. Raises ValueError for no tensors and for shapes that do not fit,
    TypeError for float32 with float64, RuntimeError for two devices.
    """
    tensors = listed("cat", tensors)
    if len(tensors) == 0:
        raise ShapeError("cat", "expected one tensor or more, got none")
    return Cat(axis)(*tensors)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The tensors, all of one shape, side by side along a new axis.

    Integers beside floats become floats. Raises ValueError for no tensors and for shapes that differ, TypeError
    for float32 with float64, RuntimeError for two devices.
    """
    tensors = listed("stack", tensors)
    if len({x.shape for x in tensors}) != 1:
        raise ShapeError("stack", f"expected tensors of one shape, got {[x.shape for x in tensors]}")
    axis = normalize_axis("stack", axis, tensors[0].ndim + 1)
    return cat([unsqueeze(x, axis) for x in tensors], axis)


def split(x: Tensor, sections_or_indices: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """x cut along the axis: into that many equal parts, or before each of the indices (as `numpy.split`).

    The parts keep the dtype and share memory with x. Raises ValueError for a length that has no such equal parts
    and for an axis out of range.
    """
    check_tensors("split", x)
    axis = normalize_axis("split", axis, x.ndim)
    n = x.shape[axis]
    if isinstance(sections_or_indices, int):
        sections = sections_or_indices
        if sections < 1 or n % sections:
            raise ShapeError("split", f"length {n} (axis {axis} of {x.shape}) has no {sections} equal parts")
        cuts = [n // sections * i for i in range(1, sections)]
    else:
        cuts = list(sections_or_indices)
    before = (slice(None),) * axis
    ends = zip([0, *cuts], [*cuts, n], strict=True)
    return [getitem(x, (*before, slice(start, stop))) for start, stop in ends]


def pad(
    x: Tensor, pairs: Sequence[tuple[int, int]] | int, mode: str = "constant", value: float = 0.0
) -> Tensor:
    """x with a border: (before, after) for each axis, or one width for all sides.

    Mode "constant" fills it with `value`, "edge" repeats the outermost elements, "reflect" mirrors x without
    repeating the outermost. The dtype is kept. Raises ValueError for negative widths, another number of pairs than
    axes, another mode, a border that the mode can't fill, and a `value` that integers of that dtype can't hold
    exactly; TypeError for widths that are not integers.
    """
    check_tensors("pad", x)
    width = partial(integer, "pad", "a width")
    if isinstance(pairs, Iterable):
        widths = [(width(a), width(b)) for a, b in pairs]
    else:
        widths = [(width(pairs), width(pairs))] * x.ndim
    if len(widths) != x.ndim or min((w for pair in widths for w in pair), default=0) < 0:
        raise ShapeError("pad", f"expected {x.ndim} pairs of widths of 0 or more, got {pairs}")
    if mode not in ("constant", "edge", "reflect"):
        raise ValueError(f"pad: mode must be 'constant', 'edge' or 'reflect', got {mode!r}")
    if mode == "constant" or not any(w for pair in widths for w in pair):  # no border: a copy in every mode
        return Pad(tuple(widths), _held("pad", value, x.dtype))(x)
    for axis, ((a, b), n) in enumerate(zip(widths, x.shape, strict=True)):
        if a or b:
            if n == 0 or (mode == "reflect" and max(a, b) >= n):
                raise ShapeError(
                    "pad", f"axis {axis} of length {n} can't be padded by {(a, b)}, mode {mode!r}"
                )
            xp = x.device.xp
            places = xp.arange(-a, n + b)
            places = xp.clip(places, 0, n - 1) if mode == "edge" else n - 1 - xp.abs(n - 1 - xp.abs(places))
            x = GetItem((*(slice(None),) * axis, places))(x)
    return x


def _ints(who: str, what: str, shape: tuple[int | tuple[int, ...], ...]) -> tuple[int, ...]:
    """Both ways to give a shape or axes: f(x, 2, 3) and f(x, (2, 3))."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = tuple(shape[0])
    return tuple([integer(who, what, n) for n in shape])


def _held(who: str, value: Any, dtype: np.dtype[Any]) -> bool | int | float:
    """`value` as a Python number; raises for one that integers or booleans of `dtype` do not hold exactly."""
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, int | float):
        raise DTypeError(who, f"the value must be a number, got {type(value).__name__}")
    if dtype.kind in "biu":
        try:
            exact = dtype.type(value) == value
        except (OverflowError, ValueError):  # out of range, NaN
            exact = False
        if not exact:
            raise ValueError(f"{who}: {dtype} can't hold the value {value}; convert x with .astype(...)")
    return value
