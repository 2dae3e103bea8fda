"""Several networks, or several ways to train one, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import PathLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's


def comparison(
    runs: Mapping[str, Sequence[float | None]],
    quantity: str,
    path: PathLike | None = None,
    title: str | None = None,
    low: float | None = None,
) -> Figure:
    """Draws one quantity of several runs over their epochs, one value for each epoch (shape (epochs,)).

    `runs` maps names to values; `low` is where the axis begins, so that a bad start does not flatten the rest.
    Raises ValueError for no runs and for runs without epochs.
    """
    if not runs or not all(len(values) for values in runs.values()):
        raise ValueError("comparison: expected one run or more, each with one value or more")
    with style.sheet(6.6, 4.2, path, title) as figure:
        axes = figure.add_subplot()
        for i, (name, values) in enumerate(runs.items()):
            shown = np.array(values, np.float64)
            epochs = np.arange(1, len(values) + 1)
            marker = "o" if len(values) <= 30 else ""
            axes.plot(epochs, shown, color=COLOURS[i % 6], marker=marker, markersize=3, label=name)
        axes.set_xlabel("Epoch")
        axes.set_ylabel(quantity)
        axes.set_ylim(bottom=low)
        axes.grid(True)
        axes.legend(loc="best")
    return figure


def tradeoff(
    points: Mapping[str, tuple[float, float, float]],
    cost: str,
    quality: str,
    path: PathLike | None = None,
    title: str | None = None,
    reference: tuple[str, float] | None = None,
) -> Figure:
    """Draws each network as a point (cost, quality), the area of the point its number of parameters.

    `points` maps names to (cost, quality, parameters). `reference` names a quality to compare with, drawn as a
    line. Raises ValueError for no points and for tuples of another shape.
    """
    table = np.array(list(points.values()), np.float64)
    if table.ndim != 2 or table.shape[1] != 3:
        raise ShapeError("tradeoff", f"expected (cost, quality, parameters) of each, got shape {table.shape}")
    with style.sheet(6.6, 4.6, path, title) as figure:
        axes = figure.add_subplot()
        area = 1200 * table[:, 2] / table[:, 2].max()
        for i, (name, (x, y, parameters)) in enumerate(points.items()):
            label = f"{name}, {parameters:,.0f} parameters"
            axes.scatter(x, y, s=area[i], color=COLOURS[i % 6], alpha=0.75, linewidths=0, label=label)
        if reference is not None:
            axes.axhline(reference[1], color=style.QUIET, linestyle="--", linewidth=1)
            axes.text(0.01, reference[1], reference[0], ha="left", va="bottom", fontsize=8, color=style.QUIET,
                      transform=axes.get_yaxis_transform())  # fmt: skip
        legend = axes.legend(loc="best", labelspacing=0.7)
        for handle in legend.legend_handles:
            handle.set_sizes([50])  # type: ignore[union-attr]
        axes.set_xlim(0, table[:, 0].max() * 1.25)
        levels = [*table[:, 1], *([reference[1]] if reference else [])]
        room = 0.2 * (max(levels) - min(levels)) or 0.01
        axes.set_ylim(min(levels) - room, max(levels) + room)
        axes.set_xlabel(cost)
        axes.set_ylabel(quality)
        axes.grid(True)
    return figure
