from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinydl.plot.layers import _apart, arrange


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[float], list[tuple[int, int]]]:
    """Widths and edges: every node but the last leads to a later one."""
    n = draw(st.integers(1, 15))
    edges = [(i, draw(st.integers(i + 1, n - 1))) for i in range(n - 1)]
    for _ in range(draw(st.integers(0, 10)) if n > 1 else 0):
        i = draw(st.integers(0, n - 2))
        edges.append((i, draw(st.integers(i + 1, n - 1))))
    return [draw(st.floats(0.1, 3)) for _ in range(n)], edges


@given(graphs())
def test_arrows_go_down_and_boxes_do_not_touch(graph: tuple[list[float], list[tuple[int, int]]]) -> None:
    widths, edges = graph
    layout = arrange(widths, edges, 0.25)
    assert layout.level[-1] == 0
    for (start, end), way in zip(edges, layout.ways, strict=True):
        assert way[0] == (layout.level[start], layout.x[start])
        assert way[-1] == (layout.level[end], layout.x[end])
        assert [level for level, _ in way] == list(range(layout.level[start], layout.level[end] - 1, -1))
        assert len(way) >= 2
        for level, x in way[1:-1]:  # a waypoint lies in no box
            for other, width in enumerate(widths):
                if layout.level[other] == level:
                    assert abs(layout.x[other] - x) >= width / 2 + 0.25 - 1e-9
    for i in range(len(widths)):
        for j in range(i):
            if layout.level[i] == layout.level[j]:
                room = abs(layout.x[i] - layout.x[j]) - (widths[i] + widths[j]) / 2
                assert room >= 0.25 - 1e-9


def test_a_chain_is_straight_and_what_joins_it_stands_aside() -> None:
    # 0 -> 2 -> 4 -> 6 -> 8 is the main line, 1, 3, 5, 7 join it
    edges = [(0, 2), (1, 2), (2, 4), (3, 4), (4, 6), (5, 6), (6, 8), (7, 8)]
    layout = arrange([1.0] * 9, edges, 0.25)
    assert layout.level == [4, 4, 3, 3, 2, 2, 1, 1, 0]
    line = np.array(layout.x)[[2, 4, 6, 8]]
    assert np.ptp(line) < 0.6  # half of 1.25 aside at each of three steps without weights


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 2), st.floats(1, 9)), min_size=1, max_size=8))
def test_places_are_the_nearest_to_the_wishes(boxes: list[tuple[float, float, float]]) -> None:
    wish, widths, weights = map(np.array, zip(*boxes, strict=True))
    x = _apart(wish, widths, weights, 0.5)
    needed = (widths[:-1] + widths[1:]) / 2 + 0.5
    assert (np.diff(x) >= needed - 1e-9).all()
    # no allowed small move of a block of neighbours is better
    cost = (weights * (x - wish) ** 2).sum()
    for start in range(len(x)):
        for end in range(start + 1, len(x) + 1):
            for step in (-1e-3, 1e-3):
                moved = x.copy()
                moved[start:end] += step
                if (np.diff(moved) >= needed - 1e-9).all():
                    assert (weights * (moved - wish) ** 2).sum() >= cost - 1e-9
