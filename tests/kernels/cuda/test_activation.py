"""Bias and activation in one kernel, against the activations of tinydl.functional."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels.cuda import norm
from tinydl.kernels.cuda.activation import KINDS, activation_gradient, bias_activation
from tinydl.testing import strategies

FUNCTIONS: dict[str, Any] = {
    "none": lambda x: x,
    "relu": td.functional.relu,
    "leaky_relu": lambda x: td.functional.leaky_relu(x, 0.1),
    "sigmoid": td.functional.sigmoid,
    "tanh": td.functional.tanh,
}


@given(
    shape=strategies.shapes(2, 4, 1, 5),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from((np.float32, np.float64)),
    with_bias=st.booleans(),
    data=st.data(),
)
def test_value_and_gradients(
    shape: Any, kind: str, dtype: Any, with_bias: bool, data: Any, launcher: Any
) -> None:
    x, g = (data.draw(strategies.arrays(shape, dtype)) for _ in "xg")
    bias = data.draw(strategies.arrays(shape[1:2], dtype))
    ours = bias_activation(np, x, bias if with_bias else None, kind, 0.1)
    dx = activation_gradient(np, g, ours, kind, 0.1)

    leaf, b = td.tensor(x, requires_grad=True), td.tensor(bias, requires_grad=True)
    moved = leaf + b.reshape(-1, *(1,) * (len(shape) - 2)) if with_bias else leaf
    out = FUNCTIONS[kind](moved)
    want_dx, want_db = td.grad(out, (leaf, b), td.tensor(g), allow_unused=True)
    tol = 1e-6 if dtype == np.float32 else 1e-13
    assert ours.dtype == dx.dtype == dtype
    np.testing.assert_allclose(ours, out.detach().numpy(), rtol=tol, atol=tol)
    np.testing.assert_allclose(dx, want_dx.numpy(), rtol=10 * tol, atol=10 * tol)
    if with_bias:
        scale = max(1.0, np.abs(g).sum())
        np.testing.assert_allclose(norm.channel_sums(np, dx), want_db.numpy(), rtol=0, atol=10 * tol * scale)


def test_sigmoid_overflows_nowhere_and_relu_keeps_nan(launcher: Any) -> None:
    x = np.array([[-1e4, -750.0, 0.0, 40.0, 1e4, np.nan]])
    found = bias_activation(np, x, None, "sigmoid")
    np.testing.assert_array_equal(found, [[0.0, np.exp(-750.0), 0.5, 1.0, 1.0, np.nan]])
    np.testing.assert_array_equal(bias_activation(np, x, None, "relu"), [[0, 0, 0, 40, 1e4, np.nan]])


def test_another_activation_is_refused(launcher: Any) -> None:
    with pytest.raises(ValueError, match="gelu"):
        bias_activation(np, np.ones((1, 1)), None, "gelu")


@given(data=st.data(), name=st.sampled_from(("relu", "sigmoid", "tanh")))
def test_the_operations_run_them_in_any_layout(data: Any, name: str, on_cuda_kernels: Any) -> None:
    """Value, first and second derivative; the results lie as the input does."""
    values = data.draw(strategies.arrays(strategies.shapes(), np.float64))

    def run() -> list[Any]:
        x = td.tensor(values, requires_grad=True)
        out = FUNCTIONS[name](x)
        v = td.tensor(td.Generator(1).normal(values.shape, np.float64), requires_grad=True)
        (first,) = td.grad(out, x, v, create_graph=True)
        second = td.grad((first * first).sum(), (x, v), allow_unused=True)
        return [t.detach().numpy() for t in (out, first, *second) if t is not None]

    with td.textbook():
        want = run()
    on_cuda_kernels.calls.clear()
    for ours, theirs in zip(run(), want, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    ran = ["bias_activation_float64", "activation_gradient_float64"]
    assert [name in on_cuda_kernels.calls for name in ran] == [values.size > 0] * 2
    images = strategies.lay_out(np.ones((2, 3, 4, 5)), "nhwc")
    assert td.testing.memory_order(FUNCTIONS[name](td.tensor(images)).numpy()) == (0, 2, 3, 1)
