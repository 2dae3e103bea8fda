"""U-Net, FCN, SegNet and ENet find the same nuclei: what each one costs, and how good it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from tinydl import plot
from tinydl.autograd import no_grad
from tinydl.data import nuclei
from tinydl.models import FCN, ENet, SegNet, UNet
from tinydl.nn import Module
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.segment import (
    TREES_DICE,
    Part,
    bce_dice,
    best_threshold,
    parts,
    probabilities,
    scores,
    train_on_nuclei,
)
from tinydl.recipes.training import count
from tinydl.tensor import tensor

BUILD: dict[str, Callable[[Generator], Module]] = {
    "U-Net": lambda generator: UNet(generator=generator),
    "FCN": lambda generator: FCN(generator=generator),
    "SegNet": lambda generator: SegNet(generator=generator),
    "ENet": lambda generator: ENet(generator=generator),
}
MAX_LR = 1e-2
REPEATS = 15


def run(options: Options) -> dict[str, Any]:
    """Trains the four on the same crops for equally many steps; charts Dice against time and parameters."""
    start = time.perf_counter()
    print(f"data: {nuclei.load().source}")
    train, validation, test = parts()
    models: dict[str, Module] = {}
    keys = {name: name.replace("-", "").lower() for name in BUILD}
    for (name, build), part in zip(BUILD.items(), options.parts(*keys.values()), strict=True):
        models[name] = train_on_nuclei(part, build, bce_dice, train, validation, MAX_LR).model
    seconds = time.perf_counter() - start

    masks = {name: probabilities(model, test.x, options.device) > 0.5 for name, model in models.items()}
    times = milliseconds(models, test, options.device)
    metrics: dict[str, Any] = {}
    points = {}
    for name, model in models.items():
        figures = {**scores(masks[name], test), "parameters": count(model), "milliseconds": times[name]}
        points[name] = (times[name], figures["dice"], figures["parameters"])
        metrics |= {f"test_{keys[name]}_{what}": value for what, value in figures.items()}
        print(
            f"{name}: Dice {figures['dice']:.3f} with {figures['parameters']:,} parameters, "
            f"{times[name]:.0f} ms for an image of 512x160"
        )
    simple = scores(test.image > best_threshold(train, validation), test)
    print(f"the best grey threshold: Dice {simple['dice']:.3f}; gradient-boosted trees: {TREES_DICE}")
    plot.tradeoff(
        points,
        "Milliseconds for an image of 512x160 pixels",
        "Dice of the test part",
        path=options.out / "tradeoff.png",
        title="Quality against cost",
        reference=("gradient-boosted trees", TREES_DICE),
    )
    plot.masks(
        test.image,
        masks,
        test.labels > 0,
        path=options.out / "nuclei.png",
        title="Nuclei in the part that no network saw",
    )
    return {
        **metrics,
        "baseline_threshold_dice": simple["dice"],
        "baseline_trees_dice": TREES_DICE,
        "seconds": round(seconds, 2),
    }


def milliseconds(models: dict[str, Module], part: Part, device: str) -> dict[str, float]:
    """The median time of a forward pass over the whole part.

    The networks take turns, so that whatever else the machine does slows all of them; two passes each do not count.
    """
    image = tensor(part.x, device=device)
    times: dict[str, list[float]] = {name: [] for name in models}
    with no_grad():
        for _ in range(REPEATS + 2):
            for name, model in models.items():
                start = time.perf_counter()
                model(image).to("cpu").numpy()  # on a GPU this waits for the result
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(passes[2:]) for name, passes in times.items()}


SEGMENTATION = Recipe("segmentation", "U-Net, FCN, SegNet and ENet: quality against cost", 10, 8, run)
