"""The class of every pixel as a colour, below the picture that it was found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.pictures import as_pictures
from tinydl.plot.style import Array, PathLike
from tinydl.plot.tiles import draw_tiles, gap
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BACKGROUND = style.FAINT  # of class 0


def segmentation(
    images: Tensor | npt.ArrayLike,
    labels: Mapping[str, Tensor | npt.ArrayLike],
    classes: Sequence[str],
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws images in a row, and below them the class of every pixel, a row for each entry of `labels`.

    Images as `images` takes them, (N, 3, H, W) for example. `labels` maps the names of the rows, such as "truth"
    and "U-Net", to integers (N, H, W). Class 0 is grey, the others have colours, which `classes` names below.

    Raises: ValueError for label maps of other shapes, none at all, labels that have no name, or more than
    11 classes; TypeError for labels that are not integers.
    """
    pictures = as_pictures("segmentation", images)
    n, height, width = pictures.shape[:3]
    if not labels:
        raise ValueError("segmentation: expected one label map or more, got none")
    if len(classes) > 1 + len(style.CLASSES):
        raise ValueError(f"segmentation: expected at most 11 classes, got {len(classes)}")
    rows = {"picture": pictures}
    for name, values in labels.items():
        rows[name] = painted(_labels(values, (n, height, width), len(classes)))

    room = gap(max(height, width))
    inch = float(np.clip(9.0 / n, 0.3, 1.1)) / width  # of a pixel
    wide, tall = ((count * (side + room) - room) * inch for count, side in ((n, width), (len(rows), height)))
    left = style.MARGIN + 0.1 + 0.075 * max(map(len, rows))
    top = 0.5 if title else style.MARGIN
    size = left + wide + style.MARGIN, top + tall + 0.45
    with style.sheet(*size, path, title, arranged=False) as figure:
        tiles = [p if p.ndim == 4 else np.repeat(p[..., None], 3, axis=3) for p in rows.values()]
        draw_tiles(style.place(figure, left, top, wide, tall), np.concatenate(tiles), n)
        for i, name in enumerate(rows):
            middle = top + (i * (height + room) + height / 2) * inch
            style.write(figure, left - 0.1, middle, name, ha="right", va="center")
        _legend(figure, list(classes), left, top + tall + 0.12)
    return figure


def painted(labels: Array) -> Array:
    """Label maps (..., H, W) in the colours of their classes: floats (..., H, W, 3) from 0 to 1."""
    colours = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in (BACKGROUND, *style.CLASSES)]
    return np.array(colours)[labels]


def _labels(values: Tensor | npt.ArrayLike, shape: tuple[int, ...], classes: int) -> Array:
    array = style.host(values)
    if array.shape != shape:
        raise ShapeError("segmentation", f"expected labels of shape {shape}, got {array.shape}")
    if array.dtype.kind not in "iub":
        raise TypeError(f"segmentation: expected labels that are integers, got {array.dtype}")
    array = array.astype(np.int64)
    if not 0 <= array.min() <= array.max() < classes:
        raise ValueError(
            f"segmentation: expected labels from 0 to {classes - 1}, as many as there are names, "
            f"got {array.min()} to {array.max()}"
        )
    return array


def _legend(figure: Figure, classes: list[str], left: float, top: float) -> None:
    """Every class's colour and name, one beside the other."""
    from matplotlib.patches import Patch

    colours = (BACKGROUND, *style.CLASSES)
    patches = [Patch(facecolor=colours[i], label=name) for i, name in enumerate(classes)]
    width, height = figure.get_size_inches()
    figure.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - top / height),
        ncols=len(classes),
        fontsize=8,
        borderpad=0,
        borderaxespad=0,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=1.0,
    )
