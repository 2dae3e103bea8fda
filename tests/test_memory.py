"""The record of changes to memory that graphs have saved."""

from __future__ import annotations

import numpy as np

from tinydl.memory import Log, Memory


def test_a_fetched_array_costs_nothing_when_no_graph_saved_it() -> None:
    memory = Memory()
    memory.fetched(np.zeros(3))
    assert memory.save() == []


def test_a_fetched_array_is_copied_once_however_often_it_is_read() -> None:
    memory = Memory()
    log = memory.save()
    array = np.zeros(3)
    for _ in range(5):
        memory.fetched(array)
    assert len(log) == 1
    assert not log.changed()
    array[0] = 1.0
    assert log.changed()


def test_a_change_reaches_all_logs_and_later_ones_are_clean() -> None:
    memory = Memory()
    first = memory.save()
    memory.fetched(np.zeros(2))
    second = memory.save()
    assert second is not first
    memory.changed()
    assert first.changed()
    assert second.changed()
    assert not memory.save().changed()
    assert isinstance(first, Log)
