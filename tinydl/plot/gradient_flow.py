"""How the error flows back through a network: gradient norms and update ratios, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEALTHY = 1e-3  # of a weight's size: what a step moves it by, as a rule of thumb
_BAR = 0.17  # inches: the height that a bar needs


def gradient_flow(
    gradients: Mapping[str, Sequence[float | None]],
    updates: Mapping[str, Sequence[float | None]],
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws gradient norms |g| and update ratios |dw| / |w|: over the epochs, and their means layer by layer.

    Both map names of parameters, in the order of the layers, to a value for each epoch (shape (epochs,)), as the
    histories of `train.GradientFlow` do; "epoch" counts from 1 when it is missing. Values that are None, not finite or
    0 are left out: the scales are logarithmic. The bars name the colours of the lines. Raises ValueError for no
    parameters, no epochs, and as many values as do not fit.
    """
    tables = [_table(values) for values in (gradients, updates)]
    names = list(dict.fromkeys(name for table in tables for name in table if name != "epoch"))
    lengths = {len(values) for table in tables for values in table.values()}
    if not names or len(lengths) != 1 or lengths == {0}:
        raise ShapeError(
            "gradient_flow", f"expected parameters with a value for each of one epoch or more, got {lengths}"
        )
    import matplotlib as mpl
    from matplotlib.ticker import MaxNLocator

    shades = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(names)))
    colours = dict(zip(names, shades, strict=True))
    panel = max(2.4, 0.7 + _BAR * len(names))
    with style.sheet(9.6, 2 * panel + 0.7, path, title or "Gradient flow") as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(3, 2))
        for i, (table, quantity) in enumerate(zip(tables, ("Gradient norm", "Update ratio"), strict=True)):
            epochs = table.pop("epoch", np.arange(1.0, lengths.copy().pop() + 1))
            over_time, means = figure.add_subplot(grid[i, 0]), figure.add_subplot(grid[i, 1])
            for name, values in table.items():
                dots = "o" if len(epochs) <= 30 else ""
                over_time.plot(epochs, values, color=colours[name], marker=dots, markersize=3, label=name)
            over_time.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            over_time.set_xlabel("Epoch")
            over_time.set_ylabel(quantity)
            _bars(means, {name: _mean(values) for name, values in table.items()}, colours)
            means.set_xlabel(f"{quantity}, mean of all epochs")
            if quantity == "Update ratio":
                _rule(over_time, means)
                _logarithmic(over_time, means, table, _HEALTHY / 1.5)
            else:
                _logarithmic(over_time, means, table)
    return figure


def _table(values: Mapping[str, Sequence[float | None]]) -> dict[str, Array]:
    """Columns of floats, NaN where nothing can be drawn."""
    columns = {}
    for name, column in values.items():
        numbers = np.array([np.nan if value is None else float(value) for value in column], np.float64)
        columns[name] = np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan)
    return columns


def _bars(axes: Axes, values: Mapping[str, float], colours: Mapping[str, Array]) -> None:
    """The first layer above, the last below."""
    places = range(len(values))
    axes.barh(places, list(values.values()), height=0.7, color=[colours[name] for name in values])
    axes.set_yticks(places, list(values), fontsize=8 if len(values) <= 20 else 6)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(values) - 0.4, -0.6)


def _mean(values: Array) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")


def _rule(over_time: Axes, means: Axes) -> None:
    """A line at what is neither too much nor too little."""
    over_time.axhline(_HEALTHY, color=style.QUIET, linestyle="--", linewidth=1)
    over_time.text(0.01, 1.15 * _HEALTHY, f"rule of thumb: {_HEALTHY:g}", va="bottom", fontsize=8, color=style.QUIET,
                   transform=over_time.get_yaxis_transform(),
                   bbox={"facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0})  # fmt: skip
    means.axvline(_HEALTHY, color=style.QUIET, linestyle="--", linewidth=1)


def _logarithmic(over_time: Axes, means: Axes, table: Mapping[str, Array], *others: float) -> None:
    """The same whole powers of ten for both, wide enough for all values and the others."""
    from matplotlib.ticker import NullFormatter

    there = np.concatenate([np.array(others), *table.values()])
    there = np.log10(there[np.isfinite(there)])
    low, high = (np.floor(there.min()), np.ceil(there.max())) if len(there) else (-1.0, 0.0)
    limits = 10.0**low, 10.0 ** max(high, low + 1)
    over_time.set_yscale("log")
    over_time.set_ylim(*limits)
    over_time.yaxis.set_minor_formatter(NullFormatter())
    means.set_xscale("log")
    means.set_xlim(*limits)
    means.xaxis.set_minor_formatter(NullFormatter())
    over_time.grid(True)
    means.grid(True, axis="x")
