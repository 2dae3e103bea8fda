"""Crops: image and mask stay together, all places and turns occur, and a resumed run goes on with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.data import DataLoader, RandomCrops
from tinydl.data.crops import turned, turned_back
from tinydl.random import Generator


def numbered(n: int = 2, height: int = 7, width: int = 9) -> np.ndarray[Any, Any]:
    """Images whose pixels are all different."""
    return np.arange(n * height * width).reshape(n, 1, height, width)


def test_a_crop_is_a_piece_of_the_image_and_the_mask_follows() -> None:
    image = numbered()
    mask = -image[:, 0]
    crops = RandomCrops(image, mask, size=3, count=600, generator=Generator(0))
    x, y = crops[np.arange(600)]
    assert (x.shape, y.shape, x.dtype) == ((600, 1, 3, 3), (600, 3, 3), image.dtype)
    np.testing.assert_array_equal(x[:, 0], -y)
    places, ways = set(), set()
    for crop in x[:, 0]:
        number, corner = divmod(int(crop.min()), 63)
        top, left = divmod(corner, 9)
        piece = image[number, 0, top : top + 3, left : left + 3]
        way = [w for w in range(8) if np.array_equal(turned(piece, w), crop)]
        assert len(way) == 1
        places.add((number, top, left))
        ways.add(way[0])
    assert ways == set(range(8))
    assert len(places) == 2 * 5 * 7  # every place that there is


def test_the_eight_ways_are_all_different_and_can_be_undone() -> None:
    square = np.arange(9).reshape(1, 3, 3)
    assert len({turned(square, way).tobytes() for way in range(8)}) == 8
    oblong = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    for way in range(8):
        np.testing.assert_array_equal(turned_back(turned(oblong, way), way), oblong)
    np.testing.assert_array_equal(turned(oblong, 4), oblong[..., ::-1])
    np.testing.assert_array_equal(turned(square[0], 1), [[2, 5, 8], [1, 4, 7], [0, 3, 6]])


def test_the_loader_gives_other_crops_in_every_epoch_and_the_same_for_the_same_seed() -> None:
    def epochs(seed: int) -> list[np.ndarray[Any, Any]]:
        generator = Generator(seed)
        crops = RandomCrops(numbered(1, 40, 40), size=8, count=5, generator=generator)
        loader = DataLoader(crops, 2, generator=generator)
        assert len(loader) == 3
        return [np.concatenate([x.numpy() for (x,) in loader]) for _ in range(2)]

    first, second = epochs(0)
    assert first.shape == (5, 1, 8, 8)
    assert not np.array_equal(first, second)
    for a, b in zip(epochs(0), (first, second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(epochs(1)[0], first)


def test_the_loaders_generator_is_all_that_a_resumed_run_needs() -> None:
    def loader() -> DataLoader:
        generator = Generator(7)
        return DataLoader(
            RandomCrops(numbered(1, 30, 30), size=8, count=4, generator=generator), 2, generator=generator
        )

    whole, resumed = loader(), loader()
    list(whole)
    state = whole.generator.get_state()
    expected = [x.numpy() for (x,) in whole]
    resumed.generator.set_state(state)
    for a, (b,) in zip(expected, resumed, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_rows_are_asked_for_as_of_any_data_set() -> None:
    crops = RandomCrops(td.tensor(numbered()), size=7, count=6, generator=Generator(0))
    assert len(crops) == 6
    assert crops[2][0].shape == (1, 7, 7)
    assert crops[1:4][0].shape == (3, 1, 7, 7)
    assert crops[np.array([True, False, True, False, False, False])][0].shape == (2, 1, 7, 7)
    with pytest.raises(IndexError):
        crops[6]


def test_what_is_refused() -> None:
    generator = Generator(0)
    image = numbered()
    for arrays, size, count in (
        ((image, image[:, 0, 1:]), 3, 1),
        ((image[0, 0],), 3, 1),
        ((image, image[:1]), 3, 1),
        ((), 3, 1),
        ((image,), 8, 1),
        ((image,), 0, 1),
        ((image,), 3, 0),
        ((image[:0],), 3, 1),
    ):
        with pytest.raises(ValueError, match=r"RandomCrops|TensorDataset"):
            RandomCrops(*arrays, size=size, count=count, generator=generator)
    a_number: Any = 0
    with pytest.raises(TypeError, match=r"RandomCrops: generator must be a td\.Generator, got int"):
        RandomCrops(image, size=3, count=1, generator=a_number)
