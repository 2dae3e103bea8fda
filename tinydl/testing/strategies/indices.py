"""Axes, and keys for x[key]."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tinydl.testing.strategies.shapes import Shape, broadcastable_shapes
from tinydl.testing.strategies.tensors import arrays

_ALL = slice(None)


def axis(ndim: int) -> SearchStrategy[int]:
    """One axis of `ndim` (1 or more), counted from the front or from the back; shrinks to 0."""
    return st.integers(0, ndim - 1) | st.integers(-ndim, -1)


def axes(ndim: int) -> SearchStrategy[int | tuple[int, ...] | None]:
    """What `axis=` takes: None, one axis, or a tuple of axes in any order; `axes(3)` gives (2, -3), (), -1.

    The axes of a tuple are different, however they are counted. For 0-d: None and (). Shrinks to None.
    """
    if ndim == 0:
        return st.none() | st.just(())
    several = st.lists(axis(ndim), max_size=ndim, unique_by=lambda i: i % ndim).map(tuple)
    return st.none() | axis(ndim) | several


def indices(shape: Shape) -> SearchStrategy[Any]:
    """Keys that x[key] takes where x has that shape: `basic_indices` or `advanced_indices`; shrinks to ()."""
    return basic_indices(shape) | advanced_indices(shape)


@st.composite
def basic_indices(draw: DrawFn, shape: Shape) -> Any:
    """Keys of integers, slices, None and Ellipsis: `basic_indices((3, 4))` gives (-1, None), slice(2, 0, -1).

    Integers and steps may be negative, slices may reach beyond the end or hold nothing, None comes up to twice
    and Ellipsis once, anywhere; trailing axes may be left out. A single part comes bare or in a tuple. What
    they read shares memory with x in NumPy. Never an index that is out of range. Shrinks to ().
    """
    return _key(draw, _basics(draw, shape))


@st.composite
def advanced_indices(draw: DrawFn, shape: Shape) -> Any:
    """Keys with integer arrays or a boolean array: `advanced_indices((3, 4))` gives ([2, 0, 2], Ellipsis).

    Either integer arrays for one axis or several, with one or two axes that broadcast together, with repeated,
    negative or no indices at all, a 1-d one also as a list; or one boolean array for any number of adjacent
    axes (none: 0-d), also with nothing True. The other axes have parts as in `basic_indices`. 0-d shapes have
    a boolean array only. Never an index that is out of range. Shrinks to one array with few elements.
    """
    by_number = len(shape) > 0 and draw(st.sampled_from(("integers", "mask"))) == "integers"
    return _key(draw, _integers(draw, shape) if by_number else _mask(draw, shape))


def _basic(n: int) -> SearchStrategy[Any]:
    """A part for one axis of length n."""
    bound = st.none() | st.integers(-n - 1, n + 1)
    step = st.none() | st.sampled_from((1, 2, 3, -1, -2, -3))
    choices: list[SearchStrategy[Any]] = [st.just(_ALL), st.builds(slice, bound, bound, step)]
    return st.one_of(*choices, st.integers(-n, n - 1)) if n else st.one_of(choices)


def _basics(draw: DrawFn, shape: Shape) -> list[Any]:
    """A part for each axis. The last is drawn first, so it is the first to shrink to what can be left out."""
    return [draw(_basic(n)) for n in reversed(shape)][::-1]


def _integers(draw: DrawFn, shape: Shape) -> list[Any]:
    """A part for each axis, arrays for one of them or more."""
    first = draw(st.integers(0, len(shape) - 1))
    chosen = [i == first or draw(st.booleans()) for i in range(len(shape))]
    count = sum(chosen)
    none_fits = any(n == 0 and c for n, c in zip(shape, chosen, strict=True))
    if none_fits or draw(st.sampled_from((False,) * 5 + (True,))):
        forms: tuple[Shape, ...] = ((0,),) * count
    else:
        forms = draw(broadcastable_shapes(count, min_dims=1, max_dims=2, max_side=3))
    parts = _basics(draw, shape)
    for i, form in zip((i for i, c in enumerate(chosen) if c), forms, strict=True):
        parts[i] = _places(draw, shape[i], form)
    return parts


def _places(draw: DrawFn, n: int, form: Shape) -> Any:
    """An array or list of places along an axis of length n."""
    flat = [draw(st.integers(-n, n - 1)) for _ in range(math.prod(form))]
    if len(form) == 1 and draw(st.booleans()):
        return flat
    return np.array(flat, np.int64).reshape(form)


def _mask(draw: DrawFn, shape: Shape) -> list[Any]:
    """A boolean array for some adjacent axes (for none: 0-d), a part for each of the others."""
    count = draw(st.sampled_from([*range(1, len(shape) + 1), *range(len(shape) + 1)]))
    start = draw(st.integers(0, len(shape) - count))
    stop = start + count
    mask = draw(arrays(shape[start:stop], np.bool_, layout="contiguous"))
    return [*_basics(draw, shape[:start]), mask, *_basics(draw, shape[stop:])]


def _key(draw: DrawFn, parts: list[Any]) -> Any:
    """The parts, one for each axis, with Ellipsis for some full slices (or for none), and None put in."""
    if draw(st.sampled_from((False, False, True))):
        start = stop = draw(st.integers(0, len(parts)))
        while stop < len(parts) and _is_full(parts[stop]):
            stop += 1
        parts[start:stop] = [Ellipsis]
    else:
        while parts and _is_full(parts[-1]):
            parts.pop()
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    in_tuple = draw(st.booleans())
    return tuple(parts) if in_tuple or len(parts) != 1 else parts[0]


def _is_full(part: Any) -> bool:
    return isinstance(part, slice) and part == _ALL
