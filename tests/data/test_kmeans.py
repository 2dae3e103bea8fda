"""k-means: no step makes it worse, known groups are found, and the start prefers far points."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.data.kmeans import kmeans, nearest, spread_out


def blobs(count: int, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    middles = np.array([[0, 0], [10, 0], [0, 10], [10, 10]]) + offset
    of = np.repeat(np.arange(4), [count, count - 1, count - 2, count - 3])
    return (middles[of] + rng.normal(0, 0.5, (len(of), 2))).astype(np.float32), of


@pytest.mark.parametrize("offset", [0.0, 1e4])  # far from 0, float32 has few digits left
@pytest.mark.parametrize("seed", range(3))
def test_groups_that_are_far_apart_are_found(offset: float, seed: int) -> None:
    points, of = blobs(50, offset)
    centres, labels = kmeans(points, 4, generator=seed)
    assert (centres.dtype, centres.shape, labels.dtype) == (np.float32, (4, 2), np.int64)
    assert (labels == of).all()  # the largest group first
    for k in range(4):
        np.testing.assert_allclose(
            centres[k], points[of == k].mean(0, dtype=np.float64), rtol=1e-6, atol=1e-5
        )


def test_it_ends_where_neither_step_changes_anything() -> None:
    points = td.Generator(0).normal((400, 3), np.float64)
    centres, labels = kmeans(points, 6, generator=1)
    distances = ((points[:, None] - centres) ** 2).sum(2)
    assert (labels == distances.argmin(1)).all()
    for k in range(6):
        np.testing.assert_allclose(centres[k], points[labels == k].mean(0))
    sizes = np.bincount(labels)
    assert (np.diff(sizes) <= 0).all()


def test_more_iterations_are_never_worse() -> None:
    points = td.Generator(0).normal((300, 2), np.float64)

    def cost(iterations: int) -> float:
        centres, _ = kmeans(points, 8, generator=2, iterations=iterations)
        return float(((points - centres[nearest(points, centres)]) ** 2).sum())

    costs = [cost(i) for i in (1, 2, 3, 5, 8, 100)]
    assert all(b <= a for a, b in itertools.pairwise(costs))
    assert costs[-1] < 0.97 * costs[0]


def test_the_same_seed_gives_the_same_groups() -> None:
    points = td.Generator(0).normal((200, 2))
    (a, b), (c, d) = kmeans(points, 5, generator=3), kmeans(points, 5, generator=3)
    assert (a == c).all()
    assert (b == d).all()


def test_far_points_are_preferred_as_first_centres() -> None:
    """Chances go with the squared distance: from 0, the points 1 and 2 are drawn as 1 to 4, and no point twice."""
    points = np.array([[0.0], [1.0], [2.0]])
    pairs = [spread_out(points, 2, td.Generator(seed))[:, 0] for seed in range(2000)]
    assert all(first != second for first, second in pairs)
    from_0 = [second for first, second in pairs if first == 0]
    assert np.mean(np.array(from_0) == 2) == pytest.approx(0.8, abs=0.05)


def test_as_many_clusters_as_points_and_points_that_are_alike() -> None:
    points = np.arange(5.0)[:, None]
    centres, labels = kmeans(points, 5, generator=0)
    assert sorted(centres[:, 0]) == [0, 1, 2, 3, 4]
    assert (centres[labels] == points).all()
    centres, labels = kmeans(np.ones((6, 2)), 3, generator=0)
    assert np.isfinite(centres).all()
    assert (labels == 0).all()


@pytest.mark.parametrize(
    ("points", "more", "match"),
    [
        (np.ones(3), {"clusters": 1}, r"expected points \(N, D\)"),
        (np.ones((3, 2)), {"clusters": 4}, r"got \(3, 2\), clusters=4"),
        (np.ones((3, 2)), {"clusters": 0}, "clusters=0"),
        (np.ones((3, 2)), {"clusters": 2, "iterations": 0}, "iterations=0"),
        (np.full((3, 2), np.nan), {"clusters": 2}, "expected finite points"),
    ],
)
def test_what_is_refused(points: np.ndarray, more: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=f"kmeans: .*{match}"):
        kmeans(points, **more)
