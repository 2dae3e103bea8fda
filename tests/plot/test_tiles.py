from __future__ import annotations

import numpy as np
import pytest

from tinydl.plot import style, tiles


@pytest.mark.parametrize(
    ("count", "aspect", "columns"),
    [(1, 1, 1), (6, 1, 6), (8, 1, 8), (16, 1, 4), (20, 1, 5), (24, 1, 6), (64, 1, 8), (13, 1, 5), (64, 4, 16)],
)  # fmt: skip
def test_columns(count: int, aspect: float, columns: int) -> None:
    assert tiles.columns_for(count, aspect) == columns


def test_tiles_lie_side_by_side_with_room_between() -> None:
    values = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    with style.sheet(4, 4) as figure:
        axes = figure.add_subplot()
        image = tiles.draw_tiles(axes, values, 3, vmin=0, vmax=30)
    whole = image.get_array()
    assert whole.shape == (2 + 1 + 2, 3 + 1 + 3 + 1 + 3)
    np.testing.assert_array_equal(whole[:2, :3], values[0])
    np.testing.assert_array_equal(whole[:2, 8:], values[2])
    np.testing.assert_array_equal(whole[3:, 4:7], values[4])
    assert np.ma.getmaskarray(whole)[3:, 8:].all() or np.isnan(whole[3:, 8:]).all()  # no sixth tile
    assert np.isfinite(np.ma.filled(whole, np.nan)).sum() == values.size
    assert len(axes.collections[0].get_paths()) == 5
    assert axes.get_xlim() == (-0.5, 10.5)
    assert axes.get_ylim() == (4.5, -0.5)


def test_diverging_has_zero_in_its_middle() -> None:
    how = tiles.diverging(np.array([-3.0, 1.0, np.nan, np.inf]))
    assert (how["vmin"], how["vmax"]) == (-3, 3)
    assert tiles.diverging(np.zeros(3))["vmax"] == 1
    assert tiles.diverging(np.array([np.nan]))["vmax"] == 1
