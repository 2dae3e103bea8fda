"""Rows of tinydl/losses.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from grid.cross_entropy import cross_entropy, nll
from grid.loss import INSIDE, LOGITS, draw_probabilities, draw_reduction, lines, reduced, total
from tinydl import losses
from tinydl.testing import strategies

# ---- a number for each pair of numbers


class Pairwise(NamedTuple):
    """A loss o, t -> number; the same of arrays by `np`, autograd or MyGrad; PyTorch's."""

    number: Callable[..., float]
    arrays: Callable[..., Any]
    torch: Callable[..., Any]  # takes torch, o, t and the options with the reduction
    prediction: tuple[float, float]
    probable: bool = False  # the target: a probability, or a number like the prediction
    options: tuple[dict[str, Any], ...] = ({},)


def sigmoid(o: float) -> float:
    return 1 / (1 + math.exp(-o))


def binary(p: float, t: float) -> float:
    return -(t * math.log(p) + (1 - t) * math.log(1 - p))


def focal_number(o: float, t: float, gamma: float = 2.0, alpha: float = 0.25) -> float:
    p = sigmoid(o)
    right = t * p + (1 - t) * (1 - p)
    return (t * alpha + (1 - t) * (1 - alpha)) * (1 - right) ** gamma * binary(p, t)


def focal_arrays(np: Any, o: Any, t: Any, gamma: float = 2.0, alpha: float = 0.25) -> Any:
    p = 1 / (1 + np.exp(-o))
    cross = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    return (t * alpha + (1 - t) * (1 - alpha)) * (t * (1 - p) + (1 - t) * p) ** gamma * cross


PAIRWISE = {
    "mse": Pairwise(
        lambda o, t: (o - t) ** 2,
        lambda np, o, t: (o - t) ** 2,
        lambda torch, o, t, **options: torch.nn.functional.mse_loss(o, t, **options),
        LOGITS,
    ),
    "mae": Pairwise(
        lambda o, t: abs(o - t),
        lambda np, o, t: np.abs(o - t),
        lambda torch, o, t, **options: torch.nn.functional.l1_loss(o, t, **options),
        LOGITS,
    ),
    "msle": Pairwise(
        lambda o, t: (math.log(1 + o) - math.log(1 + t)) ** 2,
        lambda np, o, t: np.log((1 + o) / (1 + t)) ** 2,
        lambda torch, o, t, **options: torch.nn.functional.mse_loss(
            torch.log1p(o), torch.log1p(t), **options
        ),
        (-0.7, 3.0),
    ),
    "huber": Pairwise(
        lambda o, t, delta=1.0: (o - t) ** 2 / 2 if abs(o - t) <= delta else delta * (abs(o - t) - delta / 2),
        lambda np, o, t, delta=1.0: np.where(
            np.abs(o - t) <= delta, (o - t) ** 2 / 2, delta * (np.abs(o - t) - delta / 2)
        ),
        lambda torch, o, t, **options: torch.nn.functional.huber_loss(o, t, **options),
        LOGITS,
        options=({}, {"delta": 0.4}, {"delta": 2}, {"delta": np.float64(1.3)}),
    ),
    "binary_cross_entropy": Pairwise(
        binary,
        lambda np, o, t: -(t * np.log(o) + (1 - t) * np.log(1 - o)),
        lambda torch, o, t, **options: torch.nn.functional.binary_cross_entropy(o, t, **options),
        INSIDE,
        probable=True,
    ),
    "binary_cross_entropy_with_logits": Pairwise(
        lambda o, t: binary(sigmoid(o), t),
        lambda np, o, t: np.log(1 + np.exp(o)) - t * o,
        lambda torch, o, t, **options: torch.nn.functional.binary_cross_entropy_with_logits(o, t, **options),
        LOGITS,
        probable=True,
    ),
    "focal": Pairwise(
        focal_number,
        focal_arrays,
        lambda torch, o, t, reduction="mean", **options: reduced(
            torch, focal_arrays(torch, o, t, **options), reduction
        ),
        LOGITS,
        probable=True,
        options=({}, {"gamma": 0.5}, {"gamma": 3, "alpha": 0.9}, {"gamma": 0.0}, {"alpha": 1}, {"alpha": 0}),
    ),
}
NO_SLOPE_AT_0 = {"mae", "huber"}  # in MyGrad, where |x| has the slope NaN at 0


