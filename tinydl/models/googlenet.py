"""GoogLeNet (Szegedy et al., 2015): kernels of several sizes side by side, and 1x1 convolutions to pay for them."""

from __future__ import annotations

from tinydl import nn
from tinydl.models.start import he_start
from tinydl.ops.shape import cat
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor


def _conv_relu(inputs: int, outputs: int, size: int, generator: Generator, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, generator=generator)
    return nn.Sequential(conv, nn.ReLU())


class Inception(nn.Module):
    """Four branches over the same maps, joined along the channels.

        conv1x1                    |  details of one pixel
        reduce3x3 -> conv3x3       |  of its neighbours
        reduce5x5 -> conv5x5       |  of a wider circle
        pool 3x3  -> project       |  the largest values around

    reduce and project are 1x1 convolutions; each convolution is followed by ReLU. The arguments are a row of the
    paper's Table 1, in its order. (N, inputs, H, W) to (N, n1x1 + n3x3 + n5x5 + projected, H, W), float32. Raises
    ValueError for counts below 1; when called, for other channels.
    """

    def __init__(
        self,
        inputs: int,
        n1x1: int,
        reduced3x3: int,
        n3x3: int,
        reduced5x5: int,
        n5x5: int,
        projected: int,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        self.conv1x1 = _conv_relu(inputs, n1x1, 1, g)
        self.reduce3x3 = _conv_relu(inputs, reduced3x3, 1, g)
        self.conv3x3 = _conv_relu(reduced3x3, n3x3, 3, g)
        self.reduce5x5 = _conv_relu(inputs, reduced5x5, 1, g)
        self.conv5x5 = _conv_relu(reduced5x5, n5x5, 5, g)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.project = _conv_relu(inputs, projected, 1, g)

    def forward(self, x: Tensor) -> Tensor:
        return cat(
            [
                self.conv1x1(x),
                self.conv3x3(self.reduce3x3(x)),
                self.conv5x5(self.reduce5x5(x)),
                self.project(self.pool(x)),
            ],
            axis=1,
        )


class GoogLeNet(nn.Module):
    """GoogLeNet, Inception v1: images (N, channels, H, W) of 47x47 or more to scores (N, classes).

        Table 1 of the paper              1x1   3x3 reduce, 3x3   5x5 reduce, 5x5   pool   after it, for 224x224
        conv1         7x7, stride 2                                                          64 x 112x112
        maxpool1      3x3, stride 2                                                          64 x  56x56
        conv2         1x1                                                                    64 x  56x56
        conv3         3x3                                                                   192 x  56x56
        maxpool2      3x3, stride 2                                                         192 x  28x28
        inception3a                        64        96, 128           16,  32        32    256 x  28x28
        inception3b                       128       128, 192           32,  96        64    480 x  28x28
        maxpool3      3x3, stride 2                                                         480 x  14x14
        inception4a                       192        96, 208           16,  48        64    512 x  14x14
        inception4b                       160       112, 224           24,  64        64    512 x  14x14
        inception4c                       128       128, 256           24,  64        64    512 x  14x14
        inception4d                       112       144, 288           32,  64        64    528 x  14x14
        inception4e                       256       160, 320           32, 128       128    832 x  14x14
        maxpool4      3x3, stride 2                                                         832 x   7x7
        inception5a                       256       160, 320           32, 128       128    832 x   7x7
        inception5b                       384       192, 384           48, 128       128   1024 x   7x7
        avgpool       the mean of each map                                                 1024
        dropout       40 %                                                                 1024
        fc            Dense                                                                1000

    6,998,552 parameters, a ninth of AlexNet's. No batch norm, which came a year later. Left out are the two
    auxiliary classifiers, which helped gradients into the lower half during training and were thrown away
    afterwards (He's weights, with which this network starts, do more for that), and the two local response
    normalisations, which have no weights and were found useless a year later by VGG's authors.

    Weights start as `he_start` says, from `generator`. Raises ValueError for counts below 1 and a `dropout` outside
    [0, 1]; when called, for other channels and images that are too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        dropout: float = 0.4,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        self.conv1 = _conv_relu(channels, 64, 7, g, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = _conv_relu(64, 64, 1, g)
        self.conv3 = _conv_relu(64, 192, 3, g)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32, generator=g)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64, generator=g)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64, generator=g)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64, generator=g)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64, generator=g)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64, generator=g)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128, generator=g)
        self.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128, generator=g)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128, generator=g)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout, generator=g.fork())
        self.fc = nn.Dense(1024, classes, generator=g)
        he_start(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4c(self.inception4b(self.inception4a(x)))
        x = self.maxpool4(self.inception4e(self.inception4d(x)))
        x = self.inception5b(self.inception5a(x))
        out: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return out
