"""Variational autoencoders (Kingma and Welling, 2013): an encoder that gives a distribution, a decoder that draws.

    encoder     q(z|x) = N(mu, diag(e^logvar)),   mu and logvar from the image
    sample      z = mu + exp(logvar / 2) eps,     eps ~ N(0, 1)
    decoder     p(x|z) = Bernoulli(sigmoid(logits)), pixel by pixel
    prior       p(z) = N(0, 1)

Training makes the negative evidence lower bound small:

    -log p(x)  <=  E_q[-log p(x|z)]  +  KL(q(z|x) || p(z))

The first term is the binary cross-entropy of the pixels. MNIST's pixels are grey, a Bernoulli variable is black or
white: a grey value is taken as the probability of white, so that the term is the mean over all black and white
images that could be drawn from the grey one. Even a perfect decoder pays the entropy of the grey pixels.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from tinydl import nn
from tinydl.creation import randn
from tinydl.errors import ShapeError
from tinydl.losses import binary_cross_entropy_with_logits, gaussian_kl
from tinydl.ops.arithmetic import exp
from tinydl.ops.index import one_hot
from tinydl.ops.shape import cat
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor

Output: TypeAlias = tuple[Tensor, Tensor, Tensor]  # logits of the pixels, mu, logvar


def sample_gaussian(mu: Tensor, logvar: Tensor, generator: Generator) -> Tensor:
    """z = mu + exp(logvar / 2) eps with eps ~ N(0, 1): a sample that gradients pass through to mu and logvar.

    Both (N, latents), floating. exp(logvar / 2) is the standard deviation; exp(logvar) would be the variance.
    Raises ValueError for shapes that differ.
    """
    if mu.shape != logvar.shape:
        raise ShapeError("sample_gaussian", f"mu has shape {mu.shape}, logvar {logvar.shape}")
    noise = randn(*mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)
    return mu + exp(logvar / 2) * noise


def reconstruction_loss(prediction: Output, target: Tensor) -> Tensor:
    """E_q[-log p(x|z)] in nats, from one sample: binary cross-entropy, the sum over pixels, the mean over images.

    `prediction` is (logits (N, ...), mu, logvar), `target` the images (N, ...), values in [0, 1]. Raises ValueError
    for shapes that differ and for other values.
    """
    return binary_cross_entropy_with_logits(prediction[0], target, reduction="sum") / len(target)


def kl_loss(prediction: Output, target: Tensor | None = None) -> Tensor:
    """KL(q(z|x) || N(0, 1)) in nats: the sum over latents, the mean over images; the target does not matter.

    `prediction` is (logits, mu (N, latents), logvar (N, latents)). Raises ValueError for shapes that differ.
    """
    _, mu, logvar = prediction
    return gaussian_kl(mu, logvar)


def negative_elbo(prediction: Output, target: Tensor, beta: float = 1.0) -> Tensor:
    """reconstruction_loss + beta kl_loss, in nats: sums over pixels and over latents, the mean over images only.

    `prediction` is (logits (N, ...), mu (N, latents), logvar (N, latents)), `target` the images (N, ...), values in
    [0, 1]. With beta = 1 it bounds -log p(x) from above; a larger beta (Higgins et al., 2017) asks a higher price
    for all that the code says. Raises ValueError for a negative beta and as the two terms do.
    """
    if beta < 0:
        raise ValueError(f"negative_elbo: beta must be 0 or more, got {beta}")
    return reconstruction_loss(prediction, target) + beta * kl_loss(prediction)


class _ImageVAE(nn.Module):
    """What dense and convolutional VAEs share: all but their two networks."""

    def __init__(
        self, encoder: nn.Module, features: int, latent: int, decoder: nn.Module, generator: Generator
    ) -> None:
        self.encoder = encoder
        self.to_mu = nn.Dense(features, latent, generator=generator)
        self.to_logvar = nn.Dense(features, latent, generator=generator)
        self.decoder = decoder
        self.latent = latent
        self.generator = generator  # of the samples: a checkpoint keeps its place

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar (N, latent) of q(z|x) for images x. Raises ValueError for images of another size."""
        features = self.encoder(x)
        return self.to_mu(features), self.to_logvar(features)

    def decode(self, z: Tensor) -> Tensor:
        """Logits of the pixels (N, C, H, W) for codes z (N, latent). Raises ValueError for other shapes."""
        logits: Tensor = self.decoder(z)
        return logits

    def forward(self, x: Tensor) -> Output:
        mu, logvar = self.encode(x)
        return self.decode(sample_gaussian(mu, logvar, self.generator)), mu, logvar


