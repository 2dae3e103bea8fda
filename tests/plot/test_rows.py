"""Rows of images, each with its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl import plot


def test_each_row_has_its_name_and_its_images(tmp_path: Path) -> None:
    grey, colour = np.zeros((3, 1, 8, 8), np.float32), np.zeros((3, 3, 8, 8), np.float32)
    grey[1], colour[2, 0] = 1, 1
    figure = plot.rows({"grey": td.tensor(grey), "colour": colour}, tmp_path / "rows.png", "Both")
    assert {text.get_text() for text in figure.texts} >= {"grey", "colour"}
    (axes,) = figure.axes
    drawn = axes.images[0].get_array()
    assert drawn is not None
    assert drawn.shape == (8 + 1 + 8, 3 * 8 + 2, 3)
    tile = {(r, c): drawn[9 * r + 4, 9 * c + 4].tolist() for r in range(2) for c in range(3)}
    assert tile[0, 1] == [1, 1, 1]
    assert tile[1, 2] == [1, 0, 0]
    assert tile[0, 0] == tile[0, 2] == tile[1, 0] == tile[1, 1] == [0, 0, 0]
    with Image.open(tmp_path / "rows.png") as picture:
        assert picture.width > 300


def test_names_stand_beside_the_middle_of_their_rows() -> None:
    figure = plot.rows({name: np.zeros((2, 5, 5)) for name in "abc"})
    place = {text.get_text(): text.get_position() for text in figure.texts}
    assert place["a"][1] > place["b"][1] > place["c"][1]
    assert place["a"][1] - place["b"][1] == pytest.approx(place["b"][1] - place["c"][1])
    box = figure.axes[0].get_position()
    assert box.y0 < place["c"][1] < place["a"][1] < box.y1
    assert place["a"][0] < box.x0


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="rows: expected rows of equally many images of one size, got"):
        plot.rows({"a": np.zeros((2, 5, 5)), "b": np.zeros((3, 5, 5))})
    with pytest.raises(ValueError, match="rows: expected rows of equally many"):
        plot.rows({})
