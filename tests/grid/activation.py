"""Rows of tinydl/ops/activation.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from grid.reduce import all_differ
from tinydl.testing import strategies

# The formula in NumPy, the same for autograd and for MyGrad (with what each has), and the options to draw from.
# PyTorch's name is ours.
ACTIVATIONS: dict[
    str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], tuple[dict[str, Any], ...]]
] = {
    "relu": (
        lambda x: np.where(x > 0, x, 0.0),
        lambda np, x: x * (x > 0),  # its maximum shares the gradient at 0
        lambda mg, x: mg.nnet.relu(x),
        ({},),
    ),
    "leaky_relu": (
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        lambda np, x, negative_slope=0.01: x * ((x > 0) + negative_slope * (x <= 0)),
        lambda mg, x, negative_slope=0.01: mg.nnet.leaky_relu(x, float(negative_slope)),
        ({}, {"negative_slope": 0.1}, {"negative_slope": 0}, {"negative_slope": np.float64(0.3)}),
    ),
    "elu": (
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
        lambda np, x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
        lambda mg, x, alpha=1.0: mg.nnet.elu(x, float(alpha)),
        ({}, {"alpha": 0.5}, {"alpha": np.float64(2.0)}),
    ),
    "softplus": (
        lambda x: np.log(1 + np.exp(x)),
        lambda np, x: np.logaddexp(x, 0.0),
        lambda mg, x: mg.logaddexp(x, 0.0),
        ({},),
    ),
    "sigmoid": (
        lambda x: 1 / (1 + np.exp(-x)),
        lambda np, x: 0.5 * (np.tanh(0.5 * x) + 1),
        lambda mg, x: mg.nnet.sigmoid(x),
        ({},),
    ),
    "tanh": (
        lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
        lambda np, x: np.tanh(x),
        lambda mg, x: mg.tanh(x),
        ({},),
    ),
}


def elementwise(name: str) -> Row:
    formula, autograds, mygrads, choices = ACTIVATIONS[name]

    def row(data: Any) -> Case:
        x = data.draw(strategies.tensors(strategies.shapes(max_side=3), low=-4.0, high=4.0))
        options = data.draw(st.sampled_from(choices))
        return Case(
            [x],
            lambda x: getattr(td.functional, name)(x, **options),
            lambda a: formula(a, **options),
            torch=lambda torch, a: getattr(torch.nn.functional, name)(a, **options),
            autograd=lambda np, a: autograds(np, a, **options),
            # at 0 its leaky_relu has slope 0 and its elu has slope 1
            mygrad=(lambda mg, a: mygrads(mg, a, **options)) if np.all(x.numpy() != 0) else None,
        )

    return row


def probabilities(a: Any, axis: int) -> Any:
    """e^x / sum e^x, by the formula: one line of numbers after the other."""
    out = np.empty(a.shape)
    lines, results = np.moveaxis(a, axis, -1), np.moveaxis(out, axis, -1)
    for at in np.ndindex(*lines.shape[:-1]):
        e = [np.exp(v) for v in lines[at]]
        results[at] = [v / sum(e) for v in e]
    return out


def softmax(name: str) -> Row:
    formula = probabilities if name == "softmax" else lambda a, axis: np.log(probabilities(a, axis))

    def autograds(np: Any, a: Any, axis: int) -> Any:
        log = a - np.log(np.sum(np.exp(a), axis=axis, keepdims=True))
        return np.exp(log) if name == "softmax" else log

    def row(data: Any) -> Case:
        x = data.draw(strategies.tensors(strategies.shapes(1, 3, max_side=3)))
        axis = data.draw(strategies.axis(x.ndim))
        given = () if axis == -1 else (axis,)  # the default
        return Case(
            [x],
            lambda x: getattr(td.functional, name)(x, *given),
            lambda a: formula(a, axis),
            torch=lambda torch, a: getattr(torch, name)(a, axis),
            # both of them warn of, or refuse, no elements
            autograd=(lambda np, a: autograds(np, a, axis)) if x.size else None,
            mygrad=(lambda mg, a: getattr(mg.nnet, name.replace("_", ""))(a, axis)) if x.size else None,
        )

    return row


def maxout(data: Any) -> Case:
    pieces, groups = data.draw(st.integers(1, 3)), data.draw(st.sampled_from((1, 2, 3, 1, 2, 3, 0)))
    shape = list(data.draw(strategies.shapes(1, 3, max_side=3)))
    axis = data.draw(strategies.axis(len(shape)))
    shape[axis] = pieces * groups
    x = data.draw(strategies.tensors(tuple(shape)))
    given = () if axis == 1 else (axis,)
    place = axis % len(shape)
    apart = (*shape[:place], groups, pieces, *shape[place + 1 :])

    def plain(a: Any) -> Any:
        a = np.moveaxis(a, axis, 0)
        best = [np.max([a[i * pieces + k] for k in range(pieces)], axis=0) for i in range(groups)]
        return np.moveaxis(np.array(best).reshape(groups, *a.shape[1:]), 0, axis)

    return Case(
        [x],
        lambda x: td.functional.maxout(x, pieces, *given),
        plain,
        torch=lambda torch, a: torch.amax(a.reshape(apart), place + 1),
        autograd=lambda np, a: np.max(np.reshape(a, apart), axis=place + 1),
        # of equal numbers MyGrad's `max` takes the first
        mygrad=(lambda mg, a: mg.max(mg.reshape(a, apart), axis=place + 1))
        if x.size and all_differ(x)
        else None,
    )


ROWS: dict[str, Row] = {
    **{name: elementwise(name) for name in ACTIVATIONS},
    "softmax": softmax("softmax"),
    "log_softmax": softmax("log_softmax"),
    "maxout": maxout,
}
