"""Gradient norms and update ratios as lines over epochs, and as a bar for each layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tinydl.plot import gradient_flow

Texts = Callable[[Figure], list[str]]
NORMS = {"epoch": [1, 2, 3], "first": [1e-6, None, 1e-4], "last": [0.1, 0.2, 0.0]}
RATIOS = {"epoch": [1, 2, 3], "first": [1e-4, 1e-4, 1e-4], "last": [float("nan"), 1e-2, 3e-2]}


def test_lines_over_epochs_and_a_bar_of_the_mean_for_each_layer(texts: Texts, tmp_path: Path) -> None:
    figure = gradient_flow(NORMS, RATIOS, tmp_path / "flow.png", "Flow")
    assert (tmp_path / "flow.png").stat().st_size > 1000
    norms, norm_bars, ratios, ratio_bars = figure.axes
    first, last = norms.lines
    np.testing.assert_array_equal(first.get_xydata(), [[1, 1e-6], [2, np.nan], [3, 1e-4]])
    np.testing.assert_array_equal(last.get_ydata(), [0.1, 0.2, np.nan])  # 0 has no place on this scale
    assert [bar.get_width() for bar in norm_bars.patches] == pytest.approx([5.05e-5, 0.15])
    assert [bar.get_width() for bar in ratio_bars.patches] == pytest.approx([1e-4, 2e-2])
    for axes, bars in ((norms, norm_bars), (ratios, ratio_bars)):
        assert (axes.get_yscale(), bars.get_xscale()) == ("log", "log")
        for line, bar in zip(axes.lines, bars.patches, strict=False):  # the bars name the lines
            np.testing.assert_allclose(line.get_color(), bar.get_facecolor())
        assert bars.get_ylim()[0] > bars.get_ylim()[1]  # the first layer above
    low, high = ratios.get_ylim()
    assert low <= 1e-4 < 1e-3 < 3e-2 <= high
    assert {"first", "last", "Flow", "Epoch", "Gradient norm", "Update ratio", "rule of thumb: 0.001"} <= set(
        texts(figure)
    )


def test_epochs_are_counted_where_they_are_missing() -> None:
    figure = gradient_flow({"w": [1.0, 2.0]}, {"w": [0.1, 0.2]})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [1, 2])


@pytest.mark.parametrize(
    ("gradients", "updates"),
    [({}, {}), ({"epoch": [1]}, {"epoch": [1]}), ({"w": []}, {"w": []}), ({"w": [1.0]}, {"w": [1.0, 2.0]})],
)
def test_what_does_not_fit_is_refused(
    gradients: dict[str, list[float]], updates: dict[str, list[float]]
) -> None:
    with pytest.raises(ValueError, match="gradient_flow: expected parameters with a value for each"):
        gradient_flow(gradients, updates)
