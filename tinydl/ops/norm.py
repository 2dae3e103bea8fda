"""Normalisation: to mean 0 and variance 1 over some axes, and what batch, layer and group norm make of it.

With m the mean and v the (biased) variance of x over the axes and r = 1 / sqrt(v + eps):

    x^ = r (x - m)                                                       `Normalize`
    dx = r (g - mean(g) - x^ mean(g x^))  =:  P(g, x)                    `NormalizeGradient`

P takes out of g what can't change x^: a shift of all x, and a stretch. P(u, x) is linear in u and symmetric, so
for a gradient g of it the gradient of u is P(g, x); that of x is

    - r^2 x^ (mean(g u) - mean(g) mean(u) - a b)  -  r (b P(g, x) + a P(u, x)),   a = mean(g x^), b = mean(u x^).
"""

from __future__ import annotations

import math
from typing import Any

from tinydl.device import Array
from tinydl.errors import DeviceError, DTypeError, ShapeError
from tinydl.kernels import shared_norm
from tinydl.op import Op, check_tensors
from tinydl.ops.reduce import mean, var
from tinydl.ops.shape import reshape
from tinydl.shards import current
from tinydl.tensor import Tensor


class Normalize(Op):
    """out = x^ = (x - m) / sqrt(v + eps),  dx = P(g, x)."""

    __slots__ = ("axes", "eps")
    promotes = "always"

    def __init__(self, axes: tuple[int, ...], eps: float) -> None:
        self.axes, self.eps = axes, eps

    def forward(self, x: Array) -> Array:
        centred = x - x.mean(axis=self.axes, keepdims=True)
        var = (centred * centred).mean(axis=self.axes, keepdims=True)
        return centred / self.device.xp.sqrt(var + self.eps)

    def backward(self, g: Any, x: Any) -> Any:
        return NormalizeGradient(self.axes, self.eps)(g, x)


class BatchNorm(Op):
    """out = weight x^ + bias,  dx = weight P(g, x),  dweight = sum of g x^,  dbias = sum of g: for each channel.

    x (N, C, ...), weight and bias (C,) or None. `mean` and `var` keep m and v for running averages.
    """

    __slots__ = ("eps", "mean", "var")
    promotes = "always"

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def forward(self, x: Array, weight: Array | None, bias: Array | None) -> Array:
        shard = current()
        if shard is not None:
            out, self.mean, self.var = shared_norm.batch_norm(x, weight, bias, self.eps, shard)
        else:
            out, self.mean, self.var = self.device.kernels.batch_norm(
                self.device.xp, x, weight, bias, self.eps
            )
        return out

    def backward(self, g: Any, x: Any, weight: Any) -> Any:
        shard = current()
        if shard is not None:
            return shared_norm.batch_norm_gradient(g, x, weight, self.mean, self.var, self.eps, shard)
        if not isinstance(g, Tensor):  # all three at once
            return self.device.kernels.batch_norm_gradient(
                self.device.xp, g, x, weight, self.mean, self.var, self.eps
            )
        axes, along = (0, *range(2, x.ndim)), (-1,) + (1,) * (x.ndim - 2)
        u = g if weight is None else g * reshape(weight, along)
        x_hat: Any = Normalize(axes, self.eps)(x)
        return NormalizeGradient(axes, self.eps)(u, x), (g * x_hat).sum(axes), g.sum(axes)


class NormalizeGradient(Op):
    """out = P(u, x) = r (u - mean(u) - x^ mean(u x^)); its derivatives are in this file's first lines."""

    __slots__ = ("axes", "eps")

    def __init__(self, axes: tuple[int, ...], eps: float) -> None:
        self.axes, self.eps = axes, eps

    def forward(self, u: Array, x: Array) -> Array:
        centred = x - self._mean(x)
        r = 1.0 / self.device.xp.sqrt(self._mean(centred * centred) + self.eps)
        x_hat = centred * r
        return r * (u - self._mean(u) - x_hat * self._mean(u * x_hat))

    def backward(self, g: Any, u: Any, x: Any) -> Any:
        du = dx = None
        if self.needs[0]:
            du = self._again(g, x)
        if self.needs[1]:
            x_hat = Normalize(self.axes, self.eps)(x)
            r = (var(x, self.axes, keepdims=True) + self.eps) ** -0.5
            a, b = mean(g * x_hat, self.axes, keepdims=True), mean(u * x_hat, self.axes, keepdims=True)
            covariance = mean(g * u, self.axes, keepdims=True)
            covariance = covariance - mean(g, self.axes, keepdims=True) * mean(u, self.axes, keepdims=True)
            dx = -(r * r * x_hat * (covariance - a * b)) - r * (b * self._again(g, x) + a * self._again(u, x))
        return du, dx

    def _again(self, u: Any, x: Any) -> Any:
        return NormalizeGradient(self.axes, self.eps)(u, x)

    def _mean(self, x: Array) -> Array:
        return x.mean(axis=self.axes, keepdims=True)


