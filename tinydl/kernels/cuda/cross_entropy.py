"""Softmax cross-entropy for a GPU: one launch forward, one backward (cross_entropy.cu)."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels import reference
from tinydl.kernels.cuda.launch import launcher
from tinydl.kernels.cuda.layout import covered

Array: TypeAlias = Any


def cross_entropy(xp: ModuleType, x: Array, labels: Array, counts: Array, axis: int) -> Array:
    """log sum_j e^(x_j) - x_label: x (N, C, ...) classes along `axis`, integer labels and boolean counts (N, ...).

    The result (N, ...) is 0 where a sample does not count.
    """
    if not covered(x):
        return reference.cross_entropy(xp, x, labels, counts, axis)
    rows = _rows(xp, x, axis)
    loss = xp.empty(labels.shape, dtype=x.dtype)
    arrays = (rows, *_by_row(xp, labels, counts), loss)
    launcher(xp).launch(f"cross_entropy_{x.dtype}", loss.size, *arrays, loss.size, x.shape[axis])
    return loss


def cross_entropy_gradient(
    xp: ModuleType, g: Array, x: Array, labels: Array, counts: Array, axis: int
) -> Array:
    """g (softmax(x)_k - [k = label]), in the shape of x; g (N, ...)."""
    if not covered(x, g):
        return reference.cross_entropy_gradient(xp, g, x, labels, counts, axis)
    rows = _rows(xp, x, axis)
    dx = xp.empty_like(rows)
    g, (labels, counts) = xp.ascontiguousarray(g), _by_row(xp, labels, counts)
    launcher(xp).launch(
        f"cross_entropy_gradient_{x.dtype}",
        labels.size,
        g,
        rows,
        labels,
        counts,
        dx,
        labels.size,
        x.shape[axis],
    )
    return xp.moveaxis(dx, -1, axis)


def _rows(xp: ModuleType, x: Array, axis: int) -> Array:
    return xp.ascontiguousarray(xp.moveaxis(x, axis, -1))


def _by_row(xp: ModuleType, labels: Array, counts: Array) -> tuple[Array, Array]:
    """As the kernels read them."""
    return xp.ascontiguousarray(labels.astype("int64", copy=False)), xp.ascontiguousarray(counts)
