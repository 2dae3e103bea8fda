"""Initial weights: random, of a size that lets signals through.

A layer with fan_in inputs sums fan_in products. For outputs of the same variance as the inputs the weights need
variance 1 / fan_in; for gradients of the same variance, 1 / fan_out. Weight shapes are (out, in) for dense
layers and (out, in, kh, kw) for convolutions, where every tap counts: fan_in = in kh kw.

All return float32 tensors on the CPU that require no gradient, and raise TypeError for another kind of `generator`.
"""

from __future__ import annotations

import math

import numpy as np

from tinydl.device import cpu
from tinydl.errors import ShapeError
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor, tensor

# Weights are drawn in pieces that stay in the cache: several times as fast for millions. A piece takes whole blocks
# of the generator, so the numbers are those of one draw.
_PIECE = 1 << 15


def glorot_uniform(shape: tuple[int, ...], gain: float = 1.0, generator: GeneratorLike = None) -> Tensor:
    """Uniform in +- gain sqrt(6 / (fan_in + fan_out)), float32 (Glorot and Bengio, 2010).

    Raises: ValueError for a shape of fewer than two axes or with an empty one.
    """
    fan_in, fan_out = fans(shape)
    return uniform(shape, gain * math.sqrt(6.0 / (fan_in + fan_out)), generator)


def glorot_normal(shape: tuple[int, ...], gain: float = 1.0, generator: GeneratorLike = None) -> Tensor:
    """Normal with deviation gain sqrt(2 / (fan_in + fan_out)), float32 (Glorot and Bengio, 2010).

    Raises: ValueError for a shape of fewer than two axes or with an empty one.
    """
    fan_in, fan_out = fans(shape)
    return normal(shape, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def he_uniform(
    shape: tuple[int, ...], gain: float = math.sqrt(2.0), generator: GeneratorLike = None
) -> Tensor:
    """Uniform in +- gain sqrt(3 / fan_in), float32; the gain is that of ReLU (He et al., 2015).

    Raises: ValueError for a shape of fewer than two axes or with an empty one.
    """
    return uniform(shape, gain * math.sqrt(3.0 / fans(shape)[0]), generator)


def he_normal(
    shape: tuple[int, ...], gain: float = math.sqrt(2.0), generator: GeneratorLike = None
) -> Tensor:
    """Normal with deviation gain / sqrt(fan_in), float32; the gain is that of ReLU (He et al., 2015).

    Raises: ValueError for a shape of fewer than two axes or with an empty one.
    """
    return normal(shape, gain / math.sqrt(fans(shape)[0]), generator)


def lecun_normal(shape: tuple[int, ...], generator: GeneratorLike = None) -> Tensor:
    """Normal with deviation 1 / sqrt(fan_in), float32 (LeCun et al., 1998).

    Raises: ValueError for a shape of fewer than two axes or with an empty one.
    """
    return normal(shape, 1.0 / math.sqrt(fans(shape)[0]), generator)


def orthogonal(shape: tuple[int, ...], gain: float = 1.0, generator: GeneratorLike = None) -> Tensor:
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    Axes after the first are taken as one; float32. Raises ValueError for a shape of fewer than two axes or with
    an empty one.
    """
    fans(shape)
    rows, columns = shape[0], math.prod(shape[1:])
    a = as_generator(generator).normal((max(rows, columns), min(rows, columns)), np.float64)
    q, r = np.linalg.qr(a)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # the sign that makes the distribution uniform
    return tensor((gain * (q.T if rows < columns else q)).reshape(shape).astype(np.float32))


def uniform(shape: tuple[int, ...], bound: float, generator: GeneratorLike = None) -> Tensor:
    """Uniform in [-bound, bound), float32, any shape. Raises ValueError for sizes below 0."""
    generator = as_generator(generator)
    weights = np.empty(shape, np.float32)
    flat = weights.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        piece[...] = generator.uniform(-bound, bound, piece.size)
    return Tensor(weights, cpu)  # `tensor` would copy: VGG16's largest layer has 400 MB


def normal(shape: tuple[int, ...], std: float, generator: GeneratorLike = None) -> Tensor:
    """Normal with mean 0 and deviation `std`, float32, any shape. Raises ValueError for sizes below 0."""
    return tensor(as_generator(generator).normal(shape) * np.float32(std))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight; raises ValueError for fewer than two axes or an empty one."""
    if len(shape) < 2 or 0 in shape:
        raise ShapeError("init", f"expected a weight shape (out, in, ...) without zeros, got {shape}")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps
