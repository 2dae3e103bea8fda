"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.ops import linalg as ops
from tinydl.testing import check_function, strategies


def test_every_public_function_is_tested(public_functions: Any) -> None:
    assert public_functions(ops) == {"matmul", "dense"}


def product(a: Any, b: Any) -> Any:
    """The matrix product as three loops, for stacks and vectors, too."""
    left = a[None, :] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, lead + left.shape[-2:])
    right = np.broadcast_to(right, lead + right.shape[-2:])
    out = np.zeros((*lead, left.shape[-2], right.shape[-1]))
    for at in np.ndindex(*out.shape):
        stack, i, j = at[:-2], at[-2], at[-1]
        for k in range(left.shape[-1]):
            out[at] += left[(*stack, i, k)] * right[(*stack, k, j)]
    if a.ndim == 1:
        out = out[..., 0, :]
    return out[..., 0] if b.ndim == 1 else out


def draw(data: Any) -> list[td.Tensor]:
    side = st.integers(0, 3)
    k = data.draw(side)
    stacks = data.draw(strategies.broadcastable_shapes(2, max_dims=2, max_side=3))
    a = (k,) if data.draw(st.booleans()) else (*stacks[0], data.draw(side), k)
    b = (k,) if data.draw(st.booleans()) else (*stacks[1], k, data.draw(side))
    return [data.draw(strategies.tensors(a)), data.draw(strategies.tensors(b))]


@given(data=st.data())
def test_matmul(data: Any) -> None:
    assert check_function(td.matmul, draw(data), product)


@given(data=st.data())
def test_matmul_agrees_with_torch(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    assert agrees_with_torch(lambda a, b: a @ b, torch.matmul, draw(data))


def draw_dense(data: Any) -> list[td.Tensor]:
    features, out = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    x = data.draw(strategies.tensors((*data.draw(strategies.shapes(max_dims=2, max_side=3)), features)))
    inputs = [x, data.draw(strategies.tensors((out, features)))]
    return [*inputs, data.draw(strategies.tensors((out,)))] if data.draw(st.booleans()) else inputs


@given(data=st.data())
def test_dense(data: Any) -> None:
    def plain(x: Any, w: Any, b: Any = 0.0) -> Any:
        return product(x, w.T) + b

    assert check_function(td.functional.dense, draw_dense(data), plain)


@given(data=st.data())
def test_dense_agrees_with_torch(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    inputs = draw_dense(data)
    if 0 not in inputs[1].shape:  # PyTorch warns of, or refuses, some of the empty ones
        assert agrees_with_torch(td.functional.dense, torch.nn.functional.linear, inputs)


def test_the_product_of_the_course() -> None:
    a = td.tensor([[2, 5, 2], [1, 0, -2], [3, 1, 1]])
    b = td.tensor([[-2, 1, 0], [-2, 2, 1], [0, 0, 3]])
    want = [[-14, 12, 11], [-2, 1, -6], [-8, 5, 4]]
    assert (a @ b).numpy().tolist() == want
    assert (a @ b).dtype == np.int64
    assert (a.astype("float32") @ b).numpy().tolist() == want
    assert (a.astype("float32") @ b).dtype == np.float32


def test_the_nearest_vector_of_the_course() -> None:
    x = td.tensor([0.5, 0.3, 0.7])
    others = td.tensor([[0.3, 0.3, 0.3], [0.6, 0.2, 0.6], [-0.5, -0.3, -0.7]])
    cosines = (others @ x) / ((others * others).sum(axis=1).sqrt() * (x @ x).sqrt())
    distances = ((others - x) ** 2).sum(axis=1)
    assert cosines.argmax().item() == distances.argmin().item() == 1


def test_errors() -> None:
    with pytest.raises(
        ValueError,
        match=r"matmul: \(2, 3\) @ \(4, 5\): the last axis of the first has length 3, .* second 4",
    ):
        td.ones(2, 3) @ td.ones(4, 5)
    with pytest.raises(ValueError, match=r"matmul: \(1, 3\) @ \(4, 1\)"):
        td.ones(3) @ td.ones(4)
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 1, 3\) and \(3, 3, 1\) can't be broadcast"):
        td.ones(2, 1, 3) @ td.ones(3, 3, 1)
    for wrong in (td.tensor(1.0), 2.0):
        with pytest.raises(ValueError, match="matmul: expected tensors with one axis or more"):
            td.ones(2, 2) @ wrong
    with pytest.raises(TypeError, match="matmul: float32 with float64"):
        td.ones(2, 2) @ td.ones(2, 2, dtype="float64")
    for a, b in ((td.ones(2, 2), np.ones((2, 2))), (np.ones((2, 2)), td.ones(2, 2))):
        with pytest.raises(TypeError, match="matmul: expected tensors, got a plain array"):
            a @ b
    dense = td.functional.dense
    with pytest.raises(ValueError, match=r"dense: expected a weight \(out, in\), got shape \(3,\)"):
        dense(td.ones(2, 3), td.ones(3))
    with pytest.raises(ValueError, match=r"dense: input has 3 features, expected 4 \(input shape \(2, 3\)\)"):
        dense(td.ones(2, 3), td.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: input has 0 features, expected 4"):
        dense(td.tensor(1.0), td.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: expected a bias of shape \(5,\), got \(4,\)"):
        dense(td.ones(2, 4), td.ones(5, 4), td.ones(4))
