"""U-Net says of every pixel which digit it belongs to: cross-entropy against Dice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tinydl import plot
from tinydl.data.composites import DIGITS
from tinydl.losses import cross_entropy
from tinydl.models import UNet
from tinydl.recipes.digit_classes import (
    CLASSES,
    both,
    data,
    figures,
    found,
    soft_dice,
    train_on_digits,
    without_training,
)
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import count
from tinydl.tensor import Tensor

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": cross_entropy,
    "dice": soft_dice,
    "both": both,
}
NAMES = {"cross_entropy": "cross-entropy", "dice": "Dice", "both": "sum of both"}
MAX_LR = 5e-3
SHOWN = 10  # pictures


def run(options: Options) -> dict[str, Any]:
    """Trains the same U-Net from the same weights with each loss; draws what each finds in pictures never seen."""
    start = time.perf_counter()
    pictures = data(options)
    test = pictures.test
    metrics: dict[str, Any] = {}
    maps, curves = {}, {}
    for (name, loss), part in zip(LOSSES.items(), options.parts(*LOSSES), strict=True):
        trainer = train_on_digits(
            part, lambda generator: UNet(3, CLASSES, base=8, generator=generator), loss, pictures, MAX_LR
        )
        maps[NAMES[name]] = found(trainer, test, options.device)
        curves[NAMES[name]] = trainer.history["validation_iou"]
        scored = figures(maps[NAMES[name]], test.labels)
        metrics |= {f"test_{name}_{what}": value for what, value in scored.items()}
        print(f"{NAMES[name]}: mean IoU of the five digits {scored['iou']:.3f}")
    seconds = time.perf_counter() - start
    simple = without_training(pictures)
    baseline = figures(simple, test.labels)
    print(f"threshold, connected pieces and the most similar training digit: {baseline['iou']:.3f}")
    plot.segmentation(
        test.images[:SHOWN],
        {name: labels[:SHOWN] for name, labels in {"truth": test.labels, **maps, "baseline": simple}.items()},
        DIGITS,
        path=options.out / "segmentation.png",
        title="Digits and a photo that no network saw",
    )
    plot.comparison(
        curves,
        "Mean IoU of the validation part",
        path=options.out / "losses.png",
        title="U-Net by loss",
    )
    return {
        **metrics,
        **{f"baseline_{what}": value for what, value in baseline.items()},
        "baseline_background_pixel_accuracy": float((test.labels == 0).mean()),
        "parameters": count(trainer.model),
        "seconds": round(seconds, 2),
    }


UNET_CLASSES = Recipe(
    "unet-classes", "U-Net tells digits on photos apart, trained with three losses", 8, 8, run
)
