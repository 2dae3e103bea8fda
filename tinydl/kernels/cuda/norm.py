"""Batch normalisation for a GPU: trees of partial sums, without a thread that waits (norm.cu, sums.cu)."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels import reference
from tinydl.kernels.cuda.launch import launcher
from tinydl.kernels.cuda.layout import channels_last, channels_second, covered

Array: TypeAlias = Any

PIECE = 64  # of sums.cu


def channel_sums(xp: ModuleType, x: Array) -> Array:
    """The sum of each channel of x (N, C, ...): (C,). What a bias that was added to x has as its gradient."""
    if not covered(x):
        return x.sum(axis=(0, *range(2, x.ndim)))
    return column_sums(xp, _rows(xp, x))


def column_sums(xp: ModuleType, rows: Array) -> Array:
    """The sum of each column of a matrix in C order, 1 row or more: (columns,)."""
    while len(rows) > 1:
        out = xp.empty((_pieces(len(rows)), rows.shape[1]), dtype=rows.dtype)
        launcher(xp).launch(f"sum_rows_{rows.dtype}", out.size, rows, out, out.size, *rows.shape)
        rows = out
    return rows[0]


def batch_norm(
    xp: ModuleType, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """weight (x - m) / sqrt(v + eps) + bias, and mean m and variance v of each channel: x (N, C, ...), others (C,)."""
    if not covered(x, weight, bias):
        return reference.batch_norm(xp, x, weight, bias, eps)
    run, rows = launcher(xp).launch, _rows(xp, x)
    count, c = rows.shape
    mean, var = (xp.empty(c, dtype=x.dtype) for _ in range(2))
    run(f"mean_and_variance_{x.dtype}", c, _moments(xp, rows), mean, var, c, count)
    weight, bias = (a if a is None else xp.ascontiguousarray(a) for a in (weight, bias))
    out = xp.empty_like(rows)
    run(f"batch_norm_{x.dtype}", out.size, rows, mean, var, weight, bias, out, out.size, c, eps)
    return _as_images(out, x), mean, var


def batch_norm_gradient(
    xp: ModuleType, g: Array, x: Array, weight: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """The gradients of x, weight and bias, as in reference.py."""
    if not covered(g, x, weight):
        return reference.batch_norm_gradient(xp, g, x, weight, mean, var, eps)
    run, rows, gs = launcher(xp).launch, _rows(xp, x), _rows(xp, g)
    count, c = rows.shape
    weight = weight if weight is None else xp.ascontiguousarray(weight)
    partial = xp.empty((_pieces(count), 2 * c), dtype=x.dtype)
    threads = len(partial) * c
    run(f"norm_sums_{x.dtype}", threads, gs, rows, mean, var, partial, threads, count, c, eps)
    sums = column_sums(xp, partial)
    dx = xp.empty_like(rows)
    arrays = (gs, rows, mean, var, weight, sums, dx)
    run(f"batch_norm_gradient_{x.dtype}", dx.size, *arrays, dx.size, count, c, eps)
    return _as_images(dx, x), sums[c:], sums[:c]


def _moments(xp: ModuleType, rows: Array) -> Array:
    """Of each column the mean, and the sum of squares around it: (1, 2 columns)."""
    run = launcher(xp).launch
    count, c = rows.shape
    out, size = xp.empty((_pieces(count), 2 * c), dtype=rows.dtype), PIECE
    run(f"moments_{rows.dtype}", len(out) * c, rows, out, len(out) * c, count, c)
    while len(out) > 1:
        pieces, merged = len(out), xp.empty((_pieces(len(out)), 2 * c), dtype=rows.dtype)
        threads = len(merged) * c
        run(f"merge_moments_{rows.dtype}", threads, out, merged, threads, pieces, size, count, c)
        out, size = merged, size * PIECE
    return out


def _pieces(rows: int) -> int:
    return -(-rows // PIECE)


def _rows(xp: ModuleType, x: Array) -> Array:
    """x (N, C, ...) as a matrix with a column for each channel."""
    return channels_last(xp, x).reshape(-1, x.shape[1])


def _as_images(rows: Array, x: Array) -> Array:
    return channels_second(rows.reshape(len(x), *x.shape[2:], x.shape[1]))
