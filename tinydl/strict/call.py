"""How the strict device runs a NumPy function: on the values of its arrays, with CuPy's memory layout.

CuPy allocates results in C order, whatever the strides of the operands; NumPy follows the operands. That shows in
`strides`, `flags` and in what `reshape` copies, and the strict device answers as CuPy does. But NumPy also *adds
up* in the order in which elements lie in memory, so a sum over an array in C order differs in its last digits
from the CPU device's sum over the same values in another layout. For the strict device to give the CPU's bits,
each array remembers the strides that NumPy would have given it, and NumPy gets to see the values laid out so: the
array's twin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.strict.sync import LeakError, UndefinedError

Host = npt.NDArray[Any]


class Wrapped:
    """What a strict array is made of: its values, and the strides that NumPy would have given them."""

    __slots__ = ("__weakref__", "_host", "_numpy_strides")

    def __init__(self, host: Host, numpy_strides: tuple[int, ...] | None = None) -> None:
        self._host = host
        self._numpy_strides = None if numpy_strides == host.strides else numpy_strides


def twin(array: Wrapped) -> Host:
    """The values as NumPy would have laid them out: the values themselves, or a copy."""
    host, strides = array._host, array._numpy_strides
    if strides is None or host.size == 0:
        return host
    reach = [s * (n - 1) for s, n in zip(strides, host.shape, strict=True)]
    low, high = sum(min(r, 0) for r in reach), sum(max(r, 0) for r in reach)
    memory = np.empty(high - low + host.itemsize, np.uint8)
    copy: Host = np.ndarray(host.shape, host.dtype, memory.data, -low, strides)
    copy[...] = host
    return copy


def hosts(value: Any, get: Callable[[Wrapped], Host], who: str) -> Any:
    """`value` with each strict array in it, in lists and tuples too, replaced; raises for host arrays."""
    if isinstance(value, Wrapped):
        return get(value)
    if isinstance(value, np.ndarray):
        raise LeakError(f"{who}: got a NumPy array where device arrays are due; move it with Device.asarray")
    if type(value) in (list, tuple):
        return type(value)(hosts(v, get, who) for v in value)
    return value


def run(
    who: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wrap: Callable[..., Any],
    layout: bool = False,
) -> Any:
    """function(*args, **kwargs) on the host, its arrays wrapped.

    `layout` says that the result may be a view, or follow the layout of an operand, as it does for transpose or
    empty_like; other results are new and in C order. An `out` gets the result and is returned.
    """
    out = kwargs.pop("out", None)
    if isinstance(out, tuple):
        (out,) = out
    if out is not None and not isinstance(out, Wrapped):
        raise LeakError(f"{who}: out must be a device array, got {type(out).__name__}")
    arrays: list[Wrapped] = []

    def noted(x: Wrapped) -> Host:
        arrays.append(x)
        return twin(x)

    def called(get: Callable[[Wrapped], Host]) -> Any:
        return function(*hosts(args, get, who), **{key: hosts(v, get, who) for key, v in kwargs.items()})

    with np.errstate(all="ignore"):  # a GPU never warns of overflow or 0 / 0
        result = truth = called(noted)
        if layout and any(x._numpy_strides is not None for x in arrays):
            truth = called(lambda x: x._host)
    if out is not None:
        write(who, out, ..., result, "same_kind")
        return out
    return _wrapped(result, truth, arrays, wrap, layout)


def _wrapped(result: Any, truth: Any, arrays: list[Wrapped], wrap: Callable[..., Any], layout: bool) -> Any:
    if isinstance(result, np.generic):
        return wrap(np.asarray(result))
    if isinstance(result, np.ndarray):
        if not layout:
            own = truth.flags.c_contiguous and not any(np.may_share_memory(truth, x._host) for x in arrays)
            return wrap(truth if own else truth.copy("C"), result.strides)
        if not truth.flags.writeable and arrays:
            truth = np.lib.stride_tricks.as_strided(arrays[0]._host, truth.shape, truth.strides)
        return wrap(truth, result.strides)
    if isinstance(result, list | tuple):
        parts = [_wrapped(r, t, arrays, wrap, layout) for r, t in zip(result, truth, strict=True)]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def write(who: str, array: Wrapped, key: Any, values: Any, casting: Any = "unsafe") -> None:
    """array[key] = values, of host values, unless what is written where would be undefined on a GPU."""
    host = array._host
    if _overlaps_itself(host):
        raise UndefinedError(
            f"{who}: writing into an array of shape {host.shape} whose elements share memory (strides "
            f"{host.strides}), as broadcast_to makes them; NumPy refuses, on a GPU threads would race"
        )
    if isinstance(values, np.ndarray | np.generic):
        if not np.can_cast(values.dtype, host.dtype, casting):
            raise TypeError(f"{who}: can't cast {values.dtype} to {host.dtype} in place")
        check_cast(who, values, host.dtype)
    if key is ... and np.shape(values) != host.shape and casting == "same_kind":
        raise ValueError(
            f"{who}: the result of shape {np.shape(values)} does not fit an out of shape {host.shape}"
        )
    host[key] = values


def check_cast(who: str, values: Any, dtype: Any) -> None:
    """Raises for floats that have no value in an integer dtype: a GPU and a CPU would make different ones of them."""
    if values.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        with np.errstate(invalid="ignore"):
            fits = (np.trunc(values) >= limits.min) & (np.trunc(values) <= limits.max)
        if not fits.all():
            raise UndefinedError(
                f"{who}: NaN, infinity or a number out of range cast from {values.dtype} to {dtype}"
            )


def _overlaps_itself(host: Host) -> bool:
    """Whether two indices lead to the same memory."""
    if host.size == 0:
        return False
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(host.strides, host.shape, strict=True) if n > 1):
        if stride < host.itemsize or (reach and stride <= reach):
            return True
        reach += stride * (n - 1)
    return False
