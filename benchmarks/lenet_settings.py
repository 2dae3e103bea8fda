"""How the settings of `tinydl train lenet` were chosen: on a validation part of the 4,000 training digits.

The held-out part is not looked at. For each candidate and seed, 3,200 digits train and 800 others judge.

    python -m benchmarks.lenet_settings [--seeds 5]
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np

from tinydl.data import mnist, train_validation_test_split
from tinydl.data.augment import RandomAffine
from tinydl.data.loader import DataLoader
from tinydl.random import Generator
from tinydl.recipes.lenet import SETTINGS, images

AFFINE = SETTINGS.transform
assert isinstance(AFFINE, RandomAffine)

# epochs, batch size, highest learning rate, augmentation
CANDIDATES = [
    (10, 64, 5e-3, None),
    (25, 64, 5e-3, None),
    (25, 64, 5e-3, AFFINE),
    (25, 32, 3e-3, AFFINE),
    (40, 64, 5e-3, AFFINE),
    (40, 32, 3e-3, AFFINE),
    (40, 32, 3e-3, RandomAffine(degrees=15, translate=2, scale=0.15, shear=15)),
]


def measure(epochs: int, batch_size: int, max_lr: float, affine: RandomAffine | None, seed: int) -> float:
    """The validation accuracy of one run."""
    digits = mnist.load().train
    x, y = images(digits.images), digits.labels
    train, validation, _ = train_validation_test_split(
        x, y, fractions=(0.8, 0.2, 0.0), stratify=y, generator=1000 + seed
    )
    generator = Generator(seed)
    loader = DataLoader(train, batch_size, shuffle=True, generator=generator.fork(), transform=affine)
    settings = dataclasses.replace(SETTINGS, max_lr=max_lr)
    trainer = settings.trainer(loader, epochs, generator.fork(), progress=False)
    trainer.fit(loader, epochs=epochs)
    return trainer.evaluate(DataLoader(validation, 200))["accuracy"]


def main() -> None:
    """Prints one line for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    print("| epochs | batch | max lr | augmentation | mean | deviation | s per run |")
    print("|---|---|---|---|---|---|---|")
    for epochs, batch_size, max_lr, affine in CANDIDATES:
        start = time.perf_counter()
        found = np.array([measure(epochs, batch_size, max_lr, affine, seed) for seed in seeds])
        seconds = (time.perf_counter() - start) / len(found)
        what = "none" if affine is None else ", ".join(f"{n:g}" for n in affine.given)
        print(
            f"| {epochs} | {batch_size} | {max_lr:g} | {what} | {found.mean():.2%} | {found.std():.2%} "
            f"| {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
