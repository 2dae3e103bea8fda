"""LeNet-5 when five of the ten digits are rare: plainly, and by four ways to learn the rare ones better."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.data import mnist, nearest_neighbour_accuracy, oversample, train_validation_test_split
from tinydl.data.balance import BalancedSampler
from tinydl.data.loader import DataLoader
from tinydl.losses import cross_entropy
from tinydl.metrics import accuracy, confusion_matrix
from tinydl.models import LeNet5
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.lenet import SETTINGS, images
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import Trainer

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

RARE = (1, 3, 5, 7, 9)
KEPT = 20  # images of each rare class
NAMES = {
    "plain": "plainly",
    "weights": "weighted loss",
    "sampler": "balanced sampler",
    "copies": "changed copies of the rare",
    "augmented": "all changed, not balanced",
}
CHANGES = SETTINGS.transform


def imbalanced(x: Floats, y: Labels, generator: Generator) -> tuple[Floats, Labels]:
    """All rows of the frequent classes, and `KEPT` of each rare one."""
    rare = [
        rows[generator.permutation(len(rows))[:KEPT]]
        for rows in (np.flatnonzero(y == label) for label in RARE)
    ]
    rows = np.sort(np.concatenate([np.flatnonzero(~np.isin(y, RARE)), *rare]))
    return x[rows], y[rows]


def class_weights(y: Labels) -> Floats:
    """N / (C n_c) for each class of n_c of the N rows: all classes together weigh the same."""
    counts = np.bincount(y)
    return (len(y) / (len(counts) * counts)).astype(np.float32)


def loader(name: str, x: Floats, y: Labels, options: Options, generator: Generator) -> DataLoader:
    """The training images as one way shows them: in every way an epoch has as many rows as there are images."""
    sampler = BalancedSampler(y) if name == "sampler" else None
    rows = (x, y)
    if name == "copies":
        rows = oversample(x, y, CHANGES, generator.fork())
        sampler = BalancedSampler(rows[1], count=len(y))
    return DataLoader(
        rows,
        options.batch_size,
        shuffle=sampler is None,
        generator=generator.fork(),
        transform=CHANGES if name == "augmented" else None,
        device=options.device,
        sampler=sampler,
    )


def loss(name: str, y: Labels, device: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy, by classes of equal weight if that is the way."""
    if name != "weights":
        return cross_entropy
    weight = tensor(class_weights(y), device=device)
    return lambda scores, labels: cross_entropy(scores, labels, weight=weight)


def train(
    options: Options,
    name: str,
    known: tuple[Floats, Labels],
    validation: tuple[Floats, Labels],
    generator: Generator,
) -> Trainer:
    """Trains LeNet-5 in one way, with the settings of `tinydl train lenet`."""
    model = LeNet5(generator=generator.fork()).to(options.device)
    shown = loader(name, *known, options, generator)
    optimizer = Adam(model.parameters())
    trainer = Trainer(
        model,
        loss(name, known[1], options.device),
        optimizer,
        [accuracy],
        callbacks(options),
        OneCycleLR(optimizer, SETTINGS.max_lr, total_steps=options.epochs * len(shown)),
        options.progress,
    )
    fit(options, trainer, shown, DataLoader(validation, 200, device=options.device))
    return trainer


def recalls(scores: Tensor, labels: Tensor) -> npt.NDArray[np.float64]:
    """The share of every class's images that are recognised, (classes,)."""
    table = confusion_matrix(scores, labels)
    return np.diag(table) / table.sum(axis=1)


def figures(recall: npt.NDArray[np.float64]) -> dict[str, float]:
    """Balanced accuracy, the mean recall of all classes; that of the rare, of the others, and the worst."""
    rare = np.isin(np.arange(len(recall)), RARE)
    return {
        "balanced_accuracy": float(recall.mean()),
        "rare_recall": float(recall[rare].mean()),
        "frequent_recall": float(recall[~rare].mean()),
        "worst_recall": float(recall.min()),
    }


def run(options: Options) -> dict[str, Any]:
    """Trains the five ways on the same images, from the same weights, and draws the recall of every class."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}; of {', '.join(map(str, RARE))} only {KEPT} training images each are kept")
    generator = Generator(options.seed)
    y = data.train.labels
    (x, y), validation, _ = train_validation_test_split(
        images(data.train.images), y, fractions=(0.9, 0.1, 0.0), stratify=y, generator=generator.fork()
    )
    known = imbalanced(x, y, generator.fork())
    test, labels = images(data.test.images), tensor(data.test.labels)
    same = int(generator.fork().integers(0, 2**31, (1,))[0])  # every way starts from the same weights
    recall: dict[str, npt.NDArray[np.float64]] = {}
    for name, part in zip(NAMES, options.parts(*NAMES), strict=True):
        trainer = train(part, name, known, validation, Generator(same))
        recall[name] = recalls(trainer.predict(tensor(test, device=options.device)).to("cpu"), labels)
    seconds = time.perf_counter() - start
    metrics = {
        f"{'baseline' if name == 'plain' else 'test'}_{name}_{what}": value
        for name, row in recall.items()
        for what, value in figures(row).items()
    }
    neighbour = nearest_neighbour_accuracy(known, (test, data.test.labels))
    said = ", ".join(f"{NAMES[name]} {figures(row)['rare_recall']:.1%}" for name, row in recall.items())
    print(f"{data.test_name}, mean recall of the rare digits: {said}")
    sizes = np.bincount(known[1])
    order = [*RARE, *(label for label in range(len(sizes)) if label not in RARE)]
    plot.bars(
        {NAMES[name]: row[order] for name, row in recall.items()},
        [f"{label}\n{sizes[label]}" for label in order],
        "Digit, and how many training images there are of it",
        "Recall on held-out digits",
        path=options.out / "recall.png",
        title="What share of each digit is recognised when five are rare",
    )
    draw_copies(*known, generator.fork(), options)
    return {
        **metrics,
        "baseline_nearest_neighbour_balanced_accuracy": neighbour,
        "rare_images": KEPT,
        "frequent_images": int(sizes.max()),
        "parameters": count(trainer.model),
        "data": data.source,
        "seconds": round(seconds, 2),
    }


def draw_copies(x: Floats, y: Labels, generator: Generator, options: Options) -> None:
    """One image of each rare class, and five of its changed copies."""
    assert CHANGES is not None
    chosen = x[[np.flatnonzero(y == label)[0] for label in RARE]]
    changed = {f"copy {i}": CHANGES(chosen, generator) for i in range(1, 6)}
    plot.rows({"image": chosen, **changed}, path=options.out / "copies.png", title="Rare digits and copies")


IMBALANCE = Recipe("imbalance", "LeNet-5 reads digits of which five are rare", 25, 64, run)
