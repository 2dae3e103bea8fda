"""Random numbers on a GPU, those of td.Generator: a draw begins at a state of six words (philox.cu)."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.kernels.cuda.launch import launcher

Array: TypeAlias = Any
Shape: TypeAlias = tuple[int, ...]

_MASK = 2**64 - 1


def state_words(seed: int, counter: int) -> npt.NDArray[np.uint64]:
    """The place in a stream that `Generator.get_state()` names, as kernels read it: uint64 (6,), on the host."""
    counter_words = [counter >> 64 * i & _MASK for i in range(4)]
    return np.array([*counter_words, seed & _MASK, seed >> 64], np.uint64)


def words(xp: ModuleType, state: Array, n: int) -> Array:
    """`Generator.words(n)`: uint64 (n,). As all draws, it leaves `state` as it is."""
    out = xp.empty(n, dtype="uint64")
    launcher(xp).launch("random_words", n, state, out, n)
    return out


def uniform(xp: ModuleType, state: Array, shape: Shape, dtype: Any) -> Array:
    """`Generator.random(shape, dtype)`, the same bits."""
    out = xp.empty(shape, dtype=dtype)
    launcher(xp).launch(f"uniform_{out.dtype}", out.size, state, out, out.size)
    return out


def normal(xp: ModuleType, state: Array, shape: Shape, dtype: Any) -> Array:
    """`Generator.normal(shape, dtype)`, to rounding: logarithm and sine are this device's."""
    out = xp.empty(shape, dtype=dtype)
    launcher(xp).launch(f"normal_{out.dtype}", -(-out.size // 2), state, out, out.size)
    return out


def dropout_mask(xp: ModuleType, state: Array, shape: Shape, dtype: Any, p: float) -> Array:
    """1 / (1 - p) where a uniform float32 number of each element (N, C, ...) is p or more, else 0.

    Numbers are drawn in logical order; images lie in memory as N, H, W, C.
    """
    scale = 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    n, c, inner = (*shape[:2], math.prod(shape[2:])) if len(shape) > 2 else (1, 1, math.prod(shape))
    out = xp.empty((n, inner, c), dtype=dtype)
    numbers = (out.size, c, inner, p, scale)
    launcher(xp).launch(f"dropout_mask_{out.dtype}", out.size, state, out, *numbers)
    if len(shape) <= 2:
        return out.reshape(shape)
    return xp.moveaxis(out.reshape(n, *shape[2:], c), -1, 1)
