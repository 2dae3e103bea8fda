"""How a classifier of two features divides the plane, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Predict = Callable[[npt.NDArray[np.float32]], Tensor | npt.ArrayLike]

_POINTS = 161  # along each side of a panel
_COLUMNS = 4


def boundaries(
    steps: Sequence[tuple[str, Predict]],
    x: Tensor | npt.ArrayLike,
    y: Tensor | npt.ArrayLike,
    classes: Sequence[str] = ("0", "1"),
    features: Sequence[str] = ("Feature 1", "Feature 2"),
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws a panel for each step: the points x (N, 2) of classes y 0 and 1, on what `predict` says of the plane.

    A step is a subtitle and a function from points (M, 2), float32, to M values between 0 and 1: the answer, or
    the probability of class 1. The line where it is 1/2 is drawn; points on the wrong side of it are crossed.
    Raises ValueError for no steps, other shapes and other values, TypeError for y that are not integers.
    """
    who = "boundaries"
    points = style.host(x).astype(np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ShapeError(who, f"expected points of shape (N, 2), at least one, got {points.shape}")
    labels = style.label_array(who, y, len(points))
    if labels.max() > 1:
        raise ValueError(f"{who}: expected labels 0 and 1, got {labels.max()}")
    names = style.class_names(who, classes, 2)
    if not steps:
        raise ValueError(f"{who}: expected at least one step to draw")
    middle, half = (points.max(0) + points.min(0)) / 2, float(np.ptp(points, axis=0).max()) * 0.65 + 1e-6
    sides = [np.linspace(m - half, m + half, _POINTS, dtype=np.float32) for m in middle]
    plane = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)

    columns = min(len(steps), _COLUMNS)
    rows = -(-len(steps) // columns)
    with style.sheet(2.6 * columns + 0.4, 2.75 * rows + 0.6, path, title) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes, step in zip(panels.flat, [*steps, *[None] * (rows * columns - len(steps))], strict=True):
            if step is None:
                axes.set_visible(False)
                continue
            subtitle, predict = step
            values = _values(who, predict, plane).reshape(_POINTS, _POINTS)
            axes.contourf(*sides, values, levels=np.linspace(0, 1, 21), cmap=style.DIVERGING, alpha=0.45)
            if values.min() < 0.5 < values.max():
                axes.contour(*sides, values, levels=[0.5], colors=style.INK, linewidths=1.4)
            right = (_values(who, predict, points) > 0.5) == labels
            for label, colour, marker in ((0, style.BELOW, "o"), (1, style.ABOVE, "s")):
                of = points[labels == label]
                axes.scatter(of[:, 0], of[:, 1], s=26, c=colour, marker=marker, edgecolors=style.PAPER,
                             linewidths=0.6, label=names[label], zorder=3)  # fmt: skip
            wrong = points[~right]
            axes.scatter(wrong[:, 0], wrong[:, 1], s=60, c=style.INK, marker="x", linewidths=1.3, zorder=4,
                         label="wrong answer")  # fmt: skip
            axes.set_title(f"{subtitle}\n{right.sum()} of {len(points)} right", loc="left")
            axes.set_aspect("equal")
        for axes in panels[-1]:
            axes.set_xlabel(features[0])
        for axes in panels[:, 0]:
            axes.set_ylabel(features[1])
        handles, texts = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=3)
    return figure


def _values(who: str, predict: Predict, points: npt.NDArray[np.float32]) -> Array:
    values = style.host(predict(points)).astype(np.float64)
    if values.shape != (len(points),):
        raise ShapeError(
            who, f"predict gave shape {values.shape} for {len(points)} points, expected one value each"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{who}: predict must give values between 0 and 1")
    return values
