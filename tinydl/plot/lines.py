"""A quantity of several runs against what was varied: a hyperparameter, a strength, a share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.comparison import COLOURS
from tinydl.plot.style import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = ("--", ":", "-.")
_MARKERS = "os^Dv<"


def lines(
    values: Mapping[str, npt.ArrayLike],
    places: Sequence[float] | npt.NDArray[np.floating],
    place: str,
    quantity: str,
    path: PathLike | None = None,
    title: str | None = None,
    baselines: Mapping[str, npt.ArrayLike] | None = None,
    chosen: Mapping[str, int] | None = None,
) -> Figure:
    """Draws the values of each run, shape (places,), as a line over the places, NaN as a gap.

    `baselines` are grey and dashed: what the others must beat. `chosen` maps names of runs to the index of a place that
    gets a ring. Places from below to above a tenfold, all positive, stand on a logarithmic axis. Raises ValueError for
    no runs, no places, and as many values as do not fit.
    """
    x = np.asarray(places, np.float64)
    table = {name: np.asarray(row, np.float64) for name, row in values.items()}
    others = {name: np.asarray(row, np.float64) for name, row in (baselines or {}).items()}
    rows = [*table.values(), *others.values()]
    if not table or x.ndim != 1 or not len(x) or any(row.shape != x.shape for row in rows):
        got = [row.shape for row in rows]
        raise ShapeError("lines", f"expected {x.shape} values of each of one run or more, got {got}")
    with style.sheet(7.4, 4.2, path, title) as figure:
        axes = figure.add_subplot()
        for i, (name, row) in enumerate(table.items()):
            axes.plot(x, row, color=COLOURS[i % 6], marker=_MARKERS[i % 6], markersize=4, label=name)
        for i, (name, row) in enumerate(others.items()):
            axes.plot(
                x, row, color=style.QUIET, linestyle=_DASHES[i % len(_DASHES)], linewidth=1.2, label=name
            )
        for name, i in (chosen or {}).items():
            colour = COLOURS[list(table).index(name) % len(COLOURS)]
            axes.plot(x[i], table[name][i], marker="o", markersize=10, markerfacecolor="none",
                      markeredgecolor=colour, linestyle="none")  # fmt: skip
        _place_axis(axes, x)
        axes.set_xlabel(place)
        axes.set_ylabel(quantity)
        axes.grid(True)
        if len(rows) > 1:
            figure.legend(loc="outside right upper", labelspacing=0.7)
    return figure


def _place_axis(axes: Axes, x: npt.NDArray[np.float64]) -> None:
    if x.min() > 0 and x.max() >= 10 * x.min():
        axes.set_xscale("log")
    if len(x) <= 10:
        axes.set_xticks(x, [f"{value:g}" for value in x])
        axes.set_xticks([], minor=True)
