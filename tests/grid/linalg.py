"""Rows of tinydl/ops/linalg.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.testing import strategies

SIDES = st.sampled_from((1, 2, 3, 1, 2, 3, 0))  # empty ones test little: not too often


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


def matmul(data: Any) -> Case:
    k = data.draw(SIDES)
    stacks = data.draw(strategies.broadcastable_shapes(2, max_dims=2, max_side=3))
    a = (k,) if data.draw(st.booleans()) else (*stacks[0], data.draw(SIDES), k)
    b = (k,) if data.draw(st.booleans()) else (*stacks[1], k, data.draw(SIDES))
    return Case(
        [data.draw(strategies.tensors(a)), data.draw(strategies.tensors(b))],
        data.draw(st.sampled_from((td.matmul, lambda a, b: a @ b))),
        product,
        torch=lambda torch, a, b: torch.matmul(a, b),
        autograd=lambda np, a, b: np.matmul(a, b),
        mygrad=lambda mg, a, b: mg.matmul(a, b),
    )


def dense(data: Any) -> Case:
    features, out = data.draw(SIDES), data.draw(SIDES)
    x = data.draw(strategies.tensors((*data.draw(strategies.shapes(max_dims=2, max_side=3)), features)))
    inputs = [x, data.draw(strategies.tensors((out, features)))]
    if data.draw(st.booleans()):
        inputs.append(data.draw(strategies.tensors((out,))))
    # PyTorch warns of, or refuses, some of the empty ones.
    full = features > 0 and out > 0
    return Case(
        inputs,
        td.functional.dense,
        lambda x, w, b=0.0: product(x, w.T) + b,
        torch=(lambda torch, *xs: torch.nn.functional.linear(*xs)) if full else None,
        autograd=lambda np, x, w, b=0.0: np.matmul(x, w.T) + b,
        mygrad=lambda mg, x, w, b=0.0: mg.matmul(x, w.T) + b,
    )


ROWS: dict[str, Row] = {"matmul": matmul, "dense": dense}
