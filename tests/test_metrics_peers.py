"""Metrics against scikit-learn's and scikit-image's, over drawn data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl import metrics

seeds = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def sklearn() -> Any:
    return pytest.importorskip(
        "sklearn.metrics", reason="scikit-learn is not installed: no comparison with it"
    )


@pytest.fixture(scope="module")
def skimage() -> Any:
    return pytest.importorskip(
        "skimage.metrics", reason="scikit-image is not installed: no comparison with it"
    )


def labels(seed: int, classes: int) -> tuple[Any, Any]:
    """Labels of which most agree."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, (6, 7))
    guess = np.where(random.random(truth.shape) < 0.6, truth, random.integers(0, classes, truth.shape))
    return guess, truth


@given(seed=seeds, classes=st.integers(2, 5))
def test_accuracy_and_confusion(seed: int, classes: int, sklearn: Any) -> None:
    guess, truth = labels(seed, classes)
    scores = td.tensor(np.eye(classes)[guess.ravel()])
    answers = td.tensor(truth.ravel())
    assert metrics.accuracy(scores, answers) == pytest.approx(
        sklearn.accuracy_score(truth.ravel(), guess.ravel())
    )
    ours = metrics.confusion_matrix(scores, answers, classes)
    theirs = sklearn.confusion_matrix(truth.ravel(), guess.ravel(), labels=range(classes))
    np.testing.assert_array_equal(ours, theirs)


@given(seed=seeds, classes=st.integers(2, 5), background=st.booleans())
def test_dice_is_the_f1_score_and_iou_the_jaccard_score(
    seed: int, classes: int, background: bool, sklearn: Any
) -> None:
    guess, truth = labels(seed, classes)
    how: dict[str, Any] = {
        "labels": range(0 if background else 1, classes),
        "average": "macro",
        "zero_division": 1.0,  # nothing to find and nothing found
    }
    for ours, theirs in ((metrics.dice, sklearn.f1_score), (metrics.iou, sklearn.jaccard_score)):
        found = ours(td.tensor(guess), td.tensor(truth), classes=classes, include_background=background)
        assert found == pytest.approx(theirs(truth.ravel(), guess.ravel(), **how), rel=1e-12)


@given(seed=seeds, ties=st.booleans())
def test_the_area_under_the_roc_curve(seed: int, ties: bool, sklearn: Any) -> None:
    random = np.random.default_rng(seed)
    truth = random.permutation([0] * 9 + [1] * 6)
    scores = random.normal(truth, 1.0)
    scores = scores.round() if ties else scores
    ours = metrics.roc_auc(td.tensor(scores), td.tensor(truth))
    assert ours == pytest.approx(sklearn.roc_auc_score(truth, scores), rel=1e-12)


@given(seed=seeds, data_range=st.sampled_from([1.0, 255.0]))
def test_psnr_and_ssim(seed: int, data_range: float, skimage: Any) -> None:
    random = np.random.default_rng(seed)
    truth = random.random((3, 16, 19)) * data_range
    guess = np.clip(truth + random.normal(0, 0.1 * data_range, truth.shape), 0, data_range)
    a, b = td.tensor(guess[:, None]), td.tensor(truth[:, None])
    assert metrics.psnr(a, b, data_range) == pytest.approx(
        skimage.peak_signal_noise_ratio(truth, guess, data_range=data_range), rel=1e-12
    )
    theirs = [
        skimage.structural_similarity(
            t, g, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for t, g in zip(truth, guess, strict=True)
    ]  # it leaves out the border that windows would cross, as we do
    assert metrics.ssim(a, b, data_range) == pytest.approx(np.mean(theirs), rel=1e-9)
