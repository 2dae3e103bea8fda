"""`tinydl train unet-classes` and `segmentation-classes`, on a few pictures: files, figures, losses by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import FCN
from tinydl.recipes import RECIPES, Options, digit_classes, segmentation_classes
from tinydl.recipes.digit_classes import CLASSES, Data, both, figures, mean_iou, soft_dice, train_on_digits


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in {"TRAIN": 16, "VALIDATION": 10, "TEST": 12}.items():
        monkeypatch.setattr(digit_classes, name, count)
    monkeypatch.setattr(segmentation_classes, "REPEATS", 1)


def options(out: Path, **others: Any) -> Options:
    return Options(**{"out": out, "epochs": 1, "batch_size": 8, "progress": False, **others})


@pytest.mark.parametrize(
    ("name", "parts", "picture"),
    [
        ("unet-classes", ["cross_entropy", "dice", "both"], "losses.png"),
        ("segmentation-classes", ["unet", "fcn", "segnet", "enet"], "tradeoff.png"),
    ],
)
@pytest.mark.usefixtures("few")
def test_a_short_run(name: str, parts: list[str], picture: str, tmp_path: Path) -> None:
    metrics = RECIPES[name].run(options(tmp_path))
    for part in parts:
        assert 0 <= metrics[f"test_{part}_iou"] <= 1
        assert 0 <= metrics[f"test_{part}_pixel_accuracy"] <= 1
        assert (tmp_path / part / "checkpoint.safetensors").is_file()
    assert 0 < metrics["baseline_iou"] < 1
    assert all(math.isfinite(value) for value in metrics.values())
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"segmentation.png", picture}


def test_the_dice_loss_by_hand() -> None:
    """Probabilities of one half against masks: 1 - (2 * overlap + 1) / (sums + 1), the mean over classes."""
    logits = np.full((1, CLASSES, 2, 2), -100.0, np.float32)
    logits[:, :2] = 0  # background and digit 0 are equally likely
    labels = np.array([[[0, 0], [0, 1]]])
    loss = soft_dice(td.tensor(logits), td.tensor(labels)).item()
    background = 1 - (2 * 1.5 + 1) / (2 + 3 + 1)
    digit = 1 - (2 * 0.5 + 1) / (2 + 1 + 1)
    assert loss == pytest.approx((background + digit) / CLASSES)
    twice = soft_dice(td.tensor(np.repeat(logits, 2, axis=2)), td.tensor(np.repeat(labels, 2, axis=1)))
    batch = soft_dice(td.tensor(np.repeat(logits, 2, axis=0)), td.tensor(np.repeat(labels, 2, axis=0)))
    assert batch.item() == pytest.approx(twice.item())  # a batch counts as one large picture
    entropy = td.losses.cross_entropy(td.tensor(logits), td.tensor(labels)).item()
    assert both(td.tensor(logits), td.tensor(labels)).item() == pytest.approx(loss + entropy)
    assert entropy == pytest.approx(math.log(2))


def test_figures_by_hand() -> None:
    truth = np.array([[[0, 1, 1, 2], [0, 3, 4, 5]]])
    labels = np.array([[[0, 1, 2, 2], [1, 3, 4, 5]]])
    got = figures(labels, truth)
    assert got["iou"] == pytest.approx((1 / 3 + 1 / 2 + 1 + 1 + 1) / 5)
    assert got["right_digit"] == pytest.approx(5 / 6)
    assert got["pixel_accuracy"] == pytest.approx(6 / 8)
    logits = np.eye(CLASSES, dtype=np.float32)[labels].transpose(0, 3, 1, 2)
    assert mean_iou(td.tensor(logits), td.tensor(truth)) == pytest.approx(got["iou"])
    assert figures(np.zeros_like(truth), truth)["right_digit"] == 0


def test_a_network_learns_where_digits_are(tmp_path: Path) -> None:
    """Three passes over 96 pictures are too few to tell digits apart, but enough to find them."""
    counts = {"train": 96, "validation": 20, "test": 20}
    data = Data(*(td.data.digits_on_photos(n, part, generator=0) for part, n in counts.items()))
    build = lambda generator: FCN(3, CLASSES, base=8, generator=generator)
    trainer = train_on_digits(options(tmp_path, epochs=3), build, both, data, max_lr=2e-2)
    rows = trainer.history.rows
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    with td.no_grad():
        shares = td.functional.softmax(trainer.model(td.tensor(data.test.images)), axis=1).numpy()
    ink = 1 - shares[:, 0]
    truth = data.test.labels > 0
    assert ink[truth].mean() > 1.5 * ink[~truth].mean()
