"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from grid.activation import ACTIVATIONS
from tinydl.ops import activation as ops
from tinydl.testing import memory_order, strategies
from tinydl.testing.point import host


def test_maxout_takes_channels(on: Any) -> None:
    x = on.tensor([[1.0, 5.0, 2.0, 2.0]], requires_grad=True)
    out = td.functional.maxout(x, 2)
    assert host(out).tolist() == [[5.0, 2.0]]
    assert host(td.grad(out.sum(), x)[0]).tolist() == [[0.0, 1.0, 0.5, 0.5]]


# ---- conventions


def test_slopes_at_zero(on: Any) -> None:
    x = on.tensor([-1.0, 0.0, -0.0, 1.0], requires_grad=True)
    for out, want in (
        (td.relu(x), [0.0, 0.0, 0.0, 1.0]),
        (td.functional.leaky_relu(x, 0.25), [0.25, 0.25, 0.25, 1.0]),
        (td.functional.leaky_relu(x, 0.0), [0.0, 0.0, 0.0, 1.0]),
    ):
        assert host(td.grad(out.sum(), x)[0]).tolist() == want
    slope = host(td.grad(td.functional.elu(x, 2.0).sum(), x)[0])
    np.testing.assert_allclose(slope, [2 * np.exp(-1), 2.0, 2.0, 1.0], rtol=1e-6)


def test_identities_of_the_course(on: Any) -> None:
    """sigmoid' = s (1 - s) and tanh' = 1 - tanh^2, within 2 units in the last place."""
    x = on.tensor(np.linspace(-6, 6, 201), requires_grad=True)
    s, t = td.sigmoid(x), td.tanh(x)
    (ds,) = td.grad(s, x, td.ones_like(s))
    (dt,) = td.grad(t, x, td.ones_like(t))
    np.testing.assert_array_max_ulp(host(ds), host(s) * (1 - host(s)), 2)
    np.testing.assert_array_max_ulp(host(dt), 1 - host(t) ** 2, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_inputs_do_not_overflow(dtype: str, on: Any) -> None:
    x = on.tensor([-1000.0, -100.0, 100.0, 1000.0], dtype=dtype, requires_grad=True)
    for fn, want, slope in (
        (td.sigmoid, [0, np.exp(-100.0), 1, 1], [0, np.exp(-100.0), 0, 0]),
        (td.tanh, [-1, -1, 1, 1], [0] * 4),
        (td.functional.softplus, [0, np.exp(-100.0), 100, 1000], [0, np.exp(-100.0), 1, 1]),
        (td.functional.elu, [-1, -1, 100, 1000], [0, np.exp(-100.0), 1, 1]),
        (td.functional.softmax, [0, 0, 0, 1], [0] * 4),
        (td.functional.log_softmax, [-2000, -1100, -900, 0], [1, 1, 1, -3]),
    ):
        out = fn(x)
        np.testing.assert_allclose(host(out), np.array(want, dtype), rtol=1e-6, atol=1e-44)
        (g,) = td.grad(out, x, td.ones_like(out))
        np.testing.assert_allclose(host(g), np.array(slope, dtype), rtol=1e-6, atol=1e-44)


@pytest.mark.parametrize("name", ["relu", "elu"])
def test_infinite_inputs(name: str, on: Any) -> None:
    """What a branch that is not taken would give must not turn up as inf * 0."""
    x = on.tensor(np.array([2.0, 2.0, np.inf, -np.inf]), requires_grad=True)
    g = on.tensor(np.array([np.inf, -np.inf, 3.0, 3.0]))
    (dx,) = td.grad(getattr(ops, name)(x), x, g)
    assert host(dx).tolist() == [np.inf, -np.inf, 3.0, 0.0]


def test_softmax_with_masked_places(on: Any) -> None:
    x = on.tensor([[0.0, -np.inf, 0.0]], requires_grad=True)
    out = td.functional.softmax(x)
    assert host(out).tolist() == [[0.5, 0.0, 0.5]]
    (g,) = td.grad(out, x, on.tensor([[1.0, 0.0, 0.0]]))
    assert host(g).tolist() == [[0.25, 0.0, -0.25]]


# ---- dtypes, layout, errors


@pytest.mark.parametrize("name", [*ACTIVATIONS, "softmax", "log_softmax"])
def test_integers_give_float32(name: str, on: Any) -> None:
    out = getattr(ops, name)(on.tensor([-1, 0, 2]))
    assert out.dtype == np.float32
    np.testing.assert_allclose(host(out), host(getattr(ops, name)(on.tensor([-1.0, 0.0, 2.0]))))


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
@pytest.mark.parametrize("name", [*ACTIVATIONS, "softmax", "log_softmax"])
def test_activations_keep_the_layout(name: str, layout: str, on: Any) -> None:
    x = on.leaf(strategies.lay_out(td.Generator(0).normal((2, 3, 4, 5), np.float64), layout))
    out = getattr(ops, name)(x)
    assert memory_order(out) == memory_order(x)
    (g,) = td.grad(out, x, td.ones_like(out) + out.detach() * 0.0)
    assert memory_order(g) == memory_order(x)


def test_errors(on: Any) -> None:
    with pytest.raises(ValueError, match=r"maxout: axis 1 of shape \(2, 3\) is not a multiple of 2 pieces"):
        td.functional.maxout(on.ones(2, 3), 2)
    with pytest.raises(ValueError, match=r"maxout: .* 0 pieces"):
        td.functional.maxout(on.ones(2, 3), 0)
    with pytest.raises(ValueError, match="maxout: axis 1 is out of range for 1 axes"):
        td.functional.maxout(on.ones(2), 1)
    for name in ("softmax", "log_softmax"):
        with pytest.raises(ValueError, match=f"{name}: axis 2 is out of range for 2 axes"):
            getattr(ops, name)(on.ones(2, 3), 2)
        with pytest.raises(TypeError, match=rf"^{name}: an axis must be an integer, got 1\.0"):
            getattr(ops, name)(on.ones(2, 3), 1.0)
    with pytest.raises(TypeError, match=r"^maxout: an axis must be an integer, got 1\.0"):
        td.functional.maxout(on.ones(2, 4), 2, 1.0)
    for name in ACTIVATIONS:
        with pytest.raises(TypeError, match=f"{name}: expected tensors, got a plain array"):
            getattr(ops, name)(np.ones(2))
