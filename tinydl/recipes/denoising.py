"""Denoising autoencoders: digits that noise was added to, as they were before (Vincent et al., 2008)."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.data import PrincipalComponents, mnist, principal_components, to_float
from tinydl.data.augment import GaussianNoise
from tinydl.models import Autoencoder, ConvAutoencoder
from tinydl.nn import Module
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.reconstruction import rebuilt_by_pca, train_and_validation
from tinydl.recipes.restoring import Pictures, Restore, best, filters, learn, measured, shown
from tinydl.recipes.training import count

NOISE = 0.4
COMPONENTS = (20, 30, 40, 60, 80, 100)
MAX_LR = {"dense": 3e-3, "convolutional": 5e-3}
SHOWN = 10  # digits in the picture


def networks(generator: Generator) -> dict[str, Module]:
    """The two that are compared."""
    return {
        "dense": Autoencoder((784, 512, 64), generator=generator.fork()),
        "convolutional": ConvAutoencoder((1, 32, 64), generator=generator.fork()),
    }


def run(options: Options) -> dict[str, Any]:
    """Trains both autoencoders, each with fresh noise in every epoch, and cleans held-out digits with all there is."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}; noise of deviation {NOISE} is added to pixels from 0 to 1")
    generator, noise = Generator(options.seed), GaussianNoise(NOISE)
    train, validation = train_and_validation(data, generator.fork())
    test = to_float(data.test.images)
    choosing = noise(validation, generator.fork()), validation
    noisy = noise(test, generator.fork())

    restoring: dict[str, Restore] = {}
    models = networks(generator)
    for (name, model), part in zip(models.items(), options.parts(*models), strict=True):
        restoring[name] = learn(part, model, (train, train), choosing, MAX_LR[name], generator.fork(), noise)
    classical, settings = filters(choosing)
    most = principal_components(train, max(COMPONENTS))

    def by_pca(noisy: Pictures, components: int) -> Pictures:
        return rebuilt_by_pca(PrincipalComponents(most.mean, most.components[:components]), noisy)

    components = settings["pca_components"] = best(COMPONENTS, by_pca, choosing)
    classical["pca"] = lambda noisy: by_pca(noisy, components)

    cleaned = {
        "noisy": shown(noisy),
        **{name: shown(f(noisy)) for name, f in {**classical, **restoring}.items()},
    }
    metrics: dict[str, Any] = {}
    for name, pictures in cleaned.items():
        metrics |= measured(f"test_{name}" if name in models else f"baseline_{name}", pictures, test)
    draw(options, cleaned, metrics, test, data.test.labels)
    print(
        f"denoising: PSNR on the {data.test_name} {metrics['baseline_noisy_psnr']:.1f} dB before; dense autoencoder "
        f"{metrics['test_dense_psnr']:.1f}, convolutional {metrics['test_convolutional_psnr']:.1f}; median filter "
        f"{metrics['baseline_median_psnr']:.1f}, Gaussian {metrics['baseline_gaussian_psnr']:.1f}, PCA "
        f"{metrics['baseline_pca_psnr']:.1f}, their settings the best on validation digits"
    )
    return {
        **metrics,
        **settings,
        "noise": NOISE,
        **{f"{name}_parameters": count(model) for name, model in models.items()},
        "parameters": sum(count(model) for model in models.values()),
        "seconds": round(time.perf_counter() - start, 2),
    }


def draw(options: Options, cleaned: dict[str, Any], metrics: dict[str, Any], test: Any, labels: Any) -> None:
    """A row for each way to clean, its PSNR before it, a column for each digit."""
    first = [int(np.flatnonzero(labels == digit)[0]) for digit in range(SHOWN)]
    names = {
        "noisy": "with noise", "median": "median filter", "gaussian": "Gaussian filter",
        "pca": "PCA", "dense": "dense autoencoder", "convolutional": "convolutional",
    }  # fmt: skip
    level = {key.split("_", 1)[1]: value for key, value in metrics.items()}
    rows = {f"{names[name]}, {level[f'{name}_psnr']:.1f} dB": x[first] for name, x in cleaned.items()}
    rows["without noise"] = test[first]
    plot.rows(rows, options.out / "digits.png", "Held-out digits, and the PSNR over all of them")


DENOISING = Recipe("denoising", "dense and convolutional autoencoders clean noisy digits", 15, 64, run)
