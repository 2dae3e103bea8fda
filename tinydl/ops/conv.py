"""Two-dimensional convolution, its transpose, and how they close on each other.

With stride s, padding p and dilation d, a convolution (cross-correlation, as everywhere in deep learning) is

    out[n, o, i, j] = sum over c, u, v of  x[n, c, i s + u d - p, j s + v d - p]  W[o, c, u, v].

It is linear in x and in W, so both of its gradients are linear again:

    dx = the transposed convolution of g with W       (`ConvTranspose2d`)
    dW = the sum over images and places of g times x  (`ConvWeightGradient`)

and the gradients of these two are once more members of the three. So derivatives of any order exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tinydl.device import Array
from tinydl.errors import ShapeError
from tinydl.kernels.reference import output_size
from tinydl.op import Op, check_tensors
from tinydl.ops.shape import reshape
from tinydl.tensor import Tensor

Pair: TypeAlias = tuple[int, int]


class Geometry:
    """Stride, padding, dilation and groups of a convolution, and the sizes on both of its sides."""

    __slots__ = ("dilation", "groups", "padding", "stride")

    def __init__(self, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> None:
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups


class Conv2d(Op):
    """out = x * W + b,  dx = g transposed-convolved with W,  dW = sum of g times x,  db = sum of g.

    x (N, C, H, W), W (O, C / groups, kh, kw), b (O,) or None, out (N, O, *places).
    """

    __slots__ = ("geometry", "places", "size")
    name = "conv2d"

    def __init__(self, geometry: Geometry, places: Pair) -> None:
        self.geometry, self.places = geometry, places

    def forward(self, x: Array, weight: Array, bias: Array | None) -> Array:
        k = self.geometry
        self.size = x.shape[2:]
        out = self.device.kernels.conv2d(self.device.xp, x, weight, k.stride, k.padding, k.dilation, k.groups)
        if (
            out.shape[2:] != self.places
        ):  # output_padding may leave room for more, where dilation is above stride
            out = out[:, :, : self.places[0], : self.places[1]]
        return _plus_bias(self, out, bias)

    def backward(self, g: Any, x: Any, weight: Any) -> Any:
        dx = dw = None
        if self.needs[0]:
            dx = ConvTranspose2d(self.geometry, self.size)(g, weight, None)
        if self.needs[1]:
            dw = ConvWeightGradient(self.geometry, weight.shape[2:])(x, g)
        return dx, dw, _channel_sums(self, g) if self.needs[2] else None


class ConvTranspose2d(Op):
    """out = the x whose convolution y would come from, + b;  dy = g * W,  dW = sum of y times g,  db = sum of g.

    y (N, O, H, W), W (O, C / groups, kh, kw), b (C,) or None, out (N, C, *size).
    """

    __slots__ = ("geometry", "size")
    name = "conv_transpose2d"

    def __init__(self, geometry: Geometry, size: Pair) -> None:
        self.geometry, self.size = geometry, size

    def forward(self, y: Array, weight: Array, bias: Array | None) -> Array:
        k = self.geometry
        out = self.device.kernels.conv2d_input_gradient(
            self.device.xp, y, weight, self.size, k.stride, k.padding, k.dilation, k.groups
        )
        return _plus_bias(self, out, bias)

    def backward(self, g: Any, y: Any, weight: Any) -> Any:
        dy = dw = None
        if self.needs[0]:
            dy = Conv2d(self.geometry, y.shape[2:])(g, weight, None)
        if self.needs[1]:
            dw = ConvWeightGradient(self.geometry, weight.shape[2:])(g, y)
        return dy, dw, _channel_sums(self, g) if self.needs[2] else None


class ConvWeightGradient(Op):
    """out = sum of y times x, linear in both;  dx = y transposed-convolved with g,  dy = x * g.

    x (N, C, H, W), y (N, O, OH, OW), out (O, C / groups, *kernel).
    """

    __slots__ = ("geometry", "kernel")

    def __init__(self, geometry: Geometry, kernel: Pair) -> None:
        self.geometry, self.kernel = geometry, kernel

    def forward(self, x: Array, y: Array) -> Array:
        k = self.geometry
        return self.device.kernels.conv2d_weight_gradient(
            self.device.xp, x, y, self.kernel, k.stride, k.padding, k.dilation, k.groups
        )

    def backward(self, g: Any, x: Any, y: Any) -> Any:
        dx = dy = None
        if self.needs[0]:
            dx = ConvTranspose2d(self.geometry, x.shape[2:])(y, g, None)
        if self.needs[1]:
            dy = Conv2d(self.geometry, y.shape[2:])(x, g, None)
        return dx, dy


def _plus_bias(op: Op, out: Array, bias: Array | None) -> Array:
    """out + b for each channel, in place: `out` is new."""
    if bias is not None:
        op.device.kernels.add_bias(op.device.xp, out, bias)
    return out


def _channel_sums(op: Op, g: Any) -> Any:
    return g.sum(axis=(0, 2, 3)) if isinstance(g, Tensor) else op.device.kernels.channel_sums(op.device.xp, g)


# ---- the functions


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """The convolution of images x (N, C, H, W), or one image (C, H, W), with weight (O, C / groups, kh, kw).

    bias is (O,). The result is (N, O, OH, OW) with OH = floor((H + 2 padding - dilation (kh - 1) - 1) / stride)
    + 1, and OW likewise (LeCun et al., 1989). float32 gives float32. Raises ValueError for shapes that do not fit
    and for kernels larger than the image, TypeError for float32 with float64 and for sizes that are not
    integers, RuntimeError for two devices.
    """
    who = "conv2d"
    geometry = _geometry(who, stride, padding, dilation, groups)
    x, single = _images(who, x)
    _check_weight(who, weight, bias, 0, groups)
    c, o = x.shape[1], weight.shape[0]
    if c != weight.shape[1] * groups:
        raise ShapeError(
            who,
            f"input has {_channels(c)}, expected {weight.shape[1] * groups} "
            f"(input shape {x.shape}, layout N, C, H, W; weight shape {weight.shape}, groups {groups})",
        )
    if o % groups:
        raise ShapeError(who, f"{o} output channels can't be split into {groups} groups")
    places = tuple(
        output_size(
            x.shape[2 + i], weight.shape[2 + i], geometry.stride[i], geometry.padding[i], geometry.dilation[i]
        )
        for i in (0, 1)
    )
    if min(places) < 1:
        raise ShapeError(
            who,
            f"a kernel of {weight.shape[2:]} with dilation {geometry.dilation} is larger than the padded image "
            f"(input shape {x.shape}, layout N, C, H, W; padding {geometry.padding})",
        )
    out: Tensor = Conv2d(geometry, (places[0], places[1]))(x, weight, bias)
    return reshape(out, out.shape[1:]) if single else out


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """The transposed convolution of x (N, C, H, W), or (C, H, W), with weight (C, O / groups, kh, kw).

    bias is (O,). The result is (N, O, OH, OW) with OH = (H - 1) stride - 2 padding + dilation (kh - 1) +
    output_padding + 1, and OW likewise (Zeiler et al., 2010). float32 gives float32. Raises ValueError for shapes
    that do not fit and for an output_padding that is not smaller than stride or dilation, TypeError for float32
    with float64 and for sizes that are not integers, RuntimeError for two devices.
    """
    who = "conv_transpose2d"
    geometry = _geometry(who, stride, padding, dilation, groups)
    extra = pair(who, "output_padding", output_padding, 0)
    x, single = _images(who, x)
    _check_weight(who, weight, bias, 1, groups)
    if x.shape[1] != weight.shape[0]:
        raise ShapeError(
            who,
            f"input has {_channels(x.shape[1])}, expected {weight.shape[0]} "
            f"(input shape {x.shape}, layout N, C, H, W; weight shape {weight.shape})",
        )
    if weight.shape[0] % groups:
        raise ShapeError(who, f"{weight.shape[0]} input channels can't be split into {groups} groups")
    size = []
    for i in (0, 1):
        s, p, d = geometry.stride[i], geometry.padding[i], geometry.dilation[i]
        if extra[i] >= max(s, d):
            raise ShapeError(
                who, f"output_padding {extra} must be smaller than stride {geometry.stride} or dilation"
            )
        size.append((x.shape[2 + i] - 1) * s - 2 * p + d * (weight.shape[2 + i] - 1) + extra[i] + 1)
    if min(size) < 1:
        raise ShapeError(who, f"padding {geometry.padding} leaves nothing of the output (input {x.shape})")
    out: Tensor = ConvTranspose2d(geometry, (size[0], size[1]))(x, weight, bias)
    return reshape(out, out.shape[1:]) if single else out


def pair(who: str, what: str, value: int | Sequence[int], least: int) -> Pair:
    """An option for both axes as (along H, along W); raises ValueError below `least`, TypeError for floats."""
    if type(value) is int and value >= least:  # as nearly always
        return value, value
    if type(value) is tuple and len(value) == 2:
        first, second = value
        if type(first) is int and type(second) is int and first >= least and second >= least:
            return first, second
    values = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(values) != 2 or any(not isinstance(v, int | np.integer) or isinstance(v, bool) for v in values):
        raise TypeError(f"{who}: {what} must be an integer or two of them, got {value!r}")
    if min(values) < least:
        raise ShapeError(who, f"{what} must be {least} or more, got {value!r}")
    return int(values[0]), int(values[1])


def _geometry(
    who: str,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    groups: int,
) -> Geometry:
    if groups < 1:
        raise ShapeError(who, f"groups must be 1 or more, got {groups}")
    return Geometry(
        pair(who, "stride", stride, 1),
        pair(who, "padding", padding, 0),
        pair(who, "dilation", dilation, 1),
        groups,
    )


def _images(who: str, x: Tensor) -> tuple[Tensor, bool]:
    """x with a batch axis, and whether it came without."""
    check_tensors(who, x)
    shape = x.shape
    if len(shape) not in (3, 4):
        raise ShapeError(who, f"expected images (N, C, H, W) or one image (C, H, W), got shape {shape}")
    return (reshape(x, (1, *shape)), True) if len(shape) == 3 else (x, False)


def _check_weight(who: str, weight: Tensor, bias: Tensor | None, axis: int, groups: int) -> None:
    check_tensors(who, weight)
    if weight.ndim != 4 or 0 in weight.shape:
        layout = "(out, in / groups, kh, kw)" if axis == 0 else "(in, out / groups, kh, kw)"
        raise ShapeError(who, f"expected a weight {layout}, none of them 0, got shape {weight.shape}")
    o = weight.shape[axis] * (groups if axis else 1)
    if bias is not None and bias.shape != (o,):
        raise ShapeError(who, f"expected a bias of shape ({o},) for weight {weight.shape}, got {bias.shape}")


def _channels(n: int) -> str:
    return f"{n} channel" if n == 1 else f"{n} channels"
