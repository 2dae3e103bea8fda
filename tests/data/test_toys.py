from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl.random as random
from tinydl.data import apples_oranges, moons, or_gate, spiral, xor
from tinydl.data.toys import ApplesOranges, Moons, Spiral

TOYS = [apples_oranges, moons, spiral]
Toy = ApplesOranges | Moons | Spiral


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("n", [2, 3, 7, 100])
def test_shapes_and_balance(toy: Toy, n: int) -> None:
    table = toy.load(n=n, generator=0)
    assert table.x.shape == (n, 2)
    assert table.x.dtype == np.float32
    assert np.isfinite(table.x).all()
    assert table.y.dtype == np.int64
    assert np.bincount(table.y).tolist() == [n - n // 2, n // 2]
    assert len(table.classes) == len(table.features) == 2
    assert table.source == f"computed {table.name}: {n} points, 2 classes"


@pytest.mark.parametrize("toy", TOYS)
def test_same_seed_same_points(toy: Toy) -> None:
    np.testing.assert_array_equal(toy.load(generator=3).x, toy.load(generator=3).x)
    assert not np.array_equal(toy.load(generator=3).x, toy.load(generator=4).x)
    random.manual_seed(5)
    once, twice = toy.load(), toy.load()
    assert not np.array_equal(once.x, twice.x)
    random.manual_seed(5)
    np.testing.assert_array_equal(toy.load().x, once.x)


@pytest.mark.parametrize("toy", TOYS)
def test_refuses_bad_arguments(toy: Toy) -> None:
    with pytest.raises(ValueError, match="expected n of 2 or more, one point of each class at least, got 1"):
        toy.load(n=1)
    for noise in (-0.1, float("nan")):
        with pytest.raises(ValueError, match=f"expected noise of 0 or more, got {noise}"):
            toy.load(noise=noise)


@given(noise=st.floats(0, 0.345), seed=st.integers(0, 2**63))
def test_a_straight_line_divides_apples_and_oranges(noise: float, seed: int) -> None:
    table = apples_oranges.load(n=50, noise=noise, generator=seed)
    side = table.x @ np.array([1, 1]) - 2.25  # the line half way between the centres
    np.testing.assert_array_equal(side > 0, table.y == 1)


def test_apples_and_oranges_fill_their_discs() -> None:
    table = apples_oranges.load(n=20_000, generator=0)
    for label, centre in enumerate([(1.5, 0.25), (2.0, 0.75)]):
        away = np.hypot(*(table.x[table.y == label] - centre).T)
        assert 0.299 < away.max() < 0.3001
        assert np.mean(away < 0.15) == pytest.approx(0.25, abs=0.015)  # a quarter of the area


def test_gates() -> None:
    for gate, operation in ((or_gate, np.logical_or), (xor, np.logical_xor)):
        table = gate.load()
        assert table.x.dtype == np.float32
        assert table.y.dtype == np.int64
        assert table.x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        np.testing.assert_array_equal(table.y, operation(table.x[:, 0], table.x[:, 1]))
        table.x[:] = 9
        assert gate.load().x.max() == 1


def test_moons_without_noise_are_half_circles() -> None:
    table = moons.load(n=101, noise=0)
    upper, lower = table.x[table.y == 0], table.x[table.y == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1, rtol=1e-6)
    np.testing.assert_allclose(np.hypot(*(lower - (1, 0.5)).T), 1, rtol=1e-6)
    assert upper[:, 1].min() > -1e-6
    assert lower[:, 1].max() < 0.5 + 1e-6
    np.testing.assert_allclose(upper[[0, -1]], [[1, 0], [-1, 0]], atol=1e-6)
    np.testing.assert_allclose(lower[[0, -1]], [[0, 0.5], [2, 0.5]], atol=1e-6)


def test_spiral_without_noise() -> None:
    table = spiral.load(n=40, noise=0)
    first, second = table.x[table.y == 0], table.x[table.y == 1]
    np.testing.assert_allclose(first, -second, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*first.T), np.linspace(0, 1, 20), atol=1e-6)
    turned = np.unwrap(np.arctan2(first[1:, 1], first[1:, 0]))
    np.testing.assert_allclose(turned, 3 * np.pi * np.linspace(0, 1, 20)[1:], atol=1e-5)


def test_noise_is_the_standard_deviation() -> None:
    for toy in (moons, spiral):
        clean, noisy = toy.load(n=5000, noise=0), toy.load(n=5000, noise=0.5, generator=1)
        assert np.std(noisy.x - clean.x) == pytest.approx(0.5, rel=0.03)
