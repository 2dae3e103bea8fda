"""Numbers of several runs as bars side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.comparison import COLOURS
from tinydl.plot.style import PathLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bars(
    values: Mapping[str, npt.ArrayLike],
    places: Sequence[object] | npt.NDArray[Any],
    place: str,
    quantity: str,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws the values of each run, shape (places,), as bars: those of one place side by side, runs by colour.

    `values` maps the names of runs to values; `places` are written below, `place` and `quantity` along the axes.
    Raises ValueError for no runs and for as many values as do not fit.
    """
    table = {name: np.asarray(row, np.float64) for name, row in values.items()}
    if not table or not len(places) or any(row.shape != (len(places),) for row in table.values()):
        got = {name: row.shape for name, row in table.items()}
        raise ShapeError("bars", f"expected {len(places)} values of each of one run or more, got {got}")
    width = 0.8 / len(table)
    with style.sheet(max(5.0, min(10.0, 1.5 + 0.3 * len(places) * len(table))), 3.6, path, title) as figure:
        axes = figure.add_subplot()
        for i, (name, row) in enumerate(table.items()):
            at = np.arange(len(places)) + (i - (len(table) - 1) / 2) * width
            axes.bar(at, row, width, color=COLOURS[i % len(COLOURS)], label=name)
        axes.set_xticks(range(len(places)), [str(name) for name in places])
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel(place)
        axes.set_ylabel(quantity)
        axes.grid(True, axis="y")
        if len(table) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(table), borderaxespad=0)
    return figure
