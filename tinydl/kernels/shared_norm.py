"""Batch norm of a batch that several CPU processes share: the CPU's kernel, its sums taken over all of them."""

from __future__ import annotations

from typing import Any, TypeAlias

from tinydl.kernels.cpu_norm import normalized, normalized_gradient
from tinydl.shards import Shard

Array: TypeAlias = Any


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, shard: Shard
) -> tuple[Array, Array, Array]:
    """weight x^ + bias for these rows, and mean and variance of each channel over all rows."""
    return normalized(x, weight, bias, eps, shard.of_whole(x.size // x.shape[1]), shard.gather)


def batch_norm_gradient(
    g: Array, x: Array, weight: Array | None, mean: Array, var: Array, eps: float, shard: Shard
) -> tuple[Array, Array, Array]:
    """dx of these rows, with means over all rows; what these rows give to dweight and dbias."""
    count = shard.of_whole(x.size // x.shape[1])
    return normalized_gradient(g, x, weight, mean, var, eps, count, shard.total)
