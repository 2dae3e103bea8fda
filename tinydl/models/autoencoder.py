"""Autoencoders: networks that squeeze their input into a code and rebuild it from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tinydl import nn
from tinydl.errors import ShapeError
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor

Layer = Callable[[], nn.Module]


class Autoencoder(nn.Module):
    """x' = decode(encode(x)): dense layers down to a code, and the same sizes back (Hinton and Salakhutdinov, 2006).

        encoder   784 -> 512 -> 128 -> 2      an activation between the layers; `code` is applied to the last
        decoder   2 -> 128 -> 512 -> 784      an activation between the layers; `output` is applied to the last

    Inputs (N, ...) with sizes[0] values each, float32; the output has their shape. With a linear code and one layer
    on each side the best that it can learn is what PCA computes; everything beyond that is owed to the activations.
    `output=None` leaves the values as they are, for data that do not lie between 0 and 1.

    Raises: ValueError for fewer than two sizes; when called, for inputs with another number of values.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 512, 128, 2),
        activation: Layer = nn.ReLU,
        code: Layer | None = None,
        output: Layer | None = nn.Sigmoid,
        generator: GeneratorLike = None,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(
                f"Autoencoder: expected two sizes or more, from the input's to the code's, got {tuple(sizes)}"
            )
        generator = as_generator(generator)
        self.encoder = nn.Sequential(nn.Flatten(), *_dense(sizes, activation, code, generator))
        self.decoder = nn.Sequential(*_dense(sizes[::-1], activation, output, generator))

    def encode(self, x: Tensor) -> Tensor:
        """Inputs (N, ...) to codes (N, sizes[-1]). Raises what the layers raise."""
        codes: Tensor = self.encoder(x)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (N, sizes[-1]) to outputs (N, sizes[0]). Raises what the layers raise."""
        out: Tensor = self.decoder(codes)
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x)).reshape(x.shape)


class ConvAutoencoder(nn.Module):
    """x' = decode(encode(x)) by convolutions of stride 2 down and transposed ones up (Masci et al., 2011).

        encoder   (1, 28, 28) -> (16, 14, 14) -> (32, 7, 7)      Conv2d 3x3, each halves height and width
        decoder   (32, 7, 7) -> (16, 14, 14) -> (1, 28, 28)      ConvTranspose2d 4x4, each doubles them

    Images (N, channels[0], H, W), float32, of any H and W that can be halved len(channels) - 1 times; the output has
    their shape and lies between 0 and 1. The code is the last maps. With `code`, a dense layer makes that many
    numbers of them and another one makes maps of these again; then images must be `side` pixels wide and high.

    The 4x4 kernels of stride 2 cover every pixel equally often: with 3x3 they would leave a chequerboard.

    Raises: ValueError for fewer than two entries in `channels` and for a `side` that can't be halved so often; when
    called, for images that can't be, or of other channels.
    """

    def __init__(
        self,
        channels: Sequence[int] = (1, 16, 32),
        code: int | None = None,
        side: int = 28,
        activation: Layer = nn.ReLU,
        generator: GeneratorLike = None,
    ) -> None:
        if len(channels) < 2:
            raise ValueError(
                f"ConvAutoencoder: expected two numbers of channels or more, got {tuple(channels)}"
            )
        self.factor = 2 ** (len(channels) - 1)
        generator = as_generator(generator)
        down: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            conv = nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1, generator=generator)
            down += [conv, activation()]
        up: list[nn.Module] = []
        if code is not None:
            self._check(side, side)
            maps = (channels[-1], side // self.factor, side // self.factor)
            values = maps[0] * maps[1] * maps[2]
            down += [nn.Flatten(), nn.Dense(values, code, generator=generator)]
            up += [nn.Dense(code, values, generator=generator), activation(), nn.Reshape(*maps)]
        for inputs, outputs in pairwise(channels[::-1]):
            conv_up = nn.ConvTranspose2d(
                inputs, outputs, kernel_size=4, stride=2, padding=1, generator=generator
            )
            up += [conv_up, activation()]
        self.encoder = nn.Sequential(*down)
        self.decoder = nn.Sequential(*up[:-1], nn.Sigmoid())

    def encode(self, x: Tensor) -> Tensor:
        """Images (N, channels[0], H, W) to maps (N, channels[-1], H / factor, W / factor), or codes (N, code).

        Raises: ValueError for images that can't be halved so often.
        """
        if x.ndim == 4:  # else the first convolution says what it expects
            self._check(*x.shape[2:])
        codes: Tensor = self.encoder(x)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Codes as `encode` gives them, to images (N, channels[0], H, W). Raises what the layers raise."""
        out: Tensor = self.decoder(codes)
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def _check(self, height: int, width: int) -> None:
        if height % self.factor or width % self.factor:
            raise ShapeError(
                "ConvAutoencoder",
                f"expected images whose height and width are multiples of {self.factor}, got {height}x{width}; "
                "crop or pad them",
            )


def _dense(
    sizes: Sequence[int], activation: Layer, last: Layer | None, generator: GeneratorLike
) -> list[nn.Module]:
    """Dense layers of these sizes with an activation between them, and `last` at the end."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Dense(inputs, outputs, generator=generator), activation()]
    return layers[:-1] + ([] if last is None else [last()])
