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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Block = TypeVar("Block")
Result = TypeVar("Result")

WORTHWHILE = 2e7  # multiply-adds: less is done before a helper is awake


class _State:
    """What the threads of a process share; a forked child has none of its parent's threads and starts anew."""

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.helpers = cores - 1
        self.executor = ThreadPoolExecutor(self.helpers, "tinydl") if self.helpers else None
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
        parts = min(state.helpers + 1, len(blocks)) if work >= WORTHWHILE else 1
        if parts == 1 or state.executor is None or not state.busy.acquire(blocking=False):
            return [compute(block) for block in blocks]
        try:
            ends = [len(blocks) * i // parts for i in range(parts + 1)]
            shares = [blocks[start:stop] for start, stop in pairwise(ends)]
            # The context has NumPy's error state, which is the caller's.
            others = [
                state.executor.submit(copy_context().run, _share, share, compute) for share in shares[1:]
            ]
            try:
                results = _share(shares[0], compute)
            finally:
                rest = [other.result() for other in others]  # nobody writes any more when this returns
            return [*results, *(result for part in rest for result in part)]
        finally:
            state.busy.release()


def _share(blocks: Sequence[Block], compute: Callable[[Block], Result]) -> list[Result]:
    return [compute(block) for block in blocks]


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
            for library in libraries:
                library.set_num_threads(1)
        state.limits += 1
    try:
        yield
    finally:
        with state.limiting:
            state.limits -= 1
            if state.limits == 0:
                for library, threads in zip(libraries, state.before, strict=True):
                    library.set_num_threads(threads)
