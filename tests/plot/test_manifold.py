"""The plane of a decoder: every picture stands at its point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.plot import manifold


def test_pictures_stand_at_their_points(tmp_path: Path) -> None:
    pictures = np.arange(4).reshape(2, 2, 1, 1) / 4 * np.ones((1, 1, 3, 5), np.float32)
    figure = manifold(td.tensor(pictures), [-1.0, 1.0], path=tmp_path / "plane.png", title="Plane")
    assert (tmp_path / "plane.png").stat().st_size > 1000
    (axes,) = figure.axes
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn.shape == (6, 10)
    assert [[drawn[r, c] for c in (2, 7)] for r in (1, 4)] == [[0.5, 0.75], [0, 0.25]]  # upwards
    assert [text.get_text() for text in axes.get_xticklabels()] == ["-1.00", "1.00"]
    assert axes.get_xticks().tolist() == [2, 7]
    labels = {text.get_text(): y for text, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert labels == {"-1.00": 4, "1.00": 1}


@pytest.mark.parametrize(
    ("shape", "count"), [((2, 2, 4, 4), 3), ((2, 3, 4, 4), 2), ((4, 4, 4), 4), ((0, 0, 4, 4), 0)]
)
def test_other_shapes_are_refused(shape: Any, count: int) -> None:
    with pytest.raises(ValueError, match=r"manifold: expected pictures \(K, K, H, W\) and coordinates"):
        manifold(np.zeros(shape), np.arange(count))
