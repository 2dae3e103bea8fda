"""Masks as outlines over their image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tinydl.plot import masks
from tinydl.plot.masks import FOUND, TRUTH


def outlines(axes: Any) -> dict[str, np.ndarray]:
    """The points of each outline by its colour."""
    sets = axes.collections
    return {to_hex(s.get_edgecolor()[0]): np.concatenate([p.vertices for p in s.get_paths()]) for s in sets}


def test_outlines_run_between_inside_and_outside(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 200, (12, 10)).astype(np.uint8)
    truth, found = np.zeros((12, 10), bool), np.zeros((12, 10), np.float32)
    truth[2:6, 3:8] = True
    found[7:9, 1:3] = 0.9
    figure = masks(image, {"a network": found}, truth, path=tmp_path / "masks.png", title="Nuclei")
    assert (tmp_path / "masks.png").stat().st_size > 1000
    plain, drawn = figure.axes
    assert [a.get_title() for a in figure.axes] == ["image", "a network"]
    assert not outlines(plain)
    lines = outlines(drawn)
    np.testing.assert_allclose(lines[TRUTH].min(axis=0), [2.5, 1.5])
    np.testing.assert_allclose(lines[TRUTH].max(axis=0), [7.5, 5.5])
    np.testing.assert_allclose(lines[FOUND].min(axis=0), [0.5, 6.5], atol=0.1)
    np.testing.assert_allclose(lines[FOUND].max(axis=0), [2.5, 8.5], atol=0.1)
    assert drawn.get_xlim() == (-0.5, 9.5)


def test_colour_images_masks_at_the_edge_and_empty_ones() -> None:
    truth = np.ones((4, 6), bool)
    figure = masks(np.random.default_rng(0).random((4, 6, 3)), {"none": ~truth, "all": truth}, truth)
    assert list(outlines(figure.axes[1])) == [TRUTH]
    assert figure.axes[1].images[0].get_array().shape == (4, 6, 3)
    points = outlines(figure.axes[2])[FOUND]
    assert points.min() >= -0.5
    np.testing.assert_allclose(points.max(axis=0), [5.5, 3.5], atol=0.51)


def test_what_is_refused() -> None:
    image, mask = np.zeros((4, 4)), np.zeros((4, 4), bool)
    with pytest.raises(ValueError, match=r"masks: expected one mask found or more"):
        masks(image, {}, mask)
    with pytest.raises(ValueError, match=r"masks: expected .* all masks \(4, 4\) as the image"):
        masks(image, {"a": mask[1:]}, mask)
    with pytest.raises(ValueError, match=r"masks: expected .* all masks"):
        masks(image, {"a": mask}, mask[:, 1:])
