"""Alarms: what a threshold promises, and what networks find that have seen only what is normal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.data import breast_cancer
from tinydl.metrics import roc_auc
from tinydl.recipes import RECIPES, Options, anomaly_digits
from tinydl.recipes.anomaly import alarms, closed, standardised, threshold, true_alarms
from tinydl.tensor import tensor


@given(seed=st.integers(0, 2**32), rows=st.integers(19, 60))
def test_a_new_row_exceeds_the_threshold_as_often_as_promised(seed: int, rows: int) -> None:
    """Whichever of n + 1 rows is the new one, at most 5 % of the choices raise an alarm, and it is no smaller rate."""
    scores = np.random.default_rng(seed).permutation(rows + 1).astype(np.float64)
    raised = [scores[i] > threshold(np.delete(scores, i)) for i in range(rows + 1)]
    assert np.mean(raised) <= 0.05
    assert np.mean(raised) > 0.05 - 1 / (rows + 1)


def test_the_threshold_of_a_few_rows() -> None:
    assert threshold(np.arange(50)) == 48  # the 49th of 50: ceil(51 * 0.95)
    assert threshold([3.0, 1.0, 2.0], false_alarms=0.5) == 2
    assert threshold(np.arange(19)) == 18
    with pytest.raises(
        ValueError, match=r"threshold: 18 rows can't promise 5.0% false alarms; expected 19 or more"
    ):
        threshold(np.arange(18))


def test_alarms_are_scores_above_the_limit() -> None:
    scores, strange = np.array([1.0, 2.0, 3.0, 2.0, 4.0]), np.array([0, 0, 0, 1, 1])
    assert alarms("x", scores, strange, 2.0) == {
        "x_auc": pytest.approx(4.5 / 6),
        "x_true_positive_rate": 0.5,
        "x_false_positive_rate": pytest.approx(1 / 3),
    }
    normal = np.arange(101.0)
    scores = np.concatenate([normal, [94.0, 95.5, 200.0]])
    assert true_alarms(scores, np.repeat([0, 1], [101, 3])) == pytest.approx(2 / 3)


def divided(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """250 benign rows, the other rows, and which of these are malignant."""
    table = breast_cancer.load()
    benign = np.random.default_rng(seed).permutation(table.x[table.y == 1])
    malignant = table.x[table.y == 0]
    return benign[:250], np.concatenate([benign[250:], malignant]), np.repeat([0, 1], [107, len(malignant)])


def test_the_linear_autoencoder_has_the_figures_of_the_catalogue() -> None:
    """AUC 0.940, and 0.78 true at 5 % false alarms, as a mean over divisions of the benign rows."""
    found = []
    for seed in range(10):
        normal, test, strange = divided(seed)
        scores = closed(normal, test)["linear autoencoder"]
        found.append((roc_auc(tensor(scores), tensor(strange)), true_alarms(scores, strange)))
    assert np.mean(found, axis=0) == pytest.approx([0.940, 0.78], abs=0.02)


def test_closed_formulas_against_linear_algebra() -> None:
    normal, test, _ = divided(0)
    x, new = (standardised(rows, normal).astype(np.float64) for rows in (normal, test))
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-4)
    vectors = np.linalg.eigh(x.T @ x)[1][:, -4:]
    left, left_of_known = (rows - rows @ vectors @ vectors.T for rows in (new, x))
    got = closed(normal, test)
    covariance = np.cov(x.T, bias=True)
    want = {
        "linear autoencoder": (left**2).mean(axis=1),
        "linear, features weighted": (left**2 / (left_of_known**2).mean(axis=0)).mean(axis=1),
        "Mahalanobis distance": np.einsum("ni,ij,nj->n", new, np.linalg.inv(covariance), new) / 30,
        "distance from the mean": (new**2).mean(axis=1),
    }
    assert list(got) == list(want)
    for name, scores in want.items():
        np.testing.assert_allclose(got[name], scores, rtol=2e-2, err_msg=name)


def test_the_network_finds_more_than_the_linear_one(tmp_path: Path) -> None:
    recipe = RECIPES["anomaly"]
    metrics = recipe.run(Options(tmp_path, recipe.epochs, recipe.batch_size, seed=0, progress=False))
    assert {"roc.png", "history.csv", "curves.png"} < {p.name for p in tmp_path.iterdir()}
    assert metrics["test_auc"] > metrics["baseline_linear_auc"] + 0.01
    assert metrics["test_true_positive_rate"] > 0.7
    assert metrics["test_false_positive_rate"] < 0.12
    assert 0.9 < metrics["baseline_linear_auc"] < 0.98


def test_ten_networks_without_a_digit_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_digits: Any
) -> None:
    monkeypatch.setattr(anomaly_digits, "mnist", few_digits)
    metrics = RECIPES["anomaly-digits"].run(Options(tmp_path, 1, 64, progress=False))
    folders = {f"without_{digit}" for digit in range(10)}
    assert {p.name for p in tmp_path.iterdir()} == folders | {"roc.png", "rebuilt.png"}
    for who in ("test", "baseline_linear"):
        each = [metrics[f"{who}_{digit}_auc"] for digit in range(10)]
        assert metrics[f"{who}_auc"] == pytest.approx(np.mean(each))
    assert 0 <= metrics["test_false_positive_rate"] < 0.3
