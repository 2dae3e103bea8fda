"""Batch normalisation for the CPU: one channel after the other, while it is in the cache.

A channel's mean and variance, and with them its output, depend on nothing but the channel. So a few channels at a
time go through all steps, and blocks of channels share the cores.
"""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels import reference, threads

Array: TypeAlias = Any

_BLOCK = 1 << 19  # bytes of a block of channels
_SHORT = 16  # numbers of a channel that lie side by side; with fewer it goes faster all channels at a time
_COST = 100  # what an element costs, in multiply-adds


def batch_norm(
    xp: ModuleType, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """weight (x - m) / sqrt(v + eps) + bias, and mean m and variance v of each channel."""
    axes = memory_axes(x)
    if not _blocked(x, axes):
        return reference.batch_norm(xp, x, weight, bias, eps)
    rows = in_rows(x, axes)
    out = np.empty_like(rows)
    c, count = rows.shape[1], x.size // x.shape[1]
    mean, var = np.empty(c, x.dtype), np.empty(c, x.dtype)

    def compute(block: slice) -> None:
        values, centred = rows[:, block], out[:, block]
        mean[block] = values.sum(axis=2).sum(axis=0) / count
        np.subtract(values, mean[block, None], out=centred)
        var[block] = np.vecdot(centred, centred).sum(axis=0) / count
        scale = 1.0 / np.sqrt(var[block] + eps)
        centred *= (scale if weight is None else scale * weight[block])[:, None]
        if bias is not None:
            centred += bias[block, None]

    threads.each(_blocks(rows), compute, _COST * x.size)
    return as_images(out, x, axes), mean, var


def batch_norm_gradient(
    xp: ModuleType, g: Array, x: Array, weight: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """The gradients of x, weight and bias, as in reference.py."""
    axes = memory_axes(x)
    if not _blocked(x, axes):
        return reference.batch_norm_gradient(xp, g, x, weight, mean, var, eps)
    rows, gs = in_rows(x, axes), in_rows(g, axes)
    out = np.empty_like(rows)
    c, count = rows.shape[1], x.size // x.shape[1]
    dw, db = np.empty(c, x.dtype), np.empty(c, x.dtype)

    def compute(block: slice) -> None:
        given, dx = gs[:, block], out[:, block]
        r = 1.0 / np.sqrt(var[block] + eps)
        np.subtract(rows[:, block], mean[block, None], out=dx)
        db[block] = given.sum(axis=2).sum(axis=0)
        dw[block] = np.vecdot(given, dx).sum(axis=0) * r
        dx *= (dw[block] * r / -count)[:, None]
        dx += given
        dx -= (db[block] / count)[:, None]
        dx *= (r if weight is None else r * weight[block])[:, None]

    threads.each(_blocks(rows), compute, _COST * x.size)
    return as_images(out, x, axes), dw, db


def _blocked(x: Array, axes: tuple[int, ...]) -> bool:
    """Whether blocks of channels help."""
    if x.ndim < 3 or x.size == 0 or x.dtype.kind != "f":
        return False
    ordered = x.transpose(axes)
    return ordered.flags.c_contiguous and ordered[0, 0].size >= _SHORT


def memory_axes(x: Array) -> tuple[int, ...]:
    """The axes of x (N, C, ...) as they lie in memory, the channels second."""
    return (2, 1, 3, 0) if x.ndim == 4 and x.strides[0] <= x.strides[3] else tuple(range(x.ndim))


def in_rows(x: Array, axes: tuple[int, ...]) -> Array:
    """x as (A, C, B), its axes in that order: a copy where it does not lie so."""
    ordered = x.transpose(axes)
    return np.ascontiguousarray(ordered).reshape(*ordered.shape[:2], -1)


def as_images(rows: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """Rows (A, C, B) with the axes of x again."""
    return rows.reshape([x.shape[i] for i in axes]).transpose(np.argsort(axes))


def _blocks(rows: Array) -> list[slice]:
    """The channels in blocks that fit in the cache: two at least, for two cores."""
    c = rows.shape[1]
    number = min(c, max(2, rows.nbytes // _BLOCK))
    return [slice(start, stop) for start, stop in pairwise(c * i // number for i in range(number + 1))]
