"""Objects in masks: connected components, and which of them are the true ones."""

from __future__ import annotations

import numpy as np
import pytest

from tinydl.recipes.components import components, matches


def mask(*rows: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in rows])


def test_pixels_are_connected_by_their_sides() -> None:
    found = components(mask("##..#", "#..##", ".#..."))
    np.testing.assert_array_equal(found > 0, mask("##..#", "#..##", ".#..."))
    assert found.max() == 3
    assert len({found[0, 0], found[0, 4], found[2, 1]}) == 3
    assert found[0, 0] == found[0, 1] == found[1, 0]
    assert found[0, 4] == found[1, 3]


def test_a_snake_is_one_component_and_nothing_is_none() -> None:
    snake = np.zeros((21, 21), bool)
    snake[::2] = True
    snake[1::4, -1] = snake[3::4, 0] = True
    assert components(snake).max() == 1
    snake[10, 10] = False
    assert components(snake).max() == 2
    assert components(np.zeros((3, 4), bool)).max() == 0
    assert (components(np.ones((3, 4), bool)) == 1).all()


def test_small_ones_are_left_out_and_numbers_have_no_gaps() -> None:
    found = components(mask("#.##.#", "..##.#"), smallest=2)
    np.testing.assert_array_equal(np.unique(found), [0, 1, 2])
    assert found[0, 0] == 0


@pytest.mark.parametrize("density", [0.3, 0.5, 0.6, 0.8])
def test_the_components_are_scipys(density: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    for seed in range(5):
        area = np.random.default_rng(seed).random((40, 31)) < density
        ours = components(area)
        theirs, count = ndimage.label(area)
        assert ours.max() == count
        assert len(set(zip(ours.ravel(), theirs.ravel(), strict=True))) == count + (not area.all())


def test_an_object_is_found_by_more_than_half_of_the_union() -> None:
    truth = np.zeros((6, 12), np.uint8)
    truth[0:2, 0:4], truth[3:5, 0:6], truth[0:4, 8:12] = 1, 2, 7  # labels may have gaps
    found = np.zeros_like(truth, dtype=np.int64)
    assert matches(found, truth) == 0
    found[0:2, 0:4] = 2  # the whole of 1
    found[3:5, 3:6] = 1  # one half of 2: not more than half
    found[0:3, 8:12] = 3  # three quarters of 7
    assert matches(found, truth) == 2
    found[3, 2] = 1
    assert matches(found, truth) == 3
    assert matches(np.ones_like(found), truth) == 0  # everything as one object
