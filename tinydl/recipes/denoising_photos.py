"""A denoising network for photos: trained on patches of two, tested on the third."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.data.augment import GaussianNoise
from tinydl.models import DnCNN
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.restoring import TEST_PHOTO, detail, filters, learn, measured, patches, photo_parts, shown
from tinydl.recipes.training import count

NOISE = 25 / 255  # as in the papers
SIZE = 32
MAX_LR = 1e-2


def run(options: Options) -> dict[str, Any]:
    """Trains a small DnCNN with fresh noise in every epoch and cleans the photo that it never saw."""
    start = time.perf_counter()
    train, validation, test = photo_parts()
    generator, noise = Generator(options.seed), GaussianNoise(NOISE)
    squares, held = patches(train, SIZE, ways=8), patches(validation, SIZE)
    print(
        f"data: {len(squares):,} patches of two embedded photos, the third ({TEST_PHOTO}) held out; "
        "noise of deviation 25 is added to pixels from 0 to 255"
    )
    choosing = noise(held, generator.fork()), held
    noisy = noise(test, generator.fork())
    model = DnCNN(channels=3, features=24, depth=5, generator=generator.fork())
    network = learn(options, model, (squares, squares), choosing, MAX_LR, generator.fork(), noise)
    classical, settings = filters(choosing)

    cleaned = {"with noise": noisy, "median filter": classical["median"](noisy)}
    cleaned |= {"Gaussian filter": classical["gaussian"](noisy), "network": network(noisy)}
    metrics: dict[str, Any] = {}
    for key, pictures in zip(
        ("baseline_noisy", "baseline_median", "baseline_gaussian", "test"), cleaned.values(), strict=True
    ):
        metrics |= measured(key, pictures, test)
    cleaned["original"] = test
    drawn = [shown(x) for x in cleaned.values()]
    levels = [value for key, value in metrics.items() if key.endswith("psnr")]
    plot.images(
        np.concatenate(drawn),
        [f"{name}, {level:.1f} dB" for name, level in zip(cleaned, levels, strict=False)] + ["original"],
        columns=5,
        path=options.out / "photo.png",
        title="A photo that the network never saw",
    )
    plot.images(
        np.concatenate([detail(x, 20, 70, 72) for x in drawn]),
        list(cleaned),
        columns=5,
        path=options.out / "detail.png",
        title="A detail of it",
    )
    print(
        f"denoising-photos: PSNR of the held-out photo {metrics['baseline_noisy_psnr']:.1f} dB before, "
        f"{metrics['test_psnr']:.1f} after; median filter {metrics['baseline_median_psnr']:.1f}, Gaussian "
        f"{metrics['baseline_gaussian_psnr']:.1f}, their sizes the best on parts of the training photos"
    )
    return {
        **metrics,
        **settings,
        "noise": NOISE,
        "parameters": count(model),
        "seconds": round(time.perf_counter() - start, 2),
    }


DENOISING_PHOTOS = Recipe("denoising-photos", "a residual network cleans a noisy photo", 6, 16, run)
