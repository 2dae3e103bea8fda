"""A multilayer perceptron reads handwritten digits, without knowing that pixels have neighbours."""

from __future__ import annotations

import dataclasses
from typing import Any

from tinydl import plot
from tinydl.data import to_float
from tinydl.data.augment import RandomAffine
from tinydl.models import MLP
from tinydl.recipes.classify import Settings, classify
from tinydl.recipes.recipe import Options, Recipe

SETTINGS = Settings(
    build=lambda generator: MLP((784, 256, 128, 10), generator=generator),
    prepare=to_float,
    max_lr=3e-3,
    transform=RandomAffine(degrees=10, translate=2, scale=0.1, shear=8),
)
# Clothes hang straight: they are not turned.
ON_CLOTHES = dataclasses.replace(SETTINGS, transform=None)


def run(options: Options) -> dict[str, Any]:
    """Trains the MLP and draws what the neurons of its first layer look for."""
    result = classify(options, ON_CLOTHES if options.data == "fashion_mnist" else SETTINGS)
    first = result.model.parameters()[0].to("cpu").numpy()[:64]
    plot.filters(
        first.reshape(-1, 1, 28, 28),
        path=options.out / "filters.png",
        title="What the first 64 neurons look for",
    )
    return result.metrics


MLP_DIGITS = Recipe(
    "mlp", "a multilayer perceptron reads handwritten digits", epochs=40, batch_size=64, run=run, images=True
)
