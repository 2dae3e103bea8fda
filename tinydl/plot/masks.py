"""Masks as outlines over the image that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.pictures import as_pictures, show
from tinydl.plot.style import Array, PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH, FOUND = "#56b4e9", "#e69f00"  # Okabe and Ito's sky blue and orange: bright on dark images


def masks(
    image: Tensor | npt.ArrayLike,
    found: Mapping[str, Tensor | npt.ArrayLike],
    truth: Tensor | npt.ArrayLike,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws an image (H, W) or (H, W, 3), and again with the true mask's outline and that of each mask found.

    `found` maps the names of methods to masks (H, W) of any dtype; what is above one half counts as inside.
    Grey images are brightened, so that dark objects are seen beside bright ones. Raises ValueError for masks of
    another shape than the image, and none at all.
    """
    picture = as_pictures("masks", style.host(image)[None])[0]
    areas = {name: style.host(mask) > 0.5 for name, mask in {"": truth, **found}.items()}
    if not found or any(area.shape != picture.shape[:2] for area in areas.values()):
        raise ShapeError(
            "masks",
            f"expected one mask found or more, and all masks {picture.shape[:2]} as the image, "
            f"got {[area.shape for area in areas.values()]}",
        )
    true = areas.pop("")
    if picture.ndim == 2:
        dark, bright = np.percentile(picture, (1, 99.5))
        picture = ((picture - dark) / max(bright - dark, 1e-6)).clip(0, 1) ** 0.6
    height, width = picture.shape[:2]
    side = min(2.5, 9 / (1 + len(areas)))
    top = 0.9 if title else 0.6
    whole = (1 + len(areas)) * (side + 0.1) - 0.1 + 2 * style.MARGIN
    with style.sheet(
        whole, top + side * height / width + style.MARGIN, path, title, arranged=False
    ) as figure:
        if title:
            style.write(figure, style.MARGIN, 0.4, "true outline", color=TRUTH, fontweight="bold")
            style.write(figure, style.MARGIN + 1.0, 0.4, "found", color=FOUND, fontweight="bold")
        for i, (name, area) in enumerate({"image": None, **areas}.items()):
            left = style.MARGIN + i * (side + 0.1)
            axes = style.place(figure, left, top, side, side * height / width)
            show(axes, picture)
            axes.set_title(name, fontsize=9, pad=3)
            if area is not None:
                _outline(axes, true, TRUTH)
                _outline(axes, area, FOUND)
    return figure


def _outline(axes: Axes, area: Array, colour: str) -> None:
    """The border of a mask; one that covers all or nothing has none."""
    bordered = np.pad(area, 1).astype(np.float32)  # so that outlines close at the edge of the image
    if area.any():
        places = [np.clip(np.arange(-1, n + 1), -0.5, n - 0.5) for n in area.shape]
        axes.contour(places[1], places[0], bordered, levels=[0.5], colors=[colour], linewidths=1.0)
        axes.set_xlim(-0.5, area.shape[1] - 0.5)
        axes.set_ylim(area.shape[0] - 0.5, -0.5)
