"""The kernels of the CPU: which computes what, and what does not fit a topic of its own.

Convolutions are in cpu_conv.py, pooling in cpu_pool.py, batch normalisation in cpu_norm.py; how blocks share the
cores is in threads.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels import threads
from tinydl.kernels.cpu_conv import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from tinydl.kernels.cpu_norm import batch_norm, batch_norm_gradient
from tinydl.kernels.cpu_pool import max_pool2d, max_pool2d_gradient, sum_pool2d, sum_pool2d_gradient
from tinydl.kernels.cpu_product import matmul
from tinydl.kernels.cross_entropy import cross_entropy, cross_entropy_gradient
from tinydl.kernels.reference import add_bias, channel_sums, max_pool2d_chosen, relu
from tinydl.kernels.subnormal import FlushedToZero

__all__ = [
    "activation",
    "add_bias",
    "batch_norm",
    "batch_norm_gradient",
    "channel_sums",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "elementwise",
    "matmul",
    "max_pool2d",
    "max_pool2d_chosen",
    "max_pool2d_gradient",
    "relu",
    "sum_pool2d",
    "sum_pool2d_gradient",
    "updates",
]

Array: TypeAlias = Any

_ELEMENTS = 1 << 16  # of a block of an elementwise computation
_ELEMENT_COST, _UPDATE_COST = 20, 100  # what one costs in an activation and in an optimiser, in multiply-adds


def elementwise(xp: ModuleType, compute: Callable[..., None], *arrays: Array) -> None:
    """compute(*arrays), which changes some of the arrays in place, element by element: block by block.

    All that is computed for a block stays in the cache, where for whole arrays each step would have to fetch it.
    """
    _run(_blocks(compute, arrays), _ELEMENT_COST * arrays[0].size)


def updates(xp: ModuleType, jobs: Sequence[tuple[Callable[..., None], Sequence[Array]]]) -> None:
    """compute(*arrays) for each job, as in `elementwise`; the blocks of all large arrays share the cores.

    Subnormal numbers are 0 meanwhile: see subnormal.py.
    """
    blocks: list[Callable[[], None]] = []
    with FlushedToZero():
        for compute, arrays in jobs:
            if arrays[0].size <= _ELEMENTS:
                compute(*arrays)
            else:
                blocks += _blocks(compute, arrays)
    if blocks:
        threads.each(
            blocks, _flushed, _UPDATE_COST * sum(a[0].size for _, a in jobs if a[0].size > _ELEMENTS)
        )


def _flushed(block: Callable[[], None]) -> None:
    """Computes a block, in whatever thread it is."""
    with FlushedToZero():
        block()


def _blocks(compute: Callable[..., None], arrays: Sequence[Array]) -> list[Callable[[], None]]:
    """compute(*arrays) in blocks of neighbours in memory, or as a whole where the arrays do not lie alike."""
    size, strides = arrays[0].size, arrays[0].strides
    if size <= _ELEMENTS or any(a.strides != strides for a in arrays):
        return [partial(compute, *arrays)]
    order = sorted(range(len(strides)), key=strides.__getitem__, reverse=True)
    if not arrays[0].transpose(order).flags.c_contiguous:
        return [partial(compute, *arrays)]
    flat = [a.transpose(order).reshape(-1) for a in arrays]
    ends = [size * i // (size // _ELEMENTS) for i in range(size // _ELEMENTS + 1)]
    return [partial(compute, *(a[start:stop] for a in flat)) for start, stop in pairwise(ends)]


def _run(blocks: Sequence[Callable[[], None]], work: float) -> None:
    if len(blocks) == 1:
        blocks[0]()
    else:
        threads.each(blocks, lambda block: block(), work)


def activation(xp: ModuleType, name: str, compute: Callable[..., None], *arrays: Array) -> Array:
    """A new array `out` after compute(*arrays, out), block by block."""
    out = xp.empty_like(arrays[-1])
    if out.size <= _ELEMENTS:  # nothing to cut; a small network would notice the way to that answer
        compute(*arrays, out)
    else:
        elementwise(xp, compute, *arrays, out)
    return out
