"""Rosenblatt's rule, written out by hand; what it learns, how fast, and what it never learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.data import apples_oranges, or_gate, xor
from tinydl.data.tabular import Table
from tinydl.models import Perceptron
from tinydl.testing.point import host


def learn(device: str, table: Table, passes: int = 1000) -> tuple[Perceptron, list[int]]:
    """A neuron after so many passes or the first without an error, and the corrections of each pass."""
    neuron = Perceptron(table.x.shape[1]).to(device)
    x, y = td.tensor(table.x, device=device), td.tensor(table.y, device=device)
    corrections = [neuron.learn(x, y)]
    while corrections[-1] and len(corrections) < passes:
        corrections.append(neuron.learn(x, y))
    return neuron, corrections


def answers(neuron: Perceptron, x: np.ndarray) -> np.ndarray:
    return host(neuron(td.tensor(x, device=neuron.weight.device)))


def by_hand(x: np.ndarray, y: np.ndarray, passes: int, lr: float) -> tuple[list[float], float]:
    """The rule with nothing but Python's numbers."""
    w, b = [0.0] * x.shape[1], 0.0
    for _ in range(passes):
        for row, t in zip(x.tolist(), y.tolist(), strict=True):
            answer = 1 if sum(wi * xi for wi, xi in zip(w, row, strict=True)) + b > 0 else 0
            w = [wi + lr * (t - answer) * xi for wi, xi in zip(w, row, strict=True)]
            b += lr * (t - answer)
    return w, b


def test_it_begins_with_nothing_and_answers_0_at_the_threshold(device: str) -> None:
    neuron = Perceptron(3).to(device)
    assert host(neuron.weight).tolist() == [0, 0, 0]
    assert host(neuron.bias).tolist() == [0]
    answer = answers(neuron, np.ones((2, 3), np.float32))
    assert (answer.tolist(), str(answer.dtype)) == ([0, 0], "int64")
    assert repr(neuron) == "Perceptron(3)"
    with pytest.raises(ValueError, match="expected one feature or more"):
        Perceptron(0)


def test_one_correction_by_hand(device: str) -> None:
    neuron = Perceptron(2).to(device)
    x, no, yes = (td.tensor(values, device=device) for values in ([[2.0, 3.0]], [0], [1]))
    assert neuron.learn(x, yes, lr=0.5) == 1  # 0 was said: w = 0.5 x, b = 0.5
    assert (host(neuron.weight).tolist(), host(neuron.bias).tolist()) == ([1.0, 1.5], [0.5])
    assert neuron.learn(x, yes) == 0
    assert neuron.learn(x, no, lr=0.5) == 1
    assert (host(neuron.weight).tolist(), host(neuron.bias).tolist()) == ([0.0, 0.0], [0.0])


@pytest.mark.parametrize("lr", [1.0, 0.25])
@pytest.mark.parametrize("passes", [1, 2, 5])
def test_the_rule_written_by_hand_gives_the_same_weights(passes: int, lr: float, device: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-20, 20, (30, 4)).astype(np.float32)  # sums of such numbers are exact
    y = rng.integers(0, 2, 30)
    neuron = Perceptron(4).to(device)
    for _ in range(passes):
        neuron.learn(td.tensor(x, device=device), td.tensor(y, device=device), lr)
    w, b = by_hand(x, y, passes, lr)
    assert host(neuron.weight).tolist() == w
    assert host(neuron.bias).tolist() == [b]


def test_it_learns_or_and_apples_against_oranges(device: str) -> None:
    for table in (or_gate.load(), *(apples_oranges.load(generator=seed) for seed in range(3))):
        neuron, corrections = learn(device, table)
        assert corrections[-1] == 0
        assert (answers(neuron, table.x) == table.y).all()


def test_it_never_learns_xor_and_at_most_three_of_its_rows(device: str) -> None:
    table = xor.load()
    neuron, corrections = learn(device, table, passes=100)
    assert len(corrections) == 100
    assert min(corrections) > 0
    assert (answers(neuron, table.x) == table.y).sum() <= 3
    assert np.abs(host(neuron.weight)).max() <= 3  # it goes round in a circle and does not run away


@given(
    seed=st.integers(0, 2**32), features=st.integers(1, 5), rows=st.integers(2, 40), margin=st.floats(0.2, 2)
)
def test_novikoff(device: str, seed: int, features: int, rows: int, margin: float) -> None:
    """On separable rows there are at most R^2 / gamma^2 corrections; the bias counts as a feature that is 1."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=features)
    direction /= np.linalg.norm(direction)
    y = rng.integers(0, 2, rows)
    x = rng.uniform(-3, 3, (rows, features))
    x += ((2 * y - 1) * (margin + rng.random(rows)) - x @ direction)[:, None] * direction
    x = x.astype(np.float32)
    signed = (2 * y - 1) * (x.astype(np.float64) @ direction)  # the plane through 0 divides them
    bound = ((x.astype(np.float64) ** 2).sum(1) + 1).max() / signed.min() ** 2
    assert signed.min() > 0
    table = Table("t", x, y, ("0", "1"), ("",) * features, "")
    neuron, corrections = learn(device, table, passes=int(bound) + 2)
    assert corrections[-1] == 0
    assert sum(corrections) <= bound
    assert (answers(neuron, x) == y).all()


def test_it_has_nothing_for_an_optimiser_and_everything_for_a_checkpoint(device: str) -> None:
    table = or_gate.load()
    neuron, _ = learn(device, table)
    assert list(neuron.parameters()) == []
    other = Perceptron(2).to(device)
    other.load_state_dict(neuron.state_dict())
    assert (answers(other, table.x) == table.y).all()


def test_rows_and_targets_must_be_as_many(device: str) -> None:
    neuron = Perceptron(2).to(device)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        neuron.learn(td.tensor([[1.0, 2.0]], device=device), td.tensor([1, 0], device=device))
    with pytest.raises(ValueError, match=r"\(1, 3\)|3"):
        neuron(td.tensor([[1.0, 2.0, 3.0]], device=device))
