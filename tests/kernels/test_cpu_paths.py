"""In which blocks elementwise kernels compute: results are the same (test_cpu.py), but the wrong way would be slow."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from tinydl.kernels import cpu, threads
from tinydl.testing import strategies


def shapes_computed(*arrays: Any) -> list[tuple[int, ...]]:
    """The shapes of the blocks in which the first array gets the second one added."""
    seen = []

    def compute(x: Any, y: Any) -> None:
        assert x.shape == y.shape
        seen.append(x.shape)
        x += y

    cpu.elementwise(np, compute, *arrays)
    assert np.array_equal(*arrays)  # each element once, and written through
    return seen


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [((100,), 0), ((4, 25), 0), ((199,), 1), ((2, 100), 2), ((1, 299), 2), ((3, 2, 50), 3), ((7, 41), 2)],
)
@pytest.mark.parametrize("order", ["C", "F", "middle"])
def test_large_arrays_are_computed_in_blocks(
    shape: Any, blocks: int, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order their axes lie in memory, if it is the same; 0 is for whole arrays."""
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    axes = {"C": range(len(shape)), "F": range(len(shape))[::-1], "middle": (*range(1, len(shape)), 0)}[order]
    values = np.ascontiguousarray(values.transpose(axes)).transpose(np.argsort(axes))
    seen = shapes_computed(np.zeros_like(values), values)
    if blocks == 0:
        assert seen == [shape]
    else:
        assert [len(s) for s in seen] == [1] * blocks
        assert sum(n for (n,) in seen) == values.size
        assert all(100 <= n < 200 for (n,) in seen)


def test_the_work_of_an_elementwise_computation_grows_with_its_elements(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    monkeypatch.setattr(cpu, "_ELEMENT_COST", 7)
    calls = record(threads, "each")
    for n in (300, 600):
        shapes_computed(np.zeros(n), np.arange(1.0, n + 1.0))
    assert [work for _, (_, _, work) in calls] == [2100, 4200]


def test_the_blocks_of_several_updates_share_the_cores(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run for all large ones; a small one, which is no work to share, is computed at once."""
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    monkeypatch.setattr(cpu, "_UPDATE_COST", 7)
    seen: list[tuple[str, int]] = []

    def update(name: str, x: Any, y: Any) -> None:
        seen.append((name, x.size))
        x += y

    jobs = [(name, np.zeros(n), np.arange(1.0, n + 1.0)) for name, n in (("a", 300), ("b", 50), ("c", 200))]
    calls = record(threads, "each")
    cpu.updates(np, [(partial(update, name), arrays) for name, *arrays in jobs])
    assert sorted(seen) == [("a", 100)] * 3 + [("b", 50)] + [("c", 100)] * 2
    assert all(np.array_equal(x, y) for _, x, y in jobs)
    assert seen[0] == ("b", 50)
    assert [work for _, (_, _, work) in calls] == [7 * 500]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("layout", ["transposed", "strided", "reversed"])
def test_arrays_that_do_not_lie_alike_are_computed_whole(
    which: int, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    arrays = [np.zeros((30, 20)), np.arange(600.0).reshape(30, 20)]
    arrays[which] = strategies.lay_out(arrays[which], layout)
    assert shapes_computed(*arrays) == [(30, 20)]


@pytest.mark.parametrize("layout", ["strided", "reversed"])
def test_arrays_with_gaps_are_computed_whole(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    arrays = [np.zeros((30, 20)), np.arange(600.0).reshape(30, 20)]
    assert shapes_computed(*(strategies.lay_out(a, layout) for a in arrays)) == [(30, 20)]
