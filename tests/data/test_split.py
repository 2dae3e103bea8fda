from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl.random as random
from tinydl.data import train_validation_test_split as split


@st.composite
def thirds(draw: st.DrawFn) -> tuple[float, float, float]:
    """Three fractions with sum 1, zeros among them."""
    weights = draw(st.tuples(*[st.integers(0, 20)] * 3).filter(any))
    a, b, c = (weight / sum(weights) for weight in weights)
    return a, b, c


@given(n=st.integers(0, 60), fractions=thirds(), seed=st.integers(0, 2**63))
def test_every_row_lands_in_exactly_one_part(
    n: int, fractions: tuple[float, float, float], seed: int
) -> None:
    parts = split(np.arange(n), fractions=fractions, generator=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    for part, fraction in zip(parts, fractions, strict=True):
        assert math.floor(n * fraction + 1e-6) <= len(part) <= math.ceil(n * fraction - 1e-6)


@given(labels=st.lists(st.integers(-2, 3), max_size=60), fractions=thirds(), seed=st.integers(0, 2**63))
def test_stratified_parts_have_the_same_proportions(
    labels: list[int], fractions: tuple[float, float, float], seed: int
) -> None:
    y = np.array(labels, np.int32)
    parts = split(np.arange(len(y)), y, fractions=fractions, stratify=y, generator=seed)
    assert sorted(np.concatenate([rows for rows, _ in parts]).tolist()) == list(range(len(y)))
    for (rows, of_part), fraction in zip(parts, fractions, strict=True):
        np.testing.assert_array_equal(y[rows], of_part)
        for label in set(labels):
            count, share = np.count_nonzero(of_part == label), labels.count(label) * fraction
            assert math.floor(share + 1e-6) <= count <= math.ceil(share - 1e-6)


@pytest.mark.parametrize(
    ("n", "fractions", "counts"),
    [
        (10, (0.6, 0.2, 0.2), [6, 2, 2]),
        (1, (0.6, 0.2, 0.2), [1, 0, 0]),
        (3, (0.6, 0.2, 0.2), [2, 1, 0]),  # 1.8, 0.6, 0.6: the earlier of two equals
        (2, (0.04, 0.73, 0.23), [0, 2, 0]),  # 0.08, 1.46, 0.46: equals but for a rounding error
        (4, (0.1, 0.2, 0.7), [0, 1, 3]),  # 0.4, 0.8, 2.8
        (100, (0.29, 0.0, 0.71), [29, 0, 71]),
        (5, (1, 0, 0), [5, 0, 0]),
        (5, (0, 0, 1), [0, 0, 5]),
        (1_000_000, (1 / 3, 1 / 3, 1 / 3), [333_334, 333_333, 333_333]),
    ],
)
def test_largest_remainder(n: int, fractions: tuple[float, float, float], counts: list[int]) -> None:
    assert [len(part) for part in split(np.empty(n, np.int8), fractions=fractions)] == counts


def test_arrays_of_any_kind_stay_together() -> None:
    x = np.arange(60, dtype=np.float64).reshape(20, 3)
    names = np.array([f"row {i}" for i in range(20)])
    parts = split(x, names, np.arange(20, dtype=np.uint8), generator=0)
    for rows, labels, numbers in parts:
        assert rows.dtype == np.float64
        assert numbers.dtype == np.uint8
        np.testing.assert_array_equal(rows, x[numbers])
        np.testing.assert_array_equal(labels, names[numbers])


def test_one_array_gives_arrays_and_parts_are_copies() -> None:
    x = np.arange(10)
    for part in split(x, generator=0):
        assert isinstance(part, np.ndarray)
        assert not np.shares_memory(part, x)


@pytest.mark.parametrize("stratify", [None, np.arange(1000) % 2])
def test_which_rows_a_part_gets_is_random(stratify: np.ndarray | None) -> None:
    for part in split(np.arange(1000), stratify=stratify, generator=0):
        assert part.mean() == pytest.approx(500, abs=70)


def test_shuffles_even_within_stratified_parts() -> None:
    y = np.repeat([0, 1], 500)
    for part in split(y, stratify=y, generator=0):
        switches = np.count_nonzero(np.diff(part))
        assert 0.4 * len(part) < switches < 0.6 * len(part)


def test_same_seed_same_rows() -> None:
    x = np.arange(50)
    for stratify in (None, x % 3):

        def rows(generator: int | None, stratify: np.ndarray | None = stratify) -> list[int]:
            return np.concatenate(split(x, stratify=stratify, generator=generator)).tolist()

        assert rows(1) == rows(1) != rows(2)
        random.manual_seed(1)
        assert rows(None) == rows(1)
        assert rows(None) != rows(1)


@pytest.mark.parametrize(
    "fractions", [(0.6, 0.2), (0.6, 0.2, 0.1, 0.1), (0.6, 0.2, 0.1), (1.2, -0.2, 0), (math.nan, 0.5, 0.5), ()]
)
def test_refuses_bad_fractions(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected three fractions of 0 or more with sum 1") as caught:
        split(np.arange(5), fractions=fractions)
    assert str(fractions) in str(caught.value)


def test_refuses_arrays_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="expected one array or more, got none"):
        split()
    with pytest.raises(ValueError, match=r"expected arrays of one length, got shapes \[\(5, 2\), \(4,\)\]"):
        split(np.zeros((5, 2)), np.zeros(4))
    with pytest.raises(ValueError, match=r"expected arrays of one length, got shapes \[\(\)\]"):
        split(np.array(3))
    with pytest.raises(ValueError, match=r"expected stratify of shape \(5,\), one label a row, got \(4,\)"):
        split(np.zeros(5), stratify=np.zeros(4, np.int64))
    with pytest.raises(ValueError, match=r"expected stratify of shape \(5,\), one label a row, got \(5, 1\)"):
        split(np.zeros(5), stratify=np.zeros((5, 1), np.int64))
    with pytest.raises(TypeError, match="expected stratify of integers, got float64"):
        split(np.zeros(5), stratify=np.zeros(5))
