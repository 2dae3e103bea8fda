"""What augmentation buys: LeNet-5 and ResNet-20 with and without it, trained on 500, 1,000 and 4,000 digits.

Every run of a network makes as many steps, whatever the number of images, so that few images are not also little
training. The 1,000 held-out digits of MNIST-5k are looked at once, at the end of each run.

    python -m benchmarks.augmentation_gain             18 runs of LeNet-5, 6 of ResNet-20, about half an hour
    python -m benchmarks.augmentation_gain --choose    learning rates of ResNet-20, by 800 of the training digits

It writes benchmarks/results/augmentation_gain.{json,md,png}.

Each run is written as it ends, and one that is there already is not repeated: delete the JSON file to start anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.provenance import provenance
from tinydl.data import (
    mnist,
    nearest_neighbour_accuracy,
    to_float,
    train_validation_test_split,
)
from tinydl.data.images import Images
from tinydl.data.loader import DataLoader
from tinydl.models import CifarResNet
from tinydl.plot import style
from tinydl.plot.comparison import COLOURS
from tinydl.random import Generator
from tinydl.recipes import lenet
from tinydl.recipes.classify import Settings

OUT = Path(__file__).parent / "results" / "augmentation_gain.json"
COUNTS = (500, 1000, 4000)
BATCH_SIZE = 50
AUGMENTATION = lenet.SETTINGS.transform


@dataclass(frozen=True)
class Plan:
    """How one network is trained: `shown` images in all, those of its number of images again and again."""

    settings: Settings
    shown: int
    seeds: int


# LeNet-5 as `tinydl train lenet` has it; the rate of ResNet-20 was chosen by validation digits: --choose.
PLANS = {
    "LeNet-5": Plan(lenet.SETTINGS, shown=120_000, seeds=3),
    "ResNet-20": Plan(
        Settings(
            build=lambda generator: CifarResNet(20, channels=1, generator=generator),
            prepare=to_float,
            max_lr=1e-2,
        ),
        shown=24_000,
        seeds=1,
    ),
}


@dataclass(frozen=True)
class Cell:
    """One run."""

    network: str
    images: int
    augmented: bool
    seed: int
    shown: int
    max_lr: float


def cells() -> list[Cell]:
    """All runs, those that take the least time first."""
    return [
        Cell(name, count, augmented, seed, plan.shown, plan.settings.max_lr)
        for name, plan in PLANS.items()
        for seed in range(plan.seeds)
        for count in COUNTS
        for augmented in (False, True)
    ]


def first(digits: Images, count: int, seed: int) -> Images:
    """`count` digits, as many of every class; with the same seed the smaller sets are parts of the larger ones."""
    generator = Generator(seed)
    rows = [
        np.flatnonzero(digits.labels == label)[generator.permutation(np.sum(digits.labels == label))]
        for label in range(10)
    ]
    chosen = np.concatenate([of_class[: count // 10] for of_class in rows])
    return Images(digits.images[chosen], digits.labels[chosen])


def measure(cell: Cell, digits: Images, judged: Images) -> dict[str, float]:
    """Trains one network on some of `digits`; its accuracy on the images it is judged by, and on those it saw."""
    start = time.perf_counter()
    settings = dataclasses.replace(PLANS[cell.network].settings, max_lr=cell.max_lr)
    known = first(digits, cell.images, cell.seed)
    inputs = (settings.prepare(known.images), known.labels)
    generator = Generator(cell.seed)
    loader = DataLoader(
        inputs,
        BATCH_SIZE,
        shuffle=True,
        generator=generator.fork(),
        transform=AUGMENTATION if cell.augmented else None,
    )
    epochs = cell.shown // cell.images
    trainer = settings.trainer(loader, epochs, generator.fork(), progress=False)
    trainer.fit(loader, epochs=epochs)
    seconds = time.perf_counter() - start
    asked = DataLoader((settings.prepare(judged.images), judged.labels), 250)
    return {
        "accuracy": trainer.evaluate(asked)["accuracy"],
        "accuracy_on_training_images": trainer.evaluate(DataLoader(inputs, 250))["accuracy"],
        "baseline_nearest_neighbour_accuracy": nearest_neighbour_accuracy(known, judged),
        "seconds": round(seconds, 1),
    }


def choose() -> None:
    """Prints the validation accuracy of ResNet-20 for two learning rates, with fewer steps."""
    train = mnist.load().train
    images, labels = train
    (x, y), (vx, vy), _ = train_validation_test_split(
        images, labels, fractions=(0.8, 0.2, 0.0), stratify=labels, generator=1000
    )
    for max_lr in (3e-3, 1e-2):
        for augmented in (False, True):
            cell = Cell("ResNet-20", 1000, augmented, 0, 10_000, max_lr)
            found = measure(cell, Images(x, y), Images(vx, vy))
            print(f"max_lr {max_lr:g}, augmented {augmented}: {found['accuracy']:.2%}", flush=True)


def run(path: Path, measured: Callable[[Cell, Images, Images], dict[str, float]] = measure) -> dict[str, Any]:
    """Makes the runs that are not in the file yet, and writes it after each of them."""
    data = mnist.load()
    before = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else []
    found = {Cell(**row["cell"]): row for row in before}
    result: dict[str, Any] = {}
    origin = provenance()
    for number, cell in enumerate(cells()):
        if cell not in found:
            found[cell] = {"cell": asdict(cell), **measured(cell, data.train, data.test)}
            print(f"{cell.network}, {cell.images}, augmented {cell.augmented}, seed {cell.seed}: "
                  f"{found[cell]['accuracy']:.1%} in {found[cell]['seconds']:.0f} s", flush=True)  # fmt: skip
        result = {
            "command": "python -m benchmarks.augmentation_gain",
            "what": data.test_name,
            "batch_size": BATCH_SIZE,
            "runs": [found[made] for made in cells()[: number + 1]],
            **origin,
        }
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def accuracies(result: dict[str, Any], network: str, count: int, augmented: bool) -> list[float]:
    """The accuracy of each seed."""
    wanted = {"network": network, "images": count, "augmented": augmented}
    return [row["accuracy"] for row in result["runs"] if wanted.items() <= row["cell"].items()]


def nearest(result: dict[str, Any], network: str, count: int) -> float:
    """What the most similar training digit reaches, the mean over the seeds of a network."""
    rows = [
        row for row in result["runs"] if (row["cell"]["network"], row["cell"]["images"]) == (network, count)
    ]
    return statistics.fmean(row["baseline_nearest_neighbour_accuracy"] for row in rows)


def report(result: dict[str, Any]) -> str:
    """The means as a table in Markdown."""
    lines = [
        "# What augmentation buys",
        "",
        f"Accuracy on the {result['what']}, 1,000 digits; the mean over the seeds, and in parentheses the lowest and "
        "the highest of several. All runs of a network see as many images: those they have, again and again. "
        "Augmentation: turned by up to 10 degrees, shifted by up to 2 pixels, scaled by up to 10%, sheared by up to 8 "
        "degrees, bilinear.",
        "",
        "| network | training images | epochs | seeds | without | with | most similar training digit |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, plan in PLANS.items():
        for count in COUNTS:
            plain, changed = (accuracies(result, name, count, augmented) for augmented in (False, True))
            lines.append(
                f"| {name} | {count:,} | {plan.shown // count} | {len(plain)} | {_spread(plain)} | {_spread(changed)} "
                f"| {nearest(result, name, count):.1%} |"
            )
    lines += ["", f"`{result['command']}`, {result['date']}, commit {result['commit']}."]
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.1%}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1%} to {max(values):.1%})"


def chart(result: dict[str, Any], path: Path) -> None:
    """Accuracy against the number of training images, a panel for each network; dots are the seeds."""
    with style.sheet(
        8.0, 4.0, path, "What augmentation buys: digits never seen that are read right"
    ) as figure:
        panels = figure.subplots(1, len(PLANS), sharey=True)
        for axes, (name, plan) in zip(panels, PLANS.items(), strict=True):
            for augmented, colour, label in (
                (True, COLOURS[0], "with augmentation"),
                (False, COLOURS[1], "without"),
            ):
                rows = [accuracies(result, name, count, augmented) for count in COUNTS]
                means = [statistics.fmean(row) for row in rows]
                axes.plot(COUNTS, means, "o-", color=colour, markersize=5, label=label)
                for count, row in zip(COUNTS, rows, strict=True):
                    axes.plot([count] * len(row), row, ".", color=colour, alpha=0.6, markersize=5)
            neighbour = [nearest(result, name, count) for count in COUNTS]
            axes.plot(
                COUNTS, neighbour, "--", color=style.QUIET, linewidth=1, label="most similar training digit"
            )
            axes.set_xscale("log")
            axes.set_xticks(COUNTS, [f"{count:,}" for count in COUNTS])
            axes.minorticks_off()
            axes.set_xlabel("Training images")
            seeds = f"mean of {plan.seeds} seeds" if plan.seeds > 1 else "one seed"
            axes.set_title(f"{name}, {plan.shown // BATCH_SIZE:,} steps, {seeds}", loc="left")
            axes.yaxis.set_major_formatter(style.percent)
            axes.grid(True)
        panels[0].set_ylabel("Accuracy, 1,000 held-out digits")
        panels[0].legend(loc="lower right")


def main() -> None:
    """Makes the runs and writes table and picture, or prints what the learning rates reach."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--choose", action="store_true")
    if parser.parse_args().choose:
        choose()
        return
    result = run(OUT)
    OUT.with_suffix(".md").write_text(report(result), encoding="utf-8")
    chart(result, OUT.with_suffix(".png"))


if __name__ == "__main__":
    main()
