"""Steps of optimisers on a GPU, one launch each (optim.cu).

Learning rate and step number are arrays of the device, float64 and int64 with one element, so that a captured graph
can be replayed with others. All other arrays are of one dtype and one size, in C order; parameters that lie side by
side in one buffer, their gradients in another, are one launch.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels.cuda.launch import launcher

Array: TypeAlias = Any


def sgd(
    xp: ModuleType,
    data: Array,
    grad: Array,
    velocity: Array | None,
    lr: Array,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """`optim.SGD`'s rule, in place; without momentum there may be no velocity."""
    numbers = (data.size, momentum, nesterov, weight_decay)
    launcher(xp).launch(f"sgd_{data.dtype}", data.size, data, grad, velocity, _rate(lr), *numbers)


def adam(
    xp: ModuleType,
    data: Array,
    grad: Array,
    mean: Array,
    square: Array,
    lr: Array,
    step: Array,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """`optim.Adam`'s rule, in place, or with `decoupled` that of AdamW; steps are counted from 1."""
    numbers = (data.size, *betas, eps, weight_decay, decoupled)
    launcher(xp).launch(f"adam_{data.dtype}", data.size, data, grad, mean, square, _rate(lr), step, *numbers)


def _rate(lr: Array) -> Array:
    return lr.astype("float64", copy=False)  # somebody's rate may be the integer 1
