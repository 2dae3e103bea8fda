"""Images in a grid, and the ones that the model got most wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike
from tinydl.plot.tiles import columns_for
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def images(
    images: Tensor | npt.ArrayLike,
    titles: Sequence[object] | None = None,
    columns: int | None = None,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws images in a grid: grey (N, H, W) or (N, 1, H, W), colour (N, 3, H, W) or (N, H, W, 3).

    `titles` are written above them, one for each. All share one scale: bytes from 0 to 255, floats from 0 to
    1, or from the least to the greatest value where they leave that range.

    Raises: ValueError for other shapes, no images at all, as many titles as do not fit, or `columns` below 1;
    TypeError for what are no numbers.
    """
    pictures = as_pictures("images", images)
    n, h, w = pictures.shape[:3]
    if titles is not None and len(titles) != n:
        raise ShapeError("images", f"expected {n} titles, one for each image, got {len(titles)}")
    if columns is not None and columns < 1:
        raise ValueError(f"images: expected 1 column or more, got {columns}")
    columns = min(n, columns or columns_for(n, h / w))
    rows = math.ceil(n / columns)
    side = min(2.6, 10 / columns)  # the width of an image in inches
    room = 0.08 if titles is None else 0.26
    top = 0.45 if title else style.MARGIN
    width = columns * (side + 0.08) - 0.08 + 2 * style.MARGIN
    height = top + rows * (side * h / w + room) - (0.08 if titles is None else 0) + style.MARGIN
    with style.sheet(max(width, 3.0 if title else 0.0), height, path, title, arranged=False) as figure:
        for i, picture in enumerate(pictures):
            row, column = divmod(i, columns)
            y = top + row * (side * h / w + room) + (room if titles is not None else 0)
            axes = style.place(figure, style.MARGIN + column * (side + 0.08), y, side, side * h / w)
            show(axes, picture)
            if titles is not None:
                axes.set_title(str(titles[i]), fontsize=8, pad=3)
    return figure


def mistakes(
    images: Tensor | npt.ArrayLike,
    probabilities: Tensor | npt.ArrayLike,
    labels: Tensor | npt.ArrayLike,
    classes: Sequence[str] | None = None,
    count: int = 20,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws the worst wrong answers, the surest first, at most `count` of them.

    Beside each image stand the three most probable classes (and the true one, if it is not among them): the
    true class green, the wrong answer red. `probabilities` (N, C) are what softmax makes of the scores.

    Raises: ValueError for shapes that do not fit, probabilities that are none, labels that are no class, or a
    `count` below 1; TypeError for labels that are not integers.
    """
    pictures = as_pictures("mistakes", images)
    shares = style.host(probabilities).astype(np.float64)
    if shares.ndim != 2 or len(shares) != len(pictures) or shares.shape[1] == 0:
        raise ShapeError("mistakes", f"expected probabilities ({len(pictures)}, C), got {shares.shape}")
    if not (shares >= 0).all() or not np.allclose(shares.sum(axis=1), 1, atol=1e-3):
        raise ValueError("mistakes: expected probabilities of 0 or more with sum 1; take softmax of scores")
    truth = style.label_array("mistakes", labels, len(pictures))
    if truth.max() >= shares.shape[1]:
        raise ValueError(f"mistakes: expected labels below {shares.shape[1]}, got {truth.max()}")
    if count < 1:
        raise ValueError(f"mistakes: expected a count of 1 or more, got {count}")
    names = style.class_names("mistakes", classes, shares.shape[1])
    names = [name if len(name) <= 14 else name[:13] + "…" for name in names]

    answers = shares.argmax(axis=1)
    wrong = np.flatnonzero(answers != truth)
    worst = wrong[np.argsort(-shares[wrong, answers[wrong]], kind="stable")][:count]
    heading = title or "Worst mistakes"
    if len(worst) == 0:
        with style.sheet(5, 1.4, path, heading, arranged=False) as figure:
            text = f"No mistakes: all {len(truth):,} answers are right."
            style.write(figure, style.MARGIN, 0.7, text, va="center", color=style.RIGHT, fontsize=11)
        return figure
    columns = min(4, len(worst))
    rows = math.ceil(len(worst) / columns)
    height, width = 1.35, 2.6 + 0.07 * max(map(len, names))
    wide = max(4.6, 0.095 * len(heading) + 2.4, columns * width + 0.2)
    with style.sheet(wide, 0.57 + rows * height, path, heading, arranged=False) as figure:
        said = f"{len(worst)} of {len(wrong):,} mistakes in {len(truth):,} images, the surest first"
        style.write(figure, style.MARGIN, 0.36, said, color=style.QUIET)
        right = float(figure.get_figwidth()) - style.MARGIN
        for said, x, colour in (("true class", 0.0, style.RIGHT), ("wrong answer", 0.85, style.WRONG)):
            style.write(figure, right - x, 0.12, said, color=colour, fontweight="bold", ha="right")
        for i, k in enumerate(worst):
            y, x = 0.72 + i // columns * height, style.MARGIN + i % columns * width
            show(style.place(figure, x, y, 1.05, 1.05), pictures[k])
            bars = style.place(figure, x + 1.2 + width - 2.6, y, 0.95, 1.05)
            _bars(bars, shares[k], int(truth[k]), int(answers[k]), names)
    return figure


def _bars(axes: Axes, shares: Array, truth: int, answer: int, names: list[str]) -> None:
    """The three most probable classes, and the true one."""
    shown = [int(c) for c in np.argsort(-shares, kind="stable")[:3]]
    shown += [] if truth in shown else [truth]
    places = np.arange(len(shown))
    colours = [{truth: style.RIGHT, answer: style.WRONG}.get(c, style.OTHER) for c in shown]
    axes.barh(places, shares[shown], height=0.62, color=colours)
    for place, c in enumerate(shown):
        axes.text(shares[c] + 0.03, place, _percent(shares[c]), va="center", fontsize=7, color=style.INK)
    style.bare(axes)
    axes.set_yticks(places, [names[c] for c in shown], fontsize=8)
    axes.tick_params(axis="y", length=0, pad=2)
    for label, colour, c in zip(axes.get_yticklabels(), colours, shown, strict=True):
        if c in (truth, answer):
            label.set_color(colour)
            label.set_fontweight("bold")
    axes.set_xlim(0, 1.0)
    axes.set_ylim(3.5, -0.5)


def _percent(share: float) -> str:
    return f"{share:.0%}" if 0.005 <= share < 0.995 else "<1%" if share < 0.5 else ">99%"


def as_pictures(who: str, images: Tensor | npt.ArrayLike) -> Array:
    """Images (N, H, W) or (N, H, W, 3), floats from 0 to 1, for any images that `who` takes."""
    array = style.host(images)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 4 and array.shape[1] == 3:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
        raise ShapeError(who, f"expected images (N, H, W), (N, 1, H, W) or (N, 3, H, W), got {array.shape}")
    if array.size == 0:
        raise ShapeError(who, f"expected at least one image, got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{who}: expected images of numbers, got {array.dtype}")
    if array.dtype == np.uint8:
        return array / 255
    array = array.astype(np.float64)
    finite = array[np.isfinite(array)]
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=1.0))
    return (array - low) / (high - low)


def show(axes: Axes, picture: Array, **how: Any) -> None:
    """One picture, grey or colour, of values from 0 to 1 on bare axes."""
    axes.imshow(picture, aspect="equal", **{"cmap": "gray", "vmin": 0, "vmax": 1, **how})
    axes.set_anchor("NW")
    style.bare(axes)
