"""Activation functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.ops import activation as ops
from tinydl.testing import check_function, memory_order, strategies


@dataclass(frozen=True)
class Row:
    """The formula in NumPy, PyTorch's name in torch.nn.functional, and the options to draw from."""

    reference: Callable[..., Any]
    torch: str
    options: tuple[dict[str, Any], ...] = ({},)


ROWS = {
    "relu": Row(lambda x: np.where(x > 0, x, 0.0), "relu"),
    "leaky_relu": Row(
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        "leaky_relu",
        ({}, {"negative_slope": 0.1}, {"negative_slope": 0}, {"negative_slope": np.float64(0.3)}),
    ),
    "elu": Row(
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
        "elu",
        ({}, {"alpha": 0.5}, {"alpha": np.float64(2.0)}),
    ),
    "softplus": Row(lambda x: np.log(1 + np.exp(x)), "softplus"),
    "sigmoid": Row(lambda x: 1 / (1 + np.exp(-x)), "sigmoid"),
    "tanh": Row(lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), "tanh"),
}
ELSEWHERE = {"softmax", "log_softmax", "maxout"}
large = strategies.tensors(strategies.shapes(max_side=3), low=-4.0, high=4.0)


def test_every_public_function_has_a_row(public_functions: Any) -> None:
    assert public_functions(ops) == set(ROWS) | ELSEWHERE


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data(), x=large)
def test_values_and_derivatives(name: str, data: Any, x: td.Tensor) -> None:
    options = data.draw(st.sampled_from(ROWS[name].options))
    assert check_function(
        lambda x: getattr(td.functional, name)(x, **options),
        [x],
        lambda a: ROWS[name].reference(a, **options),
    )


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data(), x=large)
def test_agreement_with_torch(name: str, data: Any, x: td.Tensor, torch: Any, agrees_with_torch: Any) -> None:
    options = data.draw(st.sampled_from(ROWS[name].options))
    theirs = getattr(torch.nn.functional, ROWS[name].torch)
    assert agrees_with_torch(
        lambda x: getattr(ops, name)(x, **options), lambda a: theirs(a, **options), [x], tol=1e-9
    )


def softmax(x: Any, axis: int) -> Any:
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


@given(data=st.data())
def test_softmax(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    x = data.draw(strategies.tensors(strategies.shapes(1, 3, max_side=3)))
    axis = data.draw(strategies.axis(x.ndim))
    assert check_function(lambda x: td.functional.softmax(x, axis), [x], lambda a: softmax(a, axis))
    assert check_function(
        lambda x: td.functional.log_softmax(x, axis), [x], lambda a: np.log(softmax(a, axis))
    )
    for name in ("softmax", "log_softmax"):
        ours, theirs = getattr(ops, name), getattr(torch, name)
        assert agrees_with_torch(lambda x, f=ours: f(x, axis), lambda a, f=theirs: f(a, axis), [x])
    assert np.array_equal(ops.softmax(x).numpy(), ops.softmax(x, -1).numpy())
    assert np.array_equal(ops.log_softmax(x).numpy(), ops.log_softmax(x, -1).numpy())


@given(data=st.data())
def test_maxout(data: Any) -> None:
    pieces, groups = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 2))
    shape = list(data.draw(strategies.shapes(1, 3, max_side=3)))
    axis = data.draw(strategies.axis(len(shape)))
    shape[axis] = pieces * groups
    x = data.draw(strategies.tensors(tuple(shape)))

    def plain(a: Any) -> Any:
        a = np.moveaxis(a, axis, 0)
        best = [np.max([a[i * pieces + k] for k in range(pieces)], axis=0) for i in range(groups)]
        return np.moveaxis(np.array(best).reshape(groups, *a.shape[1:]), 0, axis)

    assert check_function(lambda x: td.functional.maxout(x, pieces, axis), [x], plain)


def test_maxout_takes_channels() -> None:
    x = td.tensor([[1.0, 5.0, 2.0, 2.0]], requires_grad=True)
    out = td.functional.maxout(x, 2)
    assert out.numpy().tolist() == [[5.0, 2.0]]
    assert td.grad(out.sum(), x)[0].numpy().tolist() == [[0.0, 1.0, 0.5, 0.5]]


# ---- conventions


