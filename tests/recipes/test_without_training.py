"""Rules of thumb: Otsu's threshold by its definition, masks of plain pictures, digits named by their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td
from tinydl.recipes.without_training import RULES, by_border_colour, by_light, named_by_neighbour, otsu


def test_the_threshold_divides_two_groups() -> None:
    values = np.concatenate([np.linspace(0, 0.2, 30), np.linspace(0.7, 1, 10)]).astype(np.float32)
    assert 0.2 <= otsu(values) < 0.7


def test_the_threshold_is_that_of_scikit_image() -> None:
    filters = pytest.importorskip("skimage.filters")
    photo = td.data.photos.load()["chelsea"].mean(2).astype(np.float32)
    assert otsu(photo) == pytest.approx(
        filters.threshold_otsu(photo, nbins=128), abs=float(2 * np.ptp(photo) / 128)
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("ink", "ground"), [(0.9, 0.2), (0.1, 0.7)])
def test_a_square_on_plain_ground_is_found(rule: str, ink: float, ground: float) -> None:
    images = np.full((2, 3, 20, 20), ground, np.float32)
    images[:, :, 5:12, 4:9] = ink
    want = np.zeros((2, 20, 20), bool)
    want[:, 5:12, 4:9] = True
    assert (RULES[rule](images) == want).all()


def test_colours_of_one_brightness_are_told_apart_by_colour_alone() -> None:
    images = np.zeros((1, 3, 20, 20), np.float32)
    images[:, 0] = 0.6
    images[:, :, 5:12, 4:9] = np.array([0.0, 0.6, 0.0])[:, None, None]
    assert by_border_colour(images).sum() == 35
    assert by_light(images).sum() != 35


def test_digits_cut_from_white_are_named_right() -> None:
    train, test = td.data.mnist.load()
    masks = test.images[:60] > 127
    found = named_by_neighbour(masks, train.images, train.labels + 1)
    assert found.shape == masks.shape
    assert (found[~masks] == 0).all()
    named = [np.bincount(labels[labels > 0]).argmax() - 1 for labels in found]
    assert (np.array(named) == test.labels[:60]).mean() > 0.85


def test_specks_become_background() -> None:
    train = td.data.mnist.load().train
    masks = np.zeros((1, 20, 20), bool)
    masks[0, 2:4, 2:7] = True  # 10 pixels
    masks[0, 10:14, 10:14] = True
    found = named_by_neighbour(masks, train.images[:100], train.labels[:100] + 1)
    assert ((found > 0) == (np.arange(400).reshape(1, 20, 20) >= 200) * masks).all()
