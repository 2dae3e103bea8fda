"""Deletion: the most important pixels go first, and the answer with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import explain, nn


class Sum(nn.Module):
    """Answers 1 when the pixels of an image add up to more than a threshold, else 0."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def forward(self, x: Any) -> Any:
        total = x.sum(axis=(1, 2, 3))
        return td.stack([total * 0.0 + self.threshold, total], axis=1)


def test_the_largest_go_first_in_every_channel() -> None:
    """Pixels 1, 2, 3, 4 in two channels: 20 in all. Without the 4 it is 12, without 4 and 3 it is 6."""
    image = td.tensor(np.arange(1.0, 5.0).reshape(1, 1, 2, 2).repeat(2, axis=1))
    shares = (0.0, 0.25, 0.5, 1.0)
    for threshold, expected in ((13.0, [1, 0, 0, 0]), (7.0, [1, 1, 0, 0]), (-1.0, [1, 1, 1, 1])):
        for maps in (image[:, 0], image):  # channels are summed
            found = explain.deletion(Sum(threshold), image, maps, shares)
            assert found.dtype == np.int64
            assert found.numpy()[:, 0].tolist() == expected
    least = explain.deletion(Sum(13.0), image, -image, shares)  # 18, 14, 0 are left
    assert least.numpy()[:, 0].tolist() == [1, 1, 1, 0]
    painted = explain.deletion(Sum(13.0), image, image, shares, value=9.0)
    assert painted.numpy()[:, 0].tolist() == [1, 1, 1, 1]
    doubled = explain.deletion(Sum(37.0), image, image, shares, value=image * 2.0)  # 20, 28, 34, 40
    assert doubled.numpy()[:, 0].tolist() == [0, 0, 0, 1]


def test_it_is_what_painting_by_hand_gives(model: Any, images: Any) -> None:
    maps = td.tensor(td.Generator(5).random((3, 6, 8), "float64"))
    found = explain.deletion(model, images, maps, [0.0, 0.3, 0.7], value=0.5).numpy()
    for share, answers in zip((0.0, 0.3, 0.7), found, strict=True):
        left = images.numpy().copy()
        for image, importance in zip(left, maps.numpy(), strict=True):
            gone = np.unravel_index(np.argsort(-importance.ravel())[: round(share * 48)], (6, 8))
            image[:, gone[0], gone[1]] = 0.5
        with td.no_grad():
            by_hand = model.eval()(td.tensor(left)).argmax(axis=1).numpy()
        assert (answers == by_hand).all()


def test_what_does_not_fit(model: Any, images: Any) -> None:
    with pytest.raises(ValueError, match=r"deletion: expected maps of shape \(3, 6, 8\), got \(3, 8, 6\)"):
        explain.deletion(model, images, td.zeros(3, 8, 6), [0.1])
    with pytest.raises(ValueError, match=r"deletion: expected a value of shape \(3, 2, 6, 8\), got \(6, 8\)"):
        explain.deletion(model, images, td.zeros(3, 6, 8), [0.1], value=td.zeros(6, 8))
    with pytest.raises(ValueError, match=r"shares must be in \[0, 1\], got \[1.5\]"):
        explain.deletion(model, images, td.zeros(3, 6, 8), [1.5])
