"""A small VGG reads handwritten digits with pairs of 3x3 convolutions."""

from __future__ import annotations

import dataclasses
from typing import Any

from tinydl import plot
from tinydl.data import to_float
from tinydl.data.augment import Compose, RandomAffine, RandomCrop, RandomHorizontalFlip
from tinydl.models import SmallVGG
from tinydl.recipes.classify import Settings, classify
from tinydl.recipes.recipe import Options, Recipe

SETTINGS = Settings(
    build=lambda generator: SmallVGG(generator=generator),
    prepare=to_float,
    max_lr=3e-3,
    transform=RandomAffine(degrees=10, translate=2, scale=0.1, shear=8),
)
# Clothes hang straight: they are not turned, but may be mirrored.
ON_CLOTHES = dataclasses.replace(SETTINGS, transform=Compose(RandomCrop(padding=2), RandomHorizontalFlip()))


def run(options: Options) -> dict[str, Any]:
    """Trains the network, measures it and draws how it sees one image."""
    result = classify(options, ON_CLOTHES if options.data == "fashion_mnist" else SETTINGS)
    plot.feature_maps(
        result.model,
        result.test_inputs[0],
        path=options.out / "feature_maps.png",
        title="One image on its way through a small VGG",
    )
    return result.metrics


VGG = Recipe("vgg", "a small VGG reads handwritten digits", epochs=15, batch_size=64, run=run, images=True)
