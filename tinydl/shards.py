"""A batch that several processes share: what an operation has to know about it.

While `train/shards.py` lets each process compute its own rows of a batch, `current()` is this process's share. What
depends on the whole batch asks it: batch norm for sums over all rows, a generator for the numbers of these rows.
Everything else treats every row alike and need not ask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

Array: TypeAlias = Any


@dataclass(frozen=True)
class Shard:
    """Rows start ... stop of the `rows` rows of a batch; `gather` gives an array of each process, in their order."""

    start: int
    stop: int
    rows: int
    gather: Callable[[Array], Array]  # (...) to (processes, ...)

    def total(self, values: Array) -> Array:
        """The sum of an array over all processes."""
        return self.gather(values).sum(axis=0)

    def of_whole(self, count: int) -> int:
        """How many there are in the whole batch of what there are `count` here: values of a channel, for example."""
        return count * self.rows // (self.stop - self.start)


_state = threading.local()


def current() -> Shard | None:
    """The share of this process in the batch that is being computed, None for all of it."""
    shard: Shard | None = getattr(_state, "shard", None)
    return shard


@contextmanager
def computing(shard: Shard | None) -> Iterator[None]:
    """Inside it this thread computes that share; None is all of the batch."""
    before, _state.shard = current(), shard
    try:
        yield
    finally:
        _state.shard = before
