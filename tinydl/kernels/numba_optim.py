"""Updates of optimisers that Numba compiles: all that is computed for a weight in one pass over the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels.numba_elementwise import Fused, compiled

Array: TypeAlias = Any
Update: TypeAlias = Callable[..., None]


def sgd_update(
    plain: Update, rates: Sequence[float], momentum: float, nesterov: bool, weight_decay: float
) -> Update:
    """`optim.SGD`'s update(data, grad, velocity); where there is no kernel for the arrays, plain(...)."""
    return Fused(plain, _sgd, np.array([*rates, momentum, weight_decay]), nesterov)


@compiled
def _sgd(p: Array, g: Array, v: Array, numbers: Array, nesterov: bool) -> None:
    lr, momentum, decay = numbers.astype(p.dtype)
    for i in range(p.size):
        d = g[i] + decay * p[i] if decay != 0 else g[i]
        if momentum != 0:
            v[i] = momentum * v[i] + d
            d = d + momentum * v[i] if nesterov else v[i]
        p[i] -= lr * d


def adam_update(
    plain: Update, rates: Sequence[float], betas: tuple[float, float], weight_decay: float, decoupled: bool
) -> Update:
    """`optim.Adam`'s update(data, grad, mean, square), or with `decoupled` AdamW's; or plain(...)."""
    (b1, b2), (rate, eps, kept) = betas, rates
    kept, decay = (kept, 0.0) if decoupled else (1.0, weight_decay)
    return Fused(plain, _adam, np.array([b1, 1.0 - b1, b2, 1.0 - b2, rate, eps, kept, decay]))


@compiled
def _adam(p: Array, g: Array, m: Array, v: Array, numbers: Array) -> None:
    b1, rest1, b2, rest2, rate, eps, kept, decay = numbers.astype(p.dtype)
    for i in range(p.size):
        d = g[i] + decay * p[i] if decay != 0 else g[i]
        m[i] = b1 * m[i] + rest1 * d
        v[i] = b2 * v[i] + rest2 * d * d
        p[i] = kept * p[i] - rate * (m[i] / (np.sqrt(v[i]) + eps))
