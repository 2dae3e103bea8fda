"""A small AlexNet reads handwritten digits: convolutions with ReLU, then dense layers with dropout."""

from __future__ import annotations

import dataclasses
from typing import Any

from tinydl import plot
from tinydl.data import to_float
from tinydl.data.augment import Compose, RandomAffine, RandomCrop, RandomHorizontalFlip
from tinydl.models import SmallAlexNet
from tinydl.recipes.classify import Settings, classify
from tinydl.recipes.recipe import Options, Recipe

SETTINGS = Settings(
    build=lambda generator: SmallAlexNet(generator=generator),
    prepare=to_float,
    max_lr=3e-3,
    transform=RandomAffine(degrees=10, translate=2, scale=0.1, shear=8),
)
# Clothes hang straight: they are not turned, but may be mirrored.
ON_CLOTHES = dataclasses.replace(SETTINGS, transform=Compose(RandomCrop(padding=2), RandomHorizontalFlip()))


def run(options: Options) -> dict[str, Any]:
    """Trains the network, measures it and draws what its first layer looks for."""
    result = classify(options, ON_CLOTHES if options.data == "fashion_mnist" else SETTINGS)
    plot.filters(
        result.model.parameters()[0],
        path=options.out / "filters.png",
        title="The 16 filters of the first layer, 5x5",
    )
    return result.metrics


ALEXNET = Recipe(
    "alexnet", "a small AlexNet reads handwritten digits", epochs=15, batch_size=64, run=run, images=True
)
