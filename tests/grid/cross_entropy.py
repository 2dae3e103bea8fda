"""Rows of `cross_entropy` and `nll`: logits or log-probabilities, against labels or probabilities."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case
from grid.loss import LOGITS, REDUCTIONS, draw_probabilities, lines, reduced, total
from tinydl import losses
from tinydl.testing import strategies


def log_probabilities(values: list[float]) -> list[float]:
    norm = math.log(math.fsum(math.exp(v) for v in values))
    return [v - norm for v in values]


class Classes(NamedTuple):
    """What the losses of classes share: where the classes are, options, and inputs beside the target."""

    shape: tuple[int, ...]
    axis: int
    rest: tuple[int, ...]  # the shape without classes
    o: td.Tensor
    weight: list[td.Tensor]  # one or none; 0 for a class now and then
    reduction: str
    options: dict[str, Any]

    @property
    def count(self) -> int:
        return self.shape[self.axis]


def draw_classes(data: Any, low: float, high: float) -> Classes:
    *lead, count = data.draw(strategies.shapes(1, 4, max_side=3).filter(lambda s: s[-1] > 0))
    shape, axis = (*lead[:1], count, *lead[1:]), min(1, len(lead))
    weight = []
    kind = data.draw(st.sampled_from(("none", "constant", "wanted", "with a 0")))
    if kind != "none":
        w = data.draw(strategies.tensors((count,), low=0.2, requires_grad=kind == "wanted"))
        weight = [td.tensor(w.numpy() * (np.arange(count) != 1)) if kind == "with a 0" else w]
    reduction = data.draw(st.sampled_from(REDUCTIONS))
    options = {} if reduction == "mean" and data.draw(st.booleans()) else {"reduction": reduction}
    o = data.draw(strategies.tensors(shape, low=low, high=high))
    return Classes(shape, axis, tuple(lead), o, weight, reduction, options)


def along(c: Classes, w: Any) -> Any:
    return w.reshape([-1 if i == c.axis else 1 for i in range(len(c.shape))])


def log_softmax_of(np: Any, o: Any, axis: int) -> Any:
    return o - np.log(np.sum(np.exp(o), axis=axis, keepdims=True))


def with_labels(data: Any, name: str, c: Classes) -> Case:
    ignore = data.draw(st.sampled_from((-100, -100, 0, 1, 255)))
    smoothing = data.draw(st.sampled_from((0.0, 0.1, 1, 0))) if name == "cross_entropy" else 0.0
    t = data.draw(strategies.labels(c.rest, c.count, ignore)).numpy()
    options = dict(c.options)
    if ignore != -100:
        options["ignore_index"] = ignore
    if smoothing:
        options["label_smoothing"] = smoothing

    def plain(o: Any, *weight: Any) -> Any:
        w = weight[0].tolist() if weight else [1.0] * c.count
        each, shares = [], []
        for values, label in zip(lines(o, c.axis), t.ravel().tolist(), strict=True):
            if label == ignore:
                each.append(0.0)
                continue
            log_p = values if name == "nll" else log_probabilities(values)
            q = [(1 - smoothing) * (k == label) + smoothing / c.count for k in range(c.count)]
            each.append(-math.fsum(w[k] * q[k] * log_p[k] for k in range(c.count)))
            shares.append(w[label])
        if c.reduction == "mean":
            share = math.fsum(shares)
            return math.fsum(each) / share if share else 0.0
        return total(each, c.reduction, c.rest)

    counted = np.expand_dims(t != ignore, c.axis)
    chosen = counted * (np.expand_dims(t, c.axis) == along(c, np.arange(c.count)))
    q = counted * ((1 - smoothing) * chosen + smoothing / c.count)

    def peer(library: Any, o: Any, *weight: Any) -> Any:
        w = along(c, weight[0]) if weight else 1.0
        log_p = o if name == "nll" else log_softmax_of(library, o, c.axis)
        each = -library.sum(w * q * log_p, axis=c.axis)
        return (
            library.sum(each) / library.sum(w * chosen)
            if c.reduction == "mean"
            else reduced(library, each, c.reduction)
        )

    def of_mygrad(mg: Any, o: Any, *weight: Any) -> Any:
        # its own have the mean alone, of a batch of lists, and weights that the mean is not over
        if c.reduction == "mean" and o.ndim == 2 and counted.all() and not weight and not smoothing:
            own = mg.nnet.negative_log_likelihood if name == "nll" else mg.nnet.softmax_crossentropy
            return own(o, t)
        return peer(mg, o, *weight)

    # where nothing counts, ours is 0 and theirs is NaN
    nothing = c.reduction == "mean" and not np.any(
        chosen * along(c, c.weight[0].numpy() if c.weight else np.ones(c.count))
    )
    wanted = any(w.requires_grad for w in c.weight)
    twin = "nll_loss" if name == "nll" else "cross_entropy"
    return Case(
        [c.o, *c.weight],
        lambda o, *weight: getattr(losses, name)(o, td.tensor(t, device=o.device), *weight, **options),
        plain,
        # weights are constants to PyTorch
        torch=None
        if nothing or wanted
        else lambda torch, o, *weight: getattr(torch.nn.functional, twin)(
            o, torch.tensor(t), *weight, **options
        ),
        autograd=None if nothing else peer,
        mygrad=None if nothing else of_mygrad,
    )


def with_probabilities(data: Any, c: Classes) -> Case:
    t = draw_probabilities(data, c.shape)
    smoothing = data.draw(st.sampled_from((0.0, 0.2, 1, 0)))
    options = c.options | ({"label_smoothing": smoothing} if smoothing else {})

    def plain(o: Any, t: Any, *weight: Any) -> Any:
        w = weight[0].tolist() if weight else [1.0] * c.count
        each = []
        for values, target in zip(lines(o, c.axis), lines(t, c.axis), strict=True):
            log_p = log_probabilities(values)
            q = [(1 - smoothing) * p + smoothing / c.count for p in target]
            each.append(-math.fsum(w[k] * q[k] * log_p[k] for k in range(c.count)))
        return total(each, c.reduction, c.rest) if each or c.reduction != "mean" else 0.0

    def peer(library: Any, o: Any, t: Any, *weight: Any) -> Any:
        w = along(c, weight[0]) if weight else 1.0
        q = (1 - smoothing) * t + smoothing / c.count
        return reduced(
            library, -library.sum(w * q * log_softmax_of(library, o, c.axis), axis=c.axis), c.reduction
        )

    nothing = c.reduction == "mean" and math.prod(c.rest) == 0  # ours is 0, theirs is NaN
    return Case(
        [c.o, t, *c.weight],
        lambda o, t, *weight: losses.cross_entropy(o, t, *weight, **options),
        plain,
        torch=None
        if nothing
        else lambda torch, o, t, *weight: torch.nn.functional.cross_entropy(o, t, *weight, **options),
        autograd=None if nothing else peer,
        mygrad=None if nothing else peer,
    )


def cross_entropy(data: Any) -> Case:
    c = draw_classes(data, *LOGITS)
    return with_labels(data, "cross_entropy", c) if data.draw(st.booleans()) else with_probabilities(data, c)


def nll(data: Any) -> Case:
    return with_labels(data, "nll", draw_classes(data, -3.0, -0.1))
