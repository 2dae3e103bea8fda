"""Indexing as CuPy does it: what it refuses, what it wraps round, and what is undefined there.

x[i], x[1:3], x[None]     views, as in NumPy
x[indices]                device arrays only: CuPy would upload a list or a NumPy array anew at every call;
                          an index out of range is no error but wraps round
x[mask]                   the host has to wait for the number of true elements
x[indices] = values       with an index twice: which value wins is undefined
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinydl.strict.call import Host, Wrapped, hosts, run, twin, write
from tinydl.strict.sync import LeakError, UndefinedError, crossing


class Key:
    """An index as NumPy takes it, with the integer arrays in it wrapped into their axes."""

    def __init__(self, who: str, key: Any, shape: tuple[int, ...]) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            _refuse(who, part)
        self.masks = any(isinstance(part, Wrapped) and part._host.dtype.kind == "b" for part in parts)
        self.integers = any(isinstance(part, Wrapped) and part._host.dtype.kind in "iu" for part in parts)
        taken = sum(_axes_of(part) for part in parts)
        axis = 0
        found: list[Any] = []
        for part in parts:
            if isinstance(part, Wrapped) and part._host.dtype.kind in "iu":
                n = shape[axis] if axis < len(shape) else 1
                found.append(part._host % n if n else part._host)
            elif isinstance(part, Wrapped):
                found.append(part._host)
            else:
                found.append(part)
            axis += len(shape) - taken if part is Ellipsis else _axes_of(part)
        self.parts = tuple(found)
        self.advanced = self.masks or self.integers

    def twice(self, shape: tuple[int, ...]) -> bool:
        """Whether the index leads to an element of an array of `shape` more than once."""
        places = np.arange(int(np.prod(shape))).reshape(shape)[self.parts]
        return bool(np.unique(places).size < places.size)


def getitem(x: Wrapped, key: Any, wrap: Callable[..., Any]) -> Any:
    """x[key]"""
    found = Key("x[...]", key, x._host.shape)
    if found.masks:
        crossing("x[mask]: a data-dependent shape")
    if found.advanced:
        return run("x[...]", lambda values: values[found.parts], (x,), {}, wrap)
    parts = (
        (*found.parts, ...) if ... not in found.parts else found.parts
    )  # an array also where one element is left
    return wrap(x._host[parts], twin(x)[parts].strides if x._numpy_strides is not None else None)


def setitem(x: Wrapped, key: Any, value: Any) -> None:
    """x[key] = value"""
    if not isinstance(value, Wrapped | bool | int | float | complex | np.generic):
        raise LeakError(
            f"x[...] = value: got {type(value).__name__}; CuPy would refuse it or copy it to the device at "
            "every call: move it with Device.asarray"
        )
    found = Key("x[...] = value", key, x._host.shape)
    several = isinstance(value, Wrapped) and value._host.size > 1
    if found.masks and several:
        crossing("x[mask] = values: a data-dependent shape")
    if found.integers and several and found.twice(x._host.shape):
        raise UndefinedError(
            "x[indices] = values: an index stands there twice, and which of its values wins is undefined; "
            "add them with xp.add.at"
        )
    values: Any = hosts(value, twin, "x[...] = value")
    write("x[...] = value", x, found.parts, values)


# CuPy's atomic operations: the dtypes that each can take.
_ATOMIC = {
    "add": ("int32", "int64", "uint32", "uint64", "float16", "float32", "float64"),
    "subtract": ("int32", "uint32"),
    "maximum": ("int32", "int64", "uint32", "uint64", "float32", "float64"),
    "minimum": ("int32", "int64", "uint32", "uint64", "float32", "float64"),
    "bitwise_and": ("int32", "int64", "uint32", "uint64"),
    "bitwise_or": ("int32", "int64", "uint32", "uint64"),
    "bitwise_xor": ("int32", "int64", "uint32", "uint64"),
}


def ufunc_at(ufunc: Any, x: Any, key: Any, value: Any) -> None:
    """ufunc.at(x, key, value): x[key] = ufunc(x[key], value), once for each time that an index stands there."""
    who = f"{ufunc.__name__}.at"
    if ufunc.__name__ not in _ATOMIC:
        raise NotImplementedError(f"{who}: CuPy has none")
    if not isinstance(x, Wrapped):
        raise LeakError(f"{who}: expected a device array, got {type(x).__name__}")
    if str(x._host.dtype) not in _ATOMIC[ufunc.__name__]:
        raise TypeError(
            f"{who}: CuPy has no atomic operation on {x._host.dtype}, only on {_ATOMIC[ufunc.__name__]}"
        )
    if not isinstance(value, Wrapped | bool | int | float | np.generic):
        raise LeakError(f"{who}: got values as {type(value).__name__}; move them with Device.asarray")
    found = Key(who, key, x._host.shape)
    if found.masks:
        crossing(f"{who} with a mask: a data-dependent shape")
    values: Host = x._host.copy()
    ufunc.at(values, found.parts, hosts(value, twin, who))
    write(who, x, ..., values)


def _refuse(who: str, part: Any) -> None:
    if not (
        part is None or part is Ellipsis or isinstance(part, Wrapped | slice | int | np.integer | np.bool_)
    ):
        raise LeakError(
            f"{who}: an index of type {type(part).__name__} would be copied to the device at every call; "
            "move it once, with Device.asarray"
        )
    if isinstance(part, Wrapped) and part._host.dtype.kind not in "iub":
        raise IndexError(f"{who}: index arrays must be integers or booleans, got {part._host.dtype}")


def _axes_of(part: Any) -> int:
    """How many axes a part of a key takes."""
    if part is None or part is Ellipsis or isinstance(part, bool | np.bool_):
        return 0
    if isinstance(part, Wrapped) and part._host.dtype.kind == "b":
        return part._host.ndim
    return 1
