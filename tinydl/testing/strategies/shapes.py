"""Shapes, alone and in groups that broadcast together."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Shape: TypeAlias = tuple[int, ...]


def shapes(
    min_dims: int = 0, max_dims: int = 4, min_side: int = 0, max_side: int = 4
) -> SearchStrategy[Shape]:
    """Shapes with that many axes, each that long; `shapes(1, 2)` gives (1,), (4, 2), (0, 3).

    0-d and of size 0 included, unless `min_dims` or `min_side` is 1 or more. Shrinks to few axes, of length 1
    where that is allowed.
    """
    return st.lists(_sides(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(
    draw: DrawFn, n: int = 2, min_dims: int = 0, max_dims: int = 4, min_side: int = 0, max_side: int = 4
) -> tuple[Shape, ...]:
    """n shapes that broadcast together: ((2, 3), (3,)), ((1, 3), (2, 1)), ((), (4, 0)).

    They come from one shape within the bounds: in each of them leading axes are left out and lengths replaced
    by 1 (even where `min_side` is more), so all may differ from the shape of the result. Shrinks to n times (),
    and to equal shapes where broadcasting does not matter.
    """
    uses = st.tuples(*[st.sampled_from(("full", "one", "absent"))] * n)
    # Side and uses of an axis are drawn together, so that shrinking can take out the axis as a whole.
    drawn = draw(st.lists(st.tuples(_sides(min_side, max_side), uses), min_size=min_dims, max_size=max_dims))
    found: list[Shape] = [()] * n
    for left, (side, used) in zip(range(len(drawn), 0, -1), drawn, strict=True):
        for i, use in enumerate(used):
            if found[i] or left <= min_dims or use != "absent":
                found[i] += (side if use == "full" else 1,)
    return tuple(found)


def _sides(low: int, high: int) -> SearchStrategy[int]:
    lengths = range(low, high + 1)
    # A length of 0 leaves little to test, so it comes half as often as another, and last.
    return st.sampled_from([n for n in lengths if n > 0] * 2 + [n for n in lengths if n == 0])
