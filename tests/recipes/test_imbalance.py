"""`tinydl train imbalance` on a handful of digits: what is rare, and how each way shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.recipes import RECIPES, Options
from tinydl.recipes import imbalance as recipe


@pytest.fixture(scope="module")
def known() -> tuple[Any, Any]:
    """60 of every class, of which the rare keep 20; each image says which class and which one it is."""
    y = np.repeat(np.arange(10), 60)
    x = np.zeros((600, 1, 32, 32), np.float32)
    x[:, 0, 16, 16] = np.arange(600) / 600
    return recipe.imbalanced(x, y, td.Generator(0))


def shown(name: str, known: tuple[Any, Any]) -> tuple[Any, Any, int]:
    options = Options(Path(), epochs=1, batch_size=16, progress=False)
    loader = recipe.loader(name, *known, options, td.Generator(0))
    batches = [(x.numpy(), y.numpy()) for x, y in loader]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return x, y, len(loader)


def test_five_classes_are_rare_and_images_keep_their_labels(known: tuple[Any, Any]) -> None:
    x, y = known
    assert np.bincount(y).tolist() == [60, 20] * 5
    assert (np.round(x[:, 0, 16, 16] * 600) // 60 == y).all()
    assert len(np.unique(x[:, 0, 16, 16])) == 400


def test_every_way_makes_as_many_steps(known: tuple[Any, Any]) -> None:
    assert {shown(name, known)[2] for name in recipe.NAMES} == {25}


def test_what_each_way_shows(known: tuple[Any, Any]) -> None:
    originals = {image.tobytes() for image in known[0]}
    new, rare = {}, {}
    for name in recipe.NAMES:
        x, y, _ = shown(name, known)
        changed = np.array([image.tobytes() not in originals for image in x])
        new[name] = changed.mean()
        rare[name] = np.isin(y, recipe.RARE).mean()
        assert not changed[~np.isin(y, recipe.RARE)].any() or name == "augmented"
    assert rare["plain"] == rare["weights"] == rare["augmented"] == 0.25
    assert rare["sampler"] == rare["copies"] == 0.5
    assert new["plain"] == new["weights"] == new["sampler"] == 0
    assert 0.2 < new["copies"] <= 0.5
    assert new["augmented"] > 0.9


def test_weights_make_all_classes_equal(known: tuple[Any, Any]) -> None:
    y = known[1]
    weights = recipe.class_weights(y)
    np.testing.assert_allclose(weights * np.bincount(y), len(y) / 10, rtol=1e-6)
    scores, labels = td.rand(400, 10, generator=0), td.tensor(y)
    by_class = [
        td.losses.cross_entropy(td.tensor(scores.numpy()[y == c]), td.tensor(y[y == c])).item()
        for c in range(10)
    ]
    assert recipe.loss("weights", y, "cpu")(scores, labels).item() == pytest.approx(
        np.mean(by_class), rel=1e-5
    )
    assert recipe.loss("plain", y, "cpu") is td.losses.cross_entropy


def test_every_way_starts_from_the_same_weights(
    known: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "fit", lambda *_: None)
    options = Options(tmp_path, epochs=1, batch_size=16, progress=False)
    first, *others = (
        recipe.train(options, name, known, known, td.Generator(3)).model.state_dict() for name in recipe.NAMES
    )
    for other in others:
        assert all((other[key] == first[key]).all() for key in first)


def test_recall_by_class() -> None:
    labels = np.repeat(np.arange(10), 4)
    answers = labels.copy()
    answers[labels == 3] = 8
    answers[labels == 2] = [2, 2, 2, 8]
    recall = recipe.recalls(td.tensor(np.eye(10, dtype=np.float32)[answers]), td.tensor(labels))
    assert recall.tolist() == [1, 1, 0.75, 0, 1, 1, 1, 1, 1, 1]
    figures = recipe.figures(recall)
    assert figures["balanced_accuracy"] == pytest.approx(0.875)
    assert figures["rare_recall"] == pytest.approx(0.8)
    assert figures["frequent_recall"] == pytest.approx(0.95)
    assert figures["worst_recall"] == 0


def test_its_files_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_digits: Any) -> None:
    monkeypatch.setattr(recipe, "mnist", few_digits)
    metrics = RECIPES["imbalance"].run(Options(tmp_path, epochs=1, batch_size=64, progress=False))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*recipe.NAMES, "copies.png", "recall.png"]
    )
    for name in recipe.NAMES:
        kind = "baseline" if name == "plain" else "test"
        recalls = [metrics[f"{kind}_{name}_{part}_recall"] for part in ("rare", "frequent")]
        assert metrics[f"{kind}_{name}_balanced_accuracy"] == pytest.approx(np.mean(recalls))
        assert 0 <= metrics[f"{kind}_{name}_worst_recall"] <= min(recalls)
    assert (metrics["rare_images"], metrics["frequent_images"]) == (20, 36)
    assert 0.3 < metrics["baseline_nearest_neighbour_balanced_accuracy"] < 1
