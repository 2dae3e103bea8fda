"""What the recipes share that find nuclei under a microscope: the parts of the image, losses, training, figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.autograd import no_grad
from tinydl.data import nuclei
from tinydl.data.crops import RandomCrops, turned, turned_back
from tinydl.data.loader import DataLoader
from tinydl.losses import binary_cross_entropy_with_logits
from tinydl.losses import dice as dice_loss
from tinydl.metrics import dice, iou
from tinydl.nn import Module
from tinydl.ops.activation import sigmoid
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.components import components, matches
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import callbacks, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import EarlyStopping, Trainer

STEPS = 20  # batches in an epoch
CROP = 64  # pixels: two or three nuclei side by side
VALIDATION_ROWS = 96  # the lowest ones of the training columns
SMALLEST = 20  # pixels; what is smaller counts as no nucleus (the median nucleus has 347)
TREES_DICE = (
    0.946  # gradient-boosted trees on 21 local filters, same columns: measured once, with scikit-learn
)
Pixels = npt.NDArray[Any]


# ---- data


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of the image: `x` and `y` are float32 (1, 1, H, W), `labels` (H, W) has a number for each nucleus."""

    image: Pixels
    labels: Pixels

    @property
    def x(self) -> npt.NDArray[np.float32]:
        return self.image[None, None].astype(np.float32) / np.float32(255)

    @property
    def y(self) -> npt.NDArray[np.float32]:
        return (self.labels > 0)[None, None].astype(np.float32)


def parts() -> tuple[Part, Part, Part]:
    """Training, validation and test part.

    The validation part is the lowest rows of the training columns. Nuclei on the border between the two are in
    both; none is in the test part and another.
    """
    data = nuclei.load()
    image, labels = data.train
    top = slice(None, -VALIDATION_ROWS)
    low = slice(-VALIDATION_ROWS, None)
    return Part(image[top], labels[top]), Part(image[low], labels[low]), Part(*data.test)


# ---- losses of logits z against masks t


def bce(z: Tensor, t: Tensor) -> Tensor:
    """Every pixel by itself: -log of the probability of what it is, the mean over pixels."""
    return binary_cross_entropy_with_logits(z, t)


def soft_dice(z: Tensor, t: Tensor) -> Tensor:
    """1 - Dice, with probabilities where the metric counts pixels: the mask as a whole."""
    return dice_loss(sigmoid(z), t)


def bce_dice(z: Tensor, t: Tensor) -> Tensor:
    """The sum of both."""
    return bce(z, t) + soft_dice(z, t)


# ---- training


def exposed(images: Pixels, generator: Generator) -> Pixels:
    """Images (N, 1, H, W), each brighter or darker by a factor of its own: nuclei differ in how much they glow."""
    factors = np.exp(generator.uniform(-0.4, 0.4, (len(images), 1, 1, 1)))
    return images * factors


def hard_dice(z: Tensor, t: Tensor) -> float:
    """Dice of the mask where the logit is above 0."""
    return dice(z > 0, t > 0.5)


def train_on_nuclei(
    options: Options,
    build: Callable[[Generator], Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    train: Part,
    validation: Part,
    max_lr: float,
) -> Trainer:
    """Trains on crops of the training part; the weights of the epoch with the best validation loss are kept."""
    generator = Generator(options.seed)
    draws = generator.fork()
    crops = RandomCrops(train.x, train.y, size=CROP, count=STEPS * options.batch_size, generator=draws)
    loader = DataLoader(crops, options.batch_size, generator=draws, transform=exposed, device=options.device)
    model = build(generator.fork()).to(options.device)
    optimizer = Adam(model.parameters())
    trainer = Trainer(
        model,
        loss,
        optimizer,
        {"dice": hard_dice},
        callbacks(options, EarlyStopping("validation_loss", patience=options.epochs // 2)),
        OneCycleLR(optimizer, max_lr, total_steps=options.epochs * len(loader)),
        options.progress,
    )
    fit(options, trainer, loader, DataLoader((validation.x, validation.y), 1, device=options.device))
    return trainer


# ---- figures


def probabilities(model: Module, x: npt.NDArray[np.float32], device: str, ways: int = 8) -> Pixels:
    """The probability of a nucleus at every pixel (H, W) of an image (1, 1, H, W).

    The mean of what the network says of the image in `ways` of its eight orientations (test-time augmentation).
    """
    model.eval()
    total = np.zeros(x.shape[-2:], np.float32)
    with no_grad():
        for way in range(ways):
            image = tensor(np.ascontiguousarray(turned(x, way)), device=device)
            total += turned_back(sigmoid(model(image)).to("cpu").numpy(), way)[0, 0]
    return total / ways


def scores(mask: Pixels, part: Part) -> dict[str, float]:
    """Dice, IoU, how many nuclei are found and how many components there are that are none."""
    predicted, truth = tensor(mask), tensor(part.labels > 0)
    found = components(mask, SMALLEST)
    right = matches(found, part.labels)
    return {
        "dice": dice(predicted, truth),
        "iou": iou(predicted, truth),
        "nuclei_found": right,
        "nuclei_false": int(found.max()) - right,
    }


def best_threshold(*parts: Part) -> int:
    """The grey value above which a pixel should count as nucleus: the one with the best Dice on these parts."""
    grey = np.concatenate([part.image.ravel() for part in parts])
    truth = tensor(np.concatenate([part.labels.ravel() > 0 for part in parts]))
    return max(range(256), key=lambda value: dice(tensor(grey > value), truth))
