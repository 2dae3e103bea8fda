"""Rows of tinydl/ops/norm.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.ops import norm as ops
from tinydl.testing import strategies

EPS = st.sampled_from((0.1, 0.7))  # drawn images may be constant; then a step must be short beside sqrt(eps)


def normalized(values: list[float], eps: float) -> list[float]:
    n = len(values)
    mean = math.fsum(values) / n
    var = math.fsum((v - mean) ** 2 for v in values) / n
    return [(v - mean) / math.sqrt(var + eps) for v in values]


def by_groups(x: Any, group: Callable[[tuple[int, ...]], Any], eps: float) -> Any:
    """x with the elements that `group` gives the same name normalised together."""
    places: dict[Any, list[tuple[int, ...]]] = {}
    for place in np.ndindex(x.shape):
        places.setdefault(group(place), []).append(place)
    out = np.zeros(x.shape)
    for members in places.values():
        for place, value in zip(members, normalized([float(x[p]) for p in members], eps), strict=True):
            out[place] = value
    return out


def stretched(x: Any, weight: Any, bias: Any, which: Callable[[tuple[int, ...]], Any]) -> Any:
    out = x.copy()
    for place in np.ndindex(x.shape):
        if weight is not None:
            out[place] *= weight[which(place)]
        if bias is not None:
            out[place] += bias[which(place)]
    return out


def channel(place: tuple[int, ...]) -> int:
    return place[1]


def batch_loops(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    return stretched(by_groups(x, channel, eps), weight, bias, channel)


def running_loops(x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> Any:
    out = np.zeros(x.shape)
    for p in np.ndindex(x.shape):
        out[p] = (x[p] - mean[p[1]]) / math.sqrt(var[p[1]] + eps)
    return stretched(out, weight, bias, channel)


def layer_loops(x: Any, axes: int, weight: Any, bias: Any, eps: float) -> Any:
    lead = x.ndim - axes
    return stretched(by_groups(x, lambda p: p[:lead], eps), weight, bias, lambda p: p[lead:])


def group_loops(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> Any:
    inside = x.shape[1] // groups
    return stretched(by_groups(x, lambda p: (p[0], p[1] // inside), eps), weight, bias, channel)


def batches(min_dims: int = 2, max_dims: int = 5) -> Any:
    """Shapes (N, C, ...) with more than one value a channel."""
    several = strategies.shapes(min_dims, max_dims, 1, 3)
    return several.filter(lambda shape: math.prod(shape) // shape[1] > 1)


def groupable(data: Any) -> tuple[tuple[int, ...], int]:
    """A shape (N, C, ...), and a number of groups that its channels can be split into."""
    groups, inside = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    rest = data.draw(strategies.shapes(0, 2, 1, 3))
    return (data.draw(st.integers(1, 2)), groups * inside, *rest), groups


@st.composite
def inputs_of(
    draw: Any, shapes: Any, parameters: Callable[[Any], tuple[int, ...]]
) -> tuple[list[td.Tensor], Callable[[Any], tuple[Any, Any, Any]]]:
    """x, and weight and bias where they are drawn; a function that makes (x, weight, bias) of these."""
    x = draw(strategies.tensors(shapes))
    has_weight, has_bias = draw(st.booleans()), draw(st.booleans())
    shape = parameters(x.shape)
    rest = [draw(strategies.tensors(shape)) for has in (has_weight, has_bias) if has]

    def unpack(values: Any) -> tuple[Any, Any, Any]:
        values = list(values)
        first = values.pop(0)
        return first, values.pop(0) if has_weight else None, values.pop(0) if has_bias else None

    return [x, *rest], unpack


def batch_norm(data: Any) -> Case:
    """By the batch or by running values; what the running values become is tested in tests/ops/test_norm_batch.py."""
    training, eps = data.draw(st.booleans()), data.draw(EPS)
    shapes = batches() if training else strategies.shapes(2, 5, 0, 3)
    inputs, unpack = data.draw(inputs_of(shapes, lambda shape: (shape[1],)))
    c = (inputs[0].shape[1],)
    running = [data.draw(strategies.arrays(c)), data.draw(strategies.arrays(c, low=0.2))]

    def ours(*values: td.Tensor) -> td.Tensor:
        x, weight, bias = unpack(values)
        here = (td.tensor(v.astype(x.dtype), device=x.device) for v in running)
        return ops.batch_norm(x, *here, weight, bias, training, eps=eps)

    def loops(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        if training:
            return batch_loops(x, weight, bias, eps)
        return running_loops(x, *running, weight, bias, eps)

    def torchs(torch: Any, *values: Any) -> Any:
        x, weight, bias = unpack(values)
        here = (torch.tensor(v.copy()) for v in running)
        return torch.nn.functional.batch_norm(x, *here, weight, bias, training, eps=eps)

    def mygrads(mg: Any, *values: Any) -> Any:
        x, weight, bias = unpack(values)
        return mg.nnet.layers.batchnorm(x, gamma=weight, beta=bias, eps=eps)

    return Case(
        inputs,
        ours,
        loops,
        torch=torchs if c > (0,) else None,  # PyTorch fails on images of no channels
        mygrad=mygrads if training else None,
    )


def layer_norm(data: Any) -> Case:
    axes, eps = data.draw(st.integers(1, 3)), data.draw(EPS)
    shapes = strategies.shapes(axes, 4, 1, 3)
    inputs, unpack = data.draw(inputs_of(shapes, lambda shape: shape[-axes:]))

    def apply(function: Any, values: Any) -> Any:
        x, weight, bias = unpack(values)
        return function(x, tuple(x.shape[-axes:]), weight, bias, eps)

    def loops(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        return layer_loops(x, axes, weight, bias, eps)

    return Case(
        inputs,
        lambda *values: apply(ops.layer_norm, values),
        loops,
        torch=lambda torch, *values: apply(torch.nn.functional.layer_norm, values),
    )


def group_norm(data: Any) -> Case:
    shape, groups = groupable(data)
    inputs, unpack = data.draw(inputs_of(st.just(shape), lambda shape: (shape[1],)))
    eps = data.draw(EPS)

    def ours(*values: td.Tensor) -> td.Tensor:
        x, weight, bias = unpack(values)
        return ops.group_norm(x, groups, weight, bias, eps)

    def loops(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        return group_loops(x, groups, weight, bias, eps)

    def torchs(torch: Any, *values: Any) -> Any:
        x, weight, bias = unpack(values)
        if weight is None and bias is not None:  # PyTorch 2.13 has no gradient for a bias alone
            weight = torch.ones_like(bias)
        return torch.nn.functional.group_norm(x, groups, weight, bias, eps)

    alone = math.prod(shape) == groups  # one value in each group of one image: PyTorch refuses that
    return Case(inputs, ours, loops, torch=None if alone else torchs)


ROWS: dict[str, Row] = {"batch_norm": batch_norm, "layer_norm": layer_norm, "group_norm": group_norm}
