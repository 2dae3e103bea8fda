"""CycleGAN (Zhu, Park, Isola and Efros, 2017), small: translates images both ways and learns it without pairs."""

from __future__ import annotations

from tinydl import nn
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor


class CycleGAN(nn.Module):
    """Two translators and two discriminators. Called with images x (N, channels, H, W), it gives G(x).

        g      x -> y          4x4 convolution of stride 2, residual block, transposed 4x4 convolution, tanh
        f      y -> x          likewise
        d_x    looks real as an x?     two 4x4 convolutions of stride 2, one 3x3: a score for every patch
        d_y    looks real as a y?      likewise; scores (N, 1, H/4, W/4)

    `channels` are those of x and of y, `width` those of the first layer inside. H and W are multiples of 4, values
    from -1 to 1. Trained by `train.CycleTrainer`. Raises ValueError for channels or a width below 1 and for inputs
    of another shape, TypeError for another kind of `generator`.
    """

    def __init__(
        self, channels: tuple[int, int] = (1, 3), width: int = 16, generator: GeneratorLike = None
    ) -> None:
        generator = as_generator(generator)
        x, y = channels
        self.g = _translator(x, y, width, generator)
        self.f = _translator(y, x, width, generator)
        self.d_x = _patches(x, width, generator)
        self.d_y = _patches(y, width, generator)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.g(x)
        return y


class _Residual(nn.Module):
    """x + convolutions of x (He et al., 2016)."""

    def __init__(self, width: int, generator: Generator) -> None:
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, generator=generator),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, generator=generator),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def _translator(channels: int, out_channels: int, width: int, generator: Generator) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, stride=2, padding=1, generator=generator),
        nn.ReLU(),
        _Residual(width, generator),
        nn.ReLU(),
        nn.ConvTranspose2d(width, out_channels, 4, stride=2, padding=1, generator=generator),
        nn.Tanh(),
    )


def _patches(channels: int, width: int, generator: Generator) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, stride=2, padding=1, generator=generator),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, generator=generator),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 3, padding=1, generator=generator),
    )
