"""Generative adversarial networks (Goodfellow et al., 2014): one network makes images, another tells them from real.

All make images (N, 1, 28, 28) with values from -1 to 1, as tanh gives them. Trained by `train.AdversarialTrainer`.
"""

from __future__ import annotations

from tinydl import init, nn
from tinydl.creation import randn, zeros_like
from tinydl.device import Device
from tinydl.ops.index import one_hot
from tinydl.ops.shape import cat
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor

LATENT, CLASSES, HIDDEN = 64, 10, 256


class Noise(nn.Module):
    """Where the samples come from: standard normal numbers (count, size), float32, from a generator of its own.

    The generator's place in its stream is part of a checkpoint, so that a resumed run draws what is next. Raises
    TypeError for another kind of `generator`.
    """

    def __init__(self, size: int, generator: GeneratorLike = None) -> None:
        self.size = size
        self.generator = as_generator(generator)

    def forward(self, count: int, device: Device | str | None = None) -> Tensor:
        return randn(count, self.size, generator=self.generator, device=device)

    def options(self) -> str:
        return str(self.size)


class GAN(nn.Module):
    """The first GAN: both networks dense. Called with noise (N, latent), it gives images (N, 1, 28, 28).

        generator       latent -> 256 -> 512 -> 784 pixels, tanh
        discriminator   784 pixels -> 512 -> 256 -> a logit (N, 1): how real an image looks

    LeakyReLU between the layers passes gradients on to the generator wherever the discriminator is sure. Dropout in
    the discriminator keeps it from learning the training images by heart. `noise(count)` draws noise. Raises
    ValueError for inputs of another shape, TypeError for another kind of `generator`.
    """

    def __init__(self, latent: int = LATENT, generator: GeneratorLike = None) -> None:
        g = as_generator(generator)
        self.noise = Noise(latent, g.fork())
        self.generator: nn.Module = nn.Sequential(
            nn.Dense(latent, 256, generator=g),
            nn.BatchNorm1d(256),
            nn.LeakyReLU(0.2),
            nn.Dense(256, 512, generator=g),
            nn.BatchNorm1d(512),
            nn.LeakyReLU(0.2),
            nn.Dense(512, 784, generator=g),
            nn.Tanh(),
            nn.Reshape(1, 28, 28),
        )
        self.discriminator: nn.Module = nn.Sequential(
            nn.Flatten(),
            nn.Dense(784, 512, generator=g),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3, generator=g.fork()),
            nn.Dense(512, 256, generator=g),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3, generator=g.fork()),
            nn.Dense(256, 1, generator=g),
        )

    def forward(self, z: Tensor, *condition: Tensor) -> Tensor:
        images: Tensor = self.generator(z, *condition)
        return images


class DCGAN(GAN):
    """A GAN of convolutions (Radford, Metz and Chintala, 2016), small: noise (N, latent) to images (N, 1, 28, 28).

        generator       latent -> 256 -> 2w x 7x7 -> w x 14x14 -> 1 x 28x28     transposed 4x4 convolutions
        discriminator   1 x 28x28 -> w x 14x14 -> 2w x 7x7 -> 256 -> a logit    4x4 convolutions, both of stride 2

    The paper's rules: strides in place of pooling, batch norm (not where images go out or in), ReLU in the
    generator, LeakyReLU in the discriminator, weights from N(0, 0.02). Unlike there, a hidden dense layer in each
    sees the whole digit, as in InfoGAN's networks for digits (Chen et al., 2016). `width` is w. Raises ValueError
    for a width below 1 and for inputs of another shape, TypeError for another kind of `generator`.
    """

    def __init__(self, latent: int = LATENT, width: int = 16, generator: GeneratorLike = None) -> None:
        g = as_generator(generator)
        self.noise = Noise(latent, g.fork())
        self.generator = nn.Sequential(
            nn.Dense(latent, HIDDEN, bias=False, generator=g),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
            _up(HIDDEN, width, g),
        )
        self.discriminator = nn.Sequential(
            _down(width, g),
            nn.Dense(2 * width * 49, HIDDEN, bias=False, generator=g),
            nn.BatchNorm1d(HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Dense(HIDDEN, 1, generator=g),
        )
        _start(self, g)


class ConditionalGAN(GAN):
    """A DCGAN that is told which class to draw (Mirza and Osindero, 2014): model(z, labels) gives images.

    Noise (N, latent) and labels, int64 (N,), make images (N, 1, 28, 28); `discriminator(images, labels)` gives
    logits (N, 1). The label joins the noise as one-hot numbers; the discriminator compares the image's features
    with those that it expects of the class (Miyato and Koyama, 2018). `DCGAN`'s hidden layers are left out: with
    their batch norm before that comparison the discriminator won every game that was tried. Raises ValueError for a
    width below 1, labels that are no class and inputs of another shape, TypeError for another kind of `generator`.
    """

    def __init__(
        self,
        latent: int = LATENT,
        classes: int = CLASSES,
        width: int = 16,
        generator: GeneratorLike = None,
    ) -> None:
        g = as_generator(generator)
        self.noise = Noise(latent, g.fork())
        self.generator = _Labelled(_up(latent + classes, width, g), classes)
        self.discriminator = _Projection(width, classes, g)
        _start(self, g)


class _Labelled(nn.Module):
    """A generator whose noise is joined by the label."""

    def __init__(self, body: nn.Module, classes: int) -> None:
        self.body, self.classes = body, classes

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.body(cat([z, one_hot(labels, self.classes).astype(z.dtype)], axis=1))
        return images


class _Projection(nn.Module):
    """A discriminator with features h: w h + b + e_y h, where e_y is what it expects of class y."""

    def __init__(self, width: int, classes: int, generator: Generator) -> None:
        self.body = _down(width, generator)
        self.output = nn.Dense(2 * width * 49, 1, generator=generator)
        self.expected = nn.Embedding(classes, 2 * width * 49, generator=generator)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        h = self.body(images)
        score: Tensor = self.output(h) + (self.expected(labels) * h).sum(1, keepdims=True)
        return score


def _up(size: int, width: int, generator: Generator) -> nn.Sequential:
    """Vectors (N, size) to images."""
    return nn.Sequential(
        nn.Dense(size, 2 * width * 49, bias=False, generator=generator),
        nn.Reshape(2 * width, 7, 7),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False, generator=generator),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1, generator=generator),
        nn.Tanh(),
    )


def _down(width: int, generator: Generator) -> nn.Sequential:
    """Images to features (N, 98 width)."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1, generator=generator),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False, generator=generator),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
    )


def _start(model: nn.Module, generator: Generator) -> None:
    """The paper's first weights: N(0, 0.02) for all that multiply, N(1, 0.02) for batch norm; biases 0."""
    for module in model.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if weight is not None:
            centre = 1.0 if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) else 0.0
            weight.data = init.normal(weight.shape, 0.02, generator) + centre
        if bias is not None:
            bias.data = zeros_like(bias)
