"""Memory that graphs have saved, and what happened to it since.

A backward pass reads values that the forward pass saved, not copies of them. So a change in place in between
would give a wrong gradient. Each tensor shares a `Memory` with its views; a graph that saves one of them holds
a `Log`, and refuses to go on when the log says that something changed.
"""

from __future__ import annotations

import sys
import weakref

import numpy as np

from tinydl.device import Array


class Log(list[tuple[Array, Array] | None]):
    """What happened to a piece of memory since a graph saved it; empty means: nothing.

    None stands for a change through a Tensor method; a pair for an array that a user fetched, who may write
    to it, with a copy of what was in it then.
    """

    __slots__ = ("__weakref__",)

    def changed(self) -> bool:
        """Whether what the graph saved is no longer there."""
        return any(entry is None or not np.array_equal(*entry, equal_nan=True) for entry in self)


class Memory:
    """The memory that a tensor shares with its views, and the logs that graphs hold while they need it."""

    __slots__ = ("_log", "_older")

    def __init__(self) -> None:
        self._log = Log()
        self._older: list[weakref.ref[Log]] = []

    def save(self) -> Log:
        """The log for a graph that saves this memory now: an empty one."""
        if self._log:
            self._older.append(weakref.ref(self._log))
            self._log = Log()
        return self._log

    def fetched(self, array: Array) -> None:
        """Says that a user holds `array` and may write to it."""
        # Graphs hold the logs, nobody else does: a log that has no other reference than `_log` is not in use.
        logs = [self._log] if sys.getrefcount(self._log) > _UNUSED else []
        logs += [log for log in (ref() for ref in self._older) if log is not None]
        logs = [log for log in logs if not any(entry is not None and entry[0] is array for entry in log)]
        if logs:
            entry = (array, array.copy())
            for log in logs:
                log.append(entry)

    def changed(self) -> None:
        """Says that a Tensor method changes this memory."""
        if not self._older and sys.getrefcount(self._log) == _UNUSED:
            return  # as nearly always: nobody reads it
        for log in [self._log, *(ref() for ref in self._older)]:
            if log is not None:
                log.append(None)
        self._log, self._older = Log(), []


_UNUSED = 2  # the attribute `_log`, and getrefcount's own argument
