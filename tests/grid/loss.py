"""What the rows of losses share: reductions, lists along an axis, and targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from tinydl.testing import strategies

REDUCTIONS = ("mean", "sum", "none")
LOGITS = (-3.0, 3.0)
INSIDE = (0.1, 0.9)  # probabilities that a difference does not leave


def total(each: Sequence[float], reduction: str, shape: tuple[int, ...]) -> Any:
    """The reduction of a list of losses."""
    if reduction == "none":
        return np.array(each, float).reshape(shape)
    return math.fsum(each) / (len(each) if reduction == "mean" else 1)


def reduced(library: Any, loss: Any, reduction: str) -> Any:
    return loss if reduction == "none" else getattr(library, reduction)(loss)


def lines(x: Any, axis: int) -> list[list[float]]:
    """The lists of numbers along an axis."""
    last = np.moveaxis(x, axis, -1)
    return [last[at].tolist() for at in np.ndindex(*last.shape[:-1])]


def draw_reduction(data: Any, count: int) -> dict[str, str]:
    """A reduction of so many losses as an argument, which may be left out where it is the default."""
    reduction = data.draw(st.sampled_from(REDUCTIONS if count else REDUCTIONS[1:]))  # no mean of nothing
    left_out = reduction == "mean" and data.draw(st.booleans())
    return {} if left_out else {"reduction": reduction}


def draw_probabilities(data: Any, shape: tuple[int, ...]) -> td.Tensor:
    """Targets between 0 and 1, differentiated or not, or constants that are 0 or 1."""
    if data.draw(st.booleans()):
        return data.draw(strategies.binary_masks(shape))
    low, high = INSIDE
    return data.draw(strategies.tensors(shape, low=low, high=high, requires_grad=data.draw(st.booleans())))
