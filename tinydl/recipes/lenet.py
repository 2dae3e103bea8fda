"""LeNet-5 reads handwritten digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.data import to_float
from tinydl.data.augment import RandomAffine, RandomHorizontalFlip
from tinydl.models import LeNet5
from tinydl.recipes.classify import Result, Settings, classify
from tinydl.recipes.recipe import Options, Recipe
from tinydl.train import GradientFlow


def images(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Digits (N, 28, 28) as LeNet-5 wants them: float32 in [0, 1], with a black border, (N, 1, 32, 32)."""
    return np.pad(to_float(pixels), ((0, 0), (0, 0), (2, 2), (2, 2)))


# Chosen on 800 of the 4,000 training digits: benchmarks/lenet_settings.py.
SETTINGS = Settings(
    build=lambda generator: LeNet5(generator=generator),
    prepare=images,
    max_lr=5e-3,
    transform=RandomAffine(degrees=10, translate=2, scale=0.1, shear=8),
)
# Chosen on a tenth of the 60,000 training images: benchmarks/fashion_settings.py.
ON_CLOTHES = Settings(
    build=lambda generator: LeNet5(activation="relu", pool="max", generator=generator),
    prepare=images,
    max_lr=3e-3,
    transform=RandomHorizontalFlip(),
)


def train(options: Options) -> Result:
    """Trains and measures LeNet-5, and draws how the error flowed back through it."""
    flow = GradientFlow()
    result = classify(options, ON_CLOTHES if options.data == "fashion_mnist" else SETTINGS, flow)
    flow.plot(options.out / "gradient_flow.png", "How the error flowed back through LeNet-5")
    return result


def run(options: Options) -> dict[str, Any]:
    """Trains LeNet-5, measures it on the held-out digits, and draws what it learned and how it sees one."""
    result = train(options)
    assert isinstance(result.model, LeNet5)
    plot.filters(result.model.c1.weight, path=options.out / "filters.png", title="The six 5x5 filters of C1")
    plot.feature_maps(
        result.model,
        result.test_inputs[0],
        path=options.out / "feature_maps.png",
        title="One image on its way through LeNet-5",
    )
    return result.metrics


LENET = Recipe("lenet", "LeNet-5 reads handwritten digits", epochs=40, batch_size=64, run=run, images=True)
