from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinydl as td
from tinydl.plot import roc

SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.4, 0.9])
LABELS = np.array([0, 0, 1, 1, 1, 0])


def line(figure: Figure, start: str) -> Any:
    (found,) = [ln for ln in figure.axes[0].lines if str(ln.get_label()).strip().startswith(start)]
    return found


def test_every_point_is_a_threshold() -> None:
    drawn = line(roc({"a": (SCORES, LABELS)}), "a").get_xydata()
    positive, negative = SCORES[LABELS == 1], SCORES[LABELS == 0]
    want = [[0.0, 0.0]] + [
        [np.mean(negative >= t), np.mean(positive >= t)] for t in sorted(set(SCORES.tolist()), reverse=True)
    ]
    np.testing.assert_allclose(drawn, want)


def test_the_legend_says_the_area_that_the_metric_says() -> None:
    rng = np.random.default_rng(0)
    for labels in (rng.integers(0, 2, 60), np.repeat([0, 1], [3, 50])):
        scores = rng.integers(0, 9, len(labels)) + labels  # with many ties
        area = td.metrics.roc_auc(td.tensor(scores), td.tensor(labels))
        figure = roc({"network": (td.tensor(scores), td.tensor(labels))})
        assert line(figure, "network").get_label() == f"network: AUC {area:.3f}"


def test_a_threshold_is_marked_where_alarm_is_raised_above_it() -> None:
    curves = {"a": (SCORES, LABELS), "b": (-SCORES, LABELS)}
    figure = roc(curves, {"a": 0.4}, title="Alarms")
    mark = line(figure, "its threshold")
    assert mark.get_xydata().tolist() == [
        [pytest.approx(1 / 3), pytest.approx(1 / 3)]
    ]  # 0.4 itself raises none
    assert mark.get_label().strip() == "its threshold: 33.3% true, 33.3% false alarms"
    assert mark.get_color() == line(figure, "a").get_color() != line(figure, "b").get_color()
    assert figure.get_suptitle() == "Alarms"


def test_perfect_chance_and_wrong() -> None:
    labels = np.repeat([0, 1], 20)
    for scores, area in ((labels, "1.000"), (np.zeros(40), "0.500"), (-labels, "0.000")):
        assert line(roc({"x": (scores, labels)}), "x").get_label() == f"x: AUC {area}"


def test_saves_a_picture(tmp_path: Path) -> None:
    roc({"a": (SCORES, LABELS)}, path=tmp_path / "roc.png")
    assert (tmp_path / "roc.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("scores", "thresholds", "error", "match"),
    [
        ({}, None, ValueError, "roc: expected one score or more to draw, got none"),
        ({"a": (SCORES, LABELS)}, {"b": 1.0}, ValueError, r"roc: thresholds for \['b'\], but the scores are \['a'\]"),
        ({"a": (SCORES[:, None], LABELS)}, None, ValueError, r"roc: expected values of shape \(N,\), got \(6, 1\)"),
        ({"a": (SCORES, LABELS[:5])}, None, ValueError, r"roc: expected labels of shape \(6,\), got \(5,\)"),
        ({"a": (SCORES, LABELS * 1.0)}, None, TypeError, "roc: expected labels that are integers, got float64"),
        ({"a": (SCORES, LABELS * 2)}, None, ValueError, r"roc: expected labels 0 and 1, .* got \[0, 2\]"),
        ({"a": (SCORES, LABELS * 0)}, None, ValueError, r"some of each, got \[0\]"),
        ({"a": (SCORES * np.nan, LABELS)}, None, ValueError, "roc: expected values that are numbers, got NaN"),
    ],
)  # fmt: skip
def test_refuses(scores: Any, thresholds: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        roc(scores, thresholds)
