"""Anomaly detection among digits: each digit is left out once, and should look strange to a network without it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.data import mnist, principal_components, to_float, train_validation_test_split
from tinydl.data.loader import DataLoader
from tinydl.losses import mse
from tinydl.metrics import roc_auc
from tinydl.models import Autoencoder
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.anomaly import alarms, threshold
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.reconstruction import rebuilt, rebuilt_by_pca
from tinydl.recipes.restoring import Pictures
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import tensor
from tinydl.train import Trainer

CODE = 32
MAX_LR = 3e-3
SHOWN = 10  # images in a row


def run(options: Options) -> dict[str, Any]:
    """Trains ten autoencoders, each without one digit, and lets each find that digit among the held-out ones."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}; ten networks, each trained without one of the digits")
    x, test, labels = to_float(data.train.images), to_float(data.test.images), data.test.labels
    generator = Generator(options.seed)
    metrics: dict[str, Any] = {}
    scores, limits, linear, pictures = [], [], [], []
    for digit, part in enumerate(options.parts(*(f"without_{digit}" for digit in range(10)))):
        kept = data.train.labels != digit
        train, held, _ = train_validation_test_split(
            x[kept], fractions=(0.9, 0.1, 0.0), stratify=data.train.labels[kept], generator=generator.fork()
        )
        trainer = trained(part, train, held, generator.fork())
        both = [rebuilt(trainer, images, options) for images in (held, test)]
        limits.append(threshold(errors(held, both[0])))
        scores.append(errors(test, both[1]))
        linear.append(errors(test, rebuilt_by_pca(principal_components(train, CODE), test)))
        pictures.append(both[1])
        strange = (labels == digit).astype(np.int64)
        metrics |= alarms(f"test_{digit}", scores[-1], strange, limits[-1])
        metrics[f"baseline_linear_{digit}_auc"] = roc_auc(tensor(linear[-1]), tensor(strange))
    for what in ("auc", "true_positive_rate", "false_positive_rate"):
        metrics[f"test_{what}"] = float(np.mean([metrics[f"test_{digit}_{what}"] for digit in range(10)]))
    metrics["baseline_linear_auc"] = float(np.mean([metrics[f"baseline_linear_{d}_auc"] for d in range(10)]))
    draw(options, metrics, scores, limits, linear, labels)
    strangers(options, test, labels, pictures)
    print(
        f"anomaly-digits: mean AUC over the ten left-out digits {metrics['test_auc']:.3f}, linear autoencoder "
        f"{metrics['baseline_linear_auc']:.3f}; at thresholds from known digits alone "
        f"{metrics['test_true_positive_rate']:.0%} of the left-out and {metrics['test_false_positive_rate']:.0%} of "
        "the known digits raise an alarm"
    )
    return {
        **metrics,
        "parameters": count(trainer.model),
        "seconds": round(time.perf_counter() - start, 2),
    }


def trained(options: Options, train: Pictures, held: Pictures, generator: Generator) -> Trainer:
    """An autoencoder of these images. The held ones only draw its curve: they are for the threshold."""
    loader = DataLoader(
        (train, train), options.batch_size, shuffle=True, generator=generator.fork(), device=options.device
    )
    model = Autoencoder((784, 256, CODE), generator=generator.fork()).to(options.device)
    optimizer = Adam(model.parameters())
    schedule = OneCycleLR(optimizer, max_lr=MAX_LR, total_steps=options.epochs * len(loader))
    trainer = Trainer(
        model,
        mse,
        optimizer,
        callbacks=callbacks(options, every=5),
        schedule=schedule,
        progress=options.progress,
    )
    fit(options, trainer, loader, DataLoader((held, held), 100, device=options.device))
    return trainer


def errors(images: Pictures, rebuilt: Pictures) -> Any:
    """The mean squared error of each image (N,), float64."""
    return np.square(images - rebuilt, dtype=np.float64).mean(axis=(1, 2, 3))


def draw(
    options: Options,
    metrics: dict[str, Any],
    scores: list[Any],
    limits: list[float],
    linear: list[Any],
    labels: Any,
) -> None:
    """ROC curves of the digit that is easiest to find and of the one that is hardest, with the linear baseline."""
    order = sorted(range(10), key=lambda digit: metrics[f"test_{digit}_auc"])
    curves, marks = {}, {}
    for digit in (order[-1], order[0]):
        strange = (labels == digit).astype(np.int64)
        curves[f"{digit} left out"] = scores[digit], strange
        curves[f"{digit} left out, PCA"] = linear[digit], strange
        marks[f"{digit} left out"] = limits[digit]
    plot.roc(curves, marks, options.out / "roc.png", "The easiest and the hardest digit to find")


def strangers(options: Options, test: Pictures, labels: Any, pictures: list[Pictures]) -> None:
    """One image of every digit, what a network makes of it that knows the digit, and what one that does not."""
    first = [int(np.flatnonzero(labels == digit)[0]) for digit in range(SHOWN)]
    rows = {
        "held-out digit": test[first],
        "rebuilt, digit known": np.stack([pictures[(d + 1) % 10][i] for d, i in enumerate(first)]),
        "rebuilt, digit left out": np.stack([pictures[d][i] for d, i in enumerate(first)]),
    }
    plot.rows(rows, options.out / "rebuilt.png", "A network rebuilds what it knows")


ANOMALY_DIGITS = Recipe("anomaly-digits", "a digit found by a network that has never seen it", 15, 64, run)
