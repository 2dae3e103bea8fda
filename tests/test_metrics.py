"""Metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import metrics


def test_accuracy_counts_right_answers() -> None:
    scores = td.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    assert metrics.accuracy(scores, td.tensor([1, 0, 0, 0])) == 0.75
    assert type(metrics.accuracy(scores, td.tensor([1, 0, 0, 0]))) is float


def test_accuracy_of_pixels() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    expected = (scores.argmax(1) == labels).mean()
    assert metrics.accuracy(td.tensor(scores), td.tensor(labels)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "labels"), [((4, 2), (3,)), ((4, 2), (4, 1)), ((4,), (4,)), ((4, 2), (4, 2)), ((2, 3, 4), (2, 3))]
)  # fmt: skip
def test_accuracy_refuses_shapes_that_do_not_fit(scores: Any, labels: Any) -> None:
    with pytest.raises(ValueError, match="accuracy: scores"):
        metrics.accuracy(td.zeros(scores), td.zeros(labels, dtype="int64"))


def test_accuracy_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no labels"):
        metrics.accuracy(td.zeros(0, 3), td.zeros(0, dtype="int64"))


def test_confusion_matrix_has_true_rows_and_predicted_columns() -> None:
    m = metrics.confusion_matrix(td.tensor([0, 1, 1, 2, 0]), td.tensor([0, 0, 1, 2, 2]))
    assert m.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert m.sum() == 5


def test_confusion_matrix_of_scores_has_all_classes() -> None:
    scores = td.tensor([[0.9, 0.0, 0.1, 0.0], [0.1, 0.8, 0.1, 0.0]])
    assert metrics.confusion_matrix(scores, td.tensor([0, 0])).shape == (4, 4)
    assert metrics.confusion_matrix(td.tensor([0]), td.tensor([1]), classes=5).shape == (5, 5)
    assert metrics.confusion_matrix(td.tensor([0]), td.tensor([1])).tolist() == [[0, 0], [1, 0]]


def test_confusion_matrix_of_nothing_is_zero() -> None:
    empty = td.zeros(0, dtype="int64")
    assert metrics.confusion_matrix(empty, empty, classes=2).tolist() == [[0, 0], [0, 0]]
    assert metrics.confusion_matrix(empty, empty).shape == (0, 0)


def test_confusion_matrix_of_small_integers_does_not_overflow() -> None:
    labels = td.tensor(np.full(3, 200, np.uint8))
    m = metrics.confusion_matrix(labels, labels)
    assert m.shape == (201, 201)
    assert m[200, 200] == 3
    assert m.sum() == 3


def test_confusion_matrix_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="predictions"):
        metrics.confusion_matrix(td.tensor([0, 1]), td.tensor([0, 1, 1]))
    with pytest.raises(ValueError, match="target has labels outside"):
        metrics.confusion_matrix(td.tensor([0, 1]), td.tensor([0, 2]), classes=2)
    with pytest.raises(TypeError, match="integer labels, got float32"):
        metrics.confusion_matrix(td.tensor([0.0, 1.0]), td.tensor([0, 1]))
    with pytest.raises(ValueError, match="prediction has labels outside"):
        metrics.confusion_matrix(td.tensor([0, -1]), td.tensor([0, 1]), classes=2)