def pairwise(name: str) -> Row:
    loss, (low, high) = PAIRWISE[name], PAIRWISE[name].prediction

    def row(data: Any) -> Case:
        shape = data.draw(strategies.shapes(0, 3, max_side=3))
        options, reduces = data.draw(st.sampled_from(loss.options)), draw_reduction(data, math.prod(shape))
        reduction = reduces.get("reduction", "mean")
        o = data.draw(strategies.tensors(shape, low=low, high=high))
        if loss.probable:
            t = draw_probabilities(data, shape)
        else:
            wanted = data.draw(st.booleans())
            t = data.draw(strategies.tensors(shape, low=low, high=high, requires_grad=wanted))

        def plain(o: Any, t: Any) -> Any:
            pairs = zip(o.ravel().tolist(), t.ravel().tolist(), strict=True)
            return total([loss.number(a, b, **options) for a, b in pairs], reduction, shape)

        peer = lambda np, o, t: reduced(np, loss.arrays(np, o, t, **options), reduction)
        sloped = name not in NO_SLOPE_AT_0 or bool(np.all(o.numpy() != t.numpy()))
        return Case(
            [o, t],
            lambda o, t: getattr(losses, name)(o, t, **options, **reduces),
            plain,
            torch=lambda torch, o, t: loss.torch(torch, o, t, **options, **reduces),
            autograd=peer,
            mygrad=peer if sloped else None,
        )

    return row


def rmse(data: Any) -> Case:
    case = pairwise("mse")(data)
    o, t = case.inputs
    reduces = draw_reduction(data, o.size)
    reduction = reduces.get("reduction", "mean")

    def plain(o: Any, t: Any) -> Any:
        squares = [(a - b) ** 2 for a, b in zip(o.ravel().tolist(), t.ravel().tolist(), strict=True)]
        return np.sqrt(total(squares, reduction, o.shape))

    peer = lambda library, o, t: library.sqrt(reduced(library, (o - t) ** 2, reduction))
    each = np.abs(o.numpy() - t.numpy())
    exact = bool(np.any(each == 0)) if reduction == "none" else bool(np.all(each == 0))
    return Case(
        [o, t],
        lambda o, t: losses.rmse(o, t, **reduces),
        plain,
        # their square root has an infinite slope at 0, and 0 times that is NaN
        torch=None if exact else peer,
        autograd=None if exact else peer,
        mygrad=None if exact else peer,
    )


def hinge(data: Any) -> Case:
    shape = data.draw(strategies.shapes(0, 3, max_side=3))
    reduces = draw_reduction(data, math.prod(shape))
    reduction = reduces.get("reduction", "mean")
    o, mask = data.draw(strategies.tensors(shape)), data.draw(strategies.binary_masks(shape)).numpy()
    t = td.tensor(2 * mask - 1)
    assume(np.all(o.numpy() * t.numpy() != 1))  # at the corner ours has the slope 0, PyTorch's another

    def plain(o: Any, t: Any) -> Any:
        pairs = zip(o.ravel().tolist(), t.ravel().tolist(), strict=True)
        return total([max(0.0, 1 - a * b) for a, b in pairs], reduction, shape)

    def of_mygrad(mg: Any, o: Any, t: Any) -> Any:
        if reduction == "mean" and len(shape) == 1:
            return mg.nnet.margin_ranking_loss(o, 0 * o.data, t, 1.0)
        return reduced(mg, mg.maximum(0.0, 1 - t * o), reduction)

    return Case(
        [o, t],
        lambda o, t: losses.hinge(o, t, **reduces),
        plain,
        torch=lambda torch, o, t: torch.nn.functional.margin_ranking_loss(
            o, torch.zeros_like(o), t, margin=1.0, **reduces
        ),
        autograd=lambda np, o, t: reduced(np, np.maximum(0.0, 1 - t * o), reduction),
        mygrad=of_mygrad,
    )


# ---- a number for each list of numbers


class Listwise(NamedTuple):
    """A loss of two lists along an axis; the same of arrays by `np`, autograd or MyGrad; PyTorch's."""

    number: Callable[[list[float], list[float]], float]
    arrays: Callable[..., Any]
    torch: Callable[..., Any]  # takes torch, o, t and the axis; not yet reduced
    prediction: tuple[float, float]
    probable: bool
    classes: bool  # the lists lie along the class axis, not along the last one


def gaussian_of_torch(torch: Any, mu: Any, logvar: Any, axis: int) -> Any:
    normal = torch.distributions.Normal
    ours, standard = normal(mu, torch.exp(logvar / 2)), normal(torch.zeros_like(mu), torch.ones_like(mu))
    return torch.distributions.kl_divergence(ours, standard).sum(axis)


