"""Occlusion against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import explain


@pytest.mark.parametrize(("size", "stride"), [(3, 3), (4, 2), (1, 1), (6, 5)])
def test_it_is_what_covering_each_square_costs(size: int, stride: int, model: Any, images: Any) -> None:
    found = explain.occlusion(model, images, [1, 0, 2], size, stride, value=0.5).numpy()
    model.eval()

    def probability(x: Any) -> Any:
        with td.no_grad():
            return td.functional.softmax(model(td.tensor(x))).numpy()[[0, 1, 2], [1, 0, 2]]

    lost, covered = np.zeros((3, 6, 8)), np.zeros((6, 8))
    tops = {min(y, 6 - size) for y in range(0, 6, stride)} | {6 - size}
    lefts = {min(x, 8 - size) for x in range(0, 8, stride)} | {8 - size}
    for top in tops:
        for left in lefts:
            painted = images.numpy().copy()
            painted[:, :, top : top + size, left : left + size] = 0.5
            drop = probability(images.numpy()) - probability(painted)
            lost[:, top : top + size, left : left + size] += drop[:, None, None]
            covered[top : top + size, left : left + size] += 1
    assert covered.min() > 0
    np.testing.assert_allclose(found, lost / covered, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("size", "stride"), [(0, 1), (7, 1), (3, 0), (3, 4)])
def test_squares_fit_and_leave_no_gaps(size: int, stride: int, model: Any, images: Any) -> None:
    with pytest.raises(ValueError, match="expected 1 <= stride <= size <= 6"):
        explain.occlusion(model, images, size=size, stride=stride)
