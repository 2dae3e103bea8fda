"""Networks side by side: as curves, and as points of cost and quality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinydl.plot import comparison, tradeoff


def test_a_line_for_each_run(tmp_path: Path) -> None:
    runs = {"one": [0.1, 0.5, 0.6], "two": [None, 0.4]}
    figure = comparison(runs, "Dice", path=tmp_path / "a.png", title="By loss", low=0.2)
    assert (tmp_path / "a.png").stat().st_size > 1000
    (axes,) = figure.axes
    one, two = axes.lines
    np.testing.assert_array_equal(one.get_xydata(), [[1, 0.1], [2, 0.5], [3, 0.6]])
    np.testing.assert_array_equal(two.get_ydata(), [np.nan, 0.4])
    assert axes.get_ylabel() == "Dice"
    assert axes.get_ylim()[0] == 0.2
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["one", "two"]


@pytest.mark.parametrize("runs", [{}, {"one": []}])
def test_a_comparison_of_nothing_is_refused(runs: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="comparison: expected one run or more"):
        comparison(runs, "Dice")


def test_a_point_for_each_network(tmp_path: Path) -> None:
    points = {"large": (100.0, 0.95, 4000), "small": (40.0, 0.93, 1000)}
    figure = tradeoff(points, "ms", "Dice", path=tmp_path / "a.png", reference=("trees", 0.94))
    assert (tmp_path / "a.png").stat().st_size > 1000
    (axes,) = figure.axes
    large, small = axes.collections
    np.testing.assert_array_equal(large.get_offsets(), [[100, 0.95]])
    np.testing.assert_array_equal(small.get_offsets(), [[40, 0.93]])
    np.testing.assert_allclose(large.get_sizes() / small.get_sizes(), 4)
    legend = axes.get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert said == ["large, 4,000 parameters", "small, 1,000 parameters"]
    assert [text.get_text() for text in axes.texts] == ["trees"]
    assert axes.lines[0].get_ydata()[0] == 0.94
    low, high = axes.get_ylim()
    assert low < 0.93
    assert high > 0.95
    assert axes.get_xlim() == (0, 125)


@pytest.mark.parametrize("points", [{}, {"a": (1.0, 2.0)}])
def test_a_chart_of_other_points_is_refused(points: dict[str, tuple[float, float, float]]) -> None:
    with pytest.raises(ValueError, match=r"tradeoff: expected \(cost, quality, parameters\)"):
        tradeoff(points, "ms", "Dice")
