"""What the recipes of variational autoencoders share: digits, training, the bound on held-out digits, pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.autograd import no_grad
from tinydl.data import mnist, to_float, train_validation_test_split
from tinydl.data.augment import RandomCrop
from tinydl.data.loader import DataLoader
from tinydl.losses import gaussian_kl
from tinydl.models import VAE, ConditionalVAE, ConvVAE
from tinydl.models.vae import kl_loss, negative_elbo, reconstruction_loss, sample_gaussian
from tinydl.ops.activation import sigmoid
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.bernoulli import COMPONENTS, fit_mixture, grey_nats, pixel_means
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import Reconstruction, callbacks, fit
from tinydl.tensor import tensor
from tinydl.train import EarlyStopping, Trainer

Pixels: TypeAlias = npt.NDArray[np.float32]
Model: TypeAlias = VAE | ConvVAE | ConditionalVAE

SAMPLES = 20  # codes drawn for each held-out digit
USED = 0.1  # nats that a latent must say to count as used


@dataclass(frozen=True)
class Digits:
    """MNIST-5k for a VAE: arrays of one part belong together, the last is the target, those before it the inputs."""

    train: tuple[npt.NDArray[Any], ...]  # inputs alone: the target is what became of the images
    validation: tuple[npt.NDArray[Any], ...]
    test: tuple[npt.NDArray[Any], ...]
    labels: npt.NDArray[np.int64]  # of the test part
    name: str

    @property
    def images(self) -> Pixels:
        """The images of the test part."""
        return np.asarray(self.test[0])


def digits(generator: Generator, with_labels: bool = False) -> Digits:
    """3,600 digits to train on, 400 to stop by and 1,000 to report; labels among the inputs if asked for."""
    data = mnist.load()
    print(f"data: {data.source}")
    x, y = to_float(data.train.images), data.train.labels
    train, validation, _ = train_validation_test_split(
        x, y, fractions=(0.9, 0.1, 0.0), stratify=y, generator=generator
    )
    inputs = 2 if with_labels else 1
    test = to_float(data.test.images), data.test.labels
    return Digits(
        train[:inputs],
        (*validation[:inputs], validation[0]),
        (*test[:inputs], test[0]),
        data.test.labels,
        data.test_name,
    )


def train(
    options: Options, model: Model, data: Digits, generator: Generator, max_lr: float, beta: float = 1.0
) -> Trainer:
    """Trains on digits shifted by up to a pixel, until the validation digits no longer gain; its best epoch."""
    loader = DataLoader(
        data.train,
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        transform=RandomCrop(padding=1),
        device=options.device,
    )
    optimizer = Adam(model.to(options.device).parameters())
    trainer = Reconstruction(
        model,
        partial(negative_elbo, beta=beta),
        optimizer,
        {"reconstruction": reconstruction_loss, "divergence": kl_loss},
        callbacks(options, EarlyStopping(patience=10)),
        OneCycleLR(optimizer, max_lr, options.epochs * len(loader)),
        options.progress,
    )
    fit(options, trainer, loader, DataLoader(data.validation, 200, device=options.device))
    return trainer


@dataclass(frozen=True)
class Bound:
    """The two terms of the negative ELBO in nats, means over images; `kl` is of each latent."""

    reconstruction: float
    kl: Pixels

    def metrics(self, prefix: str = "test_") -> dict[str, Any]:
        """The bound with beta = 1, its terms, and how many latents say something."""
        total = float(self.kl.sum())
        return {
            f"{prefix}negative_elbo": self.reconstruction + total,
            f"{prefix}reconstruction": self.reconstruction,
            f"{prefix}kl": total,
            f"{prefix}latents_used": int((self.kl > USED).sum()),
        }


def bound(model: Model, data: Digits, options: Options) -> Bound:
    """The bound on the test part: the mean of SAMPLES codes of each digit, drawn from a generator of its own."""
    generator = Generator(options.seed)
    reconstruction, kl = 0.0, np.zeros(model.latent)
    with no_grad():
        for *inputs, target in DataLoader(data.test, 250, device=options.device):
            mu, logvar = model.encode(*inputs)
            for _ in range(SAMPLES):
                logits = model.decode(sample_gaussian(mu, logvar, generator), *inputs[1:])
                reconstruction += reconstruction_loss((logits, mu, logvar), target).item() * len(target)
            each = gaussian_kl(mu[:, :, None], logvar[:, :, None], reduction="none")
            kl += each.sum(0).to("cpu").numpy()
    count = len(data.labels)
    return Bound(reconstruction / (count * SAMPLES), (kl / count).astype(np.float32))


def baselines(data: Digits, generator: Generator) -> dict[str, float]:
    """-log p(x) in nats without a network: of independent pixels, of a mixture; and the entropy of the grey pixels."""
    images = data.train[0]
    mixture = fit_mixture(images, generator, COMPONENTS)
    return {
        "baseline_pixel_means_nats": pixel_means(images).nats(data.images),
        "baseline_mixture_nats": mixture.nats(data.images),
        "least_possible_nats": grey_nats(data.images),
    }


def said(name: str, metrics: dict[str, Any], data: Digits) -> str:
    """The bound beside the baselines, as a sentence."""
    return (
        f"{name}: negative ELBO on the {data.name} {metrics['test_negative_elbo']:.1f} nats "
        f"({metrics['test_reconstruction']:.1f} reconstruction + {metrics['test_kl']:.1f} KL); "
        f"a mixture of {COMPONENTS} pixel means {metrics['baseline_mixture_nats']:.1f}, "
        f"pixel means {metrics['baseline_pixel_means_nats']:.1f}"
    )


# ---- pictures


def decoded(model: Model, codes: Pixels, options: Options, *labels: npt.NDArray[np.int64]) -> Pixels:
    """The probabilities of white (N, 1, 28, 28) for codes (N, latent), and labels (N,) where the model wants them."""
    inputs = [tensor(a, device=options.device) for a in (codes, *labels)]
    with no_grad():
        out: Pixels = sigmoid(model.decode(*inputs)).to("cpu").numpy()
    return out


def means(model: Model, options: Options, *inputs: npt.NDArray[Any]) -> Pixels:
    """mu (N, latent) of images (N, 1, 28, 28), and labels (N,) where the model wants them."""
    with no_grad():
        mu, _ = model.encode(*(tensor(a, device=options.device) for a in inputs))
    out: Pixels = mu.to("cpu").numpy()
    return out


def draw_reconstructions(model: VAE | ConvVAE, data: Digits, options: Options) -> None:
    """Two held-out digits of each class above what is decoded from the means of their codes."""
    chosen = np.sort(np.concatenate([np.flatnonzero(data.labels == c)[:2] for c in range(10)]))
    chosen = chosen[np.argsort(data.labels[chosen], kind="stable")]
    images = data.images[chosen]
    rebuilt = decoded(model, means(model, options, images), options)
    plot.rows(
        {"original": images, "rebuilt": rebuilt},
        options.out / "reconstructions.png",
        f"Digits never seen, rebuilt from {model.latent} numbers",
    )


def draw_samples(model: VAE | ConvVAE, options: Options, generator: Generator) -> None:
    """What is decoded from codes drawn from N(0, 1)."""
    samples = decoded(model, generator.normal((112, model.latent)), options)
    plot.images(
        samples, columns=16, path=options.out / "samples.png", title="Samples: codes drawn from N(0, 1)"
    )


def draw_walks(model: VAE | ConvVAE, data: Digits, options: Options) -> None:
    """Straight lines between the codes of two held-out digits; and one between their pixels, which is no walk."""
    share = np.linspace(0, 1, 13, dtype=np.float32)[:, None]
    walks: dict[str, Pixels] = {}
    for a, b in ((3, 8), (4, 9), (1, 7), (0, 6), (5, 2)):
        ends = np.array([np.flatnonzero(data.labels == c)[1] for c in (a, b)])
        start, end = means(model, options, data.images[ends])
        walks[f"{a} to {b}"] = decoded(model, (1 - share) * start + share * end, options)
    start, end = data.images[ends]
    walks[f"pixels, {a} to {b}"] = (1 - share[..., None, None]) * start + share[..., None, None] * end
    plot.rows(walks, options.out / "walk.png", "From one held-out digit to another, along a straight line")
