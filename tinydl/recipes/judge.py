"""A classifier that learned from real digits says what it sees in generated ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinydl.data import DataLoader
from tinydl.data.images import ImageSet
from tinydl.metrics import accuracy
from tinydl.ops.activation import softmax
from tinydl.random import Generator
from tinydl.recipes.lenet import SETTINGS
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import callbacks, fit
from tinydl.tensor import tensor
from tinydl.train import Trainer

Pixels = npt.NDArray[np.float32]
EPOCHS = 10
SURE = 0.9


@dataclass(frozen=True)
class Judge:
    """LeNet-5, trained on real training digits alone, and the share of held-out digits that it reads right."""

    trainer: Trainer
    device: str
    test_accuracy: float
    real: Pixels  # what it says of the held-out digits

    def probabilities(self, images: Pixels) -> Pixels:
        """The probability of each class (N, 10) for images (N, 1, 28, 28) from 0 to 1."""
        return _probabilities(self.trainer, images, self.device)


def train_judge(options: Options, data: ImageSet, generator: Generator) -> Judge:
    """Trains LeNet-5 with the settings of the recipe `lenet`, for fewer epochs; no generated image is involved."""
    options = replace(options, epochs=EPOCHS, batch_size=64)
    x, labels = SETTINGS.prepare(data.train.images), data.train.labels
    loader = DataLoader(
        (x, labels),
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        transform=SETTINGS.transform,
        device=options.device,
    )
    trainer = SETTINGS.trainer(
        loader, EPOCHS, generator.fork(), callbacks=callbacks(options), progress=options.progress
    )
    fit(options, trainer, loader, None)
    held_out = data.test.images[:, None].astype(np.float32) / np.float32(255)
    said = _probabilities(trainer, held_out, options.device)
    return Judge(trainer, options.device, accuracy(tensor(said), tensor(data.test.labels)), said)


def entropy(probabilities: Pixels) -> float:
    """H = sum p_c log(1 / p_c) in nats, p_c the share of images (N, 10) whose most probable class is c.

    log 10 = 2.303 when all ten digits are equally common; 0 when there is only one.
    """
    shares = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]) / len(probabilities)
    return math.fsum(p * math.log(1 / p) for p in shares if p > 0)


def sure(probabilities: Pixels) -> float:
    """The share of images that look clearly like one digit: the most probable class has more than 0.9."""
    return float((probabilities.max(1) > SURE).mean())


def _probabilities(trainer: Trainer, images: Pixels, device: str) -> Pixels:
    bordered = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    return softmax(trainer.predict(tensor(bordered, device=device))).to("cpu").numpy()
