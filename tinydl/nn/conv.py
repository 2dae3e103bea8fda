"""Convolutional layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinydl import init
from tinydl.nn.module import Module, Parameter
from tinydl.ops.conv import Pair, conv2d, conv_transpose2d, pair
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


class _Conv(Module):
    """What convolution and transposed convolution share: options, and weights uniform in +- 1 / sqrt(fan_in)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        weight_channels: Pair,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        padding: int | Sequence[int],
        dilation: int | Sequence[int],
        groups: int,
        bias: bool,
        generator: GeneratorLike,
    ) -> None:
        who = f"{type(self).__name__}({in_channels}, {out_channels}, kernel_size={kernel_size})"
        if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{who}: channels must be positive multiples of groups={groups}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = pair(who, "kernel_size", kernel_size, 1)
        self.stride = pair(who, "stride", stride, 1)
        self.padding = pair(who, "padding", padding, 0)
        self.dilation = pair(who, "dilation", dilation, 1)
        self.groups = groups
        generator = as_generator(generator)
        shape = (*weight_channels, *self.kernel_size)
        bound = 1.0 / math.sqrt(init.fans(shape)[0])
        self.weight = Parameter(init.uniform(shape, bound, generator))
        self.bias = Parameter(init.uniform((out_channels,), bound, generator)) if bias else None

    def options(self) -> str:
        said = f"{self.in_channels}, {self.out_channels}, kernel_size={_brief(self.kernel_size)}"
        for name, usual in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1)):
            value = getattr(self, name, (usual, usual))
            said += f", {name}={_brief(value)}" if value != (usual, usual) else ""
        said += f", groups={self.groups}" if self.groups != 1 else ""
        return said + ("" if self.bias is not None else ", bias=False")


class Conv2d(_Conv):
    """A convolution of images (N, in_channels, H, W) with out_channels kernels.

    weight (out, in / groups, kh, kw), bias (out,), float32. Sizes as in `functional.conv2d`. Raises ValueError for
    channels that are no multiples of `groups` and sizes out of range, TypeError for sizes that are not integers;
    when called, ValueError for another number of channels and for images smaller than the kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        generator: GeneratorLike = None,
    ) -> None:
        channels = (out_channels, in_channels // max(groups, 1))
        super().__init__(
            in_channels,
            out_channels,
            channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            generator,
        )

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def multiply_adds(self, x: Tensor, out: Tensor) -> int:
        return out.size * math.prod(self.weight.shape[1:])  # one weight of a kernel for each product


class ConvTranspose2d(_Conv):
    """A transposed convolution of images (N, in_channels, H, W): what makes them larger again.

    weight (in, out / groups, kh, kw), bias (out,), float32. Sizes as in `functional.conv_transpose2d`. Raises
    ValueError for channels that are no multiples of `groups` and sizes out of range, TypeError for sizes that are
    not integers; when called, ValueError for another number of channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        generator: GeneratorLike = None,
    ) -> None:
        channels = (in_channels, out_channels // max(groups, 1))
        self.output_padding = pair("ConvTranspose2d", "output_padding", output_padding, 0)
        super().__init__(
            in_channels,
            out_channels,
            channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            generator,
        )

    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
            self.groups,
        )

    def multiply_adds(self, x: Tensor, out: Tensor) -> int:
        return x.size * math.prod(self.weight.shape[1:])


def _brief(value: Pair) -> str:
    return str(value[0]) if value[0] == value[1] else str(value)
