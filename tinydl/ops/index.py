"""Reading elements by index, and its derivative: adding into them.

    out = x[key],                  dx = zeros, with g added at key
    out = zeros with x put at key, dx = g[key]

The two are each other's derivative, so a gradient can be differentiated any number of times.
"""

from __future__ import annotations

from typing import Any

from tinydl.autograd import Op
from tinydl.device import Array, Device
from tinydl.errors import DTypeError, ShapeError
from tinydl.tensor import Tensor


class GetItem(Op):
    """out = x[key],  dx = zeros, with g added at key: an element read twice gets both gradients."""

    __slots__ = ("before", "key")
    promotes = "never"

    def __init__(self, key: Any) -> None:
        self.key = key

    def forward(self, x: Array) -> Array:
        self.before = x.shape
        return x[self.key]

    def backward(self, g: Any) -> Any:
        return AddAt(self.key, self.before)(g)


class Slice(GetItem):
    """out = x[key] for integers and slices: shares memory with x."""

    __slots__ = ()
    name = "getitem"
    views = True


class AddAt(Op):
    """out = zeros of a shape, with x added at key,  dx = g[key]."""

    __slots__ = ("key", "to")

    def __init__(self, key: Any, to: tuple[int, ...]) -> None:
        self.key, self.to = key, to

    def forward(self, x: Array) -> Array:
        xp = self.device.xp
        out = xp.zeros(self.to, dtype=x.dtype)
        if _is_basic(self.key):
            out[self.key] = x  # no place twice
        else:
            xp.add.at(out, self.key, x)
        return out

    def backward(self, g: Any) -> Any:
        return GetItem(self.key)(g)


def getitem(x: Tensor, key: Any) -> Tensor:
    """x[key]; key is an integer, slice, None, Ellipsis, integer or boolean array, tensor or list, or a tuple.

    Shares memory with x for integers and slices. Raises IndexError for what is out of range and TypeError
    for keys of other types.
    """
    device = x.device if isinstance(x, Tensor) else None
    parts = key if isinstance(key, tuple) else (key,)
    if not _is_basic(key):
        key = tuple(_index(part, device) for part in parts)
    return (Slice(key) if _is_basic(key) else GetItem(key))(x)  # type: ignore[no-any-return]


def take_along_axis(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """out[i, j, k] = x[i, indices[i, j, k], k] for axis 1, and likewise for others (as NumPy's).

    `indices` is an integer tensor with as many axes as x, and its lengths but along `axis` (or 1 there).
    Raises: TypeError for other dtypes, ValueError for shapes that do not fit, IndexError for indices out of
    range.
    """
    if not isinstance(indices, Tensor) or indices.dtype.kind not in "iu":
        got = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise DTypeError("take_along_axis", f"expected an integer tensor of indices, got {got}")
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError("take_along_axis", f"axis {axis} is out of range for {x.ndim} axes")
    axis %= x.ndim
    fits = indices.ndim == x.ndim and all(
        i == axis or m in (1, n) for i, (m, n) in enumerate(zip(indices.shape, x.shape, strict=True))
    )
    if not fits:
        raise ShapeError(
            "take_along_axis",
            f"indices of shape {indices.shape} do not fit x of shape {x.shape} along axis {axis}",
        )
    xp = x.device.xp
    key = []
    for i, n in enumerate(x.shape):
        along = (1,) * i + (-1,) + (1,) * (x.ndim - i - 1)
        key.append(indices._data if i == axis else xp.arange(n).reshape(along))
    return GetItem(tuple(key))(x)  # type: ignore[no-any-return]


def _is_basic(key: Any) -> bool:
    """Whether the key has integers, slices, None and Ellipsis only."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is Ellipsis or isinstance(part, slice) or type(part) is int for part in parts
    )


def _index(part: Any, device: Device | None) -> Any:
    """One part of a key as something that the device's arrays can be indexed with."""
    if isinstance(part, Tensor):
        part = part._data
    elif isinstance(part, list):
        if device is not None:
            part = device.xp.asarray(part, dtype=None if part else "int64")
    elif part is None or part is Ellipsis or isinstance(part, slice | int):
        return part
    kind = getattr(getattr(part, "dtype", None), "kind", "?")
    if kind not in "biu":
        what = part.dtype if hasattr(part, "dtype") else type(part).__name__
        raise DTypeError("getitem", f"an index must be integers, booleans or slices, got {what}")
    return int(part) if kind in "iu" and part.ndim == 0 else part
