"""ROC curves: how many true alarms a score gives for how many false ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scored = tuple[Tensor | npt.ArrayLike, Tensor | npt.ArrayLike]

_COLOURS = (style.VALIDATION, style.TRAINING, style.RIGHT, "#cc79a7", style.QUIET, *style.CLASSES)


def roc(
    scores: Mapping[str, Scored],
    thresholds: Mapping[str, float] | None = None,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws the ROC curve of every score, with the area under it (AUC); the dashed diagonal is chance.

    `scores` maps names to pairs: values (N,), the higher the more alarming, and labels (N,), 0 for normal and 1 for
    what should raise an alarm. `thresholds` marks the point of a curve where alarm is raised above that value, and
    says its two rates.

    Raises: ValueError for no scores, shapes that do not fit, other labels, a class that is missing, values that are
    NaN, and a threshold of a score that is not drawn; TypeError for labels that are not integers.
    """
    if not scores:
        raise ValueError("roc: expected one score or more to draw, got none")
    thresholds = thresholds or {}
    if unknown := set(thresholds) - set(scores):
        raise ValueError(f"roc: thresholds for {sorted(unknown)}, but the scores are {list(scores)}")
    below = 0.2 * (len(scores) + len(thresholds))  # inches for the legend, which would hide curves
    with style.sheet(4.8, 5.0 + below, path, title) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=style.OTHER, linestyle="--", linewidth=1)
        for i, (name, (values, labels)) in enumerate(scores.items()):
            colour = _COLOURS[i % len(_COLOURS)]
            normal, alarming = _sorted_scores(values, labels)
            false, true = _rates(normal, alarming, np.unique([*normal, *alarming])[::-1])
            false, true = np.append([0.0], false), np.append([0.0], true)
            area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))
            axes.plot(false, true, color=colour, label=f"{name}: AUC {area:.3f}", zorder=3 - 0.01 * i)
            if name in thresholds:
                x, y = _rates(normal, alarming, np.nextafter([thresholds[name]], np.inf))
                axes.plot(x, y, "o", color=colour, markersize=7, markeredgecolor=style.PAPER, zorder=4,
                          label=f"   its threshold: {y[0]:.1%} true, {x[0]:.1%} false alarms")  # fmt: skip
        axes.set_xlabel("False alarms: share of the normal above the threshold")
        axes.set_ylabel("True alarms: share of the others above it")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(style.percent)
        axes.grid(True)
        figure.legend(loc="outside lower center", handlelength=1.2)
    return figure


def _sorted_scores(values: Tensor | npt.ArrayLike, labels: Tensor | npt.ArrayLike) -> tuple[Array, Array]:
    """The values of both classes, each in rising order."""
    numbers = style.host(values).astype(np.float64)
    if numbers.ndim != 1:
        raise ShapeError("roc", f"expected values of shape (N,), got {numbers.shape}")
    if np.isnan(numbers).any():
        raise ValueError("roc: expected values that are numbers, got NaN")
    truth = style.label_array("roc", labels, len(numbers))
    if set(truth.tolist()) != {0, 1}:
        raise ValueError(f"roc: expected labels 0 and 1, and some of each, got {sorted(set(truth.tolist()))}")
    return np.sort(numbers[truth == 0]), np.sort(numbers[truth == 1])


def _rates(normal: Array, alarming: Array, at_least: Array) -> tuple[Array, Array]:
    """The shares of both classes that reach each of these values."""
    false, true = (1 - np.searchsorted(of, at_least, side="left") / len(of) for of in (normal, alarming))
    return false, true
