"""Super-resolution: digits of 14x14 pixels and a small photo, at twice their size."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.data import bicubic, mnist, to_float
from tinydl.models import SuperResolution
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.reconstruction import train_and_validation
from tinydl.recipes.restoring import (
    TEST_PHOTO,
    Pair,
    Pictures,
    detail,
    learn,
    measured,
    patches,
    photo_parts,
    shown,
)
from tinydl.recipes.training import count

MAX_LR = {"digits": 5e-3, "photos": 3e-3}
SIZE = 32  # of the patches of photos, large
SHOWN = 10  # digits in the picture


def halved(pictures: Pictures) -> Pictures:
    """The pictures (N, C, H, W), H and W even, at half their size, by bicubic interpolation."""
    return bicubic(pictures, (pictures.shape[2] // 2, pictures.shape[3] // 2))


def nearest(pictures: Pictures) -> Pictures:
    """Each pixel as 2x2 of its colour: what the network gets, at the size of what it makes."""
    return pictures.repeat(2, axis=2).repeat(2, axis=3)


def compared(
    small: Pictures, network: Pictures, original: Pictures
) -> tuple[dict[str, Pictures], dict[str, float]]:
    """The enlargements and their figures."""
    size = original.shape[2], original.shape[3]
    ways = {"pixels": nearest(small), "bicubic": bicubic(small, size), "network": shown(network)}
    metrics = measured("test", ways["network"], original)
    metrics |= measured("baseline_bicubic", ways["bicubic"], original)
    return ways, metrics | measured("baseline_nearest", ways["pixels"], original)


def digits(options: Options) -> dict[str, Any]:
    """Trains on digits and their halves, and enlarges held-out ones from 14x14 to 28x28."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}; made smaller from 28x28 to 14x14 pixels by bicubic interpolation")
    generator = Generator(options.seed)
    train, validation = train_and_validation(data, generator.fork())
    model = SuperResolution(generator=generator.fork())
    network = learn(options, model, pair(train), pair(validation), MAX_LR["digits"], generator.fork())
    test = to_float(data.test.images)
    small = halved(test)
    ways, metrics = compared(small, network(small), test)

    first = [int(np.flatnonzero(data.test.labels == digit)[0]) for digit in range(SHOWN)]
    names = {"bicubic": "bicubic, {baseline_bicubic_psnr:.1f} dB", "network": "network, {test_psnr:.1f} dB"}
    rows = {names.get(name, "14x14 pixels").format(**metrics): x[first] for name, x in ways.items()}
    rows["28x28, the original"] = test[first]
    plot.rows(rows, options.out / "digits.png", "Held-out digits enlarged, and the PSNR over all of them")
    print(
        f"super-resolution: PSNR on the {data.test_name} {metrics['test_psnr']:.1f} dB, bicubic interpolation "
        f"{metrics['baseline_bicubic_psnr']:.1f}"
    )
    return {**metrics, "parameters": count(model), "seconds": round(time.perf_counter() - start, 2)}


def photo(options: Options) -> dict[str, Any]:
    """Trains on patches of two photos and their halves, and enlarges the third, which it never saw."""
    start = time.perf_counter()
    train, validation, test = photo_parts()
    # The whole photos are made smaller, not the patches, whose borders would be another thing than their insides.
    pairs, choosing = (
        (patches([halved(x) for x in pictures], SIZE // 2, ways), patches(pictures, SIZE, ways))
        for pictures, ways in ((train, 8), (validation, 1))
    )
    print(
        f"data: {len(pairs[0]):,} patches of two embedded photos, the third ({TEST_PHOTO}) held out; "
        "made smaller to half by bicubic interpolation"
    )
    generator = Generator(options.seed)
    model = SuperResolution(channels=3, features=24, generator=generator.fork())
    network = learn(options, model, pairs, choosing, MAX_LR["photos"], generator.fork())
    small = halved(test)
    ways, metrics = compared(small, network(small), test)

    ways["original"] = test
    levels = [metrics["baseline_nearest_psnr"], metrics["baseline_bicubic_psnr"], metrics["test_psnr"]]
    titles = [f"{name}, {level:.1f} dB" for name, level in zip(ways, levels, strict=False)] + ["original"]
    plot.images(
        np.concatenate([detail(x, 72, 140, 72) for x in ways.values()]),
        titles,
        columns=4,
        path=options.out / "detail.png",
        title="A detail of the enlarged photo, and the PSNR of all of it",
    )
    print(
        f"super-resolution-photos: PSNR of the held-out photo {metrics['test_psnr']:.1f} dB, bicubic interpolation "
        f"{metrics['baseline_bicubic_psnr']:.1f}"
    )
    return {**metrics, "parameters": count(model), "seconds": round(time.perf_counter() - start, 2)}


def pair(pictures: Pictures) -> Pair:
    """Small pictures and what they should become."""
    return halved(pictures), pictures


SUPER_RESOLUTION = Recipe("super-resolution", "digits of 14x14 pixels become 28x28", 10, 64, digits)
SUPER_RESOLUTION_PHOTOS = Recipe("super-resolution-photos", "a photo at twice its size", 10, 16, photo)
