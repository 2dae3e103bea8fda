"""k-means: groups of points, found without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.random import Generator, GeneratorLike, as_generator

Floats = npt.NDArray[np.floating[Any]]
_AT_ONCE = 1 << 14  # points: their distances to all centres fit in the cache


def kmeans(
    points: Floats, clusters: int, generator: GeneratorLike = None, iterations: int = 100
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The centres (clusters, D) of k groups of points (N, D), float32 or float64, and every point's group (N,).

    Two steps take turns, and neither makes sum |x - centre of x|^2 larger (Lloyd, 1957):

        each point goes to the nearest centre;    each centre goes to the mean of its points

    until no point changes its group, or `iterations` have passed. The result depends on the first centres; they
    are drawn one after the other from the points, far ones preferred (`spread_out`). A group that loses all its
    points keeps its centre. Groups are ordered by size, the largest is 0.

    Raises: ValueError for points of another shape, values that are not finite, fewer points than clusters and
    counts below 1.
    """
    if points.ndim != 2 or not 1 <= clusters <= len(points) or iterations < 1:
        raise ValueError(
            "kmeans: expected points (N, D), 1 <= clusters <= N and iterations >= 1, "
            f"got {points.shape}, clusters={clusters}, iterations={iterations}"
        )
    if not np.isfinite(points).all():
        raise ValueError("kmeans: expected finite points, got NaN or infinity")
    middle = points.mean(axis=0, dtype=np.float64)
    x = points - middle  # or distances would lose digits far from 0
    centres = spread_out(x, clusters, as_generator(generator))
    labels = nearest(x, centres)
    for _ in range(iterations):
        sizes = np.bincount(labels, minlength=clusters)
        sums = np.stack([np.bincount(labels, column, clusters) for column in x.T], axis=1)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
        before, labels = labels, nearest(x, centres)
        if (labels == before).all():
            break
    order = np.argsort(-np.bincount(labels, minlength=clusters), kind="stable")
    return (centres[order] + middle).astype(points.dtype), np.argsort(order)[labels]


def spread_out(points: Floats, clusters: int, generator: Generator) -> Floats:
    """First centres for k-means (clusters, D): points (N, D), each drawn with a chance that grows with its distance.

    The chance of a point is its squared distance to the nearest centre so far, divided by the sum over all points
    (k-means++: Arthur and Vassilvitskii, 2007).
    """
    centres = [points[int(generator.integers(0, len(points)))]]
    distance = np.full(len(points), np.inf)
    for _ in range(clusters - 1):
        distance = np.minimum(distance, ((points - centres[-1]) ** 2).sum(1))
        sums = np.cumsum(distance)
        chosen = np.searchsorted(sums, float(generator.random((), np.float64)) * sums[-1], side="right")
        centres.append(points[min(int(chosen), len(points) - 1)])
    return np.stack(centres)


def nearest(points: Floats, centres: Floats) -> npt.NDArray[np.int64]:
    """For each point (N, D) the number of the nearest centre (K, D).

    |x - c|^2 = |x|^2 - 2 x.c + |c|^2, and |x|^2 is the same for all centres.
    """
    lengths = (centres**2).sum(1)
    pieces = [
        (lengths - 2 * points[i : i + _AT_ONCE] @ centres.T).argmin(1)
        for i in range(0, len(points), _AT_ONCE)
    ]
    return np.concatenate(pieces)
