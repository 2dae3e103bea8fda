"""A quantity against what was varied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tinydl.plot import lines

Texts = Callable[[Figure], list[str]]


def test_runs_baselines_and_what_was_chosen(texts: Texts, tmp_path: Path) -> None:
    figure = lines(
        {"one": [1.0, 3.0, 2.0], "two": np.array([2.0, np.nan, 1.0])},
        [0.001, 0.003, 0.03],
        "Rate",
        "Accuracy",
        path=tmp_path / "lines.png",
        title="Which rate?",
        baselines={"simple": [0.5, 0.5, 0.5]},
        chosen={"two": 2},
    )
    assert (tmp_path / "lines.png").stat().st_size > 1000
    (axes,) = figure.axes
    one, two, simple, ring = axes.lines
    np.testing.assert_array_equal(one.get_xydata(), [[0.001, 1], [0.003, 3], [0.03, 2]])
    np.testing.assert_array_equal(two.get_ydata(), [2, np.nan, 1])
    assert simple.get_linestyle() == "--"
    assert ring.get_xydata().tolist() == [[0.03, 1.0]]
    assert ring.get_markeredgecolor() == two.get_color()
    assert axes.get_xscale() == "log"
    shown = texts(figure)
    assert {"one", "two", "simple", "Rate", "Accuracy", "0.001", "0.003", "0.03", "Which rate?"} <= set(shown)


def test_places_within_a_tenfold_or_with_zero_are_not_logarithmic() -> None:
    for places in ([1.0, 9.0], [0.0, 100.0], [-1.0, 100.0]):
        figure = lines({"a": [1.0, 2.0]}, places, "x", "y")
        assert figure.axes[0].get_xscale() == "linear"
        assert not figure.legends  # one run needs none


@pytest.mark.parametrize(
    ("values", "places", "baselines"),
    [
        ({}, [1.0], {}),
        ({"a": []}, [], {}),
        ({"a": [1.0]}, [1.0, 2.0], {}),
        ({"a": [1.0]}, [1.0], {"b": [1.0, 2.0]}),
    ],
)
def test_what_does_not_fit_is_refused(
    values: dict[str, list[float]], places: list[float], baselines: dict[str, list[float]]
) -> None:
    with pytest.raises(ValueError, match=r"lines: expected .* values of each of one run or more"):
        lines(values, places, "x", "y", baselines=baselines)
