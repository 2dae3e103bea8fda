"""U-Net, FCN, SegNet and ENet tell the same digits on photos apart: what each costs, and how good it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from tinydl import plot
from tinydl.autograd import no_grad
from tinydl.data.composites import DIGITS
from tinydl.models import FCN, ENet, SegNet, UNet
from tinydl.nn import Module
from tinydl.random import Generator
from tinydl.recipes.digit_classes import (
    CLASSES,
    both,
    data,
    figures,
    found,
    train_on_digits,
    without_training,
)
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import count
from tinydl.tensor import Tensor, tensor

BUILD: dict[str, Callable[[Generator], Module]] = {
    "U-Net": lambda generator: UNet(3, CLASSES, base=8, generator=generator),
    "FCN": lambda generator: FCN(3, CLASSES, base=8, generator=generator),
    "SegNet": lambda generator: SegNet(3, CLASSES, base=8, generator=generator),
    "ENet": lambda generator: ENet(3, CLASSES, generator=generator),
}
MAX_LR = 5e-3
SHOWN = 10  # pictures
TIMED = 32  # pictures in a batch whose forward pass is timed
REPEATS = 9


def run(options: Options) -> dict[str, Any]:
    """Trains the four on the same pictures for equally many steps; charts mean IoU against time and parameters."""
    start = time.perf_counter()
    pictures = data(options)
    test = pictures.test
    metrics: dict[str, Any] = {}
    points, maps = {}, {}
    keys = {name: name.replace("-", "").lower() for name in BUILD}
    for (name, build), part in zip(BUILD.items(), options.parts(*keys.values()), strict=True):
        trainer = train_on_digits(part, build, both, pictures, MAX_LR)
        maps[name] = found(trainer, test, options.device)
        scored = {
            **figures(maps[name], test.labels),
            "parameters": count(trainer.model),
            "milliseconds": milliseconds(trainer.model, tensor(test.images[:TIMED], device=options.device)),
        }
        points[name] = (scored["milliseconds"], scored["iou"], scored["parameters"])
        metrics |= {f"test_{keys[name]}_{what}": value for what, value in scored.items()}
        print(
            f"{name}: mean IoU of the five digits {scored['iou']:.3f} with {scored['parameters']:,} parameters, "
            f"{scored['milliseconds']:.2f} ms a picture"
        )
    seconds = time.perf_counter() - start
    simple = without_training(pictures)
    baseline = figures(simple, test.labels)
    print(f"threshold, connected pieces and the most similar training digit: {baseline['iou']:.3f}")
    plot.tradeoff(
        points,
        "Milliseconds for a picture of 32x32 pixels",
        "Mean IoU of the test part",
        path=options.out / "tradeoff.png",
        title="Quality against cost: digits on photos",
        reference=("threshold and nearest neighbour", baseline["iou"]),
    )
    plot.segmentation(
        test.images[:SHOWN],
        {name: labels[:SHOWN] for name, labels in {"truth": test.labels, **maps, "baseline": simple}.items()},
        DIGITS,
        path=options.out / "segmentation.png",
        title="Digits and a photo that no network saw",
    )
    return {
        **metrics,
        **{f"baseline_{what}": value for what, value in baseline.items()},
        "seconds": round(seconds, 2),
    }


def milliseconds(model: Module, images: Tensor) -> float:
    """For one picture: the median time of a forward pass over a batch, after two that do not count, divided."""
    model.eval()
    times = []
    with no_grad():
        for _ in range(REPEATS + 2):
            start = time.perf_counter()
            model(images).to("cpu").numpy()  # on a GPU this waits for the result
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:]) / len(images)


SEGMENTATION_CLASSES = Recipe(
    "segmentation-classes", "U-Net, FCN, SegNet and ENet tell digits on photos apart", 8, 8, run
)
