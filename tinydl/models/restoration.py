"""Networks that restore pictures: they learn the difference between what there is and what there should be."""

from __future__ import annotations

from tinydl import nn
from tinydl.functional import interpolate
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


class DnCNN(nn.Module):
    """x' = x - noise(x): convolutions of one size that predict the noise, not the picture (Zhang et al., 2017).

        Conv2d 3x3, ReLU                           channels -> features
        Conv2d 3x3, BatchNorm2d, ReLU              features -> features, depth - 2 times
        Conv2d 3x3                                 features -> channels

    Images (N, channels, H, W) of any size, float32; the output has their shape and is not limited to a range. A
    pixel of it depends on those up to `depth` away in either direction. A network that says 0 leaves the
    picture as it is: that is where training starts from, not from nothing.

    Raises: ValueError for a depth below 2; when called, for images of other channels.
    """

    def __init__(
        self, channels: int = 1, features: int = 64, depth: int = 17, generator: GeneratorLike = None
    ) -> None:
        if depth < 2:
            raise ValueError(f"DnCNN: expected a depth of 2 or more, got {depth}")
        generator = as_generator(generator)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, features, kernel_size=3, padding=1, generator=generator),
            nn.ReLU(),
        ]
        for _ in range(depth - 2):
            layers += [
                nn.Conv2d(features, features, kernel_size=3, padding=1, bias=False, generator=generator),
                nn.BatchNorm2d(features),
                nn.ReLU(),
            ]
        layers.append(nn.Conv2d(features, channels, kernel_size=3, padding=1, generator=generator))
        self.noise = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.noise(x)


class SuperResolution(nn.Module):
    """Pictures of twice the height and width: a bilinear enlargement, and the detail that it lacks, which is learned.

        encoder    Conv2d 3x3, ReLU            channels -> features, depth times, at the small size
        decoder    ConvTranspose2d 4x4         features -> channels, doubles height and width
        x'         bilinear(x) + decoder(encoder(x))

    Images (N, channels, H, W) of any size, float32; the output (N, channels, 2H, 2W) is not limited to a range. Most
    of the work is done at the small size, where it costs a quarter (Dong et al., 2016); only the difference is
    learned (Kim et al., 2016).

    Raises: ValueError for a depth below 1; when called, for images of other channels.
    """

    def __init__(
        self, channels: int = 1, features: int = 32, depth: int = 4, generator: GeneratorLike = None
    ) -> None:
        if depth < 1:
            raise ValueError(f"SuperResolution: expected a depth of 1 or more, got {depth}")
        generator = as_generator(generator)
        layers: list[nn.Module] = []
        for inputs in (channels, *[features] * (depth - 1)):
            layers += [
                nn.Conv2d(inputs, features, kernel_size=3, padding=1, generator=generator),
                nn.ReLU(),
            ]
        self.encoder = nn.Sequential(*layers)
        self.decoder = nn.ConvTranspose2d(
            features, channels, kernel_size=4, stride=2, padding=1, generator=generator
        )

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=2, mode="bilinear") + self.decoder(self.encoder(x))
