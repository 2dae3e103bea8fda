"""VGG (Simonyan and Zisserman, 2015): nothing but 3x3 convolutions, and many of them."""

from __future__ import annotations

from tinydl import nn
from tinydl.models.start import he_start
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


class VGG(nn.Module):
    """What VGG16 and VGG19 share: images (N, channels, H, W) of 32x32 or more to scores (N, classes).

        Table 1 of the paper      VGG16 (column D)     VGG19 (column E)     after it, for 224x224
        features     block 1      2 x Conv2d 3x3       2 x Conv2d 3x3        64 x 112x112
                     block 2      2 x                  2 x                  128 x  56x56
                     block 3      3 x                  4 x                  256 x  28x28
                     block 4      3 x                  4 x                  512 x  14x14
                     block 5      3 x                  4 x                  512 x   7x7
        avgpool      adaptive average pooling                               512 x   7x7
        classifier   Dense, dropout                                        4096
                     Dense, dropout                                        4096
                     Dense                                                 1000
        parameters                138,357,544          143,667,240

    Each convolution is padded by 1, so that the size stays, and followed by ReLU; each block ends in 2x2 max
    pooling, which halves it. Two 3x3 convolutions see 5x5 pixels and three see 7x7, with fewer weights than one
    large kernel and a ReLU more each. Average pooling makes 7x7 maps of any image; at 224x224 they are 7x7 already.
    The names are torchvision's, whose weights `load_state_dict` takes as they are.

    `hidden` is the width of the two dense layers. Weights start as `he_start` says, from `generator`: the authors
    had to train a shallower network first, He's weights came a year later. Raises ValueError for counts below 1
    and a `dropout` outside [0, 1]; when called, for other channels and images that are too small.
    """

    blocks: tuple[int, ...]  # how many convolutions each has
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)  # and how many channels
    side = 7  # of the maps that the dense layers get

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        hidden: int = 4096,
        dropout: float = 0.5,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        layers: list[nn.Module] = []
        for width, convolutions in zip(self.widths, self.blocks, strict=True):
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1, generator=g), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(self.side)
        self.classifier = nn.Sequential(
            nn.Dense(self.widths[-1] * self.side**2, hidden, generator=g),
            nn.ReLU(),
            nn.Dropout(dropout, generator=g.fork()),
            nn.Dense(hidden, hidden, generator=g),
            nn.ReLU(),
            nn.Dropout(dropout, generator=g.fork()),
            nn.Dense(hidden, classes, generator=g),
        )
        he_start(self)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return out


class VGG16(VGG):
    """VGG with 13 convolutions and 3 dense layers, column D of the paper. Shapes, options and errors: see `VGG`."""

    blocks = (2, 2, 3, 3, 3)


class VGG19(VGG):
    """VGG with 16 convolutions and 3 dense layers, column E of the paper. Shapes, options and errors: see `VGG`."""

    blocks = (2, 2, 4, 4, 4)


class SmallVGG(VGG):
    """VGG for small images, 28x28 and grey, with 6 convolutions. Options and errors: see `VGG`.

        image                               1 x 28x28      parameters
        features     2 x Conv2d 3x3        16 x 28x28           2,480
                     max pooling 2x2       16 x 14x14
                     2 x Conv2d 3x3        32 x 14x14          13,888
                     max pooling 2x2       32 x  7x7
                     2 x Conv2d 3x3        64 x  7x7           55,424
                     max pooling 2x2       64 x  3x3
        classifier   Dense, dropout       128                  73,856
                     Dense, dropout       128                  16,512
                     Dense                 10                   1,290
                                                  together    163,450

    What makes it a VGG: small kernels alone, in pairs, and twice as many of them whenever pooling halves the maps.
    Images (N, channels, H, W) of 8x8 or more.
    """

    blocks, widths, side = (2, 2, 2), (16, 32, 64), 3

    def __init__(
        self,
        classes: int = 10,
        channels: int = 1,
        hidden: int = 128,
        dropout: float = 0.5,
        generator: GeneratorLike = None,
    ) -> None:
        super().__init__(classes, channels, hidden, dropout, generator)
