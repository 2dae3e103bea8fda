"""Rows of tinydl/ops/arithmetic.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.ops import arithmetic as ops
from tinydl.testing import strategies

REAL = (-2.0, 2.0)
POSITIVE = (0.3, 2.0)

# The function, its formula in NumPy, NumPy's name and PyTorch's, and where each input may lie.
ELEMENTWISE: dict[str, tuple[Callable[..., Any], Callable[..., Any], str, str, list[tuple[float, float]]]] = {
    "add": (ops.add, lambda a, b: a - -b, "add", "add", [REAL, REAL]),
    "subtract": (ops.subtract, lambda a, b: a + -b, "subtract", "sub", [REAL, REAL]),
    "multiply": (ops.multiply, lambda a, b: a / (1 / b), "multiply", "mul", [REAL, POSITIVE]),
    "divide": (ops.divide, lambda a, b: a * b**-1.0, "divide", "div", [REAL, POSITIVE]),
    "power": (ops.power, lambda a, b: np.exp(b * np.log(a)), "power", "pow", [POSITIVE, REAL]),
    "maximum": (ops.maximum, lambda a, b: np.where(a > b, a, b), "maximum", "maximum", [REAL, REAL]),
    "minimum": (ops.minimum, lambda a, b: np.where(a < b, a, b), "minimum", "minimum", [REAL, REAL]),
    "negative": (ops.negative, lambda x: 0.0 - x, "negative", "neg", [REAL]),
    "exp": (ops.exp, lambda x: np.power(np.e, x), "exp", "exp", [REAL]),
    "log": (ops.log, lambda x: np.log2(x) / np.log2(np.e), "log", "log", [POSITIVE]),
    "log1p": (ops.log1p, lambda x: np.log(1 + x), "log1p", "log1p", [(-0.7, 2.0)]),
    "sqrt": (ops.sqrt, lambda x: x**0.5, "sqrt", "sqrt", [POSITIVE]),
    "abs": (ops.abs, lambda x: np.where(x < 0, -x, x), "abs", "abs", [REAL]),
    "sign": (ops.sign, lambda x: 1.0 * (x > 0) - 1.0 * (x < 0), "sign", "sign", [REAL]),
    "sin": (ops.sin, lambda x: np.imag(np.exp(1j * x)), "sin", "sin", [REAL]),
    "cos": (ops.cos, lambda x: np.real(np.exp(1j * x)), "cos", "cos", [REAL]),
}
# Where they differ: ties of a maximum (MyGrad hands each side nothing), the slope of |x| at 0 (NaN in MyGrad);
# in autograd `sign` cuts the graph.
NOT_MYGRAD = {"maximum", "minimum", "abs", "sign"}


def elementwise(name: str) -> Row:
    ours, reference, numpys, torchs, domains = ELEMENTWISE[name]

    def row(data: Any) -> Case:
        shapes = data.draw(strategies.broadcastable_shapes(len(domains), max_dims=4, max_side=3))
        inputs = [
            data.draw(strategies.tensors(shape, low=low, high=high))
            for shape, (low, high) in zip(shapes, domains, strict=True)
        ]
        peer = lambda library, *xs: getattr(library, numpys)(*xs)
        return Case(
            inputs,
            ours,
            reference,
            torch=lambda torch, *xs: getattr(torch, torchs)(*xs),
            autograd=None if name == "sign" else peer,
            mygrad=None if name in NOT_MYGRAD else peer,
        )

    return row


def clip(data: Any) -> Case:
    x = data.draw(strategies.tensors(strategies.shapes(max_side=3)))
    low, high = data.draw(st.sampled_from(((-1, 0.5), (None, 0.5), (-1.0, None), (0.5, 0.5))))
    least, most = -9 if low is None else low, 9 if high is None else high
    at_bounds = np.isin(
        x.numpy(), (least, most)
    ).any()  # where the others stop the gradient and PyTorch does not
    return Case(
        [x],
        lambda x: td.clip(x, low, high),
        lambda a: np.where(a < least, least, np.where(a > most, most, a)),
        torch=lambda torch, a: torch.clip(a, low, high),
        autograd=None if at_bounds else lambda np, a: np.clip(a, least, most),
        mygrad=None if at_bounds else lambda mg, a: mg.clip(a, low, high),
    )


def where(data: Any) -> Case:
    c, *shapes = data.draw(strategies.broadcastable_shapes(3, max_side=3))
    mask, full = data.draw(strategies.arrays(c, np.bool_)), np.broadcast_shapes(c, *shapes)
    return Case(
        [data.draw(strategies.tensors(shape)) for shape in shapes],
        lambda a, b: td.where(td.tensor(mask, device=a.device), a, b),
        lambda a, b: mask * a + ~mask * b,
        torch=lambda torch, a, b: torch.where(torch.tensor(mask.copy()), a, b),
        # autograd's `where` hands on gradients in the shape of its output; a sum is reduced as it should be
        autograd=lambda np, a, b: np.where(mask, a + np.zeros(full), b + np.zeros(full)),
        mygrad=lambda mg, a, b: mg.where(mask, a, b),
    )


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
}


def compare(data: Any) -> Case:
    name = data.draw(st.sampled_from(list(COMPARISONS)))
    shapes = data.draw(strategies.broadcastable_shapes(2, max_side=3))

    def each(a: Any, b: Any) -> Any:
        pairs = np.broadcast(a, b)
        return np.array([COMPARISONS[name](float(x), float(y)) for x, y in pairs], bool).reshape(pairs.shape)

    return Case(
        [
            data.draw(strategies.tensors(s, np.int64, 0, 2)).astype("float64") for s in shapes
        ],  # many are equal
        data.draw(st.sampled_from((COMPARISONS[name], lambda a, b: ops.compare(name, a, b)))),
        each,
        torch=lambda torch, a, b: COMPARISONS[name](a, b),
        order=0,
    )


LOGIC: dict[str, Callable[[Any, Any], Any]] = {
    "logical_and": lambda a, b: a & b,
    "logical_or": lambda a, b: a | b,
    "logical_xor": lambda a, b: a ^ b,
}


def logical(data: Any) -> Case:
    name = data.draw(st.sampled_from(list(LOGIC)))
    shapes = data.draw(strategies.broadcastable_shapes(2, max_side=3))

    def each(a: Any, b: Any) -> Any:
        pairs = np.broadcast(a, b)
        return np.array([LOGIC[name](bool(x), bool(y)) for x, y in pairs], bool).reshape(pairs.shape)

    return Case(
        [data.draw(strategies.tensors(shape, np.bool_)) for shape in shapes],
        data.draw(st.sampled_from((LOGIC[name], lambda a, b: ops.logical(name, a, b)))),
        each,
        torch=lambda torch, a, b: LOGIC[name](a, b),
        order=0,
    )


ROWS: dict[str, Row] = {
    **{name: elementwise(name) for name in ELEMENTWISE},
    "clip": clip,
    "where": where,
    "compare": compare,
    "logical": logical,
}
