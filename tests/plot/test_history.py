from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import tinydl as td
from tinydl.plot import curves, style

Texts = Callable[[Figure], list[str]]

FULL: dict[str, list[float | None]] = {
    "epoch": [1, 2, 3],
    "loss": [2.0, 1.0, 0.5],
    "validation_loss": [1.8, 0.9, 1.1],
    "accuracy": [0.5, 0.8, 0.9],
    "validation_accuracy": [0.55, 0.7, 0.85],
    "lr": [1e-1, 1e-2, 1e-3],
    "seconds": [3.0, 2.5, 2.75],
}


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_ylabel(): axes for axes in figure.axes}


def line(axes: Axes, label: str) -> Any:
    (found,) = [ln for ln in axes.lines if ln.get_label() == label]
    return found


def test_a_panel_for_each_quantity_with_training_and_validation() -> None:
    figure = curves(FULL, title="LeNet-5")
    found = panels(figure)
    assert list(found) == ["Loss", "Accuracy", "Learning rate", "Seconds per epoch"]
    assert figure.get_suptitle() == "LeNet-5"
    for name in ("loss", "accuracy"):
        axes = found[name.capitalize()]
        for label, column in (("training", name), ("validation", f"validation_{name}")):
            np.testing.assert_array_equal(line(axes, label).get_xdata(), [1, 2, 3])
            np.testing.assert_array_equal(line(axes, label).get_ydata(), FULL[column])
        assert line(axes, "training").get_color() != line(axes, "validation").get_color()
        assert [t.get_text() for t in axes.get_legend().get_texts()] == ["training", "validation"]
    assert all(axes.get_xlabel() == "Epoch" for axes in figure.axes)
    assert found["Learning rate"].get_legend() is None
    np.testing.assert_array_equal(line(found["Learning rate"], "training").get_ydata(), FULL["lr"])


def test_says_which_epoch_was_best() -> None:
    found = panels(curves(FULL))
    assert found["Loss"].get_title("right") == "best validation 0.9, epoch 2"
    assert found["Accuracy"].get_title("right") == "best validation 85.0%, epoch 3"
    (ring,) = [ln for ln in found["Loss"].lines if len(ln.get_xdata()) == 1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (2, 0.9)


def test_the_learning_rate_is_logarithmic_only_when_it_spans() -> None:
    assert panels(curves(FULL))["Learning rate"].get_yscale() == "log"
    for rates in ([0.1, 0.1, 0.1], [0.2, 0.1, 0.05], [0.0, 0.1, 1.0]):
        assert panels(curves({"lr": rates}))["Learning rate"].get_yscale() == "linear"


def test_accuracy_is_in_percent_and_losses_start_at_zero(texts: Texts) -> None:
    figure = curves(FULL)
    assert panels(figure)["Accuracy"].get_ylim()[1] == 1
    assert "100%" in texts(figure)
    assert panels(figure)["Loss"].get_ylim()[0] == 0
    assert panels(curves({"loss": [-1.0, -2.0]}))["Loss"].get_ylim()[0] < -2


def test_one_epoch(texts: Texts) -> None:
    figure = curves({name: values[:1] for name, values in FULL.items()})
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert axes.get_xlim() == (0.5, 1.5)
        assert [t.get_text() for t in axes.get_xticklabels()] == ["1"]
        drawn = axes.lines[0]
        assert drawn.get_marker() == "o"
        low, high = axes.get_ylim()
        assert low < drawn.get_ydata()[0] < high
    assert "best validation 1.8, epoch 1" in texts(figure)


def test_missing_values_are_left_out() -> None:
    figure = curves(
        {
            "loss": [math.nan, 1.0, math.inf, 0.5],
            "validation_loss": [None, 0.9, None, 0.7],
            "accuracy": [None] * 4,
            "validation_accuracy": [0.1, None, math.nan, 0.4],
            "dice": [math.nan] * 4,
        }
    )
    found = panels(figure)
    assert list(found) == ["Loss", "Accuracy"]
    np.testing.assert_array_equal(line(found["Loss"], "training").get_xdata(), [2, 4])
    np.testing.assert_array_equal(line(found["Loss"], "validation").get_ydata(), [0.9, 0.7])
    assert [ln.get_label() for ln in found["Accuracy"].lines[:1]] == ["validation"]
    np.testing.assert_array_equal(found["Accuracy"].lines[0].get_xdata(), [1, 4])
    assert found["Accuracy"].get_legend() is not None  # a line alone must say that it is the validation's


def test_rows_and_mappings_give_the_same() -> None:
    rows: list[dict[str, float | None]] = [
        {"epoch": 5, "loss": 2.0},
        {"epoch": 6, "loss": 1.0, "validation_loss": 1.5},
    ]
    (axes,) = curves(rows).axes
    np.testing.assert_array_equal(line(axes, "training").get_xdata(), [5, 6])
    np.testing.assert_array_equal(line(axes, "validation").get_xdata(), [6])
    (same,) = curves({"epoch": [5, 6], "loss": [2.0, 1.0], "validation_loss": [None, 1.5]}).axes
    for a, b in zip(axes.lines, same.lines, strict=True):
        np.testing.assert_array_equal(a.get_xydata(), b.get_xydata())


def test_a_history_of_the_trainer(tmp_path: Path) -> None:
    history = td.train.History([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "validation_loss": 1.5}])
    figure = history.plot(path=tmp_path / "curves.png")
    assert list(panels(figure)) == ["Loss"]
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_many_epochs_have_no_dots_and_unknown_quantities_a_panel() -> None:
    n = 100
    figure = curves({"loss": np.linspace(2, 1, n).tolist(), "kl_term": [1.0] * n, "error": [0.5] * n})
    assert list(panels(figure)) == ["Loss", "Kl term", "Error"]
    assert figure.axes[0].lines[0].get_marker() in ("", "None")
    assert figure.axes[0].get_xlim()[0] > 0  # no epoch 0
    figure.draw_without_rendering()  # places the panels
    assert figure.axes[2].get_position().width > 1.5 * figure.axes[0].get_position().width


def test_colours_are_told_apart() -> None:
    assert len({style.TRAINING, style.VALIDATION, style.RIGHT, style.WRONG, style.OTHER} - {""}) == 5
    assert len(set(style.CLASSES)) == 10


@pytest.mark.parametrize(
    ("history", "match"),
    [
        ({}, "curves: expected at least one epoch, got none"),
        ([], "curves: expected at least one epoch, got none"),
        ({"loss": []}, "curves: expected at least one epoch, got none"),
        ({"epoch": [1, 2]}, "curves: expected a history with at least one value, got none"),
        ({"loss": [None, math.nan]}, "curves: expected a history with at least one value, got none"),
        ({"loss": [1.0], "lr": [1.0, 2.0]}, r"curves: expected columns of one length, got \{'loss': 1, 'lr': 2\}"),
        ({"epoch": [1, None], "loss": [1.0, 2.0]}, "curves: expected a number for every epoch"),
    ],
)  # fmt: skip
def test_refuses(history: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        curves(history)
