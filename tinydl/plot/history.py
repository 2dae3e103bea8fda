"""How training went: a panel for each quantity, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WORDS = {"lr": "Learning rate", "seconds": "Seconds per epoch"}  # small panels, below the others
_SHARES = ("accuracy", "dice", "iou", "roc_auc")  # from 0 to 1, more is better
_HIGH = (*_SHARES, "psnr", "ssim")
_LOW = ("loss", "error", "mse", "mae", "rmse")
_PREFIX = "validation_"


def curves(
    history: Mapping[str, Sequence[float | None]] | Sequence[Mapping[str, float | None]],
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws a history: loss and every other quantity over the epochs, training and validation in one panel.

    `history` maps names to one value for each epoch, as a `History` does, or is a list of one such row for
    each epoch. `epoch` counts from 1 when it is missing; `validation_NAME` goes with NAME. Values that are
    None or not finite are left out, and columns that have nothing else.

    Raises: ValueError for a history without epochs or values, or for columns of different lengths.
    """
    columns = _columns(history)
    epochs = columns.pop("epoch")
    columns = {name: values for name, values in columns.items() if np.isfinite(values).any()}
    if not columns:
        raise ValueError("curves: expected a history with at least one value, got none")
    names = dict.fromkeys(name.removeprefix(_PREFIX) for name in columns)
    large = [name for name in names if name not in _WORDS]
    small = [name for name in names if name in _WORDS]
    rows = [large[i : i + 2] for i in range(0, len(large), 2)] + ([small] if small else [])
    heights = [1.6 if row is small else 2.9 for row in rows]
    with style.sheet(9, sum(heights) + 0.7, path, title or "Training") as figure:
        grid = figure.add_gridspec(len(rows), 2, height_ratios=heights)
        for i, row in enumerate(rows):
            for j, name in enumerate(row):
                axes = figure.add_subplot(grid[i, j] if len(row) == 2 else grid[i, :])
                _panel(axes, name, epochs, columns.get(name), columns.get(_PREFIX + name))
    return figure


def _columns(history: Any) -> dict[str, Array]:
    """Columns of floats, all of one length, NaN where there is no value."""
    if not isinstance(history, Mapping):
        rows = list(history)
        names: Iterable[str] = dict.fromkeys(name for row in rows for name in row)
        history = {name: [row.get(name) for row in rows] for name in names}
    columns = {}
    for name, values in history.items():
        numbers = [np.nan if value is None else float(value) for value in values]
        columns[name] = np.array(numbers, np.float64)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError("curves", f"expected columns of one length, got {lengths}")
    count = max(lengths.values(), default=0)
    if count == 0:
        raise ValueError("curves: expected at least one epoch, got none")
    epochs = columns.setdefault("epoch", np.arange(1.0, count + 1))
    if not np.isfinite(epochs).all():
        raise ValueError("curves: expected a number for every epoch in the column 'epoch', got missing ones")
    return columns


def _panel(axes: Axes, name: str, epochs: Array, training: Array | None, validation: Array | None) -> None:
    alone = training is None or validation is None
    for values, label, colour in (
        (training, "training", style.QUIET if name in _WORDS else style.TRAINING),
        (validation, "validation", style.VALIDATION),
    ):
        if values is not None:
            there = np.isfinite(values)
            dots = "o" if there.sum() <= 30 else ""
            axes.plot(epochs[there], values[there], color=colour, marker=dots, markersize=3.5, label=label)
    axes.set_ylabel(_WORDS.get(name, name.replace("_", " ").capitalize()))
    axes.set_xlabel("Epoch")
    axes.grid(True)
    _scale(axes, name, np.concatenate([v for v in (training, validation) if v is not None]))
    _epoch_axis(axes, epochs)
    if not alone or validation is not None:
        axes.legend(loc="best", handlelength=1.4)
    best = None if validation is None else _best(name, validation)
    if best is not None and validation is not None:
        value = f"{validation[best]:.1%}" if name in _SHARES else f"{validation[best]:.4g}"
        axes.set_title(f"best validation {value}, epoch {epochs[best]:g}", loc="right", fontsize=8,
                       color=style.VALIDATION)  # fmt: skip
        axes.plot(epochs[best], validation[best], marker="o", markersize=8, markerfacecolor="none",
                  markeredgecolor=style.VALIDATION, linestyle="none")  # fmt: skip


def _best(name: str, values: Array) -> int | None:
    if name in _HIGH:
        return int(np.nanargmax(values))
    return int(np.nanargmin(values)) if name.split("_")[-1] in _LOW else None


def _scale(axes: Axes, name: str, values: Array) -> None:
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    if name == "lr" and low > 0 and high / low >= 10:
        axes.set_yscale("log")
    elif name in _SHARES and 0 <= low <= high <= 1:
        axes.yaxis.set_major_formatter(style.percent)
        axes.set_ylim(max(0.0, low - 0.08 * (1 - low) - 0.01), 1.0)
    elif low >= 0:
        axes.set_ylim(0, high * 1.08 or 1.0)


def _epoch_axis(axes: Axes, epochs: Array) -> None:
    from matplotlib.ticker import MaxNLocator

    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)
        axes.set_xticks([epochs[0]])
    else:
        room = min(0.5, 0.02 * float(epochs.max() - epochs.min()))
        axes.set_xlim(epochs.min() - room, epochs.max() + room)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
