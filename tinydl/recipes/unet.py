"""U-Net finds cell nuclei, pixel by pixel."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.data import nuclei
from tinydl.models import UNet
from tinydl.recipes.components import components, matches
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.segment import (
    SMALLEST,
    TREES_DICE,
    bce_dice,
    best_threshold,
    parts,
    probabilities,
    scores,
    train_on_nuclei,
)
from tinydl.recipes.training import count

MAX_LR = 1e-2  # chosen, with steps and augmentation, on the validation part


def run(options: Options) -> dict[str, Any]:
    """Trains U-Net on crops of one part of the image, measures it on another, and draws what it found."""
    start = time.perf_counter()
    print(f"data: {nuclei.load().source}")
    train, validation, test = parts()
    trainer = train_on_nuclei(
        options, lambda generator: UNet(generator=generator), bce_dice, train, validation, MAX_LR
    )
    seconds = time.perf_counter() - start

    probability = probabilities(trainer.model, test.x, options.device)
    mask = probability > 0.5
    found = scores(mask, test)
    checked = scores(probabilities(trainer.model, validation.x, options.device) > 0.5, validation)
    alone = scores(probabilities(trainer.model, test.x, options.device, ways=1) > 0.5, test)
    threshold = best_threshold(train, validation)
    simple = scores(test.image > threshold, test)
    true = len(np.unique(test.labels)) - 1
    print(
        f"test part: Dice {found['dice']:.3f}, IoU {found['iou']:.3f}; the best grey threshold of the training "
        f"columns: Dice {simple['dice']:.3f}; gradient-boosted trees on local filters: {TREES_DICE}"
    )
    print(
        f"{found['nuclei_found']} of {true} nuclei found (overlap above one half), {found['nuclei_false']} objects "
        f"that are none; by threshold: {simple['nuclei_found']} and {simple['nuclei_false']}"
    )
    plot.masks(
        test.image,
        {"U-Net": mask, f"grey values above {threshold}": test.image > threshold},
        test.labels > 0,
        path=options.out / "nuclei.png",
        title="Nuclei in the part that U-Net never saw",
    )
    return {
        **{f"test_{name}": value for name, value in found.items()},
        "test_dice_one_orientation": alone["dice"],
        "test_nuclei": true,
        # what the true mask itself gives: touching nuclei are one component
        "test_nuclei_found_by_the_true_mask": matches(components(test.labels > 0, SMALLEST), test.labels),
        **{f"baseline_threshold_{name}": value for name, value in simple.items()},
        "baseline_trees_dice": TREES_DICE,
        "validation_dice": checked["dice"],
        "epochs_trained": len(trainer.history["loss"]),
        "parameters": count(trainer.model),
        "seconds": round(seconds, 2),
    }


UNET = Recipe("unet", "U-Net finds cell nuclei under a microscope", epochs=30, batch_size=8, run=run)
