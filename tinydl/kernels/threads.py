"""Blocks of one kernel side by side, on the cores of the CPU.

NumPy computes on one core, and lets other Python threads compute meanwhile. So a kernel that is cut into blocks can
have some of them computed by helpers: threads that wait for work. OpenBLAS has helpers of its own, which are right
for one large product and wrong for many small ones; and after a product they stay awake on their core, where ours
would have to compute. So blocks are computed with one BLAS thread each.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial
from itertools import product
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from threadpoolctl import ThreadpoolController

Block = TypeVar("Block")
Result = TypeVar("Result")

WORTHWHILE = 2.5e7  # multiply-adds: less is done before a helper is awake
_AWAKE = 0.03  # seconds that OpenBLAS's threads look for more work after a product, each keeping a core busy


class _Task:
    """Something that a helper computes, if it comes to it in time."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute
        self._error: BaseException | None = None
        self._ended = False
        self._begun = threading.Lock()  # whoever acquires it, helper or caller, decides
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Computes it, in a helper."""
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._compute()
        except BaseException as error:
            self._error = error
        del self._compute  # and with it the arrays
        self._ended = True
        self._done.release()

    def end(self) -> None:
        """Waits for it, and raises what it raised; what has not begun will not."""
        if self._begun.acquire(blocking=False):
            del self._compute
            return
        try:
            self._done.acquire()
        except KeyboardInterrupt:
            if not self._ended:  # it may be changing arrays; the lock was not acquired, then
                self._done.acquire()
            raise
        if self._error is not None:
            raise self._error


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
        self.blas_sleeps = 0.0  # the time from which its threads leave the cores to ours


_state = _State()


def _start_anew() -> None:
    global _state
    _state = _State()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def each(blocks: Sequence[Block], compute: Callable[[Block], Result], work: float) -> list[Result]:
    """[compute(block) for block in blocks], on all cores where `work`, in multiply-adds, is worth it.

    What a block computes may not depend on who computes it: each takes the next one when it is done, so that a
    helper that wakes late has less to do. While one kernel has the helpers, others do without.
    """
    state = _state
    with one_blas_thread():
        worthwhile = work >= WORTHWHILE and time.perf_counter() >= state.blas_sleeps
        parts = min(state.cores, len(blocks)) if worthwhile else 1
        if parts < 2 or not state.busy.acquire(blocking=False):
            return [compute(block) for block in blocks]
        waiting, results = deque(enumerate(blocks)), dict[int, Result]()
        tasks: list[_Task] = []
        try:
            while len(state.helpers) < parts - 1:
                state.helpers.append(_Helper())
            try:
                for helper in state.helpers[: parts - 1]:
                    # The context has NumPy's error state, which is the caller's.
                    task = _Task(partial(copy_context().run, _take, waiting, compute, results))
                    helper.tasks.put(task)
                    tasks.append(task)
                _take(waiting, compute, results)
            finally:
                _end(tasks)
            return [results[i] for i in range(len(blocks))]
        finally:
            state.busy.release()


def _take(
    waiting: deque[tuple[int, Block]], compute: Callable[[Block], Result], results: dict[int, Result]
) -> None:
    """Computes one block after the other until none is waiting."""
    while waiting:
        try:
            i, block = waiting.popleft()
        except IndexError:  # another was faster
            return
        results[i] = compute(block)


def _end(tasks: Sequence[_Task]) -> None:
    """Waits for the helpers: nobody writes any more when it returns or raises."""
    if tasks:
        try:
            tasks[0].end()
        finally:
            _end(tasks[1:])


class _OneBlasThread:
    """Inside it, in any thread, matrix products run on one thread."""

    def __enter__(self) -> None:
        self._state = state = _state  # a child that is forked inside leaves its parent's
        with state.limiting:
            if state.limits == 0:
                state.before = [library.get() for library in _blas()]
                _set_threads([1] * len(state.before))
            state.limits += 1

    def __exit__(self, *_: object) -> None:
        state = self._state
        with state.limiting:
            state.limits -= 1
            if state.limits == 0:
                _set_threads(state.before)


def one_blas_thread() -> _OneBlasThread:
    """A context: inside it, in any thread, matrix products run on one thread."""
    return _OneBlasThread()


def products_begin() -> None:
    """To be called before matrix products on all threads of BLAS: for a while, blocks are computed without helpers."""
    if _state.limits == 0:
        _state.blas_sleeps = time.perf_counter() + _AWAKE


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


# ---- the libraries that NumPy's matrix products may come from


class _Library(NamedTuple):
    """How to ask one for its number of threads, and how to set it."""

    get: Callable[[], int]
    set: Callable[[int], object]


@cache
def _blas() -> list[_Library]:
    controllers = ThreadpoolController().select(user_api="blas").lib_controllers
    return [_directly(controller) or _by_threadpoolctl(controller) for controller in controllers]


def _directly(controller: Any) -> _Library | None:
    """OpenBLAS's own functions: threadpoolctl keeps accounts beside them that take ten times as long."""
    if controller.internal_api != "openblas" or controller.threading_layer != "pthreads":
        return None
    dll = ctypes.CDLL(controller.filepath)
    for prefix, suffix in product(("", "scipy_"), ("", "64_", "_64")):
        get = getattr(dll, f"{prefix}openblas_get_num_threads{suffix}", None)
        set_ = getattr(dll, f"{prefix}openblas_set_num_threads{suffix}", None)
        if get is not None and set_ is not None:
            return _Library(get, set_)
    return None


def _by_threadpoolctl(controller: Any) -> _Library:
    # Newer versions let the thread that sets it first alone set it again, until it is told that this has ended.
    release = getattr(controller, "clear_controlling_thread", lambda force: None)

    def set_(number: int) -> None:
        release(force=True)
        controller.set_num_threads(number)
        release(force=True)

    return _Library(lambda: controller.num_threads, set_)


def _set_threads(numbers: Sequence[int]) -> None:
    for library, number in zip(_blas(), numbers, strict=True):
        library.set(number)