class VAE(_ImageVAE):
    """The variational autoencoder of dense layers: images (N, *shape) to (logits (N, *shape), mu, logvar).

        encoder   pixels -> hidden, ReLU -> mu (N, latent) and logvar (N, latent)
        decoder   latent -> hidden, ReLU -> logits of the pixels

    As published (Kingma and Welling, 2013), with ReLU for tanh. `forward` draws one sample of each code from
    `generator`, in evaluation mode as well: the bound is a mean over samples, and the code of the mean alone would
    look better than it is. For a reconstruction without chance, decode mu. Raises ValueError for sizes below 1; when
    called, for images of another size.
    """

    def __init__(
        self,
        latent: int = 20,
        hidden: int = 400,
        shape: tuple[int, ...] = (1, 28, 28),
        generator: GeneratorLike = None,
    ) -> None:
        _check_sizes("VAE", latent=latent, hidden=hidden, pixels=math.prod(shape))
        generator, pixels = as_generator(generator), math.prod(shape)
        encoder = nn.Sequential(nn.Flatten(), nn.Dense(pixels, hidden, generator=generator), nn.ReLU())
        decoder = nn.Sequential(
            nn.Dense(latent, hidden, generator=generator),
            nn.ReLU(),
            nn.Dense(hidden, pixels, generator=generator),
            nn.Reshape(*shape),
        )
        super().__init__(encoder, hidden, latent, decoder, generator)


class ConvVAE(_ImageVAE):
    """The variational autoencoder of convolutions: images (N, 1, 28, 28) to (logits (N, 1, 28, 28), mu, logvar).

        encoder   28x28 -> width maps of 14x14 -> 2 width of 7x7 -> mu and logvar (N, latent)
        decoder   the same sizes backwards, by transposed convolutions

    Kernels are 4x4 with stride 2, ReLU follows each layer but the last. `forward` draws as `VAE` does. Raises
    ValueError for sizes below 1; when called, for images of another size.
    """

    def __init__(self, latent: int = 20, width: int = 16, generator: GeneratorLike = None) -> None:
        _check_sizes("ConvVAE", latent=latent, width=width)
        generator, maps = as_generator(generator), 2 * width
        encoder = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1, generator=generator),
            nn.ReLU(),
            nn.Conv2d(width, maps, 4, stride=2, padding=1, generator=generator),
            nn.ReLU(),
            nn.Flatten(),
        )
        decoder = nn.Sequential(
            nn.Dense(latent, maps * 49, generator=generator),
            nn.ReLU(),
            nn.Reshape(maps, 7, 7),
            nn.ConvTranspose2d(maps, width, 4, stride=2, padding=1, generator=generator),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1, generator=generator),
        )
        super().__init__(encoder, maps * 49, latent, decoder, generator)


class ConditionalVAE(nn.Module):
    """A VAE that is told the class (Sohn, Lee and Yan, 2015): p(x|z, y), q(z|x, y), the same prior for every class.

        encoder   pixels and one-hot label -> hidden, ReLU -> mu and logvar (N, latent)
        decoder   code and one-hot label -> hidden, ReLU -> logits of the pixels

    Images (N, *shape) and integer labels (N,) to (logits (N, *shape), mu, logvar). The code need not say which class
    it is, so it is left to say how the image is written. `forward` draws as `VAE` does. Raises ValueError for sizes
    below 1; when called, for images of another size and labels out of range, TypeError for labels that are no
    integers.
    """

    def __init__(
        self,
        latent: int = 20,
        hidden: int = 400,
        classes: int = 10,
        shape: tuple[int, ...] = (1, 28, 28),
        generator: GeneratorLike = None,
    ) -> None:
        pixels = math.prod(shape)
        _check_sizes("ConditionalVAE", latent=latent, hidden=hidden, classes=classes, pixels=pixels)
        generator = as_generator(generator)
        self.encoder = nn.Sequential(nn.Dense(pixels + classes, hidden, generator=generator), nn.ReLU())
        self.to_mu = nn.Dense(hidden, latent, generator=generator)
        self.to_logvar = nn.Dense(hidden, latent, generator=generator)
        self.decoder = nn.Sequential(
            nn.Dense(latent + classes, hidden, generator=generator),
            nn.ReLU(),
            nn.Dense(hidden, pixels, generator=generator),
            nn.Reshape(*shape),
        )
        self.latent, self.classes = latent, classes
        self.generator = generator

    def encode(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar (N, latent) of q(z|x, y). Raises ValueError and TypeError as the class says."""
        features = self.encoder(self._with_class(x.flatten(1), labels))
        return self.to_mu(features), self.to_logvar(features)

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """Logits (N, *shape) for codes z (N, latent) and labels (N,). Raises as the class says."""
        logits: Tensor = self.decoder(self._with_class(z, labels))
        return logits

    def forward(self, x: Tensor, labels: Tensor) -> Output:
        mu, logvar = self.encode(x, labels)
        return self.decode(sample_gaussian(mu, logvar, self.generator), labels), mu, logvar

    def _with_class(self, x: Tensor, labels: Tensor) -> Tensor:
        return cat([x, one_hot(labels, self.classes).astype(x.dtype)], axis=1)


def _check_sizes(who: str, **sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{who}: {name} must be 1 or more, got {size}")
