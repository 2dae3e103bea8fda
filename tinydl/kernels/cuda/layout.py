"""Images as N, C, H, W for everyone who looks at them, in memory as N, H, W, C: a matrix with a column a channel."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

Array: TypeAlias = Any


def covered(*arrays: Array | None) -> bool:
    """Whether the kernels are for these arrays: something of float32 or float64."""
    return all(a is None or (a.size > 0 and a.dtype in ("float32", "float64")) for a in arrays)


def in_memory_order(x: Array) -> list[int]:
    """The axes of x as they lie in memory, from that of the largest steps to that of neighbours."""
    return sorted(range(x.ndim), key=lambda axis: -x.strides[axis])


def channels_last(xp: ModuleType, x: Array) -> Array:
    """x (N, C, ...) as (N, ..., C) in C order: a copy only where it does not lie so."""
    return xp.ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1))


def channels_second(x: Array) -> Array:
    """x (N, ..., C) as (N, C, ...), in the same memory."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
