"""One image on its way through a network: what every layer makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinydl.autograd import no_grad
from tinydl.errors import ShapeError
from tinydl.nn.module import Module
from tinydl.plot import style
from tinydl.plot.pictures import as_pictures, show
from tinydl.plot.style import Array, PathLike
from tinydl.plot.tiles import diverging, draw_tiles, gap
from tinydl.tensor import Tensor, tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_MAPS = 16
_MOST_ROWS = 80
_TEXT, _WIDTH, _TALLEST = 2.6, 8.6, 1.0  # inches: the text at the left, the maps, and the tallest map
_TITLE, _ROOM = 0.75, 0.2  # inches above all rows, and between them


@dataclass
class _Row:
    name: str
    kind: str
    values: Array  # (C, H, W) or (F,)

    @property
    def maps(self) -> Array | None:
        """What is drawn as maps; None for a vector."""
        flat = self.values.ndim == 1 or self.values.shape[1:] == (1, 1)
        return None if flat else self.values[:_MOST_MAPS]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of what is drawn, in inches."""
        if self.maps is None:
            return min(_WIDTH, 0.12 * len(self.values)), 0.5
        n, h, w = self.maps.shape
        long = n * w + (n - 1) * gap(max(h, w))
        height = min(_TALLEST, _WIDTH * h / long)
        return height * long / h, height

    @property
    def height(self) -> float:
        """Of the row, in inches; the text needs some."""
        return max(0.5, self.size[1])


def feature_maps(
    model: Module, x: Tensor | npt.ArrayLike, path: PathLike | None = None, title: str | None = None
) -> Figure:
    """Draws what each layer of `model` makes of one image x (C, H, W), from the input to the scores.

    There is a row for every module without children, each time that it is used, if its output is (1, C, H, W)
    or (1, F): up to 16 maps, or a strip of bars. Red is above 0, white 0, blue below, each row on a scale of
    its own. The model runs in evaluation mode and is left as it was.

    Raises: ValueError for an x of another shape, or a network with more than 80 rows to draw; TypeError for
    one that is not floating.
    """
    array = style.host(x)
    if array.ndim != 3 or array.size == 0:
        raise ShapeError("feature_maps", f"expected one image (C, H, W), got {array.shape}")
    if array.dtype.kind != "f":
        raise TypeError(f"feature_maps: expected a floating image, as the model learned, got {array.dtype}")
    rows, output = _run(model, array)
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"feature_maps: expected at most {_MOST_ROWS} rows, got {len(rows)}; draw a part")
    scores = None
    if output is not None and output.ndim == 2 and output.shape[0] == 1:
        last = rows.pop() if rows and np.array_equal(rows[-1].values, output[0]) else None
        scores = _Row(last.name, last.kind, output[0]) if last else _Row("output", "", output[0])
    rows.insert(0, _Row("input", "", array))

    tops = _TITLE + np.cumsum([0.0, *(row.height + _ROOM for row in rows)])
    height = float(tops[-1]) + (1.75 if scores else 0.0)
    heading = title or f"Feature maps of {type(model).__name__}"
    with style.sheet(_TEXT + _WIDTH + style.MARGIN, height, path, heading, arranged=False) as figure:
        note = "Red is above 0, white 0, blue below; each row has its own scale."
        style.write(figure, style.MARGIN, 0.36, note, color=style.QUIET)
        for i, row in enumerate(rows):
            _describe(figure, float(tops[i]), row)
            axes = style.place(figure, _TEXT, float(tops[i]), *row.size)
            if i == 0 and len(array) in (1, 3):
                show(axes, as_pictures("feature_maps", array[None])[0])
            elif row.maps is not None:
                draw_tiles(axes, row.maps, len(row.maps), **diverging(row.maps))
            else:
                _strip(axes, row.values.reshape(-1))
        if scores:
            _describe(figure, float(tops[-1]), scores)
            _chart(style.place(figure, _TEXT, float(tops[-1]), _chart_width(scores), 1.2), scores.values)
    return figure


def _describe(figure: Figure, top: float, row: _Row) -> None:
    """Name, kind, shape and range of a row, at its left."""
    style.write(figure, style.MARGIN, top, row.name, fontweight="bold")
    kind = " ".join(row.kind.split())
    style.write(figure, style.MARGIN, top + 0.17, kind if len(kind) <= 42 else kind[:41] + "…", fontsize=7.5)
    said = f"{row.values.shape}, {row.values.min():.2g} to {row.values.max():.2g}"
    if row.maps is not None and len(row.maps) < len(row.values):
        said += f", first {len(row.maps)} shown"
    style.write(figure, style.MARGIN, top + (0.32 if kind else 0.17), said, fontsize=7.5, color=style.QUIET)


def _strip(axes: Axes, values: Array) -> None:
    """A vector as bars without room between them."""
    ends = np.arange(len(values) + 1) - 0.5
    axes.stairs(np.maximum(values, 0), ends, fill=True, color=style.ABOVE)
    axes.stairs(np.minimum(values, 0), ends, fill=True, color=style.BELOW)
    axes.axhline(0, color=style.QUIET, linewidth=0.5)
    style.bare(axes)
    limit = float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_ylim(-limit, limit)


def _chart_width(scores: _Row) -> float:
    return float(np.clip(0.5 * len(scores.values), 2.0, _WIDTH))


def _chart(axes: Axes, scores: Array) -> None:
    """The scores of the classes, the highest in colour."""
    best = int(scores.argmax()) if np.isfinite(scores).all() and len(scores) > 1 else None
    colours = [style.TRAINING if i == best else style.OTHER for i in range(len(scores))]
    axes.bar(range(len(scores)), scores, width=0.7, color=colours)
    axes.axhline(0, color=style.QUIET, linewidth=0.8)
    axes.set_xlabel("Output" if best is None else f"Output (highest: {best})")
    axes.set_ylabel("Score")
    axes.set_xlim(-0.6, len(scores) - 0.4)
    if len(scores) <= 30:
        axes.set_xticks(range(len(scores)))
    axes.tick_params(axis="x", length=0)
    axes.grid(True, axis="y")


def _run(model: Module, array: Array) -> tuple[list[_Row], Array | None]:
    """The rows, and the output of the whole."""
    rows: list[_Row] = []
    first = next(iter(model.parameters()), None)
    batch = (
        tensor(array[None]) if first is None else tensor(array[None], dtype=first.dtype, device=first.device)
    )
    with _looked_at(model, rows), no_grad():
        out = model(batch)
    return rows, np.array(style.host(out)) if isinstance(out, Tensor) else None


@contextmanager
def _looked_at(model: Module, rows: list[_Row]) -> Iterator[None]:
    """Evaluation mode, and hooks that fill `rows`; afterwards everything is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    removers = []
    try:
        for name, module in model.named_modules():
            if not any(True for _ in module.children()):

                def hook(module: Module, _: Any, out: Any, name: str = name) -> None:
                    if isinstance(out, Tensor) and out.ndim in (2, 4) and out.shape[0] == 1 and out.size:
                        kind = repr(module)
                        rows.append(_Row(name or type(module).__name__, kind, np.array(style.host(out)[0])))

                removers.append(module.register_forward_hook(hook))
        model.eval()
        yield
    finally:
        for remove in removers:
            remove()
        for module, training in modes:
            module.training = training
