"""Batch normalisation for the CPU: whole rows of the arrays as they lie in memory, a block of them at a time.

A block stays in the cache from one operation to the next. The sums over all blocks come between two passes, so that
each pass can share the cores; and where processes share a batch, between two passes they exchange what they found.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels import reference, threads

Array: TypeAlias = Any

_BLOCK = 1 << 19  # bytes of a block of rows
_SHORT = 16  # numbers of a channel that lie side by side; with fewer it goes faster all channels at a time
_COST = 15  # what an element costs in one pass, in multiply-adds
_SHARED = threads.WORTHWHILE  # multiply-adds that cores share


def batch_norm(
    xp: ModuleType, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """weight (x - m) / sqrt(v + eps) + bias, and mean m and variance v of each channel."""
    if not _regular(x):
        return reference.batch_norm(xp, x, weight, bias, eps)
    return normalized(x, weight, bias, eps, x.size // x.shape[1], lambda found: found[None])


def batch_norm_gradient(
    xp: ModuleType, g: Array, x: Array, weight: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """The gradients of x, weight and bias, as in reference.py."""
    if not _regular(x):
        return reference.batch_norm_gradient(xp, g, x, weight, mean, var, eps)
    return normalized_gradient(g, x, weight, mean, var, eps, x.size // x.shape[1], lambda found: found)


def normalized(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    count: int,
    gather: Callable[[Array], Array],
) -> tuple[Array, Array, Array]:
    """weight (x - m) / sqrt(v + eps) + bias, m and v over all `count` values of a channel.

    `gather` gives what each process found, (processes, ...). With m_i and s_i, mean and sum of (x - m_i)^2 over the n_i
    values of process i, and p_i = n_i / count (Chan, Golub and LeVeque, 1979):

        m = sum of p_i m_i,    v = sum of s_i / count + p_i (m_i - m)^2
    """
    axes = _memory_axes(x)
    rows = _in_rows(x, axes)
    out = np.empty_like(rows)
    n = x.size // x.shape[1]

    def centre(block: slice) -> Array:
        np.subtract(rows[block], here[:, None], out=out[block])
        return np.vecdot(out[block], out[block]).sum(axis=0)

    def stretch(block: slice) -> None:
        part = out[block]
        part *= scale[:, None]
        if shift.any():
            part += shift[:, None]

    here = _sum(rows, lambda block: rows[block].sum(axis=2).sum(axis=0)) / n
    squares = _sum(rows, centre)
    shares, means, all_squares = gather(np.stack([np.full_like(here, n / count), here, squares])).swapaxes(
        0, 1
    )
    mean = (shares * means).sum(axis=0)
    var = (all_squares / count + shares * (means - mean) ** 2).sum(axis=0)
    scale = 1.0 / np.sqrt(var + eps)
    if weight is not None:
        scale *= weight
    shift = (here - mean) * scale
    if bias is not None:
        shift += bias
    _each(rows, stretch)
    return _as_images(out, x, axes), mean, var


def normalized_gradient(
    g: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    var: Array,
    eps: float,
    count: int,
    total: Callable[[Array], Array],
) -> tuple[Array, Array, Array]:
    """The gradient of x, with means over all `count` values, and what x gives to those of weight and bias.

    `total` makes sums over all processes of sums over x.
    """
    axes = _memory_axes(x)
    rows, given = _in_rows(x, axes), _in_rows(g, axes)
    out = np.empty_like(rows)
    r = 1.0 / np.sqrt(var + eps)

    def centre(block: slice) -> Array:
        np.subtract(rows[block], mean[:, None], out=out[block])
        return np.stack(
            [given[block].sum(axis=2).sum(axis=0), np.vecdot(given[block], out[block]).sum(axis=0)]
        )

    def project(block: slice) -> None:
        part = out[block]
        part *= (all_dw * r / -count)[:, None]
        part += given[block]
        part -= (all_db / count)[:, None]
        part *= (r if weight is None else r * weight)[:, None]

    db, dw = _sum(rows, centre)
    dw = dw * r
    all_db, all_dw = total(np.stack([db, dw]))
    _each(rows, project)
    return _as_images(out, x, axes), dw, db


def _regular(x: Array) -> bool:
    """Whether the numbers of a channel lie side by side, enough of them in each row."""
    if x.ndim < 3 or x.size == 0 or x.dtype.kind != "f":
        return False
    ordered = x.transpose(_memory_axes(x))
    return ordered.flags.c_contiguous and ordered[0, 0].size >= _SHORT


def _memory_axes(x: Array) -> tuple[int, ...]:
    """The axes of x (N, C, ...) as they lie in memory, the channels second."""
    return (2, 1, 3, 0) if x.ndim == 4 and x.strides[0] <= x.strides[3] else tuple(range(x.ndim))


def _in_rows(x: Array, axes: tuple[int, ...]) -> Array:
    """x as (A, C, B), its axes in that order: a copy where it does not lie so."""
    ordered = x.transpose(axes)
    return np.ascontiguousarray(ordered).reshape(*ordered.shape[:2], -1)


def _as_images(rows: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """Rows (A, C, B) with the axes of x again."""
    return rows.reshape([x.shape[i] for i in axes]).transpose(np.argsort(axes))


def _each(rows: Array, compute: Callable[[slice], Any]) -> list[Any]:
    """compute(block) for blocks of the rows that fit in the cache; their number is even where cores share them."""
    work, blocks = _COST * rows.size, -(-rows.nbytes // _BLOCK)
    if work >= _SHARED:
        blocks += blocks % 2
    blocks = max(1, min(len(rows), blocks))
    ends = [len(rows) * i // blocks for i in range(blocks + 1)]
    return threads.each([slice(*pair) for pair in pairwise(ends)], compute, work)


def _sum(rows: Array, compute: Callable[[slice], Array]) -> Array:
    first, *others = _each(rows, compute)
    for other in others:
        first = first + other
    return first
