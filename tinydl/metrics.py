"""Metrics: how good a prediction is, as numbers for people. They are not differentiated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.tensor import Tensor


def accuracy(prediction: Tensor, target: Tensor) -> float:
    """The share of right answers: scores (N, C, ...) against integer labels (N, ...).

    Raises: ValueError for shapes that do not fit or no labels at all.
    """
    if prediction.ndim != target.ndim + 1 or prediction.shape[:1] + prediction.shape[2:] != target.shape:
        raise ShapeError("accuracy", f"scores {prediction.shape} do not fit labels {target.shape}")
    if target.size == 0:
        raise ShapeError("accuracy", "there are no labels to compare with")
    return float((prediction.argmax(1) == target).sum().item() / target.size)


def confusion_matrix(prediction: Tensor, target: Tensor, classes: int | None = None) -> npt.NDArray[np.int64]:
    """Counts (C, C): row = true class, column = predicted class.

    `prediction` holds scores (N, C) or labels (N,). Raises ValueError for shapes or labels that do not fit.
    """
    if prediction.ndim == 2:
        classes = prediction.shape[1] if classes is None else classes
        prediction = prediction.argmax(1)
    if prediction.shape != target.shape or target.ndim != 1:
        raise ShapeError("confusion_matrix", f"predictions {prediction.shape}, targets {target.shape}")
    guess, truth = (x.device.to_host(x._data) for x in (prediction, target))
    if classes is None:
        classes = 1 + max(int(guess.max(initial=-1)), int(truth.max(initial=-1)))
    for what, labels in (("prediction", guess), ("target", truth)):
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"confusion_matrix: {what} has labels outside [0, {classes - 1}]")
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)
