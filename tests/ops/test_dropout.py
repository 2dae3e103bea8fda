"""Dropout: which elements go, what the others become, and that the seed decides."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td
from tinydl.functional import dropout
from tinydl.testing import memory_order, strategies


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_the_scale_and_the_mean(p: float) -> None:
    n = 40_000
    out = dropout(td.ones(n, dtype="float64"), p, generator=1).numpy()
    assert set(out.tolist()) == {0.0, 1 / (1 - p)}
    sigma = np.sqrt(p * (1 - p) / n)
    assert abs((out == 0).mean() - p) < 4 * sigma
    assert abs(out.mean() - 1) < 4 * sigma / (1 - p)


def test_half_is_the_default_and_training_too() -> None:
    out = dropout(td.ones(1000), generator=0).numpy()
    assert set(out.tolist()) == {0.0, 2.0}


def test_without_training_and_at_0_it_is_the_input() -> None:
    x, generator = td.ones(5), td.Generator(3)
    before = generator.get_state()
    assert dropout(x, 0.5, False, generator) is x
    assert dropout(x, 1.0, False, generator) is x
    assert dropout(x, 0.0, True, generator) is x
    assert generator.get_state() == before


def test_at_1_nothing_is_left() -> None:
    x = td.tensor(np.full((3, 4), 1e30), requires_grad=True)
    out = dropout(x, 1.0, True, 0)
    assert not out.numpy().any()
    assert out.dtype == np.float64
    assert not td.grad(out.sum(), x)[0].numpy().any()


def test_the_gradient_goes_where_the_values_went() -> None:
    x = td.ones(100, requires_grad=True)
    out = dropout(x, 0.3, True, 5)
    (dx,) = td.grad(out.sum(), x)
    assert np.array_equal(dx.numpy(), out.numpy())


def test_the_same_seed_drops_the_same() -> None:
    x = td.ones(200)
    first = dropout(x, 0.5, True, 7).numpy()
    assert np.array_equal(first, dropout(x, 0.5, True, td.Generator(7)).numpy())
    assert not np.array_equal(first, dropout(x, 0.5, True, 8).numpy())
    generator = td.Generator(7)
    assert np.array_equal(first, dropout(x, 0.5, True, generator).numpy())
    assert not np.array_equal(first, dropout(x, 0.5, True, generator).numpy())  # its next numbers
    td.manual_seed(7)
    assert np.array_equal(first, dropout(x).numpy())
    a, b = (dropout(x, 0.5, True, np.random.default_rng(0)).numpy() for _ in range(2))
    assert np.array_equal(a, b)


def test_float32_and_float64_drop_the_same() -> None:
    a, b = (dropout(td.ones(100, dtype=d), 0.4, True, 0).numpy() for d in ("float32", "float64"))
    assert np.array_equal(a == 0, b == 0)


@pytest.mark.parametrize("layout", [*strategies.IMAGE_LAYOUTS, "strided", "reversed", "transposed"])
def test_the_mask_does_not_depend_on_the_layout_and_keeps_it(layout: str) -> None:
    values = td.Generator(0).uniform(1, 2, (4, 3, 5, 2), np.float64)
    x = td.Tensor(strategies.lay_out(values, layout), requires_grad=True)
    out = dropout(x, 0.5, True, 1)
    assert np.array_equal(out.numpy(), dropout(td.tensor(values), 0.5, True, 1).numpy())
    assert memory_order(out) == memory_order(x)
    g = td.Tensor(strategies.lay_out(values, layout))
    assert memory_order(td.grad(out, x, g)[0]) == memory_order(x)


def test_integers_give_float32() -> None:
    out = dropout(td.tensor(np.arange(1, 101)), 0.75, True, 0)
    assert out.dtype == np.float32
    assert set((out.numpy() / np.arange(1, 101)).tolist()) == {0.0, 4.0}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("training", [False, True])
def test_p_is_a_probability(p: float, training: bool) -> None:
    with pytest.raises(ValueError, match=rf"^dropout: p must be in \[0, 1\], got {p}"):
        dropout(td.ones(2), p, training)


@pytest.mark.parametrize("training", [False, True])
def test_wrong_types(training: bool) -> None:
    with pytest.raises(TypeError, match=r"^dropout: expected a tensor, got ndarray; wrap it with td\.tensor"):
        dropout(np.ones(2), 0.5, training)
    with pytest.raises(TypeError, match=r"generator must be a td\.Generator.*got str"):
        dropout(td.ones(2), generator="1")
