"""ENet (Paszke, Chaurasia, Kim and Culurciello, 2016): segmentation with few weights and few operations."""

from __future__ import annotations

from tinydl import nn
from tinydl.models.blocks import check_halvings, halved
from tinydl.ops.activation import relu
from tinydl.ops.resize import max_unpool2d
from tinydl.ops.shape import cat, pad
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor


class ENet(nn.Module):
    """A small ENet: images (N, in_channels, H, W) to logits (N, classes, H, W).

        initial   a convolution beside max pooling, 16 maps          H/2
        stage 1   bottleneck that halves, 2 regular ones, 64 maps    H/4
        stage 2   bottleneck that halves, then 128 maps              H/8
                  regular, dilated by 2, asymmetric 5x1 and 1x5, dilated by 4
        stage 4   bottleneck that doubles, 1 regular one, 64 maps    H/4
        stage 5   bottleneck that doubles, 1 regular one, 16 maps    H/2
        output    transposed convolution                             H

    The image is halved at once, because convolutions on the full size cost most; every bottleneck works on a
    quarter of its maps; dilated convolutions look far without more halving. The sizes are the paper's with half
    of its stage 2, without its stage 3, and with ReLU and batch norm alone where it has PReLU and dropout.

    Raises: ValueError for counts below 1 (`in_channels` below 16 at most); when called, for sizes that are no
    multiples of 8 and another number of channels.
    """

    def __init__(self, in_channels: int = 1, classes: int = 1, generator: GeneratorLike = None) -> None:
        if not 1 <= in_channels < 16 or classes < 1:
            raise ValueError(
                f"ENet: in_channels must be from 1 to 15 and classes 1 or more, got {in_channels}, {classes}"
            )
        generator = as_generator(generator)
        self.initial = nn.Conv2d(
            in_channels, 16 - in_channels, kernel_size=3, stride=2, padding=1, bias=False, generator=generator
        )
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(16)
        self.halve1 = Halving(16, 64, generator)
        self.stage1 = nn.Sequential(Bottleneck(64, generator), Bottleneck(64, generator))
        self.halve2 = Halving(64, 128, generator)
        self.stage2 = nn.Sequential(
            Bottleneck(128, generator),
            Bottleneck(128, generator, dilation=2),
            Bottleneck(128, generator, asymmetric=True),
            Bottleneck(128, generator, dilation=4),
        )
        self.double4 = Doubling(128, 64, generator)
        self.stage4 = Bottleneck(64, generator)
        self.double5 = Doubling(64, 16, generator)
        self.stage5 = Bottleneck(16, generator)
        self.output = nn.ConvTranspose2d(16, classes, kernel_size=2, stride=2, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        check_halvings("ENet", x, 3)
        x = cat([self.initial(x), self.pool(x)], axis=1)
        x = relu(self.norm(x))
        x, places1 = self.halve1(x)
        x, places2 = self.halve2(self.stage1(x))
        x = self.double4(self.stage2(x), places2)
        x = self.double5(self.stage4(x), places1)
        out: Tensor = self.output(self.stage5(x))
        return out


class Bottleneck(nn.Module):
    """relu(x + f(x)): f squeezes the maps to a quarter, convolves, and expands them again; (N, C, H, W) stays.

    The convolution is 3x3, dilated if asked for, or `asymmetric`: 5x1 and then 1x5, 10 weights instead of 25.
    Raises, when called, ValueError for another number of channels.
    """

    def __init__(
        self, channels: int, generator: Generator, dilation: int = 1, asymmetric: bool = False
    ) -> None:
        inner = channels // 4
        middle: list[nn.Module] = [
            nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation, bias=False, generator=generator)
        ]
        if asymmetric:
            middle = [
                nn.Conv2d(inner, inner, (5, 1), padding=(2, 0), bias=False, generator=generator),
                nn.Conv2d(inner, inner, (1, 5), padding=(0, 2), bias=False, generator=generator),
            ]
        self.inside = _squeezed(
            nn.Conv2d(channels, inner, 1, bias=False, generator=generator), middle, channels, generator
        )

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.inside(x))


class Halving(nn.Module):
    """A bottleneck that halves the image: (N, in, H, W) to (N, out, H/2, W/2), and where the maxima stood.

    Beside the convolutions runs max pooling, with maps of zeros added up to `out`. The places are int64
    (N, in, H/2, W/2). Raises, when called, ValueError for another number of channels.
    """

    def __init__(self, in_channels: int, out_channels: int, generator: Generator) -> None:
        inner = out_channels // 4
        self.missing = out_channels - in_channels
        squeeze = nn.Conv2d(in_channels, inner, kernel_size=2, stride=2, bias=False, generator=generator)
        middle = nn.Conv2d(inner, inner, kernel_size=3, padding=1, bias=False, generator=generator)
        self.inside = _squeezed(squeeze, [middle], out_channels, generator)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, places = halved(x)
        pooled = pad(pooled, ((0, 0), (0, self.missing), (0, 0), (0, 0)))
        return relu(pooled + self.inside(x)), places


class Doubling(nn.Module):
    """A bottleneck that doubles the image: (N, in, H, W) to (N, out, 2H, 2W).

    Beside the convolutions the maps, reduced to `out`, are unpooled to the places that a `Halving` kept. Raises,
    when called, ValueError for another number of channels.
    """

    def __init__(self, in_channels: int, out_channels: int, generator: Generator) -> None:
        inner = in_channels // 4
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False, generator=generator),
            nn.BatchNorm2d(out_channels),
        )
        squeeze = nn.Conv2d(in_channels, inner, kernel_size=1, bias=False, generator=generator)
        middle = nn.ConvTranspose2d(inner, inner, kernel_size=2, stride=2, bias=False, generator=generator)
        self.inside = _squeezed(squeeze, [middle], out_channels, generator)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        return relu(max_unpool2d(self.reduce(x), places, 2) + self.inside(x))


def _squeezed(
    squeeze: nn.Conv2d, middle: list[nn.Module], out_channels: int, generator: Generator
) -> nn.Sequential:
    """The convolutions of a bottleneck, the last one 1x1, each but the last followed by batch norm and ReLU."""
    inner = squeeze.out_channels
    return nn.Sequential(
        squeeze,
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        *middle,
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        nn.Conv2d(inner, out_channels, kernel_size=1, bias=False, generator=generator),
        nn.BatchNorm2d(out_channels),
    )
