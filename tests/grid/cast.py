"""Rows of tinydl/ops/cast.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.ops import cast as ops
from tinydl.testing import strategies

DTYPES = ("bool", "uint8", "int8", "int32", "int64", "float32", "float64")


def astype(data: Any) -> Case:
    return data.draw(st.sampled_from((to_float64, to_anything)))(data)


def to_float64(data: Any) -> Case:
    """There and back, with a square between: for float32 inputs that is computed in double precision."""
    return Case(
        [data.draw(strategies.tensors(strategies.shapes()))],
        lambda x: (ops.astype(x, "float64") * x.astype("float64")).astype(x.dtype),
        lambda a: a**2,
        torch=lambda torch, a: a.double() * a.double(),
        autograd=lambda np, a: a.astype("float64") * a.astype("float64"),
        mygrad=None,  # its astype cuts the graph
    )


def to_anything(data: Any) -> Case:
    before, to = data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(DTYPES))
    low = 0 if "u" in before + to else -2  # what a negative float is as an unsigned integer is nobody's rule
    x = data.draw(strategies.tensors(strategies.shapes(), before, low, 2, requires_grad=False))
    kind = {"b": bool, "f": float}.get(np.dtype(to).kind, int)
    return Case(
        [x],
        lambda x: ops.astype(x, to),
        lambda a: np.array([kind(v) for v in a.flat], to).reshape(a.shape),
        torch=lambda torch, a: a.to(getattr(torch, to)),
        autograd=lambda np, a: a.astype(to),
        mygrad=lambda mg, a: a.astype(to),
        order=0,
    )


def to(data: Any) -> Case:
    """There and back, with a square on the other device."""
    other = data.draw(st.sampled_from(("cpu", "strict")))

    def ours(x: td.Tensor) -> td.Tensor:
        there = ops.to(x, other)
        assert there.device == td.zeros(0, device=other).device
        return ops.to(there * there, x.device)

    return Case([data.draw(strategies.tensors(strategies.shapes()))], ours, lambda a: a**2)


ROWS: dict[str, Row] = {"astype": astype, "to": to}
