"""Kernels that Numba compiles, for computations of each element by itself: all of a formula in one pass.

NumPy makes a pass over a block for every product and every sum. Where a formula has a dozen of them the compiled loop
is several times as fast, and gives the same bits: it rounds after the same operations, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numba
import numpy as np

from tinydl.kernels import cpu, threads
from tinydl.kernels.subnormal import FlushedToZero

Array: TypeAlias = Any
Compute: TypeAlias = Callable[..., None]

_COST = 15  # of an element, in multiply-adds


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as Numba compiles it for each dtype when it is first called, kept on disk where that is possible.

    Without `fastmath`, which would compute another formula; division by 0 is NumPy's. Without Numba's own threads,
    which two others may not use at a time, nor a process after a fork: large arrays share the cores as NumPy's kernels
    do (threads.py).
    """
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no folder to keep it in
        return numba.njit(function, nogil=True, error_model="numpy")


def covered(*arrays: Array) -> bool:
    """Whether all are float32 or all are float64, as this machine stores them."""
    return arrays[0].dtype in (np.float32, np.float64) and len({a.dtype for a in arrays}) == 1


class Fused:
    """compute(*arrays) by the kernel, which takes lines of numbers and then `numbers`; else plain(*arrays)."""

    def __init__(self, plain: Compute, kernel: Compute, *numbers: Any) -> None:
        self.plain, self.kernel, self.numbers = plain, kernel, numbers

    def __call__(self, *arrays: Array) -> None:
        lines = _as_they_lie(arrays) if covered(*arrays) else None
        if lines is None:
            self.plain(*arrays)
        else:
            self.kernel(*lines, *self.numbers)


def _as_they_lie(arrays: tuple[Array, ...]) -> list[Array] | None:
    """The arrays as lines of numbers in the order of memory; None where they have gaps or do not lie alike."""
    if all(a.flags.c_contiguous for a in arrays):
        return [a.reshape(-1) for a in arrays]
    strides = arrays[0].strides
    order = sorted(range(len(strides)), key=strides.__getitem__, reverse=True)
    if any(a.strides != strides for a in arrays) or not arrays[0].transpose(order).flags.c_contiguous:
        return None
    return [a.transpose(order).reshape(-1) for a in arrays]


def activation(xp: ModuleType, name: str, compute: Compute, *arrays: Array) -> Array:
    """As the CPU's, `relu_gradient` compiled; NumPy's exponentials and hyperbolic tangents are the faster ones."""
    if name != "relu_gradient" or not _is_short(arrays[0].size):
        return cpu.activation(xp, name, compute, *arrays)
    out = xp.empty_like(arrays[-1])
    Fused(compute, _relu_gradient)(*arrays, out)
    return out


@compiled
def _relu_gradient(u: Array, y: Array, out: Array) -> None:
    zero, one = u.dtype.type(0), u.dtype.type(1)
    for i in range(u.size):
        out[i] = u[i] * (one if y[i] > zero else zero)


def updates(xp: ModuleType, jobs: Sequence[tuple[Compute, Sequence[Array]]]) -> None:
    """compute(*arrays) for each job, as the CPU's."""
    size = sum(arrays[0].size for _, arrays in jobs)
    if not (_is_short(size) and all(isinstance(compute, Fused) for compute, _ in jobs)):
        return cpu.updates(xp, jobs)
    with FlushedToZero():
        for compute, arrays in jobs:
            compute(*arrays)
    return None


def _is_short(size: int) -> bool:
    """Whether one core has computed so many elements before it had company."""
    return _COST * size < threads.WORTHWHILE
