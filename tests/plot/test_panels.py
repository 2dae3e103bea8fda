"""Panels of one scale: learning curves, and a quantity layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl.plot import by_layer, learning_curves


def test_training_and_validation_in_panels(tmp_path: Path) -> None:
    panels = {
        "plain": {"20 layers": ([2.0, 1.0, 0.5], [2.1, 1.5, 1.8]), "32 layers": ([3.0, 2.0], [None, 2.5])},
        "residual": {"20 layers": ([1.0], [1.2])},
    }
    figure = learning_curves(panels, "Cross-entropy", path=tmp_path / "a.png", title="Depth", high=4)
    assert (tmp_path / "a.png").stat().st_size > 1000
    plain, residual = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["plain", "residual"]
    assert plain.get_ylim() == residual.get_ylim() == (0, 4)
    training, validation = plain.lines[:2]
    np.testing.assert_array_equal(training.get_xydata(), [[1, 2], [2, 1], [3, 0.5]])
    np.testing.assert_array_equal(validation.get_ydata(), [2.1, 1.5, 1.8])
    np.testing.assert_array_equal(plain.lines[3].get_ydata(), [np.nan, 2.5])
    assert training.get_linestyle() != validation.get_linestyle()
    assert training.get_color() == residual.lines[0].get_color() != plain.lines[2].get_color()
    (legend,) = figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said == ["20 layers", "32 layers", "training", "validation"]


def test_single_runs_need_no_names_and_show_their_lowest_value() -> None:
    figure = learning_curves({"a": {"": ([1, 1], [3, 2.25])}, "b": {"": ([1], [2])}}, "Loss")
    training, validation, lowest = figure.axes[0].lines
    assert training.get_color() != validation.get_color()
    np.testing.assert_array_equal(lowest.get_xydata(), [[2, 2.25]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["2.25"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "training",
        "validation",
        "lowest validation",
    ]


@pytest.mark.parametrize("panels", [{}, {"a": {}}, {"a": {"": ([1.0], [])}}])
def test_learning_curves_of_nothing_are_refused(panels: Any) -> None:
    with pytest.raises(ValueError, match="learning_curves: expected one run or more"):
        learning_curves(panels, "Loss")


def test_a_line_for_each_depth(tmp_path: Path) -> None:
    panels = {
        "sigmoid": {3: [0.0, 1e-3, 1.0], 2: [1e-2, 1.0]},
        "tanh": {3: [0.5, 0.6, 0.7]},
        **{f"{i}": {3: [1.0, 1.0, 1.0]} for i in range(3)},
    }
    figure = by_layer(panels, "Norm", path=tmp_path / "a.png", title="Gradients", low=1e-6, high=10)
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(panels)
    sigmoid, tanh, *_ = figure.axes
    assert sigmoid.get_yscale() == "log"
    assert sigmoid.get_ylim() == tanh.get_ylim() == (1e-6, 10)
    np.testing.assert_array_equal(sigmoid.lines[0].get_xydata(), [[1, np.nan], [2, 1e-3], [3, 1.0]])
    three, two = sigmoid.lines[0].get_color(), sigmoid.lines[2].get_color()
    np.testing.assert_array_equal(three, tanh.lines[0].get_color())
    assert not np.array_equal(three, two)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["2 layers", "3 layers"]


@pytest.mark.parametrize("panels", [{}, {"a": {}}, {"a": {3: []}}])
def test_layers_of_nothing_are_refused(panels: Any) -> None:
    with pytest.raises(ValueError, match="by_layer: expected one network or more"):
        by_layer(panels, "Norm")
