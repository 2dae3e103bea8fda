"""What all pictures share: colours, sizes, the sheet they are drawn on and how they are saved.

Only matplotlib's object-oriented interface is used: no pyplot, no display, no choice of backend, and the user's
own settings stay as they are.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.serialization import write_atomically
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array: TypeAlias = npt.NDArray[Any]
PathLike: TypeAlias = str | os.PathLike[str]

DPI = 150
MARGIN = 0.15  # inches around a picture

INK, QUIET, FAINT, PAPER = "#222222", "#6b6b6b", "#e4e4e4", "#ffffff"
# Okabe and Ito's colours, and Tol's red, told apart with any colour vision
TRAINING, VALIDATION = "#0072b2", "#d55e00"
RIGHT, WRONG, OTHER = "#009e73", "#cc3311", "#b5b5b5"
DIVERGING = "RdBu_r"  # red above 0, white at 0, blue below
ABOVE, BELOW = "#b2182b", "#2166ac"  # the same as plain colours
# Tol's muted colours, and a grey
CLASSES = (
    "#332288", "#88ccee", "#cc6677", "#117733", "#ddcc77",
    "#882255", "#44aa99", "#999933", "#aa4499", "#555555",
)  # fmt: skip

_SETTINGS: Any = {
    "text.color": INK,
    "text.usetex": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.facecolor": PAPER,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "axes.titleweight": "normal",
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "grid.linestyle": "-",
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "image.interpolation": "nearest",
    "image.origin": "upper",
}


@contextmanager
def sheet(
    width: float,
    height: float,
    path: PathLike | None = None,
    title: str | None = None,
    arranged: bool = True,
) -> Iterator[Figure]:
    """An empty figure, `width` times `height` inches, to draw on; saved as a PNG to `path` at the end.

    It is wider if the title needs that. `arranged` leaves the places of axes to matplotlib; without it,
    `place` puts them. Raises ValueError for a path that does not end in .png.
    """
    if path is not None and Path(path).suffix.lower() != ".png":
        raise ValueError(f"plot: expected a path that ends in .png, got {os.fspath(path)!r}")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width = max(width, 0.095 * len(title or "") + 2 * MARGIN)  # the title fits
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
        if arranged:
            top = 0.42 / height if title else 0.0
            pads = {"w_pad": MARGIN / 2, "h_pad": MARGIN / 2, "wspace": 0.04, "hspace": 0.04}
            figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - top), **pads)
        if title:
            heading = figure.suptitle(title, x=MARGIN / width, y=1 - 0.1 / height, ha="left", va="top",
                            fontsize=11, fontweight="bold")  # fmt: skip
            heading.set_in_layout(False)  # the room for it is left above
        yield figure
        if path is not None:
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=DPI, facecolor=PAPER)
            write_atomically(path, png.getvalue())


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches, counted from the top left corner of the figure."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def write(figure: Figure, left: float, top: float, text: str, **how: Any) -> None:
    """Text whose top left corner (unless `how` says otherwise) is at a place in inches from the top left."""
    w, h = figure.get_size_inches()
    figure.text(left / w, 1 - top / h, text, **{"ha": "left", "va": "top", **how})


def bare(axes: Axes) -> None:
    """Takes ticks and frame off."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def percent(share: float, _: float | None = None) -> str:
    """A share as a tick label says it: 12.5%."""
    return f"{round(100 * share, 4):g}%"


def host(values: Tensor | npt.ArrayLike) -> Array:
    """The values of a tensor of any device, or of what NumPy takes for an array, as a NumPy array."""
    return np.asarray(values.device.to_host(values._data) if isinstance(values, Tensor) else values)


def class_names(who: str, classes: Sequence[str] | None, count: int) -> list[str]:
    """The names of `count` classes; their numbers when none are given."""
    names = list(map(str, range(count) if classes is None else classes))
    if len(names) != count:
        raise ShapeError(who, f"expected names of {count} classes, got {len(names)}")
    return names


def label_array(who: str, labels: Tensor | npt.ArrayLike, length: int) -> Array:
    """Labels as a NumPy array of `length` integers of 0 or more."""
    array = host(labels)
    if array.shape != (length,):
        raise ShapeError(who, f"expected labels of shape ({length},), got {array.shape}")
    if array.dtype.kind not in "iub":
        raise TypeError(f"{who}: expected labels that are integers, got {array.dtype}")
    if array.size and array.min() < 0:
        raise ValueError(f"{who}: expected labels of 0 or more, got {array.min()}")
    return array.astype(np.int64)
