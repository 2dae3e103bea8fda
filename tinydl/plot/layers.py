"""Places for the boxes and arrows of a directed graph (after Sugiyama, Tagawa and Toda, 1981).

1. Each node gets a level: the longest way from it to the end. Arrows go down, from higher levels to lower.
2. An arrow over several levels gets a waypoint at each level between, so that it goes round the boxes there.
3. Within a level nodes are put in order of the mean place of their neighbours, a few times down and up: few
   arrows cross then.
4. Nodes move as close below and above their neighbours as their order and widths allow.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinydl.plot.style import Array

Edge = tuple[int, int]  # from, to

_SWEEPS = 16
_WAYPOINT = 4.0  # its weight


@dataclass
class Layout:
    """`level` and x of each node; for each edge the levels and x's that it goes through, ends included."""

    level: list[int]
    x: list[float]
    ways: list[list[tuple[int, float]]]


def arrange(widths: Sequence[float], edges: Sequence[Edge], room: float) -> Layout:
    """Places for nodes of these widths, at least `room` apart.

    The nodes are numbered such that every edge goes from a lower number to a higher one.
    """
    n = len(widths)
    levels = _levels(n, edges)
    wide = list(widths)
    links: list[Edge] = []
    chains: list[list[int]] = []
    for start, end in edges:
        chain = [start]
        for level in range(levels[start] - 1, levels[end], -1):
            chain.append(len(wide))
            wide.append(0.0)
            levels.append(level)
        chain.append(end)
        chains.append(chain)
        links += itertools.pairwise(chain)
    above: list[list[int]] = [[] for _ in wide]
    below: list[list[int]] = [[] for _ in wide]
    for upper, lower in links:
        below[upper].append(lower)
        above[lower].append(upper)
    rows: list[list[int]] = [[] for _ in range(max(levels) + 1)]
    for node in _depth_first(above, n):
        rows[levels[node]].append(node)

    weights = np.array([*_weights(n, edges), *[_WAYPOINT] * (len(wide) - n)])
    x = _in_order(rows, above, below, np.array(wide), weights, room)
    ways = [[(levels[node], float(x[node])) for node in chain] for chain in chains]
    return Layout(levels[:n], x[:n].tolist(), ways)


def _levels(n: int, edges: Sequence[Edge]) -> list[int]:
    levels = [0] * n
    for start, end in sorted(edges, reverse=True):  # the end of an edge is final before its start is read
        levels[start] = max(levels[start], levels[end] + 1)
    return levels


def _weights(n: int, edges: Sequence[Edge]) -> list[float]:
    """The square of how many nodes lie on the longest way to each: heavy nodes move less than light ones,
    so that the main line of a graph is straight and what joins it stands aside."""
    before = [1] * n
    for start, end in sorted(edges, key=lambda edge: edge[1]):
        before[end] = max(before[end], before[start] + 1)
    return [float(count**2) for count in before]


def _depth_first(above: list[list[int]], n: int) -> list[int]:
    """All nodes, each after the first that it leads to: neighbours begin near each other."""
    seen: dict[int, None] = {}
    stack = list(range(n))
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack += reversed(above[node])
    return list(seen)


def _in_order(
    rows: list[list[int]],
    above: list[list[int]],
    below: list[list[int]],
    widths: Array,
    weights: Array,
    room: float,
) -> Array:
    x = np.zeros(len(widths))

    def wishes(row: list[int], neighbours: list[list[int]]) -> Array:
        near = [neighbours[k] or [k] for k in row]
        return np.array([np.average(x[ks], weights=weights[ks]) for ks in near])

    def put(row: list[int], wish: Array) -> None:
        x[row] = _apart(wish, widths[row], weights[row], room)

    for row in rows:
        put(row, np.zeros(len(row)))
    for sweep in range(_SWEEPS):
        for row, neighbours in [(r, above) for r in rows[::-1]] if sweep % 2 else [(r, below) for r in rows]:
            wish = wishes(row, neighbours)
            order = np.argsort(wish, kind="stable")
            row[:] = [row[i] for i in order]
            put(row, wish[order])
    both = [a + b for a, b in zip(above, below, strict=True)]
    for sweep in range(_SWEEPS):  # the order stays; now both sides count
        for row in rows[::-1] if sweep % 2 else rows:
            put(row, wishes(row, both))
    return x


def _apart(wish: Array, widths: Array, weights: Array, room: float) -> Array:
    """The places nearest to the wishes (least squares) at which boxes keep their order and do not touch.

    With the distances that boxes need subtracted, this is a regression by a rising function: neighbours that
    are in the wrong order are pooled at their mean.
    """
    needed = np.concatenate([[0.0], np.cumsum((widths[:-1] + widths[1:]) / 2 + room)])
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for value, weight in zip((wish - needed).tolist(), weights.tolist(), strict=True):
        mean, count = value, 1
        while pools and pools[-1][0] > mean:
            before, heavy, many = pools.pop()
            mean = (before * heavy + mean * weight) / (heavy + weight)
            weight, count = heavy + weight, many + count
        pools.append((mean, weight, count))
    pooled: Array = np.concatenate([np.full(count, mean) for mean, _, count in pools])
    return needed + pooled
