"""An undercomplete autoencoder: digits through a code of 2 and of 16 numbers, beside PCA with as many components."""

from __future__ import annotations

import time
from typing import Any

from tinydl import plot
from tinydl.data import mnist, nearest_neighbour_accuracy, principal_components, to_float
from tinydl.data.augment import RandomAffine
from tinydl.models import Autoencoder
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.reconstruction import (
    codes,
    error,
    one_of_each,
    rebuilt,
    rebuilt_by_pca,
    train_and_validation,
    train_to_reconstruct,
)
from tinydl.recipes.training import count

# Chosen on 400 of the 4,000 training digits.
MAX_LR = {2: 4e-3, 16: 3e-3}  # for each size of the code
AUGMENTATION = RandomAffine(degrees=5, translate=1)


def run(options: Options) -> dict[str, Any]:
    """Trains an autoencoder for each size of the code, measures it beside PCA, draws planes and reconstructions."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}")
    generator = Generator(options.seed)
    images = train_and_validation(data, generator.fork())
    known, x, labels = to_float(data.train.images), to_float(data.test.images), data.test.labels
    chosen = one_of_each(labels)
    shown = {"original": x[chosen]}
    metrics: dict[str, Any] = {}
    models = {size: Autoencoder((784, 512, 128, size), generator=generator.fork()) for size in MAX_LR}
    parts = options.parts(*(f"code{size}" for size in MAX_LR))
    for (size, model), part in zip(models.items(), parts, strict=True):
        trainer = train_to_reconstruct(part, model, images, MAX_LR[size], AUGMENTATION, generator.fork())
        by_network = rebuilt(trainer, x, options)
        by_pca = rebuilt_by_pca(principal_components(known, size), x)
        mse, baseline = error(by_network, x), error(by_pca, x)
        metrics |= {
            f"test_mse_{size}": mse,
            f"baseline_pca_mse_{size}": baseline,
            f"less_than_pca_{size}": 1 - mse / baseline,
            f"parameters_{size}": count(model),
        }
        shown |= {f"PCA, {size}": by_pca[chosen], f"autoencoder, {size}": by_network[chosen]}
        print(
            f"{data.test_name}, {size} numbers for a digit: mean squared error {mse:.4f}, "
            f"by PCA {baseline:.4f}, so {1 - mse / baseline:.0%} less"
        )
    seconds = time.perf_counter() - start

    pca = principal_components(known, 2)
    plane, pca_plane = codes(models[2], x, options), pca.encode(x)
    learned = nearest_neighbour_accuracy(
        (codes(models[2], known, options), data.train.labels), (plane, labels)
    )
    baseline = nearest_neighbour_accuracy((pca.encode(known), data.train.labels), (pca_plane, labels))
    plot.latents(
        {
            f"PCA: the nearest digit on the plane is of the same class in {baseline:.0%}": pca_plane,
            f"Autoencoder: in {learned:.0%}": plane,
        },
        labels,
        data.classes,
        path=options.out / "planes.png",
        title="Digits never seen, as two numbers each",
    )
    plot.rows(
        shown,
        path=options.out / "reconstructions.png",
        title="Digits never seen, rebuilt from 2 and 16 numbers",
    )
    return {
        **metrics,
        "plane_accuracy": learned,
        "baseline_pca_plane_accuracy": baseline,
        "parameters": sum(count(model) for model in models.values()),
        "data": data.source,
        "seconds": round(seconds, 2),
    }


AUTOENCODER = Recipe("autoencoder", "digits through a code of 2 and of 16 numbers, beside PCA", 40, 128, run)
