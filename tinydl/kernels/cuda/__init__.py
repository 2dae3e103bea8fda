"""What operations compute with on a GPU: the functions of reference.py, in kernels of our own (*.cu).

    common.cu, source.py    what kernels share, and the program that they are together
    launch.py               starting them: through CuPy, or in tests on the CPU
    layout.py               images lie in memory as N, H, W, C
    im2col.cu, conv.py      convolution             pool.*               pooling
    sums.cu, norm.*         batch normalisation     activation.*         bias and activation
    cross_entropy.*         logits against labels   philox.cu, random.*  the numbers of td.Generator
    optim.*                 steps of optimisers

Only images and what belongs to them is computed here. All else is CuPy's: one kernel for each array operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels.cuda.activation import activation, add_bias, relu
from tinydl.kernels.cuda.conv import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from tinydl.kernels.cuda.cross_entropy import cross_entropy, cross_entropy_gradient
from tinydl.kernels.cuda.launch import launcher
from tinydl.kernels.cuda.layout import in_memory_order
from tinydl.kernels.cuda.norm import batch_norm, batch_norm_gradient, channel_sums
from tinydl.kernels.cuda.optim import adam, sgd
from tinydl.kernels.cuda.pool import (
    max_pool2d,
    max_pool2d_chosen,
    max_pool2d_gradient,
    sum_pool2d,
    sum_pool2d_gradient,
)

__all__ = [
    "activation",
    "adam",
    "add_bias",
    "batch_norm",
    "batch_norm_gradient",
    "channel_sums",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "matmul",
    "max_pool2d",
    "max_pool2d_chosen",
    "max_pool2d_gradient",
    "relu",
    "sgd",
    "sum_pool2d",
    "sum_pool2d_gradient",
    "updates",
]

Array: TypeAlias = Any


def updates(xp: ModuleType, jobs: Sequence[tuple[Callable[..., None], Sequence[Array]]]) -> None:
    """compute(*arrays) for each job, which changes some of the arrays in place: in the order of memory.

    CuPy computes in the order of the axes, so neighbouring threads would fetch numbers that lie far apart.
    """
    for compute, arrays in jobs:
        axes = in_memory_order(arrays[0])
        ordered = [a.transpose(axes) for a in arrays]
        if all(a.flags.c_contiguous for a in ordered):
            ordered = [a.reshape(-1) for a in ordered]
            compute(*ordered)
        else:
            compute(*arrays)


def matmul(xp: ModuleType, a: Array, b: Array) -> Array:
    """The product of matrices, or of each pair in two stacks of them."""
    return launcher(xp).product(a, b)
