"""`tinydl train overfitting` on a handful of digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl import nn
from tinydl.recipes import RECIPES, Options
from tinydl.recipes import overfitting as recipe


@pytest.fixture
def few(few_digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "mnist", few_digits)
    monkeypatch.setattr(recipe, "IMAGES", 60)
    monkeypatch.setattr(recipe, "PATIENCE", 2)
    monkeypatch.setattr(recipe, "LR", 0.05)


def test_its_files_and_figures(few: None, tmp_path: Path) -> None:
    options = Options(tmp_path, epochs=30, batch_size=15, progress=False)
    metrics = RECIPES["overfitting"].run(options)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["overfitting.png", *recipe.NAMES])
    with Image.open(tmp_path / "overfitting.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    assert metrics["images"] == 60
    assert metrics["parameters"] == 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10
    for name in recipe.NAMES:
        assert 0.1 < metrics[f"test_accuracy_{name}"] <= 1
        assert metrics[f"lowest_validation_loss_{name}"] <= metrics[f"validation_loss_{name}"]
    # learned by heart without a remedy, and not with one
    assert metrics["train_loss_nothing"] < 0.05
    assert metrics["train_loss_nothing"] < metrics["train_loss_weight_decay"]
    assert metrics["train_loss_nothing"] < metrics["train_loss_dropout"]
    assert metrics["epochs_early_stopping"] < metrics["epochs_nothing"] == 30
    # until it stops it is the same training, to the bit
    plain, stopped = (
        (tmp_path / name / "history.csv").read_text().splitlines() for name in ("nothing", "early_stopping")
    )
    without_seconds = [[line.rsplit(",", 1)[0] for line in lines] for lines in (plain, stopped)]
    assert without_seconds[0][: len(stopped)] == without_seconds[1]


def test_remedies_begin_with_the_same_weights() -> None:
    models = {name: recipe.build(name, td.Generator(1)) for name in recipe.NAMES}
    weights = {name: [p.numpy() for p in model.parameters()] for name, model in models.items()}
    for found in weights.values():
        assert all(map(np.array_equal, found, weights["nothing"]))
    dropping = {
        name: any(isinstance(m, nn.Dropout) for m in model.modules()) for name, model in models.items()
    }
    assert dropping == {name: name == "dropout" for name in recipe.NAMES}


def test_only_its_own_remedy_is_used(few: None, tmp_path: Path) -> None:
    x, y = np.zeros((20, 1, 28, 28), np.float32), np.arange(20) % 10
    options = Options(tmp_path, epochs=1, batch_size=10, progress=False)
    for name in recipe.NAMES:
        trainer = recipe.train(options, name, (x, y), (x, y))
        assert (trainer.optimizer.weight_decay > 0) == (name == "weight_decay")
        stops = any(isinstance(c, td.train.EarlyStopping) for c in trainer.callbacks)
        assert stops == (name == "early_stopping")