def test_slopes_at_zero() -> None:
    x = td.tensor([-1.0, 0.0, -0.0, 1.0], requires_grad=True)
    for out, want in (
        (td.relu(x), [0.0, 0.0, 0.0, 1.0]),
        (td.functional.leaky_relu(x, 0.25), [0.25, 0.25, 0.25, 1.0]),
        (td.functional.leaky_relu(x, 0.0), [0.0, 0.0, 0.0, 1.0]),
    ):
        assert td.grad(out.sum(), x)[0].numpy().tolist() == want
    slope = td.grad(td.functional.elu(x, 2.0).sum(), x)[0].numpy()
    np.testing.assert_allclose(slope, [2 * np.exp(-1), 2.0, 2.0, 1.0], rtol=1e-6)


def test_identities_of_the_course() -> None:
    """sigmoid' = s (1 - s) and tanh' = 1 - tanh^2, within 2 units in the last place."""
    x = td.tensor(np.linspace(-6, 6, 201), requires_grad=True)
    s, t = td.sigmoid(x), td.tanh(x)
    (ds,) = td.grad(s, x, td.ones_like(s))
    (dt,) = td.grad(t, x, td.ones_like(t))
    np.testing.assert_array_max_ulp(ds.numpy(), s.numpy() * (1 - s.numpy()), 2)
    np.testing.assert_array_max_ulp(dt.numpy(), 1 - t.numpy() ** 2, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_inputs_do_not_overflow(dtype: str) -> None:
    x = td.tensor([-1000.0, -100.0, 100.0, 1000.0], dtype=dtype, requires_grad=True)
    for fn, want, slope in (
        (td.sigmoid, [0, np.exp(-100.0), 1, 1], [0, np.exp(-100.0), 0, 0]),
        (td.tanh, [-1, -1, 1, 1], [0] * 4),
        (td.functional.softplus, [0, np.exp(-100.0), 100, 1000], [0, np.exp(-100.0), 1, 1]),
        (td.functional.elu, [-1, -1, 100, 1000], [0, np.exp(-100.0), 1, 1]),
        (td.functional.softmax, [0, 0, 0, 1], [0] * 4),
        (td.functional.log_softmax, [-2000, -1100, -900, 0], [1, 1, 1, -3]),
    ):
        out = fn(x)
        np.testing.assert_allclose(out.numpy(), np.array(want, dtype), rtol=1e-6, atol=1e-44)
        (g,) = td.grad(out, x, td.ones_like(out))
        np.testing.assert_allclose(g.numpy(), np.array(slope, dtype), rtol=1e-6, atol=1e-44)


def test_softmax_with_masked_places() -> None:
    x = td.tensor([[0.0, -np.inf, 0.0]], requires_grad=True)
    out = td.functional.softmax(x)
    assert out.numpy().tolist() == [[0.5, 0.0, 0.5]]
    (g,) = td.grad(out, x, td.tensor([[1.0, 0.0, 0.0]]))
    assert g.numpy().tolist() == [[0.25, 0.0, -0.25]]


# ---- dtypes, layout, errors


@pytest.mark.parametrize("name", [*ROWS, "softmax", "log_softmax"])
def test_integers_give_float32(name: str) -> None:
    out = getattr(ops, name)(td.tensor([-1, 0, 2]))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.numpy(), getattr(ops, name)(td.tensor([-1.0, 0.0, 2.0])).numpy())


@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
@pytest.mark.parametrize("name", [*ROWS, "softmax", "log_softmax"])
def test_activations_keep_the_layout(name: str, layout: str) -> None:
    x = td.Tensor(
        strategies.lay_out(td.Generator(0).normal((2, 3, 4, 5), np.float64), layout), requires_grad=True
    )
    out = getattr(ops, name)(x)
    assert memory_order(out) == memory_order(x)
    (g,) = td.grad(out, x, td.ones_like(out) + out.detach() * 0.0)
    assert memory_order(g) == memory_order(x)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"maxout: axis 1 of shape \(2, 3\) is not a multiple of 2 pieces"):
        td.functional.maxout(td.ones(2, 3), 2)
    with pytest.raises(ValueError, match=r"maxout: .* 0 pieces"):
        td.functional.maxout(td.ones(2, 3), 0)
    with pytest.raises(ValueError, match="maxout: axis 1 is out of range for 1 axes"):
        td.functional.maxout(td.ones(2), 1)
    for name in ("softmax", "log_softmax"):
        with pytest.raises(ValueError, match=f"{name}: axis 2 is out of range for 2 axes"):
            getattr(ops, name)(td.ones(2, 3), 2)
    for name in ROWS:
        with pytest.raises(TypeError, match=f"{name}: expected tensors, got a plain array"):
            getattr(ops, name)(np.ones(2))
