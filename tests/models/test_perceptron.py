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


def learn(table: Table, passes: int = 1000, lr: float = 1.0) -> tuple[Perceptron, list[int]]:
    neuron = Perceptron(table.x.shape[1])
    x, y = td.tensor(table.x), td.tensor(table.y)
    corrections = [neuron.learn(x, y, lr)]
    while corrections[-1] and len(corrections) < passes:
        corrections.append(neuron.learn(x, y, lr))
    return neuron, corrections


def by_hand(x: np.ndarray, y: np.ndarray, passes: int, lr: float) -> tuple[list[float], float]:
    """The rule with nothing but Python's numbers."""
    w, b = [0.0] * x.shape[1], 0.0
    for _ in range(passes):
        for row, t in zip(x.tolist(), y.tolist(), strict=True):
            answer = 1 if sum(wi * xi for wi, xi in zip(w, row, strict=True)) + b > 0 else 0
            w = [wi + lr * (t - answer) * xi for wi, xi in zip(w, row, strict=True)]
            b += lr * (t - answer)
    return w, b


def test_it_begins_with_nothing_and_answers_0_at_the_threshold() -> None:
    neuron = Perceptron(3)
    assert neuron.weight.numpy().tolist() == [0, 0, 0]
    assert neuron.bias.numpy().tolist() == [0]
    answer = neuron(td.tensor(np.ones((2, 3), np.float32)))
    assert (answer.numpy().tolist(), str(answer.dtype)) == ([0, 0], "int64")
    assert repr(neuron) == "Perceptron(3)"
    with pytest.raises(ValueError, match="expected one feature or more"):
        Perceptron(0)


def test_one_correction_by_hand() -> None:
    neuron = Perceptron(2)
    x = td.tensor([[2.0, 3.0]])
    assert neuron.learn(x, td.tensor([1]), lr=0.5) == 1  # 0 was said: w = 0.5 x, b = 0.5
    assert (neuron.weight.numpy().tolist(), neuron.bias.numpy().tolist()) == ([1.0, 1.5], [0.5])
    assert neuron.learn(x, td.tensor([1])) == 0
    assert neuron.learn(x, td.tensor([0]), lr=0.5) == 1
    assert (neuron.weight.numpy().tolist(), neuron.bias.numpy().tolist()) == ([0.0, 0.0], [0.0])


@pytest.mark.parametrize("lr", [1.0, 0.25])
@pytest.mark.parametrize("passes", [1, 2, 5])
def test_the_rule_written_by_hand_gives_the_same_weights(passes: int, lr: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-20, 20, (30, 4)).astype(np.float32)  # sums of such numbers are exact
    y = rng.integers(0, 2, 30)
    neuron = Perceptron(4)
    for _ in range(passes):
        neuron.learn(td.tensor(x), td.tensor(y), lr)
    w, b = by_hand(x, y, passes, lr)
    assert neuron.weight.numpy().tolist() == w
    assert neuron.bias.numpy().tolist() == [b]


def test_it_learns_or_and_apples_against_oranges() -> None:
    for table in (or_gate.load(), *(apples_oranges.load(generator=seed) for seed in range(3))):
        neuron, corrections = learn(table)
        assert corrections[-1] == 0
        assert (neuron(td.tensor(table.x)).numpy() == table.y).all()


def test_it_never_learns_xor_and_at_most_three_of_its_rows() -> None:
    table = xor.load()
    neuron, corrections = learn(table, passes=100)
    assert len(corrections) == 100
    assert min(corrections) > 0
    assert (neuron(td.tensor(table.x)).numpy() == table.y).sum() <= 3
    assert np.abs(neuron.weight.numpy()).max() <= 3  # it goes round in a circle and does not run away


@given(
    seed=st.integers(0, 2**32), features=st.integers(1, 5), rows=st.integers(2, 40), margin=st.floats(0.2, 2)
)
def test_novikoff(seed: int, features: int, rows: int, margin: float) -> None:
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
    neuron, corrections = learn(Table("t", x, y, ("0", "1"), ("",) * features, ""), passes=int(bound) + 2)
    assert corrections[-1] == 0
    assert sum(corrections) <= bound
    assert (neuron(td.tensor(x)).numpy() == y).all()


def test_it_has_nothing_for_an_optimiser_and_everything_for_a_checkpoint() -> None:
    neuron, _ = learn(or_gate.load())
    assert list(neuron.parameters()) == []
    other = Perceptron(2)
    other.load_state_dict(neuron.state_dict())
    assert (other(td.tensor(or_gate.load().x)).numpy() == or_gate.load().y).all()


def test_rows_and_targets_must_be_as_many() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        Perceptron(2).learn(td.tensor([[1.0, 2.0]]), td.tensor([1, 0]))
    with pytest.raises(ValueError, match=r"\(1, 3\)|3"):
        Perceptron(2)(td.tensor([[1.0, 2.0, 3.0]]))
