from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import tinydl as td
from tinydl.plot import segmentation, style

IMAGES = td.Generator(0).random((3, 3, 4, 6))
LABELS = np.arange(3 * 4 * 6).reshape(3, 4, 6) % 3


def test_every_class_has_its_colour_in_every_row(texts: Callable[[Figure], list[str]]) -> None:
    figure = segmentation(
        IMAGES, {"truth": LABELS, "found": td.tensor(2 - LABELS)}, ["nothing", "cat", "dog"], title="Pets"
    )
    (axes,) = figure.axes
    shown = np.asarray(axes.images[0].get_array())
    tiles = [
        shown[5 * row : 5 * row + 4, 7 * column : 7 * column + 6] for row in range(3) for column in range(3)
    ]
    colours = np.array([to_rgb(c) for c in (style.FAINT, *style.CLASSES[:2])])
    want = [*IMAGES.transpose(0, 2, 3, 1), *colours[LABELS], *colours[2 - LABELS]]
    np.testing.assert_allclose(tiles, want, atol=1e-6)
    assert {"picture", "truth", "found", "nothing", "cat", "dog", "Pets"} <= set(texts(figure))
    (legend,) = figure.legends
    shown = [patch.get_facecolor()[:3] for patch in legend.get_patches()]
    np.testing.assert_allclose(shown, colours)


def test_names_and_legend_keep_off_the_pictures() -> None:
    figure = segmentation(IMAGES, {"a row with a long name": LABELS}, ["background", "cat", "dog"])
    figure.draw_without_rendering()
    left = min(axes.get_window_extent().x0 for axes in figure.axes)
    bottom = min(axes.get_window_extent().y0 for axes in figure.axes)
    assert all(text.get_window_extent().x0 >= 0 for text in figure.texts)
    assert all(text.get_window_extent().x1 < left for text in figure.texts)
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.y0 < box.y1 < bottom
    assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    ("labels", "classes", "error", "match"),
    [
        ({}, 3, ValueError, "expected one label map or more, got none"),
        ({"a": LABELS[:2]}, 3, ValueError, r"expected labels of shape \(3, 4, 6\), got \(2, 4, 6\)"),
        ({"a": LABELS / 2}, 3, TypeError, "labels that are integers, got float64"),
        ({"a": LABELS}, 2, ValueError, "labels from 0 to 1, as many as there are names, got 0 to 2"),
        ({"a": LABELS - 1}, 3, ValueError, "got -1 to 1"),
        ({"a": LABELS}, 12, ValueError, "at most 11 classes, got 12"),
    ],
)
def test_segmentation_refuses(labels: Any, classes: int, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=f"segmentation: .*{match}"):
        segmentation(IMAGES, labels, [str(i) for i in range(classes)])
