"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TEXT_UP_TO = 30  # classes: beyond that the cells are too small for numbers


def confusion(
    matrix: Tensor | npt.ArrayLike,
    classes: Sequence[str] | None = None,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws a confusion matrix (C, C) of counts: row = true class, column = predicted class.

    The colour of a mistake is its share of the true class; right answers, on the diagonal, are plain grey, so
    that they do not drown the mistakes. At the side stands each class's recall, the share of it that was
    found, in the title the accuracy.

    Raises: ValueError for a matrix that is not square, or holds anything but counts, or nothing at all.
    """
    counts = style.host(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ShapeError("confusion", f"expected a square matrix of counts (C, C), got {counts.shape}")
    if (
        counts.dtype.kind not in "iuf"
        or not np.isfinite(counts).all()
        or (counts < 0).any()
        or (counts % 1).any()
    ):
        raise ValueError("confusion: expected counts (whole numbers of 0 or more), got other values")
    counts = counts.astype(np.int64)
    if counts.sum() == 0:
        raise ValueError("confusion: expected at least one count, got none")
    n = len(counts)
    names = style.class_names("confusion", classes, n)
    right, total = int(np.trace(counts)), int(counts.sum())
    heading = f"{title or 'Confusion matrix'}: accuracy {right / total:.1%} ({right:,} of {total:,})"

    side = float(np.clip(0.42 * n, 2.6, 9.0))
    longest = 0.075 * max(map(len, names))
    with style.sheet(side + 1.95 + longest, side + 1.1 + longest, path, heading) as figure:
        axes = figure.add_subplot()
        _cells(figure, axes, counts, side)
        _sides(axes, counts, names)
    return figure


def _cells(figure: Figure, axes: Axes, counts: Array, side: float) -> None:
    n = len(counts)
    of_class = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    diagonal = np.eye(n, dtype=bool)
    shares = np.ma.masked_array(counts / of_class, mask=diagonal)
    top = float(shares.max()) if n > 1 and shares.max() > 0 else 1.0
    import matplotlib as mpl

    colours = mpl.colormaps["Oranges"].with_extremes(bad=style.FAINT)
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=top)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=22, pad=0.02)
    bar.ax.yaxis.set_major_formatter(style.percent)
    bar.set_label("Mistakes, share of the true class")
    bar.outline.set_visible(False)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=style.PAPER, linewidth=1.2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    if n > _TEXT_UP_TO:
        return
    size = float(np.clip(90 * side / n / max(2, len(str(counts.max()))), 4, 9))
    for i, j in zip(*np.nonzero(counts), strict=True):
        dark = i != j and shares[i, j] > 0.6 * top
        axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", fontsize=size,
                  color=style.PAPER if dark else style.INK)  # fmt: skip


def _sides(axes: Axes, counts: Array, names: list[str]) -> None:
    """Names of the classes at two sides, recalls at the third."""
    n = len(names)
    size = float(np.clip(250 / n, 4, 8))
    long = max(map(len, names)) > 4
    axes.set_xticks(range(n), names, fontsize=size, rotation=90 if long else 0)
    axes.set_yticks(range(n), names, fontsize=size)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    recall = axes.secondary_yaxis("right")
    of_class = counts.sum(axis=1)
    said = [f"{counts[i, i] / of_class[i]:.1%}" if of_class[i] else "none" for i in range(n)]
    recall.set_yticks(range(n), said, fontsize=size)
    recall.tick_params(length=0)
    recall.spines[:].set_visible(False)
    axes.annotate("Recall", (1, 1), (4, 5), xycoords="axes fraction", textcoords="offset points",
                  ha="left", va="bottom", fontsize=9)  # fmt: skip
