"""How the learning rates of the classifiers were chosen: on a validation part of the training images.

Test images are not looked at. Of Fashion-MNIST (the full set, Debian's `dataset-fashion-mnist`) 9,000 training images
train and 1,000 others judge; of MNIST-5k 3,600 and 400.

    python -m benchmarks.classifier_settings resnet --rates 0.05 0.1 0.2 [--data mnist] [--epochs 3] [--batch-size 128]
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from types import ModuleType

from tinydl.data import fashion_mnist, mnist, train_validation_test_split
from tinydl.data.images import Images
from tinydl.data.loader import DataLoader
from tinydl.kernels.threads import limited
from tinydl.random import Generator
from tinydl.recipes import alexnet, resnet, vgg
from tinydl.recipes.classify import Settings

RECIPES: dict[str, ModuleType] = {"alexnet": alexnet, "vgg": vgg, "resnet": resnet}


def chosen_on(data: str) -> tuple[Images, str]:
    """Training images, and the name of their settings in a recipe."""
    if data == "mnist":
        return mnist.load().train, "SETTINGS"
    images, labels = fashion_mnist.load("full").train
    return Images(images[:10_000], labels[:10_000]), "ON_CLOTHES"


def measure(settings: Settings, images: Images, epochs: int, batch_size: int) -> float:
    """The validation accuracy of one run, with seed 0."""
    generator = Generator(0)
    train, validation, _ = train_validation_test_split(
        settings.prepare(images.images),
        images.labels,
        fractions=(0.9, 0.1, 0.0),
        stratify=images.labels,
        generator=generator.fork(),
    )
    loader = DataLoader(
        train, batch_size, shuffle=True, generator=generator.fork(), transform=settings.transform
    )
    trainer = settings.trainer(loader, epochs, generator.fork(), progress=False)
    trainer.fit(loader, epochs=epochs)
    return trainer.evaluate(DataLoader(validation, 250))["accuracy"]


def main() -> None:
    """Prints one line for each candidate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=list(RECIPES))
    parser.add_argument("--data", choices=["fashion_mnist", "mnist"], default="fashion_mnist")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rates", type=float, nargs="+", required=True)
    asked = parser.parse_args()
    images, name = chosen_on(asked.data)
    for rate in asked.rates:
        start = time.process_time()
        settings = dataclasses.replace(getattr(RECIPES[asked.name], name), max_lr=rate)
        with limited(1):
            accuracy = measure(settings, images, asked.epochs, asked.batch_size)
        print(
            f"| {asked.name} | {asked.data} | {asked.epochs} | {asked.batch_size} | {rate:g} | {accuracy:.1%} "
            f"| {time.process_time() - start:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
