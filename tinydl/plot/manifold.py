"""What a decoder makes of the points of a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.pictures import as_pictures
from tinydl.plot.style import PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = 7


def manifold(
    pictures: Tensor | npt.ArrayLike,
    coordinates: npt.ArrayLike,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws grey pictures (K, K, H, W) without a gap: picture [i, j] is of the point (coordinates[j], coordinates[i]).

    `coordinates` (K,) grow; the second coordinate grows upwards, as in `latent`. Raises ValueError for other shapes,
    TypeError for what are no numbers.
    """
    array, places = style.host(pictures), np.asarray(coordinates, np.float64)
    if array.ndim != 4 or places.shape != (len(array),) or array.shape[1] != len(array) or 0 in array.shape:
        raise ShapeError(
            "manifold",
            f"expected pictures (K, K, H, W) and coordinates (K,), got {array.shape} and {places.shape}",
        )
    k, _, h, w = array.shape
    whole = as_pictures("manifold", array[::-1].transpose(0, 2, 1, 3).reshape(1, k * h, k * w))[0]
    shown = np.unique(np.linspace(0, k - 1, min(k, _TICKS)).round().astype(int))
    with style.sheet(7.2, 7.2, path, title) as figure:
        axes = figure.add_subplot()
        axes.imshow(whole, cmap="gray", vmin=0, vmax=1, aspect=w / h)
        axes.set_xticks(shown * w + (w - 1) / 2, [f"{places[i]:.2f}" for i in shown])
        axes.set_yticks((k - 1 - shown) * h + (h - 1) / 2, [f"{places[i]:.2f}" for i in shown])
        axes.spines[:].set_visible(False)
        axes.set_xlabel("First coordinate")
        axes.set_ylabel("Second coordinate")
    return figure
