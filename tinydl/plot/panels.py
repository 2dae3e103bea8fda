"""Small pictures side by side, on the same axes: several ways to train, and several depths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinydl.plot import style
from tinydl.plot.comparison import COLOURS
from tinydl.plot.style import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = Sequence[float | None]
_DASHED: Any = {"linestyle": (0, (3, 1.5)), "linewidth": 1.2}


def learning_curves(
    panels: Mapping[str, Mapping[str, tuple[Values, Values]]],
    quantity: str,
    path: PathLike | None = None,
    title: str | None = None,
    high: float | None = None,
) -> Figure:
    """Draws a quantity on the training (dashed) and the validation data (solid), one value for each epoch.

    `panels` maps the title of each panel to its runs, and a run's name to the values (epochs,) of both. Runs of the
    same name have the same colour; where all have the same name, the lowest validation value is marked. `high` is where
    the axis ends, so that a bad start does not flatten the rest. Raises ValueError for no panels, and runs without
    epochs.
    """
    runs = [pair for panel in panels.values() for pair in panel.values()]
    if not runs or not all(len(values) for pair in runs for values in pair):
        raise ValueError("learning_curves: expected one run or more, each with one epoch or more")
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    single = len(names) == 1
    from matplotlib.ticker import MaxNLocator

    with style.sheet(8.4, 0.9 + 2.7 * _rows(len(panels)), path, title) as figure:
        for axes, panel in zip(_grid(figure, panels), panels.values(), strict=True):
            for name, (training, validation) in panel.items():
                colours = _colours(names, name)
                _line(axes, training, color=colours[0], **_DASHED)
                shown = _line(axes, validation, color=colours[1])
                if single:
                    _mark_lowest(axes, shown)
            axes.set_ylim(0, high)
        for axes in figure.axes[-2:]:
            axes.set_xlabel("Epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        for axes in figure.axes[::2]:
            axes.set_ylabel(quantity)
        _legend(figure, names)
    return figure


def by_layer(
    panels: Mapping[str, Mapping[int, Sequence[float]]],
    quantity: str,
    path: PathLike | None = None,
    title: str | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Figure:
    """Draws a positive quantity of every layer on a logarithmic axis, a line for each depth of the network.

    `panels` maps the title of each panel to its networks, and the depth of each to the values (layers,), the layer at
    the input first. Axes are the same in all panels, from `low` to `high`; what is 0 is left out. Raises ValueError
    for no panels and networks without layers.
    """
    depths = sorted({depth for panel in panels.values() for depth in panel})
    if not depths or not all(len(values) for panel in panels.values() for values in panel.values()):
        raise ValueError("by_layer: expected one network or more, each with one layer or more")
    import matplotlib as mpl

    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(depths)))
    with style.sheet(9.4, 0.9 + 2.4 * _rows(len(panels), 4), path, title) as figure:
        for axes, panel in zip(_grid(figure, panels, 4), panels.values(), strict=True):
            for depth, values in panel.items():
                shown = np.array(values, np.float64)
                shown[shown == 0] = np.nan
                axes.plot(np.arange(1, len(shown) + 1), shown, color=shades[depths.index(depth)])
                axes.plot(1, shown[0], "o", markersize=3, color=shades[depths.index(depth)])
            axes.set_yscale("log")
            axes.set_ylim(low, high)
        for axes in figure.axes[-4:]:
            axes.set_xlabel("Layer, 1 at the input")
        for axes in figure.axes[::4]:
            axes.set_ylabel(quantity)
        handles = [mpl.lines.Line2D([], [], color=shade) for shade in shades]
        figure.legend(handles, [f"{depth} layers" for depth in depths], loc="outside lower center", ncols=6)
    return figure


def _rows(count: int, columns: int = 2) -> int:
    return -(-count // columns)


def _grid(figure: Figure, titles: Any, columns: int = 2) -> list[Axes]:
    """Axes for the panels, all of one scale, each with its title."""
    rows = _rows(len(titles), columns)
    grid = figure.subplots(rows, min(columns, len(titles)), sharex=True, sharey=True, squeeze=False)
    flat = list(grid.flat)
    for axes, title in zip(flat, titles, strict=False):
        axes.set_title(title, loc="left", fontweight="bold")
        axes.grid(True)
    for axes in flat[len(titles) :]:
        axes.remove()
    return flat[: len(titles)]


def _line(axes: Axes, values: Values, **how: Any) -> Any:
    shown = np.array(values, np.float64)
    axes.plot(np.arange(1, len(shown) + 1), shown, **how)
    return shown


def _colours(names: Sequence[str], name: str) -> tuple[str, str]:
    """Of a run's training and validation values: one for both where a colour has to tell runs apart."""
    if len(names) == 1:
        return style.TRAINING, style.VALIDATION
    colour = COLOURS[names.index(name) % len(COLOURS)]
    return colour, colour


def _mark_lowest(axes: Axes, values: Any) -> None:
    best = int(np.nanargmin(values))
    place = best + 1, values[best]
    axes.plot(*place, "o", markersize=6, markerfacecolor="none", color=style.VALIDATION)
    axes.annotate(f"{values[best]:.2f}", place, (0, -6), textcoords="offset points", ha="left", va="top",
                  fontsize=8, color=style.VALIDATION)  # fmt: skip


def _legend(figure: Figure, names: Sequence[str]) -> None:
    """What colours and dashes stand for, below all panels."""
    from matplotlib.lines import Line2D

    single = len(names) == 1
    training, validation = _colours(names, names[0]) if single else (style.QUIET, style.QUIET)
    entries = (
        {}
        if single
        else {name: Line2D([], [], color=_colours(names, name)[1], linewidth=4) for name in names}
    )
    entries["training"] = Line2D([], [], color=training, **_DASHED)
    entries["validation"] = Line2D([], [], color=validation)
    if single:
        entries["lowest validation"] = Line2D(
            [], [], color=validation, marker="o", markerfacecolor="none", linestyle="none"
        )
    columns = len(entries) if len(entries) <= 4 else 3
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)
