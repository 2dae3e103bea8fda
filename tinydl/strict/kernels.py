"""The CPU's kernels behind the wall, so that training here has the CPU's bits.

Fast kernels belong to their device: they may use what it alone has, memory as C pointers and views that overlap. So
the strict device does not run the CPU's through its array module, as it does with the textbook's
(`tinydl/kernels/reference.py`) inside `td.textbook()`. It hands them host arrays, and answers with its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from tinydl.kernels import cpu
from tinydl.kernels.cross_entropy import cross_entropy, cross_entropy_gradient
from tinydl.kernels.reference import activation, add_bias, channel_sums, relu, updates
from tinydl.strict.array import StrictArray
from tinydl.strict.call import run

__all__ = [
    "activation",
    "add_bias",
    "channel_sums",
    "cross_entropy",
    "cross_entropy_gradient",
    "relu",
    "updates",
]


def _behind_the_wall(name: str) -> Callable[..., Any]:
    kernel = partial(getattr(cpu, name), np)

    def compute(xp: ModuleType, *args: Any) -> Any:
        return run(name, kernel, args, {}, StrictArray)

    return compute


matmul = _behind_the_wall("matmul")
conv2d = _behind_the_wall("conv2d")
conv2d_input_gradient = _behind_the_wall("conv2d_input_gradient")
conv2d_weight_gradient = _behind_the_wall("conv2d_weight_gradient")
sum_pool2d = _behind_the_wall("sum_pool2d")
sum_pool2d_gradient = _behind_the_wall("sum_pool2d_gradient")
max_pool2d = _behind_the_wall("max_pool2d")
max_pool2d_gradient = _behind_the_wall("max_pool2d_gradient")
max_pool2d_chosen = _behind_the_wall("max_pool2d_chosen")
batch_norm = _behind_the_wall("batch_norm")
batch_norm_gradient = _behind_the_wall("batch_norm_gradient")
