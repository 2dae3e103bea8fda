"""U-Net separates an object from the photo behind it: the network of `tinydl removebg`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.data.composites import KINDS, Composites, objects_on_photos
from tinydl.data.loader import DataLoader
from tinydl.losses import binary_cross_entropy_with_logits, dice
from tinydl.models import UNet
from tinydl.ops.activation import sigmoid
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator, GeneratorLike
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.recipes.without_training import RULES
from tinydl.tensor import Tensor, tensor
from tinydl.train import EarlyStopping, Trainer

SIZE = 64  # pixels a side, of the pictures that the network sees
TRAIN, VALIDATION, TEST = 600, 120, 300  # pictures
MAX_LR = 1e-2
LEARNED_FROM = "digits, clothes and cell nuclei in plain colours, pasted on crops of two photos"
Mask = npt.NDArray[np.bool_]


def build(generator: GeneratorLike) -> UNet:
    """Pictures (N, 3, H, W), float32 in [0, 1], to one logit for each pixel: above 0 it belongs to the object."""
    return UNet(in_channels=3, classes=1, base=8, depth=4, generator=generator)


def bce_dice(logits: Tensor, mask: Tensor) -> Tensor:
    """Every pixel by itself, and the mask as a whole."""
    return binary_cross_entropy_with_logits(logits, mask) + dice(sigmoid(logits), mask)


def run(options: Options) -> dict[str, Any]:
    """Trains on composites, measures on objects and a photo that it never saw, and draws what it cut out."""
    start = time.perf_counter()
    generator = Generator(options.seed)
    train = objects_on_photos(TRAIN, "train", SIZE, generator.fork())
    validation = objects_on_photos(VALIDATION, "validation", SIZE, generator.fork())
    print(f"data: {TRAIN} pictures made of {LEARNED_FROM}")
    loader = DataLoader(
        _masks(train), options.batch_size, shuffle=True, generator=generator.fork(), device=options.device
    )
    model = build(generator.fork()).to(options.device)
    optimizer = Adam(model.parameters())
    trainer = Trainer(
        model,
        bce_dice,
        optimizer,
        {"iou": lambda logits, mask: overlaps(_host(logits) > 0, _host(mask) > 0.5).mean()},
        callbacks(options, EarlyStopping(patience=options.epochs // 2)),
        OneCycleLR(optimizer, MAX_LR, total_steps=options.epochs * len(loader)),
        options.progress,
    )
    fit(options, trainer, loader, DataLoader(_masks(validation), 60, device=options.device))
    seconds = time.perf_counter() - start

    test = objects_on_photos(TEST, "test", SIZE, Generator(0))  # the same pictures whatever the seed
    found = _host(trainer.predict(tensor(test.images, device=options.device), batch_size=60))[:, 0] > 0
    truth = test.labels > 0
    overlap = overlaps(found, truth)
    simple = {name: overlaps(rule(test.images), truth).mean() for name, rule in RULES.items()}
    kinds = {kind: float(overlap[i :: len(KINDS)].mean()) for i, kind in enumerate(KINDS)}
    print(
        f"{TEST} pictures of objects and a photo that it never saw: IoU {overlap.mean():.3f} "
        f"({', '.join(f'{kind} {value:.3f}' for kind, value in kinds.items())})"
    )
    print(
        f"what differs from the border's colour: {simple['border_colour']:.3f}; "
        f"Otsu's threshold: {simple['threshold']:.3f}"
    )
    _draw(options, test, found)
    return {
        "test_iou": float(overlap.mean()),
        **{f"test_{kind}_iou": value for kind, value in kinds.items()},
        **{f"baseline_{name}_iou": float(value) for name, value in simple.items()},
        "parameters": count(model),
        "seconds": round(seconds, 2),
    }


def overlaps(found: Mask, truth: Mask) -> npt.NDArray[np.float64]:
    """The IoU of each picture: masks (N, ...); 1 where both are empty."""
    axes = tuple(range(1, truth.ndim))
    both, either = (found & truth).sum(axes), (found | truth).sum(axes)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _masks(data: Composites) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    return data.images, data.labels[:, None].astype(np.float32)


def _host(x: Tensor) -> npt.NDArray[Any]:
    return np.asarray(x.to("cpu").numpy())


def _draw(options: Options, test: Composites, found: Mask) -> None:
    """Twelve pictures, what the network keeps of them, and what it should keep, on white."""
    pictures, kept, truth = test.images[:12], found[:12, None], test.labels[:12, None] > 0
    plot.rows(
        {
            "picture": pictures,
            "cut out": np.where(kept, pictures, np.float32(1)),
            "truth": np.where(truth, pictures, np.float32(1)),
        },
        path=options.out / "cutouts.png",
        title="Objects and a photo that U-Net never saw",
    )


REMOVEBG = Recipe("removebg", "U-Net removes the background behind an object", 6, 8, run)
