"""What a convolution looks for: its kernels as pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike
from tinydl.plot.tiles import columns_for, diverging, draw_tiles, gap
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 64  # kernels in a row or column


def filters(weight: Tensor | npt.ArrayLike, path: PathLike | None = None, title: str | None = None) -> Figure:
    """Draws the kernels of a convolution's weight (out, in, kh, kw): red above 0, white at 0, blue below.

    With one input channel, or three, which make an RGB picture (grey is 0), each kernel is one tile, in rows
    one after the other; otherwise a row is an output channel and a column an input channel. Of more than 64
    channels, the first 64 are drawn.

    Raises: ValueError for a weight that is not of shape (out, in, kh, kw), or not finite.
    """
    kernels = style.host(weight).astype(np.float64)
    if kernels.ndim != 4 or 0 in kernels.shape:
        raise ShapeError("filters", f"expected a weight of shape (out, in, kh, kw), got {kernels.shape}")
    if not np.isfinite(kernels).all():
        raise ValueError("filters: expected finite weights, got NaN or infinity")
    outputs, inputs, h, w = kernels.shape
    single = inputs in (1, 3)
    most = _MOST if not single else _MOST * _MOST
    heading = (title or "Filters") + _first(outputs, most, "out") + _first(inputs, _MOST, "in")
    kernels = kernels[:most, :_MOST]
    columns = columns_for(len(kernels), h / w) if single else kernels.shape[1]
    rows = math.ceil(len(kernels) / columns) if single else len(kernels)

    tile = float(np.clip(min(9.0 / columns, 9.0 / rows * w / h), 0.15, 1.1))
    room = gap(max(h, w))
    inch = tile / w  # of a pixel
    width, height = ((count * (size + room) - room) * inch for count, size in ((columns, w), (rows, h)))
    left, below = (style.MARGIN, 0.35) if single else (0.65, 0.6)
    scale = diverging(kernels)
    with style.sheet(left + width + 1.0, 0.5 + height + below, path, heading, arranged=False) as figure:
        axes = style.place(figure, left, 0.5, width, height)
        if inputs == 3:
            pictures = 0.5 + kernels.transpose(0, 2, 3, 1) / (2 * scale["vmax"])
            draw_tiles(axes, pictures, columns)
            note = f"grey is 0, full colour ±{scale['vmax']:.2g}"
            style.write(figure, left, 0.5 + height + 0.08, note, color=style.QUIET)
            return figure
        image = draw_tiles(axes, kernels.reshape(-1, h, w), columns, **scale)
        if not single:
            _numbers(axes, kernels)
        side = style.place(figure, left + width + 0.2, 0.5, 0.14, max(height, 1.0))
        bar = figure.colorbar(image, cax=side)
        bar.set_label("Weight")
        bar.outline.set_visible(False)
    return figure


def _first(count: int, most: int, which: str) -> str:
    return f", first {most} of {count} {which}put channels" if count > most else ""


def _numbers(axes: Axes, kernels: Array) -> None:
    """Numbers the channels."""
    outputs, inputs, h, w = kernels.shape
    room = gap(max(h, w))
    for axis, count, size in ((axes.xaxis, inputs, w), (axes.yaxis, outputs, h)):
        every = max(1, math.ceil(count / 16))
        numbers = range(0, count, every)
        axis.set_ticks([(size - 1) / 2 + i * (size + room) for i in numbers], [str(i) for i in numbers])
        axis.set_tick_params(length=0)
    axes.set_xlabel("Input channel")
    axes.set_ylabel("Output channel")
