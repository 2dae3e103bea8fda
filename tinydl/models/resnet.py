"""ResNet (He, Zhang, Ren and Sun, 2016): blocks learn what to add to their input, and a hundred layers train."""

from __future__ import annotations

from tinydl import nn
from tinydl.models.start import he_start
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor


def conv(inputs: int, outputs: int, size: int, stride: int, generator: Generator) -> nn.Conv2d:
    """Padded so that stride 1 keeps the size; without a bias, which the batch norm behind it would subtract."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False, generator=generator)


class Block(nn.Module):
    """relu(F(x) + shortcut(x)): what `BasicBlock` and `Bottleneck` share; F is their `branch`.

    The shortcut is x itself, or `downsample` where F changes the shape. Without `residual` there is none: relu(F(x)),
    a block of a plain network.
    """

    expansion: int  # channels that come out, for each of the block's width
    relu: nn.ReLU
    residual: bool
    downsample: nn.Module | None

    def branch(self, x: Tensor) -> Tensor:
        """F(x), up to the last batch norm. Raises what its layers raise."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        f = self.branch(x)
        if self.residual:
            f = f + (x if self.downsample is None else self.downsample(x))
        out: Tensor = self.relu(f)
        return out


class BasicBlock(Block):
    """F: 3x3 convolution, batch norm, ReLU, 3x3 convolution, batch norm. The first has the stride.

    (N, inputs, H, W) to (N, width, H / stride, W / stride). Raises ValueError, when called, for other channels.
    """

    expansion = 1

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int = 1,
        residual: bool = True,
        downsample: nn.Module | None = None,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        self.conv1 = conv(inputs, width, 3, stride, g)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = conv(width, width, 3, 1, g)
        self.bn2 = nn.BatchNorm2d(width)
        self.residual, self.downsample = residual, downsample

    def branch(self, x: Tensor) -> Tensor:
        f = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.bn2(self.conv2(f))
        return out


class Bottleneck(Block):
    """F: 1x1 convolution to fewer channels, 3x3 convolution with the stride, 1x1 convolution to 4 times as many.

    Batch norm follows each, ReLU the first two. (N, inputs, H, W) to (N, 4 width, H / stride, W / stride). Raises
    ValueError, when called, for other channels.
    """

    expansion = 4

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int = 1,
        residual: bool = True,
        downsample: nn.Module | None = None,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        self.conv1 = conv(inputs, width, 1, 1, g)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride, g)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, 4 * width, 1, 1, g)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.residual, self.downsample = residual, downsample

    def branch(self, x: Tensor) -> Tensor:
        f = self.relu(self.bn1(self.conv1(x)))
        f = self.relu(self.bn2(self.conv2(f)))
        out: Tensor = self.bn3(self.conv3(f))
        return out


class ResNet(nn.Module):
    """What ResNet-18 to ResNet-152 share: images (N, channels, H, W) of any size to scores (N, classes).

        Table 1 of the paper                         18      34      50     101     152     after it, for 224x224
        conv1    7x7, stride 2, batch norm, ReLU                                             64 x 112x112
        maxpool  3x3, stride 2                                                               64 x  56x56
        layer1   blocks of width  64                  2       3       3       3       3      64 x  56x56
        layer2                   128, stride 2        2       4       4       4       8     128 x  28x28
        layer3                   256, stride 2        2       6       6      23      36     256 x  14x14
        layer4                   512, stride 2        2       3       3       3       3     512 x   7x7
        avgpool  the mean of each map                                                       512
        fc       Dense                                                                     1000

    18 and 34 have blocks of two 3x3 convolutions (`BasicBlock`), the others of 1x1, 3x3, 1x1 (`Bottleneck`), with 4
    times the channels given here after each layer. The first block of layer2 to layer4 has the stride. A shortcut
    that changes the shape is a 1x1 convolution with batch norm (the paper's option B). As in torchvision, whose
    names these are and whose weights `load_state_dict` takes as they are, a bottleneck has its stride in the 3x3
    convolution; in the paper, in the 1x1 convolution before.

    `residual=False` leaves the shortcuts out: the paper's plain network, with the same layers. Weights start as
    `he_start` says, from `generator`. Raises ValueError for counts below 1; when called, for other channels.
    """

    block: type[BasicBlock] | type[Bottleneck]
    blocks: tuple[int, int, int, int]  # in layer1 to layer4

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        residual: bool = True,
        generator: GeneratorLike = None,
    ) -> None:
        g, expansion = as_generator(generator), self.block.expansion
        self.conv1 = conv(channels, 64, 7, 2, g)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._layer(64, 64, self.blocks[0], 1, residual, g)
        self.layer2 = self._layer(64 * expansion, 128, self.blocks[1], 2, residual, g)
        self.layer3 = self._layer(128 * expansion, 256, self.blocks[2], 2, residual, g)
        self.layer4 = self._layer(256 * expansion, 512, self.blocks[3], 2, residual, g)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Dense(512 * expansion, classes, generator=g)
        he_start(self)

    def _layer(
        self, inputs: int, width: int, blocks: int, stride: int, residual: bool, generator: Generator
    ) -> nn.Sequential:
        outputs = width * self.block.expansion
        downsample = None
        if residual and (stride != 1 or inputs != outputs):
            downsample = nn.Sequential(conv(inputs, outputs, 1, stride, generator), nn.BatchNorm2d(outputs))
        first = self.block(inputs, width, stride, residual, downsample, generator)
        others = [self.block(outputs, width, 1, residual, None, generator) for _ in range(blocks - 1)]
        return nn.Sequential(first, *others)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out


class ResNet18(ResNet):
    """ResNet with 8 basic blocks: 11,689,512 parameters. Shapes, options and errors: see `ResNet`."""

    block, blocks = BasicBlock, (2, 2, 2, 2)


class ResNet34(ResNet):
    """ResNet with 16 basic blocks: 21,797,672 parameters. Shapes, options and errors: see `ResNet`.

    `ResNet34(residual=False)` is plain-34, which the paper found to learn worse than plain-18: 21,623,848 parameters.
    """

    block, blocks = BasicBlock, (3, 4, 6, 3)


class ResNet50(ResNet):
    """ResNet with 16 bottlenecks: 25,557,032 parameters. Shapes, options and errors: see `ResNet`."""

    block, blocks = Bottleneck, (3, 4, 6, 3)


class ResNet101(ResNet):
    """ResNet with 33 bottlenecks: 44,549,160 parameters. Shapes, options and errors: see `ResNet`."""

    block, blocks = Bottleneck, (3, 4, 23, 3)


class ResNet152(ResNet):
    """ResNet with 50 bottlenecks: 60,192,808 parameters. Shapes, options and errors: see `ResNet`."""

    block, blocks = Bottleneck, (3, 8, 36, 3)
