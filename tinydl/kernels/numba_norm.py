"""Batch normalisation, compiled: the passes of cpu_norm.py, each of which reads and writes every number once."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels import cpu
from tinydl.kernels.cpu_norm import _as_images, _each, _in_rows, _memory_axes, _regular, _sum
from tinydl.kernels.numba_elementwise import compiled, covered

Array: TypeAlias = Any


def batch_norm(
    xp: ModuleType, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """weight (x - m) / sqrt(v + eps) + bias, and mean m and variance v of each channel."""
    if not (covered(x) and _regular(x)):
        return cpu.batch_norm(xp, x, weight, bias, eps)
    axes, count = _memory_axes(x), x.size // x.shape[1]
    rows = _in_rows(x, axes)
    out = np.empty_like(rows)
    mean = _sum(rows, lambda block: _sums(rows[block]).sum(axis=1)) / count
    var = _sum(rows, lambda block: _squares(rows[block], mean).sum(axis=1)) / count
    scale = 1.0 / np.sqrt(var + eps)
    if weight is not None:
        scale *= weight
    shift = np.zeros_like(mean) if bias is None else bias
    _each(rows, lambda block: _stretch(rows[block], mean, scale, shift, out[block]))
    return _as_images(out, x, axes), mean, var


def batch_norm_gradient(
    xp: ModuleType, g: Array, x: Array, weight: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """The gradients of x, weight and bias, as in reference.py."""
    if not (covered(g, x) and _regular(x)):
        return cpu.batch_norm_gradient(xp, g, x, weight, mean, var, eps)
    axes, count = _memory_axes(x), x.size // x.shape[1]
    rows, given = _in_rows(x, axes), _in_rows(g, axes)
    out = np.empty_like(rows)
    r = 1.0 / np.sqrt(var + eps)
    db, dw = _sum(rows, lambda block: _products(given[block], rows[block], mean).sum(axis=2))
    dw = dw * r
    slope, scale = dw * r / -count, r if weight is None else r * weight
    _each(rows, lambda block: _project(given[block], rows[block], mean, slope, db / count, scale, out[block]))
    return _as_images(out, x, axes), dw, db


# ---- rows (A, C, B): the sums of a channel stay (C, B), so that all of a row are added side by side


@compiled
def _sums(rows: Array) -> Array:
    out = np.zeros(rows.shape[1:], rows.dtype)
    for a in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for b in range(rows.shape[2]):
                out[c, b] += rows[a, c, b]
    return out


@compiled
def _squares(rows: Array, mean: Array) -> Array:
    out = np.zeros(rows.shape[1:], rows.dtype)
    for a in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for b in range(rows.shape[2]):
                out[c, b] += (rows[a, c, b] - mean[c]) * (rows[a, c, b] - mean[c])
    return out


@compiled
def _stretch(rows: Array, mean: Array, scale: Array, shift: Array, out: Array) -> None:
    for a in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for b in range(rows.shape[2]):
                out[a, c, b] = (rows[a, c, b] - mean[c]) * scale[c] + shift[c]


@compiled
def _products(given: Array, rows: Array, mean: Array) -> Array:
    out = np.zeros((2, *rows.shape[1:]), rows.dtype)
    for a in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for b in range(rows.shape[2]):
                out[0, c, b] += given[a, c, b]
                out[1, c, b] += given[a, c, b] * (rows[a, c, b] - mean[c])
    return out


@compiled
def _project(
    given: Array, rows: Array, mean: Array, slope: Array, shift: Array, scale: Array, out: Array
) -> None:
    for a in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for b in range(rows.shape[2]):
                out[a, c, b] = ((rows[a, c, b] - mean[c]) * slope[c] + given[a, c, b] - shift[c]) * scale[c]
