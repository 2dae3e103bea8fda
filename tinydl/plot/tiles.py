"""Many small pictures as one large one: quick to draw, with room between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinydl.plot import style
from tinydl.plot.style import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage


def gap(side: int) -> int:
    """Pixels between tiles of `side` pixels."""
    return max(1, round(side / 8))


def columns_for(count: int, aspect: float = 1.0) -> int:
    """In how many columns to lay pictures of this height through width: one row, or wide and without gaps."""
    if count <= 8:
        return count
    best = math.sqrt(1.6 * count * aspect)
    full = [c for c in range(1, count + 1) if count % c == 0 and 0.7 * best <= c <= 1.5 * best]
    return min(full, key=lambda c: abs(c - best)) if full else min(count, math.ceil(best))


def draw_tiles(axes: Axes, tiles: Array, columns: int, **how: Any) -> AxesImage:
    """Draws tiles (N, h, w), or (N, h, w, 3) as RGB, in rows of `columns`; `how` goes to `imshow`.

    The axes have bare ticks and frame, and pixels of the tiles as coordinates.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    n, h, w = tiles.shape[:3]
    rows = -(-n // columns)
    down, right = h + gap(max(h, w)), w + gap(max(h, w))
    whole = np.full((rows * down - (down - h), columns * right - (right - w), *tiles.shape[3:]), np.nan)
    if tiles.ndim == 4:
        whole[...] = 1.0  # white
    frames = []
    for i, tile in enumerate(tiles):
        y, x = i // columns * down, i % columns * right
        whole[y : y + h, x : x + w] = tile
        frames.append(Rectangle((x - 0.5, y - 0.5), w, h))
    image = axes.imshow(whole, aspect="equal", **how)
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=style.QUIET, linewidth=0.4,
                                       clip_on=False))  # fmt: skip
    style.bare(axes)
    axes.set_anchor("NW")
    axes.set_xlim(-0.5, whole.shape[1] - 0.5)
    axes.set_ylim(whole.shape[0] - 0.5, -0.5)
    return image


def diverging(values: Array) -> dict[str, Any]:
    """For `imshow`: a diverging colour map with 0 in its middle, that spans all finite `values`."""
    finite = values[np.isfinite(values)]
    limit = float(np.abs(finite).max(initial=0.0)) or 1.0
    return {"cmap": style.DIVERGING, "vmin": -limit, "vmax": limit}
