"""Blocks of one kernel side by side, on the cores of the CPU.

NumPy computes on one core, and lets other Python threads compute meanwhile. So a kernel that is cut into blocks can
have some of them computed by helpers: threads that wait for work. OpenBLAS has helpers of its own, which are right
for one large product and wrong for many small ones; and after a product they stay awake on their core, where ours
would have to compute. So blocks are computed with one BLAS thread each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Block = TypeVar("Block")
Result = TypeVar("Result")

WORTHWHILE = 2.5e7  # multiply-adds: less is done before a helper is awake


class _Task:
    """Something to compute, and what came of it."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute
        self._error: BaseException | None = None
        self._ended = False
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Computes it, in a helper."""
        try:
            self._result = self._compute()
        except BaseException as error:
            self._error = error
        del self._compute  # and with it the arrays
        self._ended = True
        self._done.release()

    def result(self) -> Any:
        """What it returned; waits for it, and raises what it raised."""
        try:
            self._done.acquire()
        except KeyboardInterrupt:
            if not self._ended:  # it may be changing arrays; the lock was not acquired, then
                self._done.acquire()
            raise
        if self._error is not None:
            raise self._error
        return self._result


class _Helper(threading.Thread):
    """A thread that computes what it is given. (The standard library's pools do more for each task.)"""

    def __init__(self) -> None:
        super().__init__(name="tinydl kernel", daemon=True)
        self.tasks: SimpleQueue[_Task] = SimpleQueue()
        self.start()

    def run(self) -> None:
        while True:
            self.tasks.get().run()


class _State:
    """What the threads of a process share; a forked child has none of its parent's threads and starts anew."""

    def __init__(self) -> None:
        self.cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.helpers: list[_Helper] = []
        self.busy = threading.Lock()
        self.limiting = threading.Lock()
        self.limits = 0  # how many threads want BLAS to use one
        self.before: list[int] = []


_state = _State()


def _start_anew() -> None:
    global _state
    _state = _State()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def each(blocks: Sequence[Block], compute: Callable[[Block], Result], work: float) -> list[Result]:
    """[compute(block) for block in blocks], on all cores where `work`, in multiply-adds, is worth it.

    What a block computes may not depend on who computes it. While one kernel has the helpers, others do without.
    """
    state = _state
    with one_blas_thread():
        parts = min(state.cores, len(blocks)) if work >= WORTHWHILE else 1
        if parts < 2 or not state.busy.acquire(blocking=False):
            return [compute(block) for block in blocks]
        tasks: list[_Task] = []
        try:
            while len(state.helpers) < parts - 1:
                state.helpers.append(_Helper())
            ends = [len(blocks) * i // parts for i in range(parts + 1)]
            mine, *others = (blocks[start:stop] for start, stop in pairwise(ends))
            try:
                for helper, share in zip(state.helpers, others, strict=False):
                    # The context has NumPy's error state, which is the caller's.
                    task = _Task(partial(copy_context().run, _share, share, compute))
                    helper.tasks.put(task)
                    tasks.append(task)
                results = _share(mine, compute)
            finally:
                rest = _results(tasks)
            return results + rest
        finally:
            state.busy.release()


def _share(blocks: Sequence[Block], compute: Callable[[Block], Result]) -> list[Result]:
    return [compute(block) for block in blocks]


def _results(tasks: Sequence[_Task]) -> list[Any]:
    """What helpers computed. All have ended when it returns or raises: nobody writes any more."""
    if not tasks:
        return []
    try:
        first: list[Any] = tasks[0].result()
    finally:
        rest = _results(tasks[1:])
    return first + rest


@cache
def _blas() -> list[Any]:
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside it, in any thread, matrix products run on one thread."""
    state, libraries = _state, _blas()
    with state.limiting:
        if state.limits == 0:
            state.before = [library.num_threads for library in libraries]
            _set_threads([1] * len(libraries))
        state.limits += 1
    try:
        yield
    finally:
        with state.limiting:
            state.limits -= 1
            if state.limits == 0:
                _set_threads(state.before)


def cores() -> int:
    """How many cores kernels use."""
    return _state.cores


@contextmanager
def limited(cores: int) -> Iterator[None]:
    """Inside it kernels use that many cores, in this process, and matrix products one thread."""
    state = _state
    before, state.cores = state.cores, cores
    try:
        with one_blas_thread():
            yield
    finally:
        state.cores = before


def _set_threads(numbers: Sequence[int]) -> None:
    for library, number in zip(_blas(), numbers, strict=True):
        # Newer versions let the thread that sets it first alone set it again, until it is told that this has ended.
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(number)
        release(force=True)
