"""`tinydl train depth` on a handful of digits, with the shallowest networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.data import mnist
from tinydl.recipes import RECIPES, Options
from tinydl.recipes import depth as recipe


def test_its_files_and_figures(few_digits: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recipe, "mnist", few_digits)
    monkeypatch.setattr(recipe, "SHALLOW", 8)
    monkeypatch.setattr(recipe, "DEEP", 14)
    options = Options(tmp_path, epochs=1, batch_size=80, progress=False)
    metrics = RECIPES["depth"].run(options)
    names = ["plain_8", "plain_14", "residual_8", "residual_14"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["depth.png", *names])
    with Image.open(tmp_path / "depth.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    for name in names:
        assert metrics[f"train_loss_{name}"] > 0
        assert 0 <= metrics[f"test_accuracy_{name}"] <= 1
    assert metrics["parameters_14"] > metrics["parameters_8"]
    assert len({metrics[f"train_loss_{name}"] for name in names}) == 4


def test_plain_and_residual_begin_alike_and_see_the_same_batches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}

    def no_training(options: Options, trainer: td.train.Trainer, train: Any, validation: Any) -> None:
        seen[options.out.name] = trainer.model, next(iter(train))

    monkeypatch.setattr(recipe, "fit", no_training)
    x, y = recipe.halved(mnist.load().train.images[:32]), mnist.load().train.labels[:32]
    for kind in recipe.KINDS:
        options = Options(tmp_path / kind, 1, 16, seed=5, progress=False)
        recipe.train(options, kind, 8, (x, y), (x, y))
    (plain, ours), (residual, theirs) = seen["plain"], seen["residual"]
    assert all((a.numpy() == b.numpy()).all() for a, b in zip(ours, theirs, strict=True))
    a, b = plain.state_dict(), residual.state_dict()
    assert list(a) == list(b)
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not plain.layer1[0].residual
    assert residual.layer1[0].residual


def test_halved_images_are_means_of_2x2_pixels() -> None:
    pixels = np.zeros((1, 28, 28), np.uint8)
    pixels[0, 2:4, 6:8] = [[255, 255], [0, 255]]
    small = recipe.halved(pixels)
    assert small.shape == (1, 1, 14, 14)
    assert small.dtype == np.float32
    assert small[0, 0, 1, 3] - small[0, 0, 0, 0] == pytest.approx(0.75)
