"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012): the network that brought deep learning to ImageNet."""

from __future__ import annotations

from tinydl import nn
from tinydl.models.start import he_start
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


class AlexNet(nn.Module):
    """AlexNet: images (N, channels, H, W) of 63x63 or more to scores (N, classes).

        image                                            3 x 227x227        parameters
        features     Conv2d 11x11, stride 4, padding 2  64 x  56x56             23,296
                     max pooling 3x3, stride 2          64 x  27x27
                     Conv2d 5x5, padding 2             192 x  27x27            307,392
                     max pooling 3x3, stride 2         192 x  13x13
                     Conv2d 3x3, padding 1             384 x  13x13            663,936
                     Conv2d 3x3, padding 1             256 x  13x13            884,992
                     Conv2d 3x3, padding 1             256 x  13x13            590,080
                     max pooling 3x3, stride 2         256 x   6x6
        avgpool      adaptive average pooling          256 x   6x6
        classifier   dropout, Dense                   4096                  37,752,832
                     dropout, Dense                   4096                  16,781,312
                     Dense                            1000                   4,097,000
                                                                  together  61,100,840

    ReLU after every layer but the last and the pooling. The widths are those of Krizhevsky's later version for one
    GPU ("One weird trick", 2014), and the names torchvision's, whose weights `load_state_dict` takes as they are.
    In 2012 the layers were split between two GPUs (96, 256, 384, 384, 256 kernels) and normalised by their
    neighbours. Average pooling makes 6x6 maps of any image; at 224x224 and 227x227 they are 6x6 already and it
    changes nothing.

    `hidden` is the width of the two dense layers, which hold nine tenths of the weights. Weights start as
    `he_start` says, from `generator`. Raises ValueError for counts below 1 and a `dropout` outside [0, 1]; when
    called, for other channels and images that are too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        hidden: int = 4096,
        dropout: float = 0.5,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 64, kernel_size=11, stride=4, padding=2, generator=g),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2, generator=g),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1, generator=g),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, generator=g),
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1, generator=g),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, generator=g.fork()),
            nn.Dense(256 * 6 * 6, hidden, generator=g),
            nn.ReLU(),
            nn.Dropout(dropout, generator=g.fork()),
            nn.Dense(hidden, hidden, generator=g),
            nn.ReLU(),
            nn.Dense(hidden, classes, generator=g),
        )
        he_start(self)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return out


class SmallAlexNet(nn.Module):
    """AlexNet with a quarter of its widths, for small images, 28x28 and grey, to scores (N, classes).

        image                                            1 x 28x28      parameters
        features     Conv2d 5x5, padding 2              16 x 28x28             416
                     max pooling 3x3, stride 2          16 x 13x13
                     Conv2d 5x5, padding 2              48 x 13x13          19,248
                     max pooling 3x3, stride 2          48 x  6x6
                     Conv2d 3x3, padding 1              96 x  6x6           41,568
                     Conv2d 3x3, padding 1              64 x  6x6           55,360
                     Conv2d 3x3, padding 1              64 x  6x6           36,928
                     max pooling 3x3, stride 2          64 x  2x2
        classifier   dropout, Dense                    256                  65,792
                     dropout, Dense                    256                  65,792
                     Dense                              10                   2,570
                                                               together    287,674

    ReLU after every layer but the last and the pooling. 11x11 pixels would be half of so small an image, and a stride
    of 4 would leave little of it: the first kernels are 5x5 with stride 1. All else is as in `AlexNet`: five
    convolutions, pooling after the first, second and fifth with windows that overlap, two dense layers with dropout.

    `hidden` is the width of the two dense layers. Weights start as `he_start` says, from `generator`. Raises ValueError
    for counts below 1 and a `dropout` outside [0, 1]; when called, for other channels and sizes.
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 1,
        hidden: int = 256,
        dropout: float = 0.5,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=5, padding=2, generator=g),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(16, 48, kernel_size=5, padding=2, generator=g),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(48, 96, kernel_size=3, padding=1, generator=g),
            nn.ReLU(),
            nn.Conv2d(96, 64, kernel_size=3, padding=1, generator=g),
            nn.ReLU(),
            nn.Conv2d(64, 64, kernel_size=3, padding=1, generator=g),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, generator=g.fork()),
            nn.Dense(64 * 2 * 2, hidden, generator=g),
            nn.ReLU(),
            nn.Dropout(dropout, generator=g.fork()),
            nn.Dense(hidden, hidden, generator=g),
            nn.ReLU(),
            nn.Dense(hidden, classes, generator=g),
        )
        he_start(self)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.features(x).flatten(1))
        return out
