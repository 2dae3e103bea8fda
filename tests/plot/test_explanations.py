from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinydl as td
from tinydl.plot import explanations, style

Texts = Callable[[Figure], list[str]]
X = np.random.default_rng(0).random((2, 1, 4, 6))


def test_a_row_for_each_image_and_a_column_for_each_map(texts: Texts, tmp_path: Path) -> None:
    signed, unsigned = X[:, 0] - 0.5, X
    figure = explanations(
        X, {"signed": signed, "bright": td.tensor(unsigned)}, ["a 3", "a 5"], tmp_path / "x.png", "Why"
    )
    assert len(figure.axes) == 6
    for i in (0, 1):
        image, first, second = figure.axes[3 * i : 3 * i + 3]
        np.testing.assert_allclose(image.images[0].get_array(), X[i, 0])
        np.testing.assert_allclose(first.images[0].get_array(), signed[i])
        np.testing.assert_allclose(second.images[0].get_array(), X[i, 0])
        most = np.abs(signed[i]).max()
        assert first.images[0].get_clim() == (-most, most)
        assert first.images[0].get_cmap().name == style.DIVERGING
        assert second.images[0].get_clim() == (0, X[i].max())
        assert second.images[0].get_cmap().name == "inferno"
    shown = texts(figure)
    assert {"image", "signed", "bright", "a 3", "a 5", "Why"} <= set(shown)
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_channels_of_a_map_are_summed_and_empty_maps_are_dark() -> None:
    colour = np.random.default_rng(0).random((2, 3, 4, 6))
    figure = explanations(colour, {"sum": colour, "none": np.zeros((2, 4, 6))})
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), colour[0].sum(axis=0))
    assert figure.axes[2].images[0].get_clim() == (0, 1)


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"expected a of shape \(2, 4, 6\), got \(2, 6, 4\)"):
        explanations(X, {"a": np.zeros((2, 6, 4))})
    with pytest.raises(ValueError, match="expected one map or more"):
        explanations(X, {})
    with pytest.raises(ValueError, match="expected 2 titles, one for each image, got 1"):
        explanations(X, {"a": X}, titles=["one"])
