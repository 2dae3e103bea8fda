"""The cross-entropies of logits as operations: values from their definitions, derivatives, layouts, extreme logits."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.ops.logits import LogitsBinaryCrossEntropy, LogitsCrossEntropy
from tinydl.testing import gradcheck, gradgradcheck, strategies


def host(x: Any) -> Any:
    return x.to("cpu").detach().numpy()


def binary(x: td.Tensor, t: td.Tensor) -> td.Tensor:
    out: td.Tensor = LogitsBinaryCrossEntropy()(x, t)
    return out


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


@given(data=st.data())
def test_cross_entropy_is_its_definition_and_so_are_its_derivatives(data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    axis = min(1, len(shape) - 1)
    draw = td.Generator(data.draw(st.integers(0, 1000)))
    rest = shape[:axis] + shape[axis + 1 :]
    labels, counts = draw.integers(0, shape[axis], rest), draw.integers(0, 4, rest) > 0
    array = strategies.lay_out(
        draw.normal(shape, np.float64), data.draw(st.sampled_from(["contiguous", "transposed", "reversed"]))
    )

    def loss(x: td.Tensor) -> td.Tensor:
        arrays = td.tensor(labels).data, td.tensor(counts).data
        out: td.Tensor = LogitsCrossEntropy(*arrays, axis)(x)
        return out

    expected = np.zeros(rest)
    for place in np.ndindex(rest):
        if counts[place]:
            logits = array[(*place[:axis], slice(None), *place[axis:])]
            expected[place] = math.log(sum(map(math.exp, logits))) - logits[labels[place]]
    x = td.tensor(array, requires_grad=True)
    np.testing.assert_allclose(host(loss(x)), expected, rtol=1e-12, atol=1e-12)
    assert gradcheck(loss, x)
    assert gradgradcheck(loss, x)


@given(seed=st.integers(0, 1000), shape=st.lists(st.integers(0, 3), max_size=4).map(tuple))
def test_binary_cross_entropy_is_its_definition_and_so_are_its_derivatives(
    seed: int, shape: tuple[int, ...]
) -> None:
    draw = td.Generator(seed)
    x, t = draw.normal(shape, np.float64), draw.uniform(0.0, 1.0, shape, np.float64)
    x = np.where(np.abs(x) < 0.01, 0.5, x)  # the branches of the forward pass meet at 0
    inputs = [td.tensor(x, requires_grad=True), td.tensor(t, requires_grad=True)]
    expected = -(t * np.log(sigmoid(x)) + (1.0 - t) * np.log(sigmoid(-x)))
    np.testing.assert_allclose(host(binary(*inputs)), expected, rtol=1e-12, atol=1e-14)
    g = td.tensor(draw.normal(shape, np.float64))
    dx, dt = td.grad(binary(*inputs), inputs, g)
    np.testing.assert_allclose(host(dx), host(g) * (sigmoid(x) - t), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(host(dt), -host(g) * x, rtol=1e-12)
    assert gradcheck(binary, inputs)
    assert gradgradcheck(binary, inputs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_digit_is_lost_where_the_logits_are_large(dtype: str, on: SimpleNamespace) -> None:
    """-log sigmoid(30) = e^-30 to first order, and its derivative -e^-30: 1 - sigmoid would be 0."""
    x = on.tensor(np.array([30.0, -30.0, 1000.0, -1000.0], dtype), requires_grad=True)
    t = on.tensor(np.array([1.0, 0.0, 0.0, 1.0], dtype))
    loss = binary(x, t)
    (dx,) = td.grad(loss, x, on.ones(4, dtype=dtype))
    small = math.exp(-30)
    np.testing.assert_allclose(host(loss), [small, small, 1000.0, 1000.0], rtol=1e-6)
    np.testing.assert_allclose(host(dx), [-small, small, 1.0, -1.0], rtol=1e-6)
    assert loss.dtype == dx.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_that_do_not_count_have_neither_loss_nor_gradient(dtype: str, on: SimpleNamespace) -> None:
    """Not even where the logit of their class is masked by -inf."""
    x = on.tensor(np.array([[-math.inf, 1000.0], [-1000.0, 1000.0]], dtype), requires_grad=True)
    labels, counts = on.tensor([0, 0]).data, on.tensor([False, True]).data
    loss = LogitsCrossEntropy(labels, counts, 1)(x)
    (dx,) = td.grad(loss, x, on.ones(2, dtype=dtype))
    assert host(loss).tolist() == [0.0, 2000.0]
    assert host(dx).tolist() == [[0.0, 0.0], [-1.0, 1.0]]


def test_images_keep_their_layout(random: Any) -> None:
    """Of logits that lie in memory as H, C, W, N the gradient lies so too: no layer below has to turn it."""
    x = td.Tensor(random(5, 3, 4, 2).numpy().transpose(3, 1, 0, 2), requires_grad=True)
    labels, counts = np.zeros((2, 5, 4), np.int64), np.ones((2, 5, 4), np.bool_)
    (dx,) = td.grad(LogitsCrossEntropy(labels, counts, 1)(x), x, td.ones(2, 5, 4, dtype=x.dtype))
    assert dx.numpy().strides == x.numpy().strides
