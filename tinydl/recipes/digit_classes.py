"""What the recipes share that find digits on photos: data, losses, training, what a rule of thumb finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.data import mnist
from tinydl.data.composites import DIGITS, Composites, digits_on_photos
from tinydl.data.loader import DataLoader
from tinydl.losses import cross_entropy
from tinydl.losses import dice as dice_loss
from tinydl.metrics import dice, iou
from tinydl.nn import Module
from tinydl.ops.activation import softmax
from tinydl.ops.index import one_hot
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import callbacks, fit
from tinydl.recipes.without_training import RULES, named_by_neighbour
from tinydl.tensor import Tensor, tensor
from tinydl.train import EarlyStopping, Trainer

TRAIN, VALIDATION, TEST = 1500, 200, 400  # pictures
CLASSES = len(DIGITS)
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Data:
    """Pictures to learn from, to choose by and to report."""

    train: Composites
    validation: Composites
    test: Composites


def data(options: Options) -> Data:
    """Composites drawn from the seed; those of the test part are the same for every seed."""
    generator = Generator(options.seed)
    print(
        f"data: {TRAIN:,} pictures of training digits from 0 to 4 on crops of two photos; "
        f"test: {TEST} of held-out digits on a third photo"
    )
    return Data(
        digits_on_photos(TRAIN, "train", generator=generator.fork()),
        digits_on_photos(VALIDATION, "validation", generator=generator.fork()),
        digits_on_photos(TEST, "test", generator=0),
    )


# ---- losses of logits (N, C, H, W) against labels (N, H, W)


def soft_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - Dice of every class, the mean over them, with probabilities in the place of masks.

    Sums run over all pictures of the batch, as if they were one. In a single picture most digits are missing; a
    missing one costs nearly 1 for the first pixels given to it, and a network learns to give none to any.
    """

    def by_class(x: Tensor) -> Tensor:  # (N, C, H, W) to (1, C, N H W)
        return x.transpose(1, 0, 2, 3).reshape(1, CLASSES, -1)

    masks = one_hot(labels, CLASSES).transpose(0, 3, 1, 2).astype("float32")
    return dice_loss(by_class(softmax(logits, axis=1)), by_class(masks))


def both(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum of cross-entropy and Dice."""
    return cross_entropy(logits, labels) + soft_dice(logits, labels)


# ---- training and figures


def train_on_digits(
    options: Options,
    build: Callable[[Generator], Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    data: Data,
    max_lr: float,
) -> Trainer:
    """Trains a network; the weights of the epoch with the best validation IoU are kept."""
    generator = Generator(options.seed)
    loader = DataLoader(
        tuple(data.train),
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        device=options.device,
    )
    model = build(generator.fork()).to(options.device)
    optimizer = Adam(model.parameters())
    trainer = Trainer(
        model,
        loss,
        optimizer,
        {"iou": mean_iou},
        callbacks(options, EarlyStopping("validation_iou", patience=options.epochs // 2)),
        OneCycleLR(optimizer, max_lr, total_steps=options.epochs * len(loader), pct_start=0.1),
        options.progress,
    )
    fit(options, trainer, loader, DataLoader(tuple(data.validation), VALIDATION, device=options.device))
    return trainer


def mean_iou(logits: Tensor, labels: Tensor) -> float:
    """The mean over the digits of the IoU of all their pixels; the background does not count."""
    return iou(logits.argmax(1), labels, CLASSES)


def found(trainer: Trainer, pictures: Composites, device: str) -> Labels:
    """The most probable class of every pixel."""
    logits = trainer.predict(tensor(pictures.images, device=device), batch_size=100)
    return np.asarray(logits.to("cpu").numpy().argmax(1))


def figures(labels: Labels, truth: Labels) -> dict[str, float]:
    """Mean IoU and Dice over the digits; the share of digit pixels found that have the right digit; pixel accuracy."""
    on_digits = (labels > 0) & (truth > 0)
    return {
        "iou": iou(tensor(labels), tensor(truth), CLASSES),
        "dice": dice(tensor(labels), tensor(truth), CLASSES),
        "right_digit": float((labels == truth)[on_digits].mean()) if on_digits.any() else 0.0,
        "pixel_accuracy": float((labels == truth).mean()),
    }


def without_training(data: Data) -> Labels:
    """Threshold, connected pieces, the most similar training digit; the better threshold in validation."""
    train = mnist.load().train
    few = train.labels < CLASSES - 1
    digits, labels = train.images[few], train.labels[few] + 1

    def label_maps(rule: str, images: npt.NDArray[Any]) -> Labels:
        return named_by_neighbour(RULES[rule](images), digits, labels)

    def quality(rule: str) -> float:
        maps = label_maps(rule, data.validation.images)
        return figures(maps, data.validation.labels)["iou"]

    return label_maps(max(RULES, key=quality), data.test.images)
