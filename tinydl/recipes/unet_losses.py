"""One U-Net, three losses: cross-entropy, Dice, and their sum."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.data import nuclei
from tinydl.models import UNet
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.segment import (
    bce,
    bce_dice,
    best_threshold,
    parts,
    probabilities,
    scores,
    soft_dice,
    train_on_nuclei,
)
from tinydl.recipes.training import count

LOSSES = {"bce": bce, "dice": soft_dice, "bce_dice": bce_dice}
NAMES = {"bce": "cross-entropy", "dice": "Dice", "bce_dice": "cross-entropy + Dice"}
MAX_LR = 1e-2


def run(options: Options) -> dict[str, Any]:
    """Trains the same small U-Net from the same weights on the same crops with each loss, and compares them."""
    start = time.perf_counter()
    print(f"data: {nuclei.load().source}")
    train, validation, test = parts()
    metrics: dict[str, Any] = {}
    dices, probability = {}, {}
    for (name, loss), part in zip(LOSSES.items(), options.parts(*LOSSES), strict=True):
        trainer = train_on_nuclei(
            part, lambda generator: UNet(base=8, generator=generator), loss, train, validation, MAX_LR
        )
        dices[NAMES[name]] = trainer.history["validation_dice"]
        p = probability[NAMES[name]] = probabilities(trainer.model, test.x, options.device)
        right = np.where(test.labels > 0, p, 1 - p)
        metrics |= {f"test_{name}_{what}": value for what, value in scores(p > 0.5, test).items()}
        metrics[f"test_{name}_cross_entropy"] = -float(np.log(np.maximum(right, 1e-7)).mean())
        metrics[f"test_{name}_undecided"] = float(((p > 0.05) & (p < 0.95)).mean())
    seconds = time.perf_counter() - start
    said = ", ".join(f"{NAMES[name]} {metrics[f'test_{name}_dice']:.3f}" for name in LOSSES)
    simple = scores(test.image > best_threshold(train, validation), test)
    unsure = ", ".join(f"{NAMES[name]} {metrics[f'test_{name}_undecided']:.1%}" for name in LOSSES)
    print(f"test part, Dice by loss: {said}; by the best grey threshold {simple['dice']:.3f}")
    print(f"pixels with a probability between 5% and 95%: {unsure}")
    plot.comparison(
        dices,
        "Dice of the validation part",
        path=options.out / "losses.png",
        title="U-Net by loss",
        low=0.7,
    )
    plot.images(
        np.stack(list(probability.values())),
        [f"trained with {name}" for name in probability],
        path=options.out / "probabilities.png",
        title="Probability of a nucleus, in the part never seen",
    )
    return {
        **metrics,
        "baseline_threshold_dice": simple["dice"],
        "parameters": count(trainer.model),
        "seconds": round(seconds, 2),
    }


UNET_LOSSES = Recipe("unet-losses", "U-Net trained with three losses, compared", 15, 8, run)
