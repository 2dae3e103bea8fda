"""What the recipes share that restore pictures: the training, the measuring, and the classical filters beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.data import gaussian_filter, median_filter, photos
from tinydl.data.crops import turned
from tinydl.data.loader import DataLoader
from tinydl.data.transform import Transform
from tinydl.losses import mse
from tinydl.metrics import psnr, ssim
from tinydl.nn import Module
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import callbacks, fit
from tinydl.tensor import tensor
from tinydl.train import EarlyStopping, Trainer

Pictures: TypeAlias = npt.NDArray[np.float32]  # (N, C, H, W), from 0 to 1
Pair: TypeAlias = tuple[Pictures, Pictures]  # what the network gets, and what it should make of it
Restore: TypeAlias = Callable[[Pictures], Pictures]

TEST_PHOTO = "coffee"
TRAINING_COLUMNS = 192  # of the two other photos; the rest of them is for validation
SIGMAS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
SIZES = (3, 5, 7)


def learn(
    options: Options,
    model: Module,
    train: Pair,
    validation: Pair,
    max_lr: float,
    generator: Generator,
    noise: Transform | None = None,
) -> Restore:
    """Trains on the squared error, stops early on that of the validation pairs, and gives what restores pictures.

    `noise` is added to the inputs anew in every epoch.
    """
    loader = DataLoader(
        train, options.batch_size, shuffle=True, generator=generator, transform=noise, device=options.device
    )
    model = model.to(options.device)
    optimizer = Adam(model.parameters())
    schedule = OneCycleLR(optimizer, max_lr=max_lr, total_steps=options.epochs * len(loader))
    stopping = EarlyStopping(patience=5)
    trainer = Trainer(
        model,
        mse,
        optimizer,
        callbacks=callbacks(options, stopping),
        schedule=schedule,
        progress=options.progress,
    )
    fit(options, trainer, loader, DataLoader(validation, 100, device=options.device))

    def restore(pictures: Pictures) -> Pictures:
        return shown(trainer.predict(tensor(pictures, device=options.device), 100).to("cpu").numpy())

    return restore


def shown(pictures: npt.NDArray[Any]) -> Pictures:
    """The pictures as a screen shows them: nothing below 0 or above 1. Everything is measured so."""
    return np.clip(pictures, 0, 1, dtype=np.float32)


def measured(name: str, restored: Pictures, original: Pictures) -> dict[str, float]:
    """PSNR and SSIM of pictures as they are shown."""
    a, b = tensor(shown(restored)), tensor(original)
    return {f"{name}_psnr": psnr(a, b), f"{name}_ssim": ssim(a, b)}


def best(candidates: Iterable[Any], restore: Callable[[Pictures, Any], Pictures], pair: Pair) -> Any:
    """The setting of a filter that has the highest PSNR on (noisy, clean) validation pictures."""
    noisy, clean = pair
    return max(candidates, key=lambda setting: measured("it", restore(noisy, setting), clean)["it_psnr"])


def filters(pair: Pair) -> tuple[dict[str, Restore], dict[str, float]]:
    """A median and a Gaussian filter, each at the size that is best on validation pictures, and these sizes."""
    size, sigma = best(SIZES, median_filter, pair), best(SIGMAS, gaussian_filter, pair)
    restoring: dict[str, Restore] = {
        "median": lambda noisy: median_filter(noisy, size),
        "gaussian": lambda noisy: gaussian_filter(noisy, sigma),
    }
    return restoring, {"median_size": size, "gaussian_sigma": sigma}


def photo_parts() -> tuple[list[Pictures], list[Pictures], Pictures]:
    """The left of two photos to train on, the right to choose by, and the third; each (1, 3, H, W), H and W even."""
    pictures = {
        name: pixels[: len(pixels) // 2 * 2].transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        for name, pixels in photos.load().items()
    }
    test = pictures.pop(TEST_PHOTO)
    train = [picture[..., :TRAINING_COLUMNS] for picture in pictures.values()]
    return train, [picture[..., TRAINING_COLUMNS:] for picture in pictures.values()], test


def patches(pictures: list[Pictures], size: int, ways: int = 1) -> Pictures:
    """Squares (N, C, size, size) that overlap by half, from pictures (1, C, H, W); with ways=8, turned and mirrored."""
    cut = []
    for picture in pictures:
        windows = np.lib.stride_tricks.sliding_window_view(picture[0], (size, size), (1, 2))
        half = windows[:, :: size // 2, :: size // 2]
        cut.append(half.transpose(1, 2, 0, 3, 4).reshape(-1, len(picture[0]), size, size))
    squares = np.concatenate(cut)
    return np.concatenate([turned(squares, way) for way in range(ways)])


def detail(picture: Pictures, top: int, left: int, side: int) -> Pictures:
    """A square of a picture (1, C, H, W)."""
    return picture[..., top : top + side, left : left + side]
