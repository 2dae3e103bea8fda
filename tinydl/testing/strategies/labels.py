"""What losses compare predictions with: class numbers, one-hot vectors, probabilities, masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tinydl.device import cpu
from tinydl.tensor import Tensor
from tinydl.testing.point import host
from tinydl.testing.strategies.shapes import Shape
from tinydl.testing.strategies.tensors import arrays


@st.composite
def labels(
    draw: DrawFn, shape: Shape | SearchStrategy[Shape], classes: int, ignore_index: int | None = None
) -> Tensor:
    """Integer class numbers in [0, classes), int64: `labels((4,), 10, ignore_index=-100)`.

    With `ignore_index`, none, some or all of them are that number instead. Never another number outside the
    range, and no class is promised to come. Shrinks to a small shape, nothing ignored.
    """
    values = draw(arrays(shape, np.int64, 0, classes - 1, "contiguous"))
    if ignore_index is not None:
        values = np.where(draw(_some(values.shape)), ignore_index, values)
    return Tensor(values, cpu)


@st.composite
def one_hot_labels(
    draw: DrawFn,
    shape: Shape | SearchStrategy[Shape],
    classes: int,
    axis: int = -1,
    dtype: npt.DTypeLike = np.float64,
) -> Tensor:
    """Such labels as vectors along a new `axis` of length `classes`, with one 1 and the rest 0.

    `one_hot_labels((2, 5), 3, axis=1)` has the shape (2, 3, 5). Shrinks as `labels` do.
    """
    numbers = host(draw(labels(shape, classes)))
    return Tensor(_along(axis, (numbers[..., None] == np.arange(classes)).astype(dtype)), cpu)


@st.composite
def probabilities(
    draw: DrawFn,
    shape: Shape | SearchStrategy[Shape],
    classes: int,
    axis: int = -1,
    dtype: npt.DTypeLike = np.float64,
    requires_grad: bool = False,
) -> Tensor:
    """Probabilities of `classes` (1 or more) along a new `axis`, which sum to 1 to rounding.

    `probabilities((2, 5), 3, axis=1)` has the shape (2, 3, 5). The parts of a row are to one another as whole
    numbers from 1 to 9, so none is 0, and 1 comes with one class only: for these take `one_hot_labels`.
    Shrinks to a small shape.
    """
    sides = shape if isinstance(shape, tuple) else draw(shape)
    parts = draw(arrays((*sides, classes), np.int64, 1, 9, "contiguous"))
    values = parts / parts.sum(-1, keepdims=True)
    return Tensor(_along(axis, values.astype(dtype)), cpu, requires_grad)


@st.composite
def binary_masks(
    draw: DrawFn, shape: Shape | SearchStrategy[Shape], dtype: npt.DTypeLike = np.float64
) -> Tensor:
    """Zeros and ones, all 0 and all 1 on purpose: `binary_masks((2, 1, 3, 3))`. Shrinks to all 0."""
    sides = shape if isinstance(shape, tuple) else draw(shape)
    return Tensor(np.broadcast_to(draw(_some(sides)), sides).astype(dtype), cpu)


def _some(shape: Shape) -> SearchStrategy[Any]:
    """Nothing, everything, or some elements of an array of that shape."""
    return st.sampled_from((False, True)) | arrays(shape, np.bool_, layout="contiguous")


def _along(axis: int, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(np.moveaxis(values, -1, axis))