LISTWISE = {
    "categorical_cross_entropy": Listwise(
        lambda o, t: -math.fsum(b * math.log(a) for a, b in zip(o, t, strict=True)),
        lambda np, o, t, axis: -np.sum(t * np.log(o), axis=axis),
        lambda torch, o, t, axis: -(t * torch.log(o)).sum(axis),
        INSIDE,
        probable=True,
        classes=True,
    ),
    "kl_divergence": Listwise(
        lambda o, t: math.fsum(b * math.log(b / a) for a, b in zip(o, t, strict=True) if b > 0),
        lambda np, o, t, axis: np.sum(t * np.log(t / o), axis=axis),
        lambda torch, o, t, axis: torch.nn.functional.kl_div(torch.log(o), t, reduction="none").sum(axis),
        INSIDE,
        probable=True,
        classes=False,
    ),
    "gaussian_kl": Listwise(
        lambda m, v: math.fsum((a * a + math.exp(b) - 1 - b) / 2 for a, b in zip(m, v, strict=True)),
        lambda np, m, v, axis: np.sum(m**2 + np.exp(v) - v - 1, axis=axis) / 2,
        gaussian_of_torch,
        (-2.0, 2.0),
        probable=False,
        classes=False,
    ),
}


def listwise(name: str) -> Row:
    loss, (low, high) = LISTWISE[name], LISTWISE[name].prediction

    def row(data: Any) -> Case:
        axis = -1
        if loss.classes:
            *lead, classes = data.draw(strategies.shapes(1, 4, max_side=3).filter(lambda s: s[-1] > 0))
            shape = (*lead[:1], classes, *lead[1:])
            axis = min(1, len(lead))
        else:
            shape = data.draw(strategies.shapes(1, 3, max_side=3))
        rest = tuple(np.delete(shape, axis).tolist())
        reduces = draw_reduction(data, math.prod(rest))
        reduction = reduces.get("reduction", "mean")
        o = data.draw(strategies.tensors(shape, low=low, high=high))
        t = (
            draw_probabilities(data, shape)
            if loss.probable
            else data.draw(strategies.tensors(shape, low=low, high=high))
        )

        def plain(o: Any, t: Any) -> Any:
            pairs = zip(lines(o, axis), lines(t, axis), strict=True)
            return total([loss.number(a, b) for a, b in pairs], reduction, rest)

        peer = lambda np, o, t: reduced(np, loss.arrays(np, o, t, axis), reduction)
        logarithm = name != "kl_divergence" or bool(np.all(t.numpy() > 0))  # of the target, in the formula
        return Case(
            [o, t],
            lambda o, t: getattr(losses, name)(o, t, **reduces),
            plain,
            torch=lambda torch, o, t: reduced(torch, loss.torch(torch, o, t, axis), reduction),
            autograd=peer if logarithm else None,
            mygrad=peer if logarithm else None,
        )

    return row


def dice(data: Any) -> Case:
    classes = data.draw(st.integers(1, 3))
    n, *pixels = data.draw(strategies.shapes(2, 3, max_side=3))
    shape = (n, classes, *pixels)
    # a class of no pixels and nothing smoothed would be 0 / 0
    smooth = data.draw(st.sampled_from((1.0, 0.5, 2, 0.0) if math.prod(pixels) else (1.0, 0.5)))
    first = data.draw(st.integers(0, 1)) if classes > 1 else 0
    reduces = draw_reduction(data, n * (classes - first))
    reduction = reduces.get("reduction", "mean")
    options: dict[str, Any] = {"smooth": smooth, "include_background": first == 0}
    defaults = {"smooth": 1.0, "include_background": True}
    options = {k: v for k, v in options.items() if v != defaults[k]} | reduces
    low, high = INSIDE
    o, t = data.draw(strategies.tensors(shape, low=low, high=high)), draw_probabilities(data, shape)

    def plain(o: Any, t: Any) -> Any:
        each = []
        for i, c in np.ndindex(n, classes - first):
            a, b = o[i, c + first].ravel().tolist(), t[i, c + first].ravel().tolist()
            both = math.fsum(x * y for x, y in zip(a, b, strict=True))
            each.append(1 - (2 * both + smooth) / (math.fsum(a) + math.fsum(b) + smooth))
        return total(each, reduction, (n, classes - first))

    def peer(library: Any, o: Any, t: Any) -> Any:
        o, t, axes = o[:, first:], t[:, first:], tuple(range(2, len(shape)))
        both = library.sum(o * t, axis=axes)
        return reduced(library, 1 - (2 * both + smooth) / (library.sum(o + t, axis=axes) + smooth), reduction)

    return Case(
        [o, t],
        lambda o, t: losses.dice(o, t, **options),
        plain,
        torch=peer,  # has no loss of this kind
        autograd=peer,
        mygrad=peer,
    )


ROWS: dict[str, Row] = {
    **{name: pairwise(name) for name in PAIRWISE},
    "rmse": rmse,
    "hinge": hinge,
    **{name: listwise(name) for name in LISTWISE},
    "dice": dice,
    "cross_entropy": cross_entropy,
    "nll": nll,
}
