"""Normalisation layers."""

from __future__ import annotations

import numpy as np

from tinydl.errors import ShapeError
from tinydl.nn.module import Module, Parameter
from tinydl.op import check_tensors
from tinydl.ops.norm import batch_norm, group_norm, layer_norm
from tinydl.tensor import Tensor, tensor


class _BatchNorm(Module):
    """Weight and bias (C,), running mean and variance, and the number of batches seen."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        if num_features < 1:
            raise ValueError(f"{type(self).__name__}({num_features}): expected one channel or more")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(_full(num_features, 1.0)) if affine else None
        self.bias = Parameter(_full(num_features, 0.0)) if affine else None
        self.running_mean: Tensor | None = None
        self.running_var: Tensor | None = None
        self.num_batches_tracked: Tensor | None = None
        if track_running_stats:
            self.register_buffer("running_mean", _full(num_features, 0.0))
            self.register_buffer("running_var", _full(num_features, 1.0))
            self.register_buffer("num_batches_tracked", tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        momentum = self.momentum
        seen = self.num_batches_tracked if self.training else None
        if momentum is None:  # the plain average over all batches
            momentum = 0.0 if seen is None else 1.0 / (seen.item() + 1)
        out = batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )
        if seen is not None:
            seen.touch()
            seen._data += 1
        return out

    def options(self) -> str:
        return str(self.num_features)


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L): see `functional.batch_norm` (Ioffe and Szegedy, 2015).

    `momentum` is the share of the new batch in the running values; None averages over all batches. Parameters and
    running values are (C,), float32. Raises ValueError for fewer than one channel; when called, for other shapes
    and in training for one value a channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        _check_axes(self, x, (2, 3), "(N, C) or (N, C, L)")
        return super().forward(x)


class BatchNorm2d(_BatchNorm):
    """Batch norm of images (N, C, H, W): see `functional.batch_norm` (Ioffe and Szegedy, 2015).

    `momentum` is the share of the new batch in the running values; None averages over all batches. Parameters and
    running values are (C,), float32. Raises ValueError for fewer than one channel; when called, for other shapes
    and in training for one value a channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        _check_axes(self, x, (4,), "(N, C, H, W)")
        return super().forward(x)


class LayerNorm(Module):
    """Normalises over the last axes, of lengths `normalized_shape`: see `functional.layer_norm` (Ba et al., 2016).

    weight and bias have that shape, float32. Raises ValueError, when called, for inputs of other last axes.
    """

    def __init__(
        self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5, elementwise_affine: bool = True
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps = shape, eps
        self.weight = Parameter(_full(shape, 1.0)) if elementwise_affine else None
        self.bias = Parameter(_full(shape, 0.0)) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def options(self) -> str:
        return str(self.normalized_shape)


class GroupNorm(Module):
    """Normalises groups of channels of (N, C, ...): see `functional.group_norm` (Wu and He, 2018).

    weight and bias (C,), float32. Raises ValueError when C is not a multiple of `num_groups`, and when called for
    other shapes.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels can't be split into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(_full(num_channels, 1.0)) if affine else None
        self.bias = Parameter(_full(num_channels, 0.0)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def options(self) -> str:
        return f"{self.num_groups}, {self.num_channels}"


def _full(shape: int | tuple[int, ...], value: float) -> Tensor:
    return tensor(np.full(shape, value, np.float32))


def _check_axes(layer: _BatchNorm, x: Tensor, allowed: tuple[int, ...], layout: str) -> None:
    check_tensors("batch_norm", x)
    if x.ndim not in allowed or x.shape[1] != layer.num_features:
        raise ShapeError(
            "batch_norm", f"expected an input {layout} with C = {layer.num_features}, got {x.shape}"
        )
