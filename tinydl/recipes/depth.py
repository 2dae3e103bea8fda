"""Plain and residual networks of 20 and 32 layers: does depth help or hurt (He, Zhang, Ren and Sun, 2016)?"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.data import mnist, nearest_neighbour_accuracy, to_float, train_validation_test_split
from tinydl.data.loader import DataLoader
from tinydl.losses import cross_entropy
from tinydl.metrics import accuracy
from tinydl.models import CifarResNet
from tinydl.optim import SGD, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.train import Trainer

SHALLOW, DEEP = 20, 32
MAX_LR = 0.1  # as momentum and weight decay the paper's; the schedule is shorter
KINDS = {"plain": "Plain networks", "residual": "Residual networks"}


def halved(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Images (N, 28, 28) at half the resolution, float32 (N, 1, 14, 14): the means of 2x2 pixels, around 0.

    A quarter of the pixels take a quarter of the time.
    """
    x = to_float(pixels)
    small = x.reshape(len(x), 1, 14, 2, 14, 2).mean(axis=(3, 5))
    return np.asarray(small - np.float32(0.13), np.float32)


def train(options: Options, kind: str, depth: int, train_part: Any, validation: Any) -> Trainer:
    """Trains one network; for a seed the order of the images is the same for all."""
    generator = Generator(options.seed)
    loader = DataLoader(
        train_part, options.batch_size, shuffle=True, generator=generator.fork(), device=options.device
    )
    model = CifarResNet(depth, channels=1, residual=kind == "residual", generator=generator.fork())
    optimizer = SGD(model.to(options.device).parameters(), MAX_LR, momentum=0.9, weight_decay=1e-4)
    trainer = Trainer(
        model,
        cross_entropy,
        optimizer,
        [accuracy],
        callbacks(options),
        OneCycleLR(optimizer, max_lr=MAX_LR, total_steps=options.epochs * len(loader)),
        options.progress,
    )
    fit(options, trainer, loader, DataLoader(validation, 250, device=options.device))
    return trainer


def run(options: Options) -> dict[str, Any]:
    """Trains both depths of both kinds on the same digits, and draws how the training went."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}, at half the resolution")
    labels = data.train.labels
    images, validation, _ = train_validation_test_split(
        halved(data.train.images),
        labels,
        fractions=(0.8, 0.2, 0.0),
        stratify=labels,
        generator=Generator(options.seed),
    )
    test = DataLoader((halved(data.test.images), data.test.labels), 250, device=options.device)
    metrics: dict[str, Any] = {}
    panels: dict[str, dict[str, Any]] = {title: {} for title in KINDS.values()}
    runs = [(kind, depth) for kind in KINDS for depth in (SHALLOW, DEEP)]
    names = [f"{kind}_{depth}" for kind, depth in runs]
    for (kind, depth), name, part in zip(runs, names, options.parts(*names), strict=True):
        trainer = train(part, kind, depth, images, validation)
        history = trainer.history
        panels[KINDS[kind]][f"{depth} layers"] = (history["loss"], history["validation_loss"])
        found = trainer.evaluate(test)
        metrics |= {
            f"train_loss_{name}": history["loss"][-1],
            f"validation_loss_{name}": history["validation_loss"][-1],
            f"test_accuracy_{name}": found["accuracy"],
            f"parameters_{depth}": count(trainer.model),
        }
        print(
            f"{kind}, {depth} layers: training loss {history['loss'][-1]:.3f}, "
            f"{found['accuracy']:.1%} of {data.test_name} right"
        )
    plot.learning_curves(
        panels,
        "Cross-entropy",
        path=options.out / "depth.png",
        title=f"{SHALLOW} and {DEEP} layers, with shortcuts and without",
        high=2.5,
    )
    return {
        **metrics,
        "baseline_nearest_neighbour_accuracy": nearest_neighbour_accuracy(data.train, data.test),
        "data": data.source,
        "seconds": round(time.perf_counter() - start, 2),
    }


DEPTH = Recipe("depth", "20 and 32 layers, plain and residual: does depth help or hurt?", 6, 64, run)
