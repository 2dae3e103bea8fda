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
