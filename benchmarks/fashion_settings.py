"""How the settings of `tinydl train lenet --data fashion_mnist` were chosen: on a tenth of the training images.

The official test images are not looked at. Needs the 60,000 training images (Debian's `dataset-fashion-mnist`).

    python -m benchmarks.fashion_settings [--epochs 30]
"""

from __future__ import annotations

import argparse
import dataclasses
import time

from tinydl.data import fashion_mnist, train_validation_test_split
from tinydl.data.augment import RandomHorizontalFlip
from tinydl.data.loader import DataLoader
from tinydl.random import Generator
from tinydl.recipes.classify import Settings
from tinydl.recipes.lenet import ON_CLOTHES, SETTINGS, images

CANDIDATES: dict[str, Settings] = {
    "tanh, averages": dataclasses.replace(SETTINGS, transform=RandomHorizontalFlip()),
    "ReLU, maxima": ON_CLOTHES,
}


def measure(settings: Settings, epochs: int) -> float:
    """The validation accuracy of one run, with the seed, the split and the draws of the recipe."""
    data = fashion_mnist.load("full").train
    generator = Generator(0)
    train, validation, _ = train_validation_test_split(
        images(data.images),
        data.labels,
        fractions=(0.9, 0.1, 0.0),
        stratify=data.labels,
        generator=generator.fork(),
    )
    loader = DataLoader(train, 64, shuffle=True, generator=generator.fork(), transform=settings.transform)
    trainer = settings.trainer(loader, epochs, generator.fork(), progress=False)
    trainer.fit(loader, epochs=epochs)
    return trainer.evaluate(DataLoader(validation, 250))["accuracy"]


def main() -> None:
    """Prints one line for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args().epochs
    print("| LeNet-5 with | validation accuracy | s |\n|---|---|---|")
    for what, settings in CANDIDATES.items():
        start = time.perf_counter()
        print(f"| {what} | {measure(settings, epochs):.2%} | {time.perf_counter() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main()
