"""Steps of optimisers in one kernel against tinydl.optim, over several steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels.cuda import optim

rates = st.sampled_from((0.1, 1e-3))
decays = st.sampled_from((0.0, 0.05))
dtypes = st.sampled_from((np.float32, np.float64))


def start(n: int, dtype: Any) -> tuple[td.Tensor, Any]:
    values = td.Generator(0).normal((n,), dtype)
    return td.tensor(values, requires_grad=True), values.copy()


def gradient(step: int, n: int, dtype: Any) -> Any:
    return td.Generator(step).normal((n,), dtype)


@given(
    n=st.integers(1, 70),
    dtype=dtypes,
    lr=rates,
    weight_decay=decays,
    momentum=st.sampled_from((0.0, 0.9)),
    nesterov=st.booleans(),
)
def test_sgd(
    n: int, dtype: Any, lr: float, weight_decay: float, momentum: float, nesterov: bool, launcher: Any
) -> None:
    parameter, data = start(n, dtype)
    options: Any = {
        "momentum": momentum,
        "nesterov": nesterov and momentum > 0,
        "weight_decay": weight_decay,
    }
    theirs = td.optim.SGD([parameter], lr, **options)
    velocity, rate = np.zeros_like(data) if momentum else None, np.array(lr)
    for step in range(1, 4):
        theirs.lr = lr / step
        rate[...] = lr / step
        parameter.grad = td.tensor(gradient(step, n, dtype))
        theirs.step()
        optim.sgd(np, data, gradient(step, n, dtype), velocity, rate, **options)
    np.testing.assert_allclose(data, parameter.detach().numpy(), rtol=tol(dtype), atol=tol(dtype))


@given(
    n=st.integers(1, 70),
    dtype=dtypes,
    lr=rates,
    weight_decay=decays,
    betas=st.sampled_from(((0.9, 0.999), (0.5, 0.9), (0.0, 0.0))),
    decoupled=st.booleans(),
)
def test_adam(
    n: int,
    dtype: Any,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
    decoupled: bool,
    launcher: Any,
) -> None:
    """Learning rate and step number are read from memory; they change between the steps."""
    parameter, data = start(n, dtype)
    kind = td.optim.AdamW if decoupled else td.optim.Adam
    theirs = kind([parameter], lr, betas, 1e-8, weight_decay)
    mean, square = np.zeros_like(data), np.zeros_like(data)
    rate, count = np.array([lr]), np.array([0])
    for step in range(1, 5):
        theirs.lr = lr / step
        rate[...] = lr / step
        count += 1
        parameter.grad = td.tensor(gradient(step, n, dtype))
        theirs.step()
        options: Any = {"betas": betas, "weight_decay": weight_decay, "decoupled": decoupled}
        optim.adam(np, data, gradient(step, n, dtype), mean, square, rate, count, **options)
    np.testing.assert_allclose(data, parameter.detach().numpy(), rtol=tol(dtype), atol=tol(dtype))
    np.testing.assert_allclose(square, theirs._buffers[0]["square"], rtol=tol(dtype))


def tol(dtype: Any) -> float:
    return 2e-6 if dtype == np.float32 else 1e-13


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_launch_for_parameters_side_by_side(dtype: Any, launcher: Any) -> None:
    """A buffer that holds several parameters gets what each of them would get alone."""
    _, data = start(50, dtype)
    parts = np.split(data.copy(), [7, 20])
    g, rate, count = gradient(1, 50, dtype), np.array(1), np.array(1)  # a learning rate that is an integer
    buffers = [np.zeros(50, dtype) for _ in range(2)]
    optim.adam(np, data, g, *buffers, rate, count)
    for part, own in zip(parts, np.split(g, [7, 20]), strict=True):
        optim.adam(np, part, own, np.zeros_like(part), np.zeros_like(part), rate, count)
    assert np.concatenate(parts).tobytes() == data.tobytes()
