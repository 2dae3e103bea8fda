"""A convolutional autoencoder on clothes, beside a dense one with as many parameters, and PCA."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from tinydl import nn, plot
from tinydl.data import fashion_mnist, principal_components, to_float
from tinydl.data.augment import RandomHorizontalFlip
from tinydl.models import Autoencoder, ConvAutoencoder
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.reconstruction import (
    error,
    one_of_each,
    rebuilt,
    rebuilt_by_pca,
    train_and_validation,
    train_to_reconstruct,
)
from tinydl.recipes.training import count

# Chosen on 150 of the 1,500 training images, as the activation and the width of the dense network were.
CODE = 32
MAX_LR = {"conv": 1e-2, "dense": 8e-3}
DENSE_EPOCHS = 8  # for each of the convolutional network: together they take about as long


def run(options: Options) -> dict[str, Any]:
    """Trains both, measures them and PCA on the same code size, and draws what each makes of the clothes."""
    start = time.perf_counter()
    data = fashion_mnist.load()
    print(f"data: {data.source}")
    generator = Generator(options.seed)
    images = train_and_validation(data, generator.fork())
    models: dict[str, Autoencoder | ConvAutoencoder] = {
        "conv": ConvAutoencoder((1, 16, 32), code=CODE, activation=nn.ELU, generator=generator.fork()),
        "dense": Autoencoder((784, 70, CODE), nn.ELU, generator=generator.fork()),
    }
    x = to_float(data.test.images)
    outputs = {}
    seconds = {}
    for (name, model), part in zip(models.items(), options.parts(*models), strict=True):
        epochs = part.epochs * (DENSE_EPOCHS if name == "dense" else 1)
        begun = time.perf_counter()
        trainer = train_to_reconstruct(
            replace(part, epochs=epochs),
            model,
            images,
            MAX_LR[name],
            RandomHorizontalFlip(),
            generator.fork(),
        )
        seconds[name] = time.perf_counter() - begun
        outputs[name] = rebuilt(trainer, x, options)
    outputs["pca"] = rebuilt_by_pca(principal_components(to_float(data.train.images), CODE), x)
    mse = {name: error(output, x) for name, output in outputs.items()}
    whole = time.perf_counter() - start
    print(
        f"{data.test_name}, {CODE} numbers for an image: mean squared error {mse['conv']:.4f}, by a dense network "
        f"of as many parameters {mse['dense']:.4f}, by PCA {mse['pca']:.4f}"
    )
    chosen = one_of_each(data.test.labels)
    names = {"pca": "PCA", "dense": "dense", "conv": "convolutional"}
    plot.rows(
        {"original": x[chosen]}
        | {f"{said} {mse[name]:.4f}": outputs[name][chosen] for name, said in names.items()},
        path=options.out / "reconstructions.png",
        title=f"Clothes never seen, rebuilt from {CODE} numbers, and the mean squared error",
    )
    return {
        "test_mse": mse["conv"],
        "baseline_dense_mse": mse["dense"],
        "baseline_pca_mse": mse["pca"],
        "less_than_dense": 1 - mse["conv"] / mse["dense"],
        "parameters": count(models["conv"]),
        "baseline_dense_parameters": count(models["dense"]),
        "training_seconds": round(seconds["conv"], 2),
        "baseline_dense_training_seconds": round(seconds["dense"], 2),
        "data": data.source,
        "seconds": round(whole, 2),
    }


CONV_AUTOENCODER = Recipe(
    "conv-autoencoder", "clothes through convolutions, beside a dense autoencoder", 40, 64, run
)
