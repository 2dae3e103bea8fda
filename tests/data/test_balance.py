"""Classes of different sizes: a sampler that shows them equally often, and copies that make them equally large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.data import BalancedSampler, DataLoader, oversample
from tinydl.data.augment import Compose, GaussianNoise
from tinydl.random import Generator

label_lists = st.lists(st.sampled_from([-1, 0, 3, 7]), min_size=1, max_size=30)


@given(label_lists, st.integers(1, 60), st.integers(0, 2**32))
def test_every_class_comes_equally_often_and_its_rows_take_turns(labels, count, seed):
    labels = np.array(labels)
    sampler = BalancedSampler(labels, count)
    rows = sampler(Generator(seed))
    assert len(rows) == len(sampler) == count
    shown = [np.sum(labels[rows] == c) for c in np.unique(labels)]
    assert max(shown) - min(shown) <= 1
    for c in np.unique(labels):
        times = [np.sum(rows == row) for row in np.flatnonzero(labels == c)]
        assert max(times) - min(times) <= 1
    assert (rows == sampler(Generator(seed))).all()


def test_a_loader_shows_rare_classes_as_often_in_a_new_order_each_pass():
    y = np.array([0] * 90 + [1] * 10)
    loader = DataLoader((np.arange(100), y), 8, sampler=BalancedSampler(y), generator=0)
    assert len(loader) == 13
    passes = [[np.concatenate(parts) for parts in zip(*((a.numpy(), b.numpy()) for a, b in loader), strict=True)]
              for _ in range(2)]  # fmt: skip
    for rows, labels in passes:
        assert (y[rows] == labels).all()
        assert labels.sum() == 50
        assert 10 < labels[:50].sum() < 40  # mixed, not one class after the other
    assert (passes[0][0] != passes[1][0]).any()
    assert len(DataLoader((y,), 8, sampler=BalancedSampler(y, 16), drop_last=True)) == 2


def test_a_sampler_of_other_data_or_beside_shuffle_is_refused():
    y = np.array([0, 1, 1])
    with pytest.raises(ValueError, match="expected a sampler of 4 rows and shuffle=False, got one of 3 rows"):
        DataLoader((np.zeros(4),), 2, sampler=BalancedSampler(y))
    with pytest.raises(ValueError, match="shuffle=True"):
        DataLoader((y,), 2, shuffle=True, sampler=BalancedSampler(y))


@given(label_lists, st.integers(0, 2**32))
def test_oversampling_makes_all_classes_as_large_as_the_largest(labels, seed):
    y = np.array(labels)
    x = (np.arange(len(y)) + 0.5).astype(np.float32).reshape(-1, 1, 1, 1)
    new_x, new_y = oversample(x, y, generator=seed)
    counts = np.unique(new_y, return_counts=True)[1]
    assert set(counts) == {np.bincount(y + 1).max()}
    assert (new_x[: len(x)] == x).all()
    assert (new_y[: len(y)] == y).all()
    assert (y[new_x.ravel().astype(int)] == new_y).all()  # copies have the label of their row
    for c in np.unique(y):
        times = np.unique(new_x[new_y == c], return_counts=True)[1]
        assert np.ptp(times) <= 1


def test_copies_are_changed_and_originals_are_not():
    x, y = Generator(0).random((12, 1, 4, 4)), np.array([0] * 9 + [1] * 3)
    before = x.copy()
    new_x, new_y = oversample(x, y, Compose(GaussianNoise(0.1)), generator=0)
    assert (x == before).all()
    assert len(new_x) == len(new_y) == 18
    assert (new_x[:12] == x).all()
    assert not any((copy == x).all((1, 2, 3)).any() for copy in new_x[12:])
    assert len({copy.tobytes() for copy in new_x[12:]}) == 6
    doubled, _ = oversample(x, y, lambda images, generator: 2 * images, generator=0)
    assert np.isin(doubled[12:] / 2, x[9:]).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BalancedSampler(np.zeros(3)), TypeError, "BalancedSampler: expected integer labels, got float64"),
        (lambda: BalancedSampler(np.zeros((3, 1), int)), ValueError, r"expected labels \(N,\)"),
        (lambda: BalancedSampler(np.zeros(0, int)), ValueError, "at least one"),
        (lambda: BalancedSampler(np.zeros(3, int), 0), ValueError, "expected a count of 1 or more, got 0"),
        (lambda: oversample(np.zeros(2), np.zeros(3, int)), ValueError, "as many rows as labels, got 2 and 3"),
        (lambda: oversample(np.zeros(2), np.zeros(2)), TypeError, "oversample: expected integer labels"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
