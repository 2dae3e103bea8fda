"""What the classifiers of small images share: data, training, the figures and the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.data import fashion_mnist, mnist, nearest_neighbour_accuracy, train_validation_test_split
from tinydl.data.images import ImageSet
from tinydl.data.loader import DataLoader, Transform
from tinydl.losses import cross_entropy
from tinydl.metrics import accuracy, confusion_matrix
from tinydl.nn import Module
from tinydl.ops.activation import softmax
from tinydl.optim import Adam, OneCycleLR, Optimizer
from tinydl.random import Generator
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import Clock, callbacks, count, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import Callback, Trainer

DATA = {"mnist": mnist, "fashion_mnist": fashion_mnist}


@dataclass(frozen=True)
class Settings:
    """How one network is trained: what was chosen on validation images."""

    build: Callable[[Generator], Module]
    prepare: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]  # pixels to inputs
    max_lr: float
    transform: Transform | None = None  # augmentation
    optimizer: Callable[[Sequence[Tensor]], Optimizer] = Adam

    def trainer(self, train: DataLoader, epochs: int, generator: Generator, **options: Any) -> Trainer:
        """The network with its loss, optimiser and schedule, ready for `fit(train, epochs=epochs)`."""
        model = self.build(generator).to(train.device)
        optimizer = self.optimizer(model.parameters())
        schedule = OneCycleLR(optimizer, max_lr=self.max_lr, total_steps=epochs * len(train))
        return Trainer(model, cross_entropy, optimizer, [accuracy], schedule=schedule, **options)


@dataclass(frozen=True)
class Result:
    """A trained network, the images that it was measured on, as its inputs, and the figures."""

    model: Module
    data: ImageSet
    test_inputs: npt.NDArray[np.float32]
    metrics: dict[str, Any]


def classify(options: Options, settings: Settings, *own: Callback) -> Result:
    """Trains on nine tenths of the training images, draws curves with the last tenth, measures on the test part.

    The test part is looked at once, at the end. Writes history.csv, the checkpoint, and pictures of the curves,
    the confusion matrix and the worst mistakes. `own` are callbacks of the recipe.
    """
    clock = Clock()
    data = DATA[options.data].load(options.source)
    print(f"data: {data.source}")
    generator = Generator(options.seed)
    x, y = settings.prepare(data.train.images), data.train.labels
    train, validation, _ = train_validation_test_split(
        x, y, fractions=(0.9, 0.1, 0.0), stratify=y, generator=generator.fork()
    )
    loader = DataLoader(
        train,
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        transform=settings.transform,
        device=options.device,
    )
    trainer = settings.trainer(
        loader,
        options.epochs,
        generator.fork(),
        callbacks=callbacks(options, clock, *own),
        progress=options.progress,
    )
    history = fit(options, trainer, loader, DataLoader(validation, 250, device=options.device))
    test_inputs, labels = settings.prepare(data.test.images), tensor(data.test.labels, device="cpu")
    scores = trainer.predict(tensor(test_inputs, device=options.device)).to("cpu")
    test_accuracy = accuracy(scores, labels)
    baseline = nearest_neighbour_accuracy(data.train, data.test)
    print(
        f"{data.test_name}: {test_accuracy:.1%} of {len(labels):,} images right; "
        f"1-nearest-neighbour: {baseline:.1%}"
    )
    plot.confusion(
        confusion_matrix(scores, labels),
        data.classes,
        path=options.out / "confusion.png",
        title=data.test_name.capitalize().replace("mnist", "MNIST"),
    )
    pixels = data.test.images
    plot.mistakes(pixels, softmax(scores), labels, data.classes, path=options.out / "mistakes.png")
    metrics = {
        "test_accuracy": test_accuracy,
        "test_name": data.test_name,
        "baseline_nearest_neighbour_accuracy": baseline,
        "validation_accuracy": history["validation_accuracy"][-1],
        "train_loss": history["loss"][-1],
        "parameters": count(trainer.model),
        "data": data.source,
        "seconds": round(clock.seconds, 4),  # a linear model sees a few images in milliseconds
        "cpu_seconds": round(clock.cpu_seconds, 4),
    }
    return Result(trainer.model, data, test_inputs, metrics)
