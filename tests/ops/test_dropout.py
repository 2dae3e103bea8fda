"""Dropout: which elements go, what the others become, and that the seed decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.functional import dropout
from tinydl.testing import memory_order, strategies
from tinydl.testing.point import host


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_the_scale_and_the_mean(p: float, on: Any) -> None:
    n = 40_000
    out = host(dropout(on.ones(n, dtype="float64"), p, generator=1))
    assert set(out.tolist()) == {0.0, 1 / (1 - p)}
    sigma = np.sqrt(p * (1 - p) / n)
    assert abs((out == 0).mean() - p) < 4 * sigma
    assert abs(out.mean() - 1) < 4 * sigma / (1 - p)


def test_half_is_the_default_and_training_too(on: Any) -> None:
    out = host(dropout(on.ones(1000), generator=0))
    assert set(out.tolist()) == {0.0, 2.0}


def test_without_training_and_at_0_it_is_the_input(on: Any) -> None:
    x, generator = on.ones(5), td.Generator(3)
    before = generator.get_state()
    assert dropout(x, 0.5, False, generator) is x
    assert dropout(x, 1.0, False, generator) is x
    assert dropout(x, 0.0, True, generator) is x
    assert generator.get_state() == before


def test_at_1_nothing_is_left(on: Any) -> None:
    x = on.tensor(np.full((3, 4), 1e30), requires_grad=True)
    out = dropout(x, 1.0, True, 0)
    assert not host(out).any()
    assert out.dtype == np.float64
    assert not host(td.grad(out.sum(), x)[0]).any()


def test_the_gradient_goes_where_the_values_went(on: Any) -> None:
    x = on.ones(100, requires_grad=True)
    out = dropout(x, 0.3, True, 5)
    (dx,) = td.grad(out.sum(), x)
    assert np.array_equal(host(dx), host(out))


def test_the_same_seed_drops_the_same(on: Any) -> None:
    x = on.ones(200)
    first = host(dropout(x, 0.5, True, 7))
    assert np.array_equal(first, host(dropout(x, 0.5, True, td.Generator(7))))
    assert not np.array_equal(first, host(dropout(x, 0.5, True, 8)))
    generator = td.Generator(7)
    assert np.array_equal(first, host(dropout(x, 0.5, True, generator)))
    assert not np.array_equal(first, host(dropout(x, 0.5, True, generator)))  # its next numbers
    td.manual_seed(7)
    assert np.array_equal(first, host(dropout(x)))
    a, b = (host(dropout(x, 0.5, True, np.random.default_rng(0))) for _ in range(2))
    assert np.array_equal(a, b)


def test_float32_and_float64_drop_the_same(on: Any) -> None:
    a, b = (host(dropout(on.ones(100, dtype=d), 0.4, True, 0)) for d in ("float32", "float64"))
    assert np.array_equal(a == 0, b == 0)


@pytest.mark.parametrize("layout", [*strategies.IMAGE_LAYOUTS, "strided", "reversed", "transposed"])
def test_the_mask_does_not_depend_on_the_layout(layout: str, on: Any) -> None:
    values = td.Generator(0).uniform(1, 2, (4, 3, 5, 2), np.float64)
    out = dropout(on.leaf(strategies.lay_out(values, layout)), 0.5, True, 1)
    assert np.array_equal(host(out), host(dropout(on.tensor(values), 0.5, True, 1)))


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
@pytest.mark.parametrize("layout", [*strategies.IMAGE_LAYOUTS, "strided", "reversed", "transposed"])
def test_the_layout_is_kept(layout: str, on: Any) -> None:
    values = td.Generator(0).uniform(1, 2, (4, 3, 5, 2), np.float64)
    x, g = (on.leaf(strategies.lay_out(values, layout)) for _ in range(2))
    out = dropout(x, 0.5, True, 1)
    assert memory_order(out) == memory_order(x)
    assert memory_order(td.grad(out, x, g)[0]) == memory_order(x)


def test_integers_give_float32(on: Any) -> None:
    out = dropout(on.tensor(np.arange(1, 101)), 0.75, True, 0)
    assert out.dtype == np.float32
    assert set((host(out) / np.arange(1, 101)).tolist()) == {0.0, 4.0}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("training", [False, True])
def test_p_is_a_probability(p: float, training: bool, on: Any) -> None:
    with pytest.raises(ValueError, match=rf"^dropout: p must be in \[0, 1\], got {p}"):
        dropout(on.ones(2), p, training)


@pytest.mark.parametrize("training", [False, True])
def test_wrong_types(training: bool, on: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^dropout: expected tensors, got a plain array; wrap it with td\.tensor"
    ):
        dropout(np.ones(2), 0.5, training)
    with pytest.raises(TypeError, match=r"generator must be a td\.Generator.*got str"):
        dropout(on.ones(2), generator="1")