# ---- the functions


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises each channel of x (N, C, ...) and stretches it: weight x^ + bias (Ioffe and Szegedy, 2015).

    In training by the mean and biased variance of the batch, and the running values are changed in place:
    running = (1 - momentum) running + momentum batch, with the unbiased variance. Otherwise by the running
    values. All but x have shape (C,) and its dtype; float32 gives float32. Raises ValueError for shapes that do not
    fit, for one value a channel in training, and for missing running values otherwise; TypeError for other
    dtypes, RuntimeError for two devices.
    """
    who = "batch_norm"
    check_tensors(who, x)
    if x.ndim < 2:
        raise ShapeError(who, f"expected an input (N, C, ...), got shape {x.shape}")
    c = x.shape[1]
    parts = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for what, value in parts.items():
        if isinstance(x, Tensor) and isinstance(value, Tensor) and value.device is not x.device:
            raise DeviceError(
                who, f"{what} is on {value.device}, the input on {x.device}; move one with .to(...)"
            )
        if value is not None and value.dtype != x.dtype and x.dtype.kind == "f":
            raise DTypeError(
                who, f"{what} is {value.dtype}, the input {x.dtype}; convert one with .astype(...)"
            )
    for what, value in parts.items():
        if value is not None and value.shape != (c,):
            raise ShapeError(who, f"expected {what} of shape ({c},) for input {x.shape}, got {value.shape}")
    along = (1, c) + (1,) * (x.ndim - 2)
    if training:
        n = x.size // c if c else 0
        shard = current()
        if shard is not None:
            n = shard.of_whole(n)
        if n < 2:
            raise ShapeError(who, f"training needs more than one value a channel, got {n} (input {x.shape})")
        op = BatchNorm(eps)
        out: Tensor = op(x, weight, bias)
        if running_mean is not None:
            _follow(running_mean, op.mean, momentum)
        if running_var is not None:
            _follow(running_var, op.var * (n / (n - 1)), momentum)
        return out
    if running_mean is None or running_var is None:
        raise ShapeError(who, "without training it needs running_mean and running_var")
    out = (x - reshape(running_mean, along)) / (reshape(running_var, along) + eps) ** 0.5
    return _stretched(out, weight, bias, along)


def layer_norm(
    x: Tensor,
    normalized_shape: int | tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises over the last axes, whose lengths are `normalized_shape` (Ba et al., 2016).

    weight and bias have the normalised shape and the dtype of x; integers give float32. Raises ValueError for
    shapes that do not fit, TypeError for float32 with float64.
    """
    check_tensors("layer_norm", x)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape or 0 in shape:
        raise ShapeError(
            "layer_norm", f"expected an input (..., {', '.join(map(str, shape))}), got {x.shape}"
        )
    for what, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != shape:
            raise ShapeError("layer_norm", f"expected {what} of shape {shape}, got {value.shape}")
    out: Tensor = Normalize(tuple(range(x.ndim - len(shape), x.ndim)), eps)(x)
    return _stretched(out, weight, bias, shape)


def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises each group of neighbouring channels of x (N, C, ...) by itself (Wu and He, 2018).

    weight and bias are (C,), of the dtype of x; integers give float32. Raises ValueError when C is not a multiple
    of num_groups and for shapes that do not fit, TypeError for float32 with float64.
    """
    who = "group_norm"
    check_tensors(who, x)
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups or math.prod(x.shape[1:]) == 0:
        raise ShapeError(
            who, f"input {x.shape} (N, C, ...) can't be split into {num_groups} groups of channels"
        )
    c = x.shape[1]
    for what, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != (c,):
            raise ShapeError(who, f"expected {what} of shape ({c},), got {value.shape}")
    # Only the channels are split: another shape would need a copy of images that lie in memory as N, H, W, C.
    groups = reshape(x, (x.shape[0], num_groups, c // num_groups, *x.shape[2:]))
    out = reshape(Normalize(tuple(range(2, groups.ndim)), eps)(groups), x.shape)
    return _stretched(out, weight, bias, (1, c) + (1,) * (x.ndim - 2))


def _follow(running: Tensor, value: Array, momentum: float) -> None:
    running.touch()
    running._data *= 1.0 - momentum
    running._data += momentum * value.reshape(running.shape)


def _stretched(x: Tensor, weight: Tensor | None, bias: Tensor | None, along: tuple[int, ...]) -> Tensor:
    if weight is not None:
        x = x * reshape(weight, along)
    return x if bias is None else x + reshape(bias, along)
