"""Images beside maps of what mattered in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.pictures import as_pictures, show
from tinydl.plot.style import PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE, _GAP, _ABOVE, _TEXT = 1.5, 0.08, 0.3, 1.5  # inches
_HEAT = "inferno"  # dark where nothing mattered, for maps without a sign


def explanations(
    images: Tensor | npt.ArrayLike,
    maps: Mapping[str, Tensor | npt.ArrayLike],
    titles: Sequence[object] | None = None,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws each image in a row with its maps, whose names stand above the columns.

    Images as `plot.images` takes them, maps (N, H, W), or (N, C, H, W) whose channels are summed. A map with negative
    values is red where the image speaks for the class and blue where it speaks against it, white at 0; others go
    from dark to bright. Each map has a scale of its own. `titles` stand beside the rows. Raises ValueError for maps
    of another shape than the images, no maps, and as many titles as do not fit.
    """
    pictures = as_pictures("explanations", images)
    n, h, w = pictures.shape[:3]
    if not maps:
        raise ValueError("explanations: expected one map or more")
    if titles is not None and len(titles) != n:
        raise ShapeError("explanations", f"expected {n} titles, one for each image, got {len(titles)}")
    columns = {}
    for name, values in maps.items():
        array = style.host(values).astype(np.float64)
        array = array.sum(axis=1) if array.ndim == 4 else array
        if array.shape != (n, h, w):
            raise ShapeError("explanations", f"expected {name} of shape ({n}, {h}, {w}), got {array.shape}")
        columns[name] = array
    left = style.MARGIN + (_TEXT if titles is not None else 0.0)
    height = _SIDE * h / w
    top = (0.45 if title else style.MARGIN) + _ABOVE
    width = left + (1 + len(columns)) * (_SIDE + _GAP) - _GAP + style.MARGIN
    tall = top + n * (height + _GAP) - _GAP + style.MARGIN
    with style.sheet(width, tall, path, title, arranged=False) as figure:
        for j, name in enumerate(["image", *columns]):
            style.write(figure, left + j * (_SIDE + _GAP), top - 0.22, name)
        for i in range(n):
            y = top + i * (height + _GAP)
            if titles is not None:
                style.write(figure, style.MARGIN, y + height / 2, str(titles[i]), va="center", wrap=True)
            show(style.place(figure, left, y, _SIDE, height), pictures[i])
            for j, array in enumerate(columns.values(), start=1):
                axes = style.place(figure, left + j * (_SIDE + _GAP), y, _SIDE, height)
                most = float(np.abs(array[i]).max()) or 1.0
                signed = array.min() < 0
                how = {"cmap": style.DIVERGING, "vmin": -most} if signed else {"cmap": _HEAT, "vmin": 0.0}
                show(axes, array[i], vmax=most, **how)
    return figure
