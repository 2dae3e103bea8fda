"""ResNet-20: twenty layers learn, because every second one has a shortcut around it."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from tinydl.data import to_float
from tinydl.data.augment import Compose, RandomCrop, RandomHorizontalFlip
from tinydl.models import CifarResNet
from tinydl.optim import SGD
from tinydl.recipes.classify import Settings, classify
from tinydl.recipes.recipe import Options, Recipe

# The paper's optimiser but for Nesterov, a larger weight decay and one cycle of the rate, which needs fewer epochs.
# The images are not standardised: the batch norm behind the first convolution does that.
SETTINGS = Settings(
    build=lambda generator: CifarResNet(20, channels=1, generator=generator),
    prepare=to_float,
    max_lr=0.2,
    transform=RandomCrop(padding=2),
    optimizer=partial(SGD, lr=0.2, momentum=0.9, nesterov=True, weight_decay=5e-4),
)
# Clothes may be mirrored, digits not.
ON_CLOTHES = dataclasses.replace(SETTINGS, transform=Compose(RandomCrop(padding=2), RandomHorizontalFlip()))


def run(options: Options) -> dict[str, Any]:
    """Trains ResNet-20 and measures it."""
    return classify(options, ON_CLOTHES if options.data == "fashion_mnist" else SETTINGS).metrics


RESNET = Recipe(
    "resnet",
    "ResNet-20, with shortcuts, reads handwritten digits",
    epochs=6,
    batch_size=64,
    run=run,
    images=True,
)
