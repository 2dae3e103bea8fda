"""Arrays and tensors: numbers within a range, in every memory layout."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tinydl.device import cpu
from tinydl.random import Generator
from tinydl.tensor import Tensor
from tinydl.testing.strategies.shapes import Shape, broadcastable_shapes

Array: TypeAlias = npt.NDArray[Any]

LAYOUTS = ("contiguous", "transposed", "strided", "reversed", "broadcast")
IMAGE_LAYOUTS = ("nchw", "nhwc", "hcwn")
_IMAGE_ORDER = {"nchw": (0, 1, 2, 3), "nhwc": (0, 2, 3, 1), "hcwn": (2, 1, 3, 0)}


def lay_out(values: Array, layout: str) -> Array:
    """The same values in other memory; `broadcast` repeats the first ones along the longest axis instead.

    contiguous: C order. transposed: the axes in reverse order. strided: every other element of a larger array.
    reversed: last to first. broadcast: stride 0 along the longest axis, read-only. nchw, nhwc, hcwn: images in
    that order. An array with one element or none has one layout, contiguous, and may be written to.

    Raises: ValueError for other names, and for images that have not four axes.
    """
    if layout not in (*LAYOUTS, *IMAGE_LAYOUTS) or (layout in IMAGE_LAYOUTS and values.ndim != 4):
        raise ValueError(f"lay_out: no layout {layout!r} for shape {values.shape}")
    if layout == "contiguous" or values.size < 2:
        return np.array(values, order="C")
    if layout == "transposed":
        return np.array(values, order="F")
    if layout == "strided":
        room = np.full([2 * n for n in values.shape], np.array(99).astype(values.dtype))
        room[(slice(None, None, 2),) * values.ndim] = values
        return room[(slice(None, None, 2),) * values.ndim]
    if layout == "reversed":
        flip = (slice(None, None, -1),) * values.ndim
        return np.array(values[flip], order="C")[flip]
    if layout == "broadcast":
        axis = int(np.argmax(values.shape))
        first = values[(slice(None),) * axis + (slice(0, 1),)]
        return np.broadcast_to(first.copy(), values.shape)
    order = _IMAGE_ORDER[layout]
    return np.array(values.transpose(order), order="C").transpose(np.argsort(order))


@st.composite
def arrays(
    draw: DrawFn,
    shape: Shape | SearchStrategy[Shape],
    dtype: npt.DTypeLike = np.float64,
    low: float = -2.0,
    high: float = 2.0,
    layout: str | None = None,
) -> Array:
    """NumPy arrays of random numbers in [low, high], in a drawn layout or in the one that is given.

    `arrays((2, 3), np.float32, 0.0, 1.0)`; `arrays(shapes(), np.int64, 0, 9)`. Integers are those of the dtype
    in [low, high]; floats have three decimals, more for ranges narrower than 1, and are never NaN or infinite;
    booleans know no range. Layouts are those of `LAYOUTS`, for four axes also N, H, W, C and H, C, W, N.
    All numbers come from one integer, so that a failing example repeats them. Shrinks to a small shape, the
    integer 0, contiguous; the numbers themselves do not shrink.

    Raises: ValueError when nothing of the dtype lies in [low, high].
    """
    sides = shape if isinstance(shape, tuple) else draw(shape)
    values = _values(draw(st.integers(0, 999)), sides, np.dtype(dtype), low, high)
    if layout is None:
        choices = LAYOUTS + (IMAGE_LAYOUTS[1:] if len(sides) == 4 else ())
        layout = draw(st.sampled_from(choices))
        if layout != "contiguous":
            note(f"An array of shape {sides} has the memory layout {layout!r}.")
    return lay_out(values, layout)


@st.composite
def tensors(
    draw: DrawFn,
    shape: Shape | SearchStrategy[Shape],
    dtype: npt.DTypeLike = np.float64,
    low: float = -2.0,
    high: float = 2.0,
    layout: str | None = None,
    requires_grad: bool = True,
) -> Tensor:
    """Tensors of such `arrays`, in their memory, on the CPU: `tensors(shapes(max_dims=3), low=0.0)`.

    They are leaves; those of floats require gradients unless told otherwise. Shrinks as `arrays` do.
    """
    values = draw(arrays(shape, dtype, low, high, layout))
    return Tensor(values, cpu, requires_grad and values.dtype.kind == "f")


def broadcastable_tensors(
    n: int = 2,
    min_dims: int = 0,
    max_dims: int = 4,
    min_side: int = 0,
    max_side: int = 4,
    **options: Any,
) -> SearchStrategy[tuple[Tensor, ...]]:
    """n tensors of `broadcastable_shapes`, each with numbers and a layout of its own; `options` of `tensors`.

    `broadcastable_tensors(3, max_dims=2, low=0.5)` gives three. No two share memory. Shrinks to 0-d tensors.
    """
    groups = broadcastable_shapes(n, min_dims, max_dims, min_side, max_side)
    return groups.flatmap(lambda group: st.tuples(*(tensors(shape, **options) for shape in group)))


def _values(seed: int, shape: Shape, dtype: np.dtype[Any], low: float, high: float) -> Array:
    if dtype.kind == "b":
        return Generator(seed).integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        first, last = max(math.ceil(low), least), min(math.floor(high), most)
        if not first <= last < first + 2**53:
            raise ValueError(
                f"arrays: expected low <= high, at most 2**53 apart, got [{low}, {high}] for {dtype}"
            )
        return Generator(seed).integers(first, last + 1, shape).astype(dtype)
    largest = float(np.finfo(dtype).max)
    low, high = max(low, -largest), min(high, largest)
    width = high - low
    if not 0 <= width < math.inf:
        raise ValueError(f"arrays: expected low <= high and a finite width, got [{low}, {high}] for {dtype}")
    decimals = 3 + max(0, -math.floor(math.log10(width))) if width else 3
    values = np.round(low + Generator(seed).random(shape, np.float64) * width, decimals)
    return np.clip(values, low, high).astype(dtype)
