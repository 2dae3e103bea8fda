"""Rows of images, each with its name: what went in above what came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.pictures import as_pictures
from tinydl.plot.style import PathLike
from tinydl.plot.tiles import draw_tiles, gap
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rows(
    rows: Mapping[str, Tensor | npt.ArrayLike], path: PathLike | None = None, title: str | None = None
) -> Figure:
    """Draws rows of images, their names on the left.

    `rows` maps names to images, equally many of one size: grey (N, H, W) or (N, 1, H, W), colour (N, 3, H, W) or
    (N, H, W, 3). Each row has its own scale, as in `images`. Raises ValueError for other shapes, no rows, and rows
    that do not fit each other; TypeError for what are no numbers.
    """
    pictures = [as_pictures("rows", row) for row in rows.values()]
    if not pictures or len({picture.shape[:3] for picture in pictures}) > 1:
        got = {name: style.host(row).shape for name, row in rows.items()}
        raise ShapeError("rows", f"expected rows of equally many images of one size, got {got}")
    if len({picture.ndim for picture in pictures}) > 1:  # grey among colour
        pictures = [p if p.ndim == 4 else np.repeat(p[..., None], 3, axis=3) for p in pictures]
    n, h, w = pictures[0].shape[:3]
    room = gap(max(h, w))
    inch = float(np.clip(9.0 / n, 0.3, 1.1)) / w  # of a pixel
    width, height = ((count * (size + room) - room) * inch for count, size in ((n, w), (len(pictures), h)))
    left = style.MARGIN + 0.1 + 0.075 * max(len(name) for name in rows)
    top = 0.5 if title else style.MARGIN
    size = left + width + style.MARGIN, top + height + style.MARGIN
    with style.sheet(*size, path, title, arranged=False) as figure:
        draw_tiles(style.place(figure, left, top, width, height), np.concatenate(pictures), n, cmap="gray", vmin=0,
                   vmax=1)  # fmt: skip
        for i, name in enumerate(rows):
            middle = top + (i * (h + room) + h / 2) * inch
            style.write(figure, left - 0.1, middle, name, ha="right", va="center")
    return figure
