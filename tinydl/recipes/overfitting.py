"""Too many parameters for 500 digits: overfitting, and three remedies."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

from tinydl import nn, plot
from tinydl.data import mnist, nearest_neighbour_accuracy, to_float, train_validation_test_split
from tinydl.data.images import Images
from tinydl.data.loader import DataLoader
from tinydl.losses import cross_entropy
from tinydl.metrics import accuracy
from tinydl.optim import SGD
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.train import EarlyStopping, Trainer

IMAGES = 500  # to learn from, and as many to choose by
HIDDEN = 256
LR = 0.03
NAMES = {
    "nothing": "No remedy",
    "dropout": "Dropout",
    "weight_decay": "Weight decay",
    "early_stopping": "Early stopping",
}
# Chosen by the last validation loss with seed 3, dropout among 0.3, 0.5, 0.7, decay among 0.003, 0.01, 0.03.
DROPOUT = 0.7
WEIGHT_DECAY = 0.01
PATIENCE = 10  # epochs


def build(name: str, generator: Generator) -> nn.Sequential:
    """784-256-256-10 with ReLU; the weights of a seed are the same with dropout and without."""
    sizes = (784, HIDDEN, HIDDEN, 10)
    first, second, last = (nn.Dense(n, m, generator=generator) for n, m in pairwise(sizes))
    drop = [nn.Dropout(DROPOUT, generator.fork()) for _ in range(2)] if name == "dropout" else []
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), *drop[:1], second, nn.ReLU(), *drop[1:], last)


def train(options: Options, name: str, train_part: Any, validation: Any) -> Trainer:
    """Trains the network with one of the remedies; batches and first weights are the same for all."""
    generator = Generator(options.seed)
    model = build(name, generator.fork()).to(options.device)
    decay = WEIGHT_DECAY if name == "weight_decay" else 0.0
    stop = [EarlyStopping("validation_loss", PATIENCE)] if name == "early_stopping" else []
    trainer = Trainer(
        model,
        cross_entropy,
        SGD(model.parameters(), LR, momentum=0.9, weight_decay=decay),
        [accuracy],
        callbacks(options, *stop, every=10),
        progress=options.progress,
    )
    loader = DataLoader(
        train_part, options.batch_size, shuffle=True, generator=generator.fork(), device=options.device
    )
    fit(options, trainer, loader, DataLoader(validation, 250, device=options.device))
    return trainer


def run(options: Options) -> dict[str, Any]:
    """Trains the four on the same 500 digits, draws their curves, and asks each once about the held-out digits."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}")
    pixels, labels = data.train
    share = IMAGES / len(labels)
    train_part, validation, _ = train_validation_test_split(
        pixels,
        labels,
        fractions=(share, share, 1 - 2 * share),
        stratify=labels,
        generator=Generator(options.seed),
    )
    few = Images(*train_part)
    parts = [(to_float(x), y) for x, y in (train_part, validation)]
    test = DataLoader((to_float(data.test.images), data.test.labels), 250, device=options.device)
    metrics: dict[str, Any] = {}
    shown = {}
    for name, part in zip(NAMES, options.parts(*NAMES), strict=True):
        trainer = train(part, name, *parts)
        history = trainer.history
        lowest = min(value for value in history["validation_loss"] if value is not None)
        found = trainer.evaluate(test)
        metrics |= {
            f"test_accuracy_{name}": found["accuracy"],
            f"test_loss_{name}": found["loss"],
            f"train_loss_{name}": history["loss"][-1],
            f"validation_loss_{name}": history["validation_loss"][-1],
            f"lowest_validation_loss_{name}": lowest,
            f"epochs_{name}": len(history.rows),
        }
        shown[NAMES[name]] = {"": (history["loss"], history["validation_loss"])}
    baseline = nearest_neighbour_accuracy(few, data.test)
    for name, words in NAMES.items():
        print(
            f"{words}: {metrics[f'test_accuracy_{name}']:.1%} of {data.test_name} right, "
            f"cross-entropy {metrics[f'test_loss_{name}']:.2f}"
        )
    print(f"the most similar of the {len(few.labels)} digits: {baseline:.1%} right")
    plot.learning_curves(
        shown,
        "Cross-entropy",
        path=options.out / "overfitting.png",
        title=f"{len(few.labels)} digits, {count(trainer.model):,} parameters",
        high=1.2,
    )
    return {
        **metrics,
        "baseline_nearest_neighbour_accuracy": baseline,
        "images": len(few.labels),
        "parameters": count(trainer.model),
        "data": data.source,
        "seconds": round(time.perf_counter() - start, 2),
    }


OVERFITTING = Recipe(
    "overfitting",
    "500 digits learned by heart: dropout, weight decay and early stopping against it",
    100,
    50,
    run,
)
