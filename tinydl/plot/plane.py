"""Where points of different classes lie on a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinydl.errors import ShapeError
from tinydl.plot import style
from tinydl.plot.style import Array, PathLike
from tinydl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vPX"  # the next for every ten classes


def latent(
    points: Tensor | npt.ArrayLike,
    labels: Tensor | npt.ArrayLike,
    classes: Sequence[str] | None = None,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws points (N, 2), such as the codes of an autoencoder, coloured by their class.

    Each class's name stands at the median of its points. Raises ValueError for other shapes, no points,
    points that are not finite, or more classes than can be told apart (70); TypeError for labels that are not
    integers.
    """
    return _planes("latent", {"": points}, labels, classes, path, title or "Latent plane")


def latents(
    planes: Mapping[str, Tensor | npt.ArrayLike],
    labels: Tensor | npt.ArrayLike,
    classes: Sequence[str] | None = None,
    path: PathLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draws the same points on several planes side by side: `planes` maps their names to points (N, 2).

    Row i of all planes has the class labels[i]. Raises what `latent` raises, and ValueError for no planes.
    """
    if not planes:
        raise ValueError("latents: expected one plane or more, got none")
    return _planes("latents", planes, labels, classes, path, title or "Latent planes")


def _planes(
    who: str,
    planes: Mapping[str, Tensor | npt.ArrayLike],
    labels: Tensor | npt.ArrayLike,
    classes: Sequence[str] | None,
    path: PathLike | None,
    title: str,
) -> Figure:
    clouds = {name: style.host(points).astype(np.float64) for name, points in planes.items()}
    for xy in clouds.values():
        if xy.ndim != 2 or xy.shape[1] != 2 or len(xy) == 0:
            raise ShapeError(who, f"expected points of shape (N, 2), at least one, got {xy.shape}")
        if not np.isfinite(xy).all():
            raise ValueError(f"{who}: expected finite points, got NaN or infinity")
        of = style.label_array(who, labels, len(xy))
    count = int(of.max()) + 1 if classes is None else len(classes)
    names = style.class_names(who, classes, count)
    if of.max() >= count:
        raise ValueError(f"{who}: expected labels below {count}, the number of classes, got {of.max()}")
    if len(np.unique(of)) > 10 * len(_MARKERS):
        raise ValueError(f"{who}: expected at most 70 classes, got {len(np.unique(of))}")

    from matplotlib.lines import Line2D

    seen = np.unique(of)
    with style.sheet(5.5 * len(clouds) + 1.1, 5.8, path, title) as figure:
        for i, (name, xy) in enumerate(clouds.items()):
            axes = figure.add_subplot(1, len(clouds), i + 1)
            _draw(axes, xy, of, names)
            axes.set_title(name)
        handles = []
        for i, c in enumerate(seen):
            colour, marker = style.CLASSES[i % 10], _MARKERS[i // 10]
            handles.append(Line2D([], [], linestyle="none", marker=marker, markersize=6, color=colour,
                                  label=names[c]))  # fmt: skip
        figure.legend(handles=handles, loc="outside right center", title="Class", ncols=-(-len(seen) // 20))
    return figure


def _draw(axes: Axes, xy: Array, of: Array, names: list[str]) -> None:
    """One plane: its points, and each class's name at their median."""
    import matplotlib.patheffects as effects

    size = float(np.clip(12_000 / len(xy), 6, 40))
    # in an order by chance: whole classes one after the other would cover each other
    order = np.random.default_rng(0).permutation(len(xy))
    seen = np.unique(of)
    place = {int(c): i for i, c in enumerate(seen)}
    for family in range(-(-len(seen) // 10)):
        rows = order[[place[int(c)] // 10 == family for c in of[order]]]
        colours = [style.CLASSES[place[int(c)] % 10] for c in of[rows]]
        axes.scatter(xy[rows, 0], xy[rows, 1], s=size, c=colours, marker=_MARKERS[family], alpha=0.8,
                     linewidths=0.3, edgecolors=style.PAPER)  # fmt: skip
    for c in seen:
        halo = [effects.withStroke(linewidth=3, foreground=style.PAPER)]
        x, y = np.median(xy[of == c], axis=0)
        axes.text(x, y, names[c], ha="center", va="center", fontsize=11, fontweight="bold",
                  path_effects=halo)  # fmt: skip
    axes.set_xlabel("First coordinate")
    axes.set_ylabel("Second coordinate")
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(True)
