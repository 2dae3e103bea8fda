"""The small ResNets for small images (He, Zhang, Ren and Sun, 2016, section 4.2)."""

from __future__ import annotations

from tinydl import nn
from tinydl.creation import zeros_like
from tinydl.models.resnet import BasicBlock, conv
from tinydl.models.start import he_start
from tinydl.ops.shape import cat
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor


class Subsample(nn.Module):
    """The paper's option A for a shortcut, without weights: every second pixel, and as many maps of zeros behind.

    (N, C, H, W) to (N, 2 C, H / 2, W / 2), rounded up, in any dtype. Raises IndexError for inputs of fewer axes.
    """

    def forward(self, x: Tensor) -> Tensor:
        half = x[:, :, ::2, ::2]
        return cat([half, zeros_like(half)], axis=1)


class CifarResNet(nn.Module):
    """ResNet-20, 32, 44, 56, 110: images (N, channels, H, W) to scores (N, classes), depth = 6 n + 2.

        conv1    3x3, batch norm, ReLU                16 x 32x32      parameters of ResNet-20:      464
        layer1   n basic blocks                       16 x 32x32                                 14,016
        layer2   n basic blocks, the first stride 2   32 x 16x16                                 51,072
        layer3   n basic blocks, the first stride 2   64 x  8x8                                 203,520
        avgpool  the mean of each map                 64
        fc       Dense                                10                                            650
                                                                                   together     269,722

    Made for CIFAR-10, 32x32 in colour; 28x28 in grey (`channels=1`) works as well. Where the shape changes, the
    shortcut is `Subsample`. So `residual=False`, the plain network without shortcuts, has exactly the same
    parameters, and a difference between the two is owed to the shortcuts alone.

    Weights start as `he_start` says, from `generator`. Raises ValueError for a depth that is not 6 n + 2 and counts
    below 1; when called, for other channels.
    """

    def __init__(
        self,
        depth: int = 20,
        classes: int = 10,
        channels: int = 3,
        residual: bool = True,
        generator: GeneratorLike = None,
    ) -> None:
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"CifarResNet: depth must be 6 n + 2, as 20, 32, 44 or 56, got {depth}")
        g, n = as_generator(generator), depth // 6
        self.conv1 = conv(channels, 16, 3, 1, g)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _layer(16, 16, n, residual, g)
        self.layer2 = _layer(16, 32, n, residual, g)
        self.layer3 = _layer(32, 64, n, residual, g)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Dense(64, classes, generator=g)
        he_start(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out


def _layer(inputs: int, width: int, blocks: int, residual: bool, generator: Generator) -> nn.Sequential:
    downsample = Subsample() if residual and width != inputs else None
    first = BasicBlock(inputs, width, width // inputs, residual, downsample, generator)
    others = [BasicBlock(width, width, 1, residual, None, generator) for _ in range(blocks - 1)]
    return nn.Sequential(first, *others)
