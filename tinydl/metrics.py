"""Metrics: how good a prediction is, as numbers for people. They are not differentiated.

They take tensors and are computed on the host, in float64 where they are not counts; all but `confusion_matrix`
return a Python float.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinydl.errors import DTypeError, ShapeError
from tinydl.op import check_tensors
from tinydl.tensor import Tensor


def accuracy(prediction: Tensor, target: Tensor) -> float:
    """The share of right answers: scores (N, C, ...) against integer labels (N, ...).

    The scores may have any dtype. Of targets that are probabilities (N, C, ...), as of mixed images, the most
    probable class is the right answer. Raises ValueError for shapes that do not fit or no labels at all, RuntimeError
    for two devices.
    """
    check_tensors("accuracy", prediction, target)
    if target.ndim > 1 and target.shape == prediction.shape and target.dtype.kind == "f":
        target = target.argmax(1)
    if prediction.ndim != target.ndim + 1 or prediction.shape[:1] + prediction.shape[2:] != target.shape:
        raise ShapeError("accuracy", f"scores {prediction.shape} do not fit labels {target.shape}")
    if target.size == 0:
        raise ShapeError("accuracy", "there are no labels to compare with")
    return float((prediction.argmax(1) == target).sum().item() / target.size)


def confusion_matrix(prediction: Tensor, target: Tensor, classes: int | None = None) -> npt.NDArray[np.int64]:
    """Counts (C, C), int64: row = true class, column = predicted class.

    `prediction` holds scores (N, C) or labels (N,). Raises ValueError for shapes or labels that do not fit,
    TypeError for labels that are not integers.
    """
    check_tensors("confusion_matrix", prediction, target)
    if prediction.ndim == 2:
        classes = prediction.shape[1] if classes is None else classes
        prediction = prediction.argmax(1)
    if prediction.shape != target.shape or target.ndim != 1:
        raise ShapeError("confusion_matrix", f"predictions {prediction.shape}, targets {target.shape}")
    for labels in (prediction, target):
        if labels.dtype.kind not in "iu":
            raise DTypeError("confusion_matrix", f"expected integer labels, got {labels.dtype}")
    guess, truth = (x.device.to_host(x._data).astype(np.int64) for x in (prediction, target))
    if classes is None:
        classes = 1 + max(int(guess.max(initial=-1)), int(truth.max(initial=-1)))
    for what, host in (("prediction", guess), ("target", truth)):
        if host.size and not 0 <= host.min() <= host.max() < classes:
            raise ValueError(f"confusion_matrix: {what} has labels outside [0, {classes - 1}]")
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)


def dice(
    prediction: Tensor, target: Tensor, classes: int | None = None, include_background: bool = False
) -> float:
    """2 |P and T| / (|P| + |T|), the mean over classes: masks of integers or booleans of one shape (Dice, 1945).

    Class 0 is the background and left out unless `include_background`. No smoothing; a class that is in neither
    mask counts as 1. Raises ValueError for shapes or labels that do not fit, TypeError for other dtypes.
    """
    return _overlap("dice", prediction, target, classes, include_background)


def iou(
    prediction: Tensor, target: Tensor, classes: int | None = None, include_background: bool = False
) -> float:
    """|P and T| / |P or T|, the mean over classes: masks of integers or booleans of one shape (Jaccard, 1912).

    Arguments as for `dice`. Raises ValueError for shapes or labels that do not fit, TypeError for other dtypes.
    """
    return _overlap("iou", prediction, target, classes, include_background)


def psnr(prediction: Tensor, target: Tensor, data_range: float = 1.0) -> float:
    """The peak signal-to-noise ratio 10 log10(data_range^2 / mean squared error) in dB; inf for equal images.

    Images of any one shape and any dtype. Raises ValueError for shapes that differ or hold nothing.
    """
    a, b = _pair("psnr", prediction, target)
    error = float(np.mean((a - b) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(data_range**2 / error))


def ssim(prediction: Tensor, target: Tensor, data_range: float = 1.0) -> float:
    """The structural similarity of images (N, C, H, W), the mean over all (Wang et al., 2004).

    With an 11x11 Gaussian window of deviation 1.5, K1 = 0.01, K2 = 0.03 and windows that lie inside the image.
    Any dtype. Raises ValueError for other shapes and for images smaller than the window.
    """
    a, b = _pair("ssim", prediction, target)
    if a.ndim != 4 or min(a.shape[2:]) < 11 or a.size == 0:
        raise ShapeError("ssim", f"expected images (N, C, H, W) of 11x11 or more, got {a.shape}")
    place = np.arange(11) - 5
    window = np.exp(-(place**2) / (2 * 1.5**2))
    window /= window.sum()

    def blurred(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rows = np.lib.stride_tricks.sliding_window_view(x, 11, axis=2) @ window
        smooth: npt.NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(rows, 11, axis=3) @ window
        return smooth

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return float(similarity.mean())


def roc_auc(prediction: Tensor, target: Tensor) -> float:
    """The area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    Scores (N,) against labels 0 and 1 (N,), any dtypes (Hanley and McNeil, 1982). Raises ValueError for shapes
    and labels that do not fit, and when one of the classes is missing.
    """
    check_tensors("roc_auc", prediction, target)
    scores, labels = (x.device.to_host(x._data) for x in (prediction, target))
    if scores.ndim != 1 or scores.shape != labels.shape or not np.isin(labels, (0, 1)).all():
        raise ShapeError(
            "roc_auc", f"expected scores (N,) and labels 0 or 1 (N,), got {scores.shape}, {labels.shape}"
        )
    positive = labels == 1
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        raise ValueError("roc_auc: expected both classes among the labels")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # equal scores share their mean rank
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def _pair(
    who: str, prediction: Tensor, target: Tensor
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    check_tensors(who, prediction, target)
    if prediction.shape != target.shape or prediction.size == 0:
        raise ShapeError(who, f"expected images of one shape, got {prediction.shape} and {target.shape}")
    a, b = (x.device.to_host(x._data).astype(np.float64) for x in (prediction, target))
    return a, b


def _overlap(
    who: str, prediction: Tensor, target: Tensor, classes: int | None, include_background: bool
) -> float:
    check_tensors(who, prediction, target)
    for x in (prediction, target):
        if x.dtype.kind not in "iub":
            raise DTypeError(who, f"expected masks of integers or booleans, got {x.dtype}")
    if prediction.shape != target.shape:
        raise ShapeError(who, f"expected masks of one shape, got {prediction.shape} and {target.shape}")
    guess, truth = (x.device.to_host(x._data).astype(np.int64) for x in (prediction, target))
    largest = max(int(guess.max(initial=0)), int(truth.max(initial=0)))
    classes = max(largest + 1, 2) if classes is None else classes
    first = 0 if include_background else 1
    if classes <= first:
        raise ValueError(f"{who}: expected classes={first + 1} or more, got {classes}")
    if largest >= classes or min(int(guess.min(initial=0)), int(truth.min(initial=0))) < 0:
        raise ValueError(f"{who}: labels must be in [0, {classes - 1}]")
    values = []
    for label in range(first, classes):
        p, t = guess == label, truth == label
        both, either = int((p & t).sum()), int((p | t).sum())
        if either == 0:
            values.append(1.0)
        else:
            values.append(2 * both / (both + either) if who == "dice" else both / either)
    return float(np.mean(values))
