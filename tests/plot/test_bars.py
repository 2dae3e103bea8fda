"""Bars of several runs side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinydl.plot import bars


def test_the_bars_of_one_place_stand_side_by_side(tmp_path: Path) -> None:
    values = {"one": [3.0, 2.0, 1.0], "two": np.array([1.0, 0.0, 4.0])}
    figure = bars(values, ["a", "b", "c"], "Latent", "KL", path=tmp_path / "bars.png", title="What each says")
    assert (tmp_path / "bars.png").stat().st_size > 1000
    (axes,) = figure.axes
    first, second = axes.containers
    assert [bar.get_height() for bar in first] == [3, 2, 1]
    assert [bar.get_height() for bar in second] == [1, 0, 4]
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        assert a.get_x() + a.get_width() == pytest.approx(b.get_x()) == pytest.approx(i)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Latent", "KL")
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two"]


def test_one_run_needs_no_legend() -> None:
    assert bars({"KL": [1.0]}, [0], "Latent", "KL").axes[0].get_legend() is None


@pytest.mark.parametrize("values", [{}, {"a": [1.0, 2.0]}, {"a": [1.0], "b": []}])
def test_values_that_do_not_fit_are_refused(values: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="bars: expected 1 values of each of one run or more"):
        bars(values, ["a"], "Latent", "KL")
