"""Reading elements by index, and its derivative: adding into them.

    out = x[key],                  dx = zeros, with g added at key
    out = zeros with x put at key, dx = g[key]

The two are each other's derivative, so a gradient can be differentiated any number of times.
"""

from __future__ import annotations

import operator
from typing import Any

from tinydl.device import Array, Device, cpu, device_of
from tinydl.errors import DeviceError, DTypeError, ShapeError
from tinydl.op import Op, check_tensors
from tinydl.tensor import Tensor


def normalize_axis(who: str, axis: Any, ndim: int) -> int:
    """`axis` as one in [0, ndim).

    Raises, in the name of `who`: TypeError for what is no integer, ValueError for an axis out of range.
    """
    i = integer(who, "an axis", axis)
    if not -ndim <= i < ndim:
        raise ShapeError(who, f"axis {i} is out of range for {ndim} axes")
    return i % ndim


def integer(who: str, what: str, value: Any) -> int:
    """`value` as a Python integer, if it is an integer of any kind; raises TypeError, in the name of `who`."""
    try:
        return operator.index(value)
    except TypeError:
        raise DTypeError(who, f"{what} must be an integer, got {value!r}") from None


class GetItem(Op):
    """out = x[key],  dx = zeros, with g added at key: an element read twice gets both gradients."""

    __slots__ = ("before", "key")
    name = "getitem"
    promotes = "never"

    def __init__(self, key: Any) -> None:
        self.key = key

    def forward(self, x: Array) -> Array:
        self.before = x.shape
        try:
            return x[self.key]
        except IndexError as error:
            raise IndexError(f"{self.name}: {error} (input shape {x.shape})") from error

    def backward(self, g: Any) -> Any:
        return AddAt(self.key, self.before)(g)


class Slice(GetItem):
    """out = x[key] for integers and slices: shares memory with x."""

    __slots__ = ()
    name = "getitem"
    views = True


class TakeAlongAxis(GetItem):
    """out = x[key] for the key that `take_along_axis` makes."""

    __slots__ = ()
    name = "take_along_axis"


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

    Keeps the dtype, and shares memory with x for integers and slices. Raises IndexError for what is out of range
    and TypeError for keys of other types.
    """
    device = x.device if isinstance(x, Tensor) else None
    parts = key if isinstance(key, tuple) else (key,)
    if not _is_basic(key):
        key = tuple(_index(part, device) for part in parts)
        if device is not None and device is not cpu and device.checks_values:
            _check_range("getitem", x.shape, key)
    return (Slice(key) if _is_basic(key) else GetItem(key))(x)


def take_along_axis(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """out[i, j, k] = x[i, indices[i, j, k], k] for axis 1, and likewise for others (as NumPy's).

    `indices` is an integer tensor with as many axes as x, and its lengths but along `axis` (or 1 there). The
    result has the dtype of x. Raises TypeError for other indices, ValueError for shapes that do not fit,
    IndexError for indices out of range, RuntimeError for two devices.
    """
    check_tensors("take_along_axis", x)
    if not isinstance(indices, Tensor) or indices.dtype.kind not in "iu":
        got = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise DTypeError("take_along_axis", f"expected an integer tensor of indices, got {got}")
    axis = normalize_axis("take_along_axis", axis, x.ndim)
    fits = indices.ndim == x.ndim and all(
        i == axis or m in (1, n) for i, (m, n) in enumerate(zip(indices.shape, x.shape, strict=True))
    )
    if not fits:
        raise ShapeError(
            "take_along_axis",
            f"indices of shape {indices.shape} do not fit x of shape {x.shape} along axis {axis}",
        )
    if indices.device is not x.device:
        raise DeviceError(
            "take_along_axis", f"x is on {x.device}, the indices on {indices.device}; move one with .to(...)"
        )
    if x.device is not cpu and x.device.checks_values:
        _check_range("take_along_axis", x.shape, (*(slice(None),) * axis, indices._data))
    xp = x.device.xp
    key = []
    for i, n in enumerate(x.shape):
        along = (1,) * i + (-1,) + (1,) * (x.ndim - i - 1)
        key.append(indices._data.copy() if i == axis else xp.arange(n).reshape(along))
    return TakeAlongAxis(tuple(key))(x)


def _is_basic(key: Any) -> bool:
    """Whether the key has integers, slices, None and Ellipsis only."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is Ellipsis or isinstance(part, slice) or type(part) is int for part in parts
    )


def _index(part: Any, device: Device | None) -> Any:
    """One part of a key as something that the device's arrays can be indexed with."""
    if isinstance(part, Tensor):
        if device is not None and part.device is not device:
            raise DeviceError(
                "getitem", f"the tensor is on {device}, an index on {part.device}; move one with .to(...)"
            )
        part = part._data
    elif isinstance(part, list):
        if device is not None:
            part = device.xp.asarray(part, dtype=None if part else "int64")
    elif part is None or part is Ellipsis or isinstance(part, slice | int):
        return part
    elif device is not None and device is not cpu and device_of(part) is cpu:
        part = device.asarray(cpu.to_host(part))  # an array of the host: moved here, and nowhere else
    kind = getattr(getattr(part, "dtype", None), "kind", "?")
    if kind not in "biu":
        what = part.dtype if hasattr(part, "dtype") else type(part).__name__
        raise DTypeError("getitem", f"an index must be integers, booleans or slices, got {what}")
    if kind in "iu" and part.ndim == 0 and device in (cpu, None):  # elsewhere that would make the host wait
        return int(part)
    return part.copy()  # the backward pass reads it, and the caller may change it before


def _check_range(who: str, shape: tuple[int, ...], key: tuple[Any, ...]) -> None:
    """Raises IndexError for integer arrays out of range, as NumPy does by itself: a GPU wraps them round."""

    def axes(part: Any) -> int:
        if part is None or part is Ellipsis:
            return 0
        return part.ndim if hasattr(part, "dtype") and part.dtype.kind == "b" else 1

    axis = 0
    for part in key:
        if hasattr(part, "dtype") and part.dtype.kind in "iu" and part.size and axis < len(shape):
            n = shape[axis]
            if ((part < -n) | (part >= n)).any():
                wrong = part[(part < -n) | (part >= n)].reshape(-1)[0].item()
                raise IndexError(
                    f"{who}: index {wrong} is out of bounds for axis {axis} with size {n} (input shape {shape})"
                )
        axis += len(shape) - sum(map(axes, key)) if part is Ellipsis else axes(part)


def one_hot(labels: Tensor, num_classes: int = -1) -> Tensor:
    """Integer labels (...) as int64 vectors (..., num_classes) with a 1 at the label; -1: as many as needed.

    Raises: TypeError for labels that are not integers, ValueError for labels out of range.
    """
    if not isinstance(labels, Tensor) or labels.dtype.kind not in "iu":
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise DTypeError("one_hot", f"expected an integer tensor of labels, got {got}")
    classes = num_classes
    if num_classes == -1 or labels.device.checks_values:
        largest = int(labels._data.max()) if labels.size else -1
        classes = largest + 1 if num_classes == -1 else num_classes
        if classes < 1 or largest >= classes or (labels.size and int(labels._data.min()) < 0):
            raise ShapeError("one_hot", f"labels must be in [0, {classes - 1}], the largest is {largest}")
    along = labels.device.xp.arange(classes)
    return Tensor((labels._data[..., None] == along).astype("int64"), labels.device)
