"""Shapes: what they can be, what they never are, what they shrink to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.errors import InvalidArgument

from tinydl.testing import strategies

Shape = tuple[int, ...]


@given(strategies.shapes(1, 3, 2, 5))
def test_shapes_keep_their_bounds(shape: Shape) -> None:
    assert 1 <= len(shape) <= 3
    assert all(2 <= n <= 5 for n in shape)


@given(strategies.broadcastable_shapes(3, min_dims=1, max_dims=3, min_side=2, max_side=3))
def test_broadcastable_shapes_broadcast_within_their_bounds(shapes: tuple[Shape, ...]) -> None:
    assert len(shapes) == 3
    np.broadcast_shapes(*shapes)
    assert all(1 <= len(shape) <= 3 for shape in shapes)
    assert {n for shape in shapes for n in shape} <= {1, 2, 3}


SHAPES: dict[str, Callable[[Shape], bool]] = {
    "0-d": lambda s: s == (),
    "size 0": lambda s: 0 in s,
    "size 0, not along the first axis": lambda s: 0 in s[1:] and s[0] > 0,
    "four axes": lambda s: len(s) == 4,
    "the longest side": lambda s: 4 in s,
    "sides of 1 among others": lambda s: 1 in s and max(s) > 1,
}
PAIRS: dict[str, Callable[[Any], bool]] = {
    "the same": lambda p: p[0] == p[1] != (),
    "the first has fewer axes": lambda p: 0 < len(p[0]) < len(p[1]),
    "the second has fewer axes": lambda p: 0 < len(p[1]) < len(p[0]),
    "0-d with others": lambda p: p[0] == () != p[1],
    "each is broadcast along another axis": lambda p: np.broadcast_shapes(*p) not in p,
    "1 against 0": lambda p: 0 in np.broadcast_shapes(*p) and 0 not in p[0],
    "both of size 0": lambda p: 0 in p[0] and 0 in p[1],
}


@pytest.fixture(scope="module")
def shapes(examples: Any) -> Any:
    return examples(strategies.shapes())


@pytest.fixture(scope="module")
def pairs(examples: Any) -> Any:
    return examples(strategies.broadcastable_shapes())


@pytest.mark.parametrize("edge", SHAPES)
def test_shapes_reach(edge: str, shapes: list[Shape]) -> None:
    assert any(map(SHAPES[edge], shapes))


@pytest.mark.parametrize("edge", PAIRS)
def test_broadcastable_shapes_reach(edge: str, pairs: list[Any]) -> None:
    assert any(map(PAIRS[edge], pairs))


def test_most_shapes_are_not_empty(shapes: list[Shape]) -> None:
    assert sum(0 in shape for shape in shapes) < len(shapes) / 2


def test_shapes_shrink(smallest: Any) -> None:
    some = strategies.shapes()
    assert smallest(some) == ()
    assert smallest(some, lambda s: len(s) == 4) == (1, 1, 1, 1)
    assert smallest(some, lambda s: 0 in s) == (0,)
    assert smallest(some, lambda s: 3 in s and 4 in s) == (3, 4)
    assert smallest(strategies.shapes(min_dims=1, max_side=0)) == (0,)


def test_broadcastable_shapes_shrink(smallest: Any) -> None:
    pairs = strategies.broadcastable_shapes()
    assert smallest(pairs) == ((), ())
    assert smallest(pairs, lambda p: len(p[0]) != len(p[1])) == ((1,), ())
    assert smallest(pairs, lambda p: len(p[0]) > len(p[1]) > 0) == ((1, 1), (1,))
    assert smallest(pairs, lambda p: p[0] != p[1] and len(p[0]) == len(p[1])) == ((2,), (1,))
    assert smallest(pairs, lambda p: 2 in np.broadcast_shapes(*p)) == ((2,), (2,))
    assert smallest(pairs, lambda p: np.broadcast_shapes(*p) not in p) == ((2,), (1, 1))


def test_bounds_that_nothing_fulfils(smallest: Any) -> None:
    with pytest.raises(InvalidArgument):
        smallest(strategies.shapes(min_dims=1, min_side=3, max_side=2))
    with pytest.raises(InvalidArgument):
        smallest(strategies.shapes(min_dims=3, max_dims=2))
