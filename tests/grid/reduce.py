"""Rows of tinydl/ops/reduce.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.ops import reduce as ops
from tinydl.testing import strategies


def over(x: Any, axis: Any, keepdims: bool, number: Callable[[list[float]], Any]) -> Any:
    """`number` of each list of elements over the axes: a reduction as a plain loop."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = sorted(i % x.ndim for i in axes)
    rest = [i for i in range(x.ndim) if i not in axes]
    out = np.empty([x.shape[i] for i in rest])
    for place in np.ndindex(*out.shape):
        key: list[Any] = [slice(None)] * x.ndim
        for i, k in zip(rest, place, strict=True):
            key[i] = k
        out[place] = number([float(v) for v in x[tuple(key)].ravel()])
    return out.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else out


def variance(values: list[float], ddof: int = 0) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - ddof)


def deviation(values: list[float], ddof: int = 0) -> float:
    return math.sqrt(variance(values, ddof))


# What it is of a list of numbers; PyTorch's name; the fewest elements it takes. NumPy's name is ours.
REDUCTIONS: dict[str, tuple[Callable[..., Any], str, int]] = {
    "sum": (math.fsum, "sum", 0),
    "mean": (lambda v: math.fsum(v) / len(v), "mean", 1),
    "var": (variance, "var", 1),
    "std": (deviation, "std", 2),
    "max": (max, "amax", 1),
    "min": (min, "amin", 1),
    "prod": (math.prod, "prod", 0),
    "logsumexp": (lambda v: math.log(math.fsum(map(math.exp, v))), "logsumexp", 1),
}


def all_differ(x: td.Tensor) -> bool:
    return len(np.unique(x.numpy())) == x.size


def of_torch(torch: Any, name: str, a: Any, axes: tuple[int, ...], keepdims: bool, ddof: int) -> Any:
    if axes == ():  # to PyTorch that means all axes, to NumPy none: an axis of length 1 instead
        out = of_torch(torch, name, a.unsqueeze(0), (0,), keepdims, ddof)
        return out.squeeze(0) if keepdims else out
    if name == "prod":
        for i in sorted((d % a.ndim for d in axes), reverse=True):
            a = a.prod(dim=i, keepdim=keepdims)
        return a
    extra = {"correction": ddof} if name in ("var", "std") else {}
    return getattr(torch, REDUCTIONS[name][1])(a, dim=axes, keepdim=keepdims, **extra)


def reduction(name: str) -> Row:
    number, _, least = REDUCTIONS[name]

    def row(data: Any) -> Case:
        shape = data.draw(strategies.shapes(max_dims=4, max_side=3))
        axis, keepdims = data.draw(strategies.axes(len(shape))), data.draw(st.booleans())
        axes = tuple(range(len(shape))) if axis is None else (axis,) if isinstance(axis, int) else axis
        n = math.prod(shape[i] for i in axes)
        assume(n >= least)
        x = data.draw(strategies.tensors(shape))
        if name == "std":  # its derivative needs some variance
            assume(np.all(np.std(x.numpy(), axis=axis) > 0.2))
        extra = {"ddof": data.draw(st.integers(0, min(n - 1, 2)))} if name in ("var", "std") else {}
        options = {"axis": axis, "keepdims": keepdims, **extra}
        defaults = {"axis": -1 if name == "logsumexp" else None, "keepdims": False, "ddof": 0}
        if data.draw(st.booleans()):
            options = {k: v for k, v in options.items() if v != defaults[k]}

        def of_numpy(np: Any, a: Any) -> Any:
            if name == "logsumexp":
                return np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims))
            return getattr(np, name)(a, axis=axis, keepdims=keepdims, **extra)

        # Of equal numbers MyGrad's extremes take the first, and they fail where there are no numbers.
        chooses = name not in ("max", "min") or (x.size > 0 and all_differ(x))
        warns = name in ("var", "std") and x.size == 0
        return Case(
            [x],
            lambda x: getattr(ops, name)(x, **options),
            lambda a: over(a, axis, keepdims, lambda v: number(v, **extra)),
            torch=None
            if warns
            else lambda torch, a: of_torch(torch, name, a, axes, keepdims, extra.get("ddof", 0)),
            autograd=of_numpy,
            mygrad=of_numpy if chooses else None,
        )

    return row


def cumsum(data: Any) -> Case:
    x = data.draw(strategies.tensors(strategies.shapes(max_dims=3)))
    axis = data.draw(st.none() | strategies.axis(x.ndim) if x.ndim else st.none())

    def plain(a: Any) -> Any:
        out = np.array(a.reshape(-1) if axis is None else a)
        lines = np.moveaxis(out, axis or 0, 0)
        for i in range(1, len(lines)):
            lines[i] += lines[i - 1]
        return out

    peer = lambda library, a: library.cumsum(a, axis=axis)
    return Case(
        [x],
        data.draw(st.sampled_from((lambda x: td.cumsum(x, axis), lambda x: x.cumsum(axis=axis)))),
        plain,
        torch=lambda torch, a: torch.cumsum(a.reshape(-1) if axis is None else a, axis or 0),
        autograd=peer,
        mygrad=peer,
    )


def place_of_extreme(name: str) -> Row:
    best = max if name == "argmax" else min

    def row(data: Any) -> Case:
        shape = data.draw(strategies.shapes(max_dims=3))
        axis = data.draw(st.none() | strategies.axis(len(shape)) if shape else st.none())
        keepdims = data.draw(st.booleans())
        assume((math.prod(shape) if axis is None else shape[axis]) > 0)
        dtype = data.draw(st.sampled_from(("int64", "float64")))
        x = data.draw(strategies.tensors(shape, np.int64, -1, 1))  # many ties: the first one counts
        return Case(
            [td.tensor(x.astype(dtype), requires_grad=dtype == "float64")],
            data.draw(
                st.sampled_from(
                    (
                        lambda x: getattr(td, name)(x, axis, keepdims),
                        lambda x: getattr(x, name)(axis=axis, keepdims=keepdims),
                    )
                )
            ),
            lambda a: over(a, axis, keepdims, lambda v: v.index(best(v))).astype("int64"),
            torch=lambda torch, a: getattr(torch, name)(a, dim=axis, keepdim=keepdims),
            autograd=lambda np, a: getattr(np, name)(a, axis=axis, keepdims=keepdims),
            mygrad=None if keepdims else lambda mg, a: getattr(mg, name)(a, axis=axis),
            order=0,
        )

    return row


ROWS: dict[str, Row] = {
    **{name: reduction(name) for name in REDUCTIONS},
    "cumsum": cumsum,
    "argmax": place_of_extreme("argmax"),
    "argmin": place_of_extreme("argmin"),
}
