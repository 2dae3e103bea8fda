"""`tinydl train conv-autoencoder` on a handful of clothes, and that convolutions beat dense layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl import nn
from tinydl.data import fashion_mnist, to_float
from tinydl.data.images import Images, ImageSet
from tinydl.models import Autoencoder, ConvAutoencoder
from tinydl.recipes import RECIPES, Options
from tinydl.recipes import conv_autoencoder as recipe
from tinydl.recipes.reconstruction import (
    error,
    one_of_each,
    rebuilt,
    train_and_validation,
    train_to_reconstruct,
)


class Few:
    """Fashion-2k with 150 training images and 100 held out."""

    def load(self) -> ImageSet:
        whole = fashion_mnist.load()
        parts = {
            name: Images(*(array[:: len(array) // count] for array in part))
            for name, part, count in (("train", whole.train, 150), ("test", whole.test, 100))
        }
        return ImageSet(**{**vars(whole), **parts})


def test_its_files_and_figures(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "fashion_mnist", Few())
        metrics = RECIPES["conv-autoencoder"].run(Options(tmp_path, epochs=1, batch_size=64, progress=False))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["conv", "dense", "reconstructions.png"]
    with Image.open(tmp_path / "reconstructions.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    assert len((tmp_path / "conv" / "history.csv").read_text().splitlines()) == 2
    assert len((tmp_path / "dense" / "history.csv").read_text().splitlines()) == 1 + recipe.DENSE_EPOCHS
    assert abs(metrics["parameters"] / metrics["baseline_dense_parameters"] - 1) < 0.001
    assert 0 < metrics["test_mse"] < 0.2
    assert 0 < metrics["baseline_pca_mse"] < metrics["baseline_dense_mse"] < 0.2
    assert metrics["less_than_dense"] == pytest.approx(
        1 - metrics["test_mse"] / metrics["baseline_dense_mse"]
    )


def test_after_a_few_epochs_convolutions_are_ahead(tmp_path: Path) -> None:
    """The claim of the full run stands in benchmarks/results; this one takes seconds."""
    data = fashion_mnist.load()
    images = train_and_validation(data, td.Generator(0))
    x = to_float(data.test.images)
    errors = []
    for model in (
        ConvAutoencoder(code=32, activation=nn.ELU, generator=0),
        Autoencoder((784, 70, 32), nn.ELU, generator=0),
    ):
        options = Options(tmp_path / type(model).__name__, epochs=3, batch_size=64, progress=False)
        trainer = train_to_reconstruct(
            options, model, images, 1e-2, td.data.augment.RandomHorizontalFlip(), td.Generator(1)
        )
        errors.append(error(rebuilt(trainer, x, options), x))
    conv, dense = errors
    assert conv < 0.9 * dense


def test_validation_part_and_shown_images() -> None:
    train, validation = train_and_validation(fashion_mnist.load(), td.Generator(0))
    assert (train.shape, validation.shape) == ((1350, 1, 28, 28), (150, 1, 28, 28))
    assert not {image.tobytes() for image in validation} <= {image.tobytes() for image in train}
    assert one_of_each(np.array([2, 0, 0, 1, 2])).tolist() == [1, 3, 0]


def test_augmented_images_are_the_targets_too(tmp_path: Path) -> None:
    """The loss is that of the changed images: a network that returns its input has none."""

    class Same(Autoencoder):
        def forward(self, x: Any) -> Any:
            return x + 0.0 * self.encode(x).sum()

    x = np.random.default_rng(0).random((8, 1, 4, 4), np.float32)
    options = Options(tmp_path, epochs=1, batch_size=4, progress=False)
    trainer = train_to_reconstruct(
        options,
        Same((16, 2), generator=0),
        (x, x),
        1e-3,
        lambda images, generator: images * 0.5,
        td.Generator(0),
    )
    assert trainer.history["loss"] == [0.0]
