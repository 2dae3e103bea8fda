from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

import tinydl as td
from tinydl.plot import latent, latents, style

POINTS = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0], [5.0, -1.0]])
LABELS = np.array([0, 2, 2, 0])


def test_points_have_the_colour_of_their_class() -> None:
    figure = latent(td.tensor(POINTS), td.tensor(LABELS), ["ant", "bee", "cat"])
    (axes,) = figure.axes
    (cloud,) = axes.collections
    drawn = {
        tuple(map(float, xy)): to_hex(colour)
        for xy, colour in zip(cloud.get_offsets(), cloud.get_facecolors(), strict=True)
    }
    assert set(drawn) == set(map(tuple, POINTS.tolist()))
    assert drawn[0, 0] == drawn[5, -1] == style.CLASSES[0]
    assert drawn[1, 2] == drawn[3, 4] == style.CLASSES[1]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["ant", "cat"]  # nothing is a bee


def test_names_stand_at_the_medians() -> None:
    (axes,) = latent(POINTS, LABELS).axes
    assert {t.get_text(): t.get_position() for t in axes.texts} == {"0": (2.5, -0.5), "2": (2.0, 3.0)}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("First coordinate", "Second coordinate")
    assert axes.get_aspect() == 1


def test_more_than_ten_classes_have_other_markers() -> None:
    rng = np.random.default_rng(0)
    (axes,) = latent(rng.normal(size=(500, 2)), np.arange(500) % 25).axes
    first, second, third = axes.collections
    assert [len(c.get_offsets()) for c in (first, second, third)] == [200, 200, 100]
    assert len(first.get_paths()[0].vertices) != len(second.get_paths()[0].vertices)


@pytest.mark.parametrize(
    ("points", "labels", "classes", "match"),
    [
        (np.ones((3, 3)), [0, 0, 0], None, r"latent: expected points of shape \(N, 2\), .*, got \(3, 3\)"),
        (np.ones((0, 2)), [], None, r"latent: expected points of shape \(N, 2\), .*, got \(0, 2\)"),
        (np.ones((3, 2)), [0, 0], None, r"latent: expected labels of shape \(3,\), got \(2,\)"),
        (np.full((1, 2), np.nan), [0], None, "latent: expected finite points"),
        (np.ones((2, 2)), [0, 2], ["a", "b"], "latent: expected labels below 2, .*, got 2"),
        (np.ones((71, 2)), range(71), None, "latent: expected at most 70 classes, got 71"),
    ],
)
def test_refuses(points: Any, labels: Any, classes: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        latent(points, np.array(labels, np.int64), classes)


def test_several_planes_of_the_same_points(tmp_path: Path) -> None:
    other = POINTS[:, ::-1] * 2
    figure = latents({"one": POINTS, "other": td.tensor(other)}, LABELS, path=tmp_path / "a.png", title="Two")
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["one", "other"]
    for axes, points in ((first, POINTS), (second, other)):
        (cloud,) = axes.collections
        assert set(map(tuple, cloud.get_offsets().tolist())) == set(map(tuple, points.tolist()))
        assert [t.get_text() for t in axes.texts] == ["0", "2"]
    assert len(figure.legends) == 1
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_planes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="latents: expected one plane or more, got none"):
        latents({}, LABELS)
    with pytest.raises(ValueError, match=r"latents: expected labels of shape \(3,\), got \(4,\)"):
        latents({"one": POINTS, "other": POINTS[:3]}, LABELS)
