"""Softmax cross-entropy of logits and labels, on any device: reference.py's part that is not about images.

Logits x are (N, C, ...) with their classes along `axis`, labels int64 and counts bool are (N, ...). Samples that do
not count have loss 0.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

Array: TypeAlias = Any


def cross_entropy(xp: ModuleType, x: Array, labels: Array, counts: Array, axis: int) -> Array:
    """log sum_j e^(x_j) - x_t for the label t of each sample, (N, ...)."""
    shifted = x - x.max(axis=axis, keepdims=True)
    if x.ndim == 2:  # rows of scores: fewer steps, which is what a small batch takes
        chosen = shifted[xp.arange(len(x)), labels]
    else:
        chosen = xp.take_along_axis(shifted, xp.expand_dims(labels, axis), axis).squeeze(axis)
    total = xp.exp(shifted, out=shifted).sum(axis=axis)
    return xp.where(counts, xp.log(total) - chosen, x.dtype.type(0))


def cross_entropy_gradient(
    xp: ModuleType, g: Array, x: Array, labels: Array, counts: Array, axis: int
) -> Array:
    """g (softmax(x)_i - [i = t]), in the shape and memory layout of x; g (N, ...)."""
    out = x - x.max(axis=axis, keepdims=True)
    xp.exp(out, out=out)
    out /= out.sum(axis=axis, keepdims=True)
    if x.ndim == 2:
        out[xp.arange(len(x)), labels] -= 1
        out *= (g * counts)[:, None]
    else:
        classes = xp.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        out -= xp.expand_dims(labels, axis) == classes
        out *= xp.expand_dims(g * counts, axis)
    return out
