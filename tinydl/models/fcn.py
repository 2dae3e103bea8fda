"""FCN (Long, Shelhamer and Darrell, 2015): a network that classifies images, made to classify every pixel."""

from __future__ import annotations

import numpy as np

from tinydl import nn
from tinydl.models.blocks import check_halvings, conv_norm_relu
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor, tensor


class FCN(nn.Module):
    """A small fully convolutional network: images (N, in_channels, H, W) to logits (N, classes, H, W).

        image -> base maps -> 2 base, H/2 -> 4 base, H/4 -> 8 base, H/8
                                   |              |              |
                                scores    +    scores    +    scores     -> logits

    A classifier of VGG's kind, whose dense layers are 1x1 convolutions: a score for each class at every eighth
    pixel. Those scores are doubled in size by a transposed convolution, which begins as bilinear interpolation,
    and added to the scores of the next finer maps, as in the paper's FCN-8s (which had five halvings, not
    three). Only scores are enlarged, not maps: that is cheap, and edges stay soft.

    Raises: ValueError for counts below 1; when called, for sizes that are no multiples of 8 and another number
    of channels.
    """

    def __init__(
        self, in_channels: int = 1, classes: int = 1, base: int = 16, generator: GeneratorLike = None
    ) -> None:
        if min(in_channels, classes, base) < 1:
            raise ValueError(
                f"FCN: in_channels, classes and base must be 1 or more, got {in_channels}, {classes}, {base}"
            )
        generator = as_generator(generator)
        widths = [base, 2 * base, 4 * base, 8 * base]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *conv_norm_relu(before, width, generator),
                *conv_norm_relu(width, width, generator),
            )
            for before, width in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.scores = nn.ModuleList(
            nn.Conv2d(width, classes, kernel_size=1, generator=generator) for width in widths[1:]
        )
        self.up = nn.ModuleList(_doubling(classes) for _ in widths[1:])

    def forward(self, x: Tensor) -> Tensor:
        check_halvings("FCN", x, 3)
        x = self.stages[0](x)
        scores = []
        for stage, score in zip(list(self.stages)[1:], self.scores, strict=True):
            x = stage(self.pool(x))
            scores.append(score(x))
        out: Tensor = self.up[2](scores[2])
        out = self.up[1](out + scores[1])
        logits: Tensor = self.up[0](out + scores[0])
        return logits


def _doubling(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that interpolates between pixels, each channel by itself, until it learns better."""
    layer = nn.ConvTranspose2d(
        channels, channels, kernel_size=4, stride=2, padding=1, bias=False, generator=0
    )
    line = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
    weight = np.zeros(layer.weight.shape, np.float32)
    weight[range(channels), range(channels)] = line[:, None] * line
    layer.weight.data = tensor(weight)
    return layer
