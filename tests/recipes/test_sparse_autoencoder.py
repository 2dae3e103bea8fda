"""`tinydl train sparse-autoencoder` on a handful of digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.data import mnist
from tinydl.data.images import Images, ImageSet
from tinydl.recipes import RECIPES, Options
from tinydl.recipes import sparse_autoencoder as recipe


class Few:
    """MNIST with 250 training images and 100 held out."""

    def load(self) -> ImageSet:
        whole = mnist.load()
        parts = {
            name: Images(*(array[:: len(array) // count] for array in part))
            for name, part, count in (("train", whole.train, 250), ("test", whole.test, 100))
        }
        return ImageSet(**{**vars(whole), **parts})


def train(out: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "mnist", Few())
        return RECIPES["sparse-autoencoder"].run(Options(out, epochs=5, batch_size=32, progress=False))


def test_its_files_and_figures(tmp_path: Path) -> None:
    metrics = train(tmp_path)
    pictures = ["activations.png", "features.png", "reconstructions.png"]
    variants = ["plain", "l1", "kl", "dropout"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*pictures, *variants])
    for name in pictures:
        with Image.open(tmp_path / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    for name in variants:
        lines = (tmp_path / name / "history.csv").read_text().splitlines()
        assert "validation_activation" in lines[0]
        assert 0 < metrics[f"test_mse_{name}"] < 0.2
        assert 0 < metrics[f"active_{name}"] <= 1
    assert metrics["parameters"] == 784 * 256 + 256 + 256 * 784 + 784
    assert metrics["baseline_activation"] == metrics["activation_plain"]
    assert metrics["activation_l1"] < 0.8 * metrics["activation_plain"]
    assert metrics["activation_kl"] < 0.8 * metrics["activation_plain"]


def test_the_same_seed_drops_the_same_units(tmp_path: Path) -> None:
    x = td.data.to_float(mnist.load().train.images[:64])
    weights = []
    for seed in (0, 0, 1):
        options = Options(tmp_path, epochs=1, batch_size=32, progress=False)
        model, activations = recipe.train(options, "dropout", (x, x), td.Generator(seed))
        assert len(activations) == 1
        weights.append(model.state_dict()["decoder.0.weight"])
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()


def test_only_the_dropout_variant_drops() -> None:
    x = td.rand(10, 784, generator=0)
    for name in recipe.NAMES:
        codes = recipe.build(name, td.Generator(0))(x)[1].numpy()
        assert (codes == 0).any() == (name == "dropout")


def test_active_does_not_depend_on_the_scale_of_a_unit() -> None:
    codes = np.array([[1.0, 0.0], [0.0, 0.0], [0.2, 0.0], [0.05, 1.0]], np.float32)
    assert recipe.active(codes) == recipe.active(codes * np.array([7, 0.01], np.float32)) == 3 / 8


def test_features_are_those_that_vary_most_in_red_and_blue() -> None:
    weight = np.zeros((784, 3), np.float32)
    weight[0] = [1, 2, -1]
    weight[1] = [0, -4, 0]
    codes = np.array([[0, 0.5, 0], [0, 0.6, 1]], np.float32)  # unit 0 never changes
    red_blue, blue = recipe.features(weight, codes, 2)[
        :, 0, :3
    ]  # unit 2 varies by 1 * 0.5, unit 1 by 4.5 * 0.05
    np.testing.assert_allclose(red_blue[0], [0, 0, 1])
    np.testing.assert_allclose(red_blue[1:], 1)
    np.testing.assert_allclose(blue, [[1, 0.5, 0.5], [0, 0, 1], [1, 1, 1]])
