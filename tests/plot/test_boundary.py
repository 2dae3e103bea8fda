from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_hex
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from PIL import Image

import tinydl as td
from tinydl.plot import boundaries, style

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
LABELS = np.array([0, 0, 1, 1])
Predict = Callable[[npt.NDArray[np.float32]], Any]


def above(height: float) -> Predict:
    """1 for points higher than that: a horizontal line."""
    return lambda points: points[:, 1] > height


def steepness(points: npt.NDArray[np.float32]) -> Any:
    return 1 / (1 + np.exp(-8 * (points[:, 1] - 0.5)))


def drawn(axes: Any) -> dict[str, set[tuple[float, ...]]]:
    """The points of each kind in a panel."""
    return {
        c.get_label(): {tuple(map(float, xy)) for xy in c.get_offsets()}
        for c in axes.collections
        if not str(c.get_label()).startswith("_")
    }


def test_a_panel_for_each_step_says_what_is_right() -> None:
    steps = [("before", above(9)), ("then", above(0.5)), ("later", above(-9))]
    figure = boundaries(steps, POINTS, LABELS, ("low", "high"), ("across", "up"))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["before\n2 of 4 right", "then\n4 of 4 right", "later\n2 of 4 right"]
    assert figure.axes[0].get_xlabel() == "across"
    assert figure.axes[0].get_ylabel() == "up"


def test_points_have_the_colour_of_their_class_and_wrong_ones_a_cross() -> None:
    (axes,) = boundaries([("s", above(9))], POINTS, LABELS, ("low", "high")).axes
    assert drawn(axes) == {
        "low": {(0, 0), (1, 0)}, "high": {(0, 1), (1, 1)}, "wrong answer": {(0, 1), (1, 1)},
    }  # fmt: skip
    colours = {
        c.get_label(): to_hex(c.get_facecolor()[0])
        for c in axes.collections
        if c.get_label() in ("low", "high")
    }
    assert colours == {"low": style.BELOW, "high": style.ABOVE}
    (axes,) = boundaries([("s", above(0.5))], POINTS, LABELS, ("low", "high")).axes
    assert drawn(axes)["wrong answer"] == set()


def test_the_line_lies_where_the_probability_is_one_half() -> None:
    (axes,) = boundaries([("s", steepness)], POINTS, LABELS).axes
    (line,) = (c for c in axes.collections if isinstance(c, ContourSet) and not c.filled)
    vertices = np.concatenate([path.vertices for path in line.get_paths()])
    assert np.abs(vertices[:, 1] - 0.5).max() < 0.02
    assert np.ptp(vertices[:, 0]) > 1  # from one side to the other


def test_all_points_are_inside_whatever_their_scale() -> None:
    for scale in (1e-4, 1, 1e5):
        (axes,) = boundaries([("s", above(0.5 * scale))], POINTS * scale, LABELS).axes
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert left < 0 < scale < right
        assert bottom < 0 < scale < top
        assert axes.get_aspect() == 1


def test_one_point_and_many_steps(texts: Callable[[Figure], list[str]]) -> None:
    figure = boundaries([(f"step {i}", above(0)) for i in range(6)], POINTS[:1], LABELS[:1])
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == 6
    assert {"step 5\n1 of 1 right", "wrong answer"} <= set(texts(figure))


def test_tensors_and_tensor_answers_are_taken() -> None:
    def predict(points: npt.NDArray[np.float32]) -> td.Tensor:
        assert points.dtype == np.float32
        return td.tensor(points)[:, 1].clip(0, 1)

    (axes,) = boundaries([("s", predict)], td.tensor(POINTS), td.tensor(LABELS)).axes
    assert axes.get_title(loc="left") == "s\n4 of 4 right"


def test_it_is_saved(tmp_path: Path) -> None:
    boundaries([("s", steepness)], POINTS, LABELS, path=tmp_path / "b.png", title="A title")
    with Image.open(tmp_path / "b.png") as picture:
        assert min(picture.size) > 300
        assert np.asarray(picture.convert("L")).std() > 5
    assert [p.name for p in tmp_path.iterdir()] == ["b.png"]


@pytest.mark.parametrize(
    ("steps", "x", "y", "match"),
    [
        ([], POINTS, LABELS, "expected at least one step to draw"),
        (None, POINTS[:, :1], LABELS, r"expected points of shape \(N, 2\), at least one, got \(4, 1\)"),
        (None, POINTS[:0], LABELS[:0], r"expected points of shape \(N, 2\), at least one, got \(0, 2\)"),
        (None, POINTS, LABELS[:2], r"expected labels of shape \(4,\), got \(2,\)"),
        (None, POINTS, LABELS * 2, "expected labels 0 and 1, got 2"),
        (None, POINTS, -LABELS, "expected labels of 0 or more, got -1"),
        ([("s", lambda p: p)], POINTS, LABELS, r"predict gave shape \(25921, 2\) for 25921 points"),
        ([("s", lambda p: p[:, 0] * 3)], POINTS, LABELS, "predict must give values between 0 and 1"),
        ([("s", lambda p: p[:, 0] * np.nan)], POINTS, LABELS, "predict must give values between 0 and 1"),
    ],
)
def test_refuses(steps: Any, x: Any, y: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"boundaries: {match}"):
        boundaries([("s", above(0))] if steps is None else steps, x, y, path=tmp_path / "b.png")
    assert list(tmp_path.iterdir()) == []
