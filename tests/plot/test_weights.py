from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinydl as td
from tinydl.plot import filters

Texts = Callable[[Figure], list[str]]


def test_one_input_channel_gives_a_row_of_tiles_on_one_scale(texts: Texts) -> None:
    weight = td.models.LeNet5(generator=0).c1.weight
    figure = filters(weight, title="C1")
    axes, side = figure.axes
    (image,) = axes.images
    assert image.get_array().shape == (5, 6 * 5 + 5)
    np.testing.assert_allclose(image.get_array()[:, 6:11], weight.numpy()[1, 0])
    limit = float(np.abs(weight.numpy()).max())
    assert image.get_clim() == pytest.approx((-limit, limit))
    assert side.get_ylabel() == "Weight"
    assert figure.get_suptitle() == "C1"
    assert axes.get_xlabel() == ""


def test_several_input_channels_give_rows_of_outputs_and_columns_of_inputs() -> None:
    weight = np.random.default_rng(0).normal(size=(4, 2, 3, 3))
    axes = filters(weight).axes[0]
    whole = axes.images[0].get_array()
    assert whole.shape == (4 * 4 - 1, 2 * 4 - 1)
    np.testing.assert_allclose(whole[8:11, 4:7], weight[2, 1])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Input channel", "Output channel")
    np.testing.assert_allclose(axes.get_yticks(), [1, 5, 9, 13])
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1"]


def test_three_input_channels_are_colours_with_zero_grey(texts: Texts) -> None:
    weight = np.zeros((2, 3, 2, 2))
    weight[0, 0, 0, 0], weight[1, 2, 1, 1] = 0.5, -0.5
    figure = filters(weight)
    (axes,) = figure.axes
    picture = axes.images[0].get_array()
    assert picture.shape == (2, 2 + 1 + 2, 3)
    np.testing.assert_allclose(picture[0, 0], [1, 0.5, 0.5])
    np.testing.assert_allclose(picture[1, 4], [0.5, 0.5, 0])
    np.testing.assert_allclose(picture[0, 2], 1)  # white between
    assert "grey is 0, full colour ±0.5" in texts(figure)


def test_pixels_are_square() -> None:
    for shape in ((6, 1, 5, 5), (16, 6, 5, 5), (3, 2, 1, 7), (3, 2, 7, 1), (64, 3, 7, 7)):
        figure = filters(np.ones(shape))
        figure.draw_without_rendering()
        axes = figure.axes[0]
        box = axes.get_window_extent()
        h, w = axes.images[0].get_array().shape[:2]
        assert box.width / w == pytest.approx(box.height / h)
        assert figure.bbox.width < 1800
        assert figure.bbox.height < 2000


def test_first_channels_of_many() -> None:
    figure = filters(np.ones((70, 80, 1, 1)))
    assert figure.get_suptitle() == "Filters, first 64 of 70 output channels, first 64 of 80 input channels"
    assert figure.axes[0].images[0].get_array().shape == (127, 127)


def test_zeros() -> None:
    assert filters(np.zeros((1, 1, 3, 3))).axes[0].images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize("shape", [(3, 3), (2, 1, 3), (0, 1, 3, 3), (1, 1, 1, 1, 1)])
def test_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"filters: expected a weight of shape \(out, in, kh, kw\), got"):
        filters(np.ones(shape))


def test_refuses_nan() -> None:
    with pytest.raises(ValueError, match="filters: expected finite weights"):
        filters(np.full((1, 1, 2, 2), np.nan))
