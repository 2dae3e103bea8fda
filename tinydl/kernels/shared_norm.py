"""Batch normalisation of a batch that several CPU processes share: the sums of reference.py, taken over all of them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels.cpu_norm import as_images, in_rows, memory_axes
from tinydl.shards import Shard

Array: TypeAlias = Any


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, shard: Shard
) -> tuple[Array, Array, Array]:
    """weight x^ + bias for these rows, and mean and variance of each channel over all rows."""
    axes = memory_axes(x)
    rows = in_rows(x, axes)
    count = shard.of_whole(x.size // x.shape[1])
    mean = shard.total(rows.sum(axis=2).sum(axis=0)) / count
    out = rows - mean[:, None]
    var = shard.total(np.vecdot(out, out).sum(axis=0)) / count
    scale = 1.0 / np.sqrt(var + eps)
    out *= (scale if weight is None else scale * weight)[:, None]
    if bias is not None:
        out += bias[:, None]
    return as_images(out, x, axes), mean, var


def batch_norm_gradient(
    g: Array, x: Array, weight: Array | None, mean: Array, var: Array, eps: float, shard: Shard
) -> tuple[Array, Array, Array]:
    """dx of these rows, with means over all rows; what these rows give to dweight and dbias."""
    axes = memory_axes(x)
    rows, given = in_rows(x, axes), in_rows(g, axes)
    count = shard.of_whole(x.size // x.shape[1])
    r = 1.0 / np.sqrt(var + eps)
    dx = rows - mean[:, None]
    db = given.sum(axis=2).sum(axis=0)
    dw = np.vecdot(given, dx).sum(axis=0) * r
    all_db, all_dw = shard.total(np.stack([db, dw]))
    dx *= (all_dw * r / -count)[:, None]
    dx += given
    dx -= (all_db / count)[:, None]
    dx *= (r if weight is None else r * weight)[:, None]
    return as_images(dx, x, axes), dw, db
