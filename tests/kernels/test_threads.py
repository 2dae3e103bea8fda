"""Helpers on the other cores: the order of results, errors, other threads, forks; and how many threads BLAS has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from tinydl.kernels import threads

LONG = 60.0  # seconds; whoever waits so long waits for ever


def seen_by(number: int) -> tuple[Any, set[int]]:
    """A function that gives its block back once `number` threads have come to it, and the set of these."""
    barrier, seen = threading.Barrier(number, timeout=LONG), set()

    def compute(block: int) -> int:
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            barrier.wait()
        return block

    return compute, seen


def script(text: str) -> str:
    """What a Python script prints, in a process of its own that is ended if it does not end."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- each


def test_a_helper_that_is_busy_leaves_all_blocks_to_the_others(helpers: int) -> None:
    """And nobody waits for it."""
    threads.each(range(helpers), lambda block: block, 1.0)
    wake, here = threading.Event(), threading.get_ident()
    for helper in threads._state.helpers:
        helper.tasks.put(threads._Task(partial(wake.wait, LONG)))
    assert threads.each(range(8), lambda block: (block, threading.get_ident()), 1.0) == [
        (block, here) for block in range(8)
    ]
    wake.set()
    compute, seen = seen_by(helpers)
    assert threads.each(range(8), compute, 1.0) == list(range(8))
    assert len(seen) == helpers


def test_while_the_threads_of_blas_look_for_work_blocks_are_computed_alone(helpers: int) -> None:
    state = threads._state
    state.blas_sleeps = 0.0
    with threads.one_blas_thread():
        threads.products_begin()  # these use no other thread
    assert state.blas_sleeps == 0.0
    threads.products_begin()
    assert 0 < state.blas_sleeps - time.perf_counter() <= threads._AWAKE
    state.blas_sleeps += LONG
    compute, seen = seen_by(1)
    assert threads.each(range(8), compute, 1.0) == list(range(8))
    assert seen == {threading.get_ident()}
    state.blas_sleeps = time.perf_counter()
    compute, seen = seen_by(helpers)
    assert threads.each(range(8), compute, 1.0) == list(range(8))
    assert len(seen) == helpers


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 100])
def test_results_come_in_the_order_of_the_blocks_from_all_threads(number: int, helpers: int) -> None:
    compute, seen = seen_by(min(number, helpers))
    assert threads.each(range(number), compute, 1.0) == list(range(number))
    assert len(seen) == min(number, helpers)


def test_no_blocks_are_no_results(helpers: int) -> None:
    assert threads.each([], lambda block: block, 1.0) == []


@pytest.mark.parametrize(("work", "several"), [(0.99e9, False), (1e9, True)])
def test_little_work_is_done_alone(
    work: float, several: bool, helpers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WORTHWHILE", 1e9)
    compute, seen = seen_by(helpers if several else 1)
    assert threads.each(range(8), compute, work) == list(range(8))
    assert len(seen) == (helpers if several else 1)


@pytest.mark.parametrize("wrong", [{0}, {7}, {3}, {0, 7}])
def test_an_error_arrives_from_whichever_thread_and_the_next_call_works(
    wrong: set[int], helpers: int
) -> None:
    def compute(block: int) -> int:
        if block in wrong:
            raise ValueError(f"block {block}")
        return block

    for _ in range(3):
        with pytest.raises(ValueError, match=r"block [037]"):
            threads.each(range(8), compute, 1.0)
    good, seen = seen_by(helpers)
    assert threads.each(range(8), good, 1.0) == list(range(8))
    assert len(seen) == helpers


@pytest.mark.parametrize("wrong", [0, 1, 2, 3])
def test_after_an_error_nobody_computes_any_more(wrong: int, helpers: int) -> None:
    """The memory that the others write to may be freed then."""
    failed, done = threading.Event(), []
    meet, _ = seen_by(helpers)

    def compute(block: int) -> None:
        meet(block)
        if block == wrong:
            failed.set()
            raise ValueError
        assert failed.wait(LONG)
        time.sleep(0.05)
        done.append(block)

    with pytest.raises(ValueError, match=r"^$"):
        threads.each(range(helpers), compute, 1.0)
    assert sorted([*done, wrong]) == list(range(helpers))


def test_the_callers_way_with_floating_point_errors_holds_for_helpers(helpers: int) -> None:
    meet, _ = seen_by(helpers)

    def compute(block: int) -> float:
        meet(block)
        return float((np.ones(1) / np.zeros(1))[0])

    with np.errstate(divide="ignore"):
        assert threads.each(range(4), compute, 1.0) == [np.inf] * 4
    for wrong in range(4):
        with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
            threads.each(range(4), lambda block, w=wrong: compute(0) if block == w else 0.0, 1.0)


def test_a_kernel_inside_a_block_does_without_helpers(helpers: int) -> None:
    meet, _ = seen_by(helpers)

    def compute(block: int) -> list[int]:
        meet(block)
        inner = threads.each(range(4), lambda i: (10 * block + i, threading.get_ident()), 1.0)
        assert {who for _, who in inner} == {threading.get_ident()}
        return [number for number, _ in inner]

    assert threads.each(range(4), compute, 1.0) == [[10 * i + j for j in range(4)] for i in range(4)]


def test_of_two_users_one_has_the_helpers_and_neither_waits(helpers: int) -> None:
    """The second begins and ends while the first computes."""
    meet, _ = seen_by(helpers)
    started, ended = threading.Event(), threading.Event()

    def slow(block: int) -> int:
        meet(block)
        started.set()
        assert ended.wait(LONG)
        return block

    with ThreadPoolExecutor(1) as user:
        first = user.submit(threads.each, range(8), slow, 1.0)
        assert started.wait(LONG)
        compute, seen = seen_by(1)
        assert threads.each(range(8), compute, 1.0) == list(range(8))
        assert seen == {threading.get_ident()}
        ended.set()
        assert first.result(LONG) == list(range(8))
    compute, seen = seen_by(helpers)
    assert threads.each(range(8), compute, 1.0) == list(range(8))  # they are free again
    assert len(seen) == helpers


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("when", ["between kernels", "while another thread computes"])
def test_a_forked_child_has_helpers_of_its_own(when: str) -> None:
    """Its parent's threads are not there, but locks that they held would be."""
    out = script(
        f"""
        import os, threading, time
        from tinydl.kernels import threads

        threads._state.cores = 2
        threads.each([1, 2], lambda block: block, 1e12)  # now there is a helper
        end = threading.Event()
        if {when != "between kernels"}:
            started = threading.Barrier(3)
            def wait(block):
                started.wait()
                end.wait()
            other = threading.Thread(target=threads.each, args=([1, 2], wait, 1e12))
            other.start()
            started.wait()
        child = os.fork()
        if child == 0:
            meet = threading.Barrier(min(2, threads._state.cores))
            def compute(block):
                meet.wait()
                return block + 1
            os._exit(threads.each([1, 2], compute, 1e12) != [2, 3])
        deadline = time.monotonic() + 20
        ended, status = os.waitpid(child, os.WNOHANG)
        while ended == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
            ended, status = os.waitpid(child, os.WNOHANG)
        if ended == 0:
            os.kill(child, 9)
        end.set()
        print("ended" if ended else "hangs", status)
        """
    )
    assert out == "ended 0\n"


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal can be sent to one thread here")
@pytest.mark.parametrize(
    ("block", "receiver"), [(0, "main_thread"), (1, "main_thread"), (1, "current_thread")]
)
def test_after_an_interrupt_kernels_compute_on(block: int, receiver: str) -> None:
    """Ctrl-C while the caller computes, and while it waits for a helper: no block is lost, none comes late.

    A signal may reach the helper: then the caller hears of it only when it has what it waited for.
    """
    out = script(
        f"""
        import faulthandler, signal, threading, time
        from tinydl.kernels import threads

        signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background inherit none
        faulthandler.dump_traceback_later(20, exit=True)
        threads._state.cores = 2
        done = []
        meet = threading.Barrier(2)

        def compute(block):
            meet.wait()  # a helper that has not begun would not begin any more
            time.sleep(0.2 * block)  # by then the caller waits
            if block == {block}:
                signal.pthread_kill(threading.{receiver}().ident, signal.SIGINT)
            time.sleep(0.2 * block)
            done.append(block)

        try:
            threads.each([0, 1], compute, 1e12)
        except KeyboardInterrupt:
            print("interrupted", 1 in done)
        print([threads.each([2, 3], lambda block: block + i, 1e12) for i in range(3)])
        """
    )
    assert out == "interrupted True\n[[2, 3], [3, 4], [4, 5]]\n"


def test_a_thread_that_outlives_the_main_one_computes_on() -> None:
    """By then the thread pools of the standard library take no more work."""
    out = script(
        """
        import threading
        from tinydl.kernels import threads

        threads._state.cores = 2

        def late():
            threading.main_thread().join()
            print(threads.each([1, 2], lambda block: block + 1, 1e12))

        threading.Thread(target=late).start()
        """
    )
    assert out == "[2, 3]\n"


# ---- one BLAS thread


@pytest.fixture
def blas() -> Iterator[Any]:
    """A function that says how many threads BLAS has: 2 to begin with."""
    libraries = threads._blas()
    if not libraries:
        pytest.skip("the number of threads of this BLAS cannot be set")
    before = [library.get() for library in libraries]
    set_numbers([2] * len(libraries))
    yield lambda: {library.get() for library in libraries}
    set_numbers(before)


def set_numbers(numbers: list[int]) -> None:
    for library, number in zip(threads._blas(), numbers, strict=True):
        library.set(number)


def test_one_blas_thread_nests_and_ends(blas: Any) -> None:
    assert blas() == {2}
    with threads.one_blas_thread():
        assert blas() == {1}
        with threads.one_blas_thread():
            assert blas() == {1}
        assert blas() == {1}
    assert blas() == {2}


def test_one_blas_thread_ends_after_an_error(blas: Any) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^$"), threads.one_blas_thread(), threads.one_blas_thread():
            raise ValueError
        assert blas() == {2}


def test_the_number_that_was_set_meanwhile_is_what_returns(blas: Any) -> None:
    with threads.one_blas_thread():
        pass
    set_numbers([3] * len(threads._blas()))
    with threads.one_blas_thread():
        assert blas() == {1}
    assert blas() == {3}


def test_both_ways_to_a_library_set_the_same_number(blas: Any) -> None:
    for controller in ThreadpoolController().select(user_api="blas").lib_controllers:
        slow = threads._by_threadpoolctl(controller)
        fast = threads._directly(controller) or slow
        for one, other in ((slow, fast), (fast, slow)):
            one.set(2)
            one.set(1)
            assert (controller.num_threads, one.get(), other.get()) == (1, 1, 1)
            one.set(2)
            assert (controller.num_threads, one.get(), other.get()) == (2, 2, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_was_forked_inside_one_blas_thread_leaves_it_and_comes_back(blas: Any) -> None:
    out = script(
        """
        import os
        from tinydl.kernels import threads

        def numbers():
            return {library.get() for library in threads._blas()}

        for library in threads._blas():
            library.set(2)
        with threads.one_blas_thread():
            child = os.fork()
        found = [numbers()]
        with threads.one_blas_thread():
            found.append(numbers())
        found.append(numbers())
        if child == 0:
            os._exit(found != [{2}, {1}, {2}])
        print(os.waitpid(child, 0)[1], found)
        """
    )
    assert out == "0 [{2}, {1}, {2}]\n"


@pytest.mark.parametrize("first", [0, 1])
def test_one_blas_thread_lasts_until_the_last_of_two_threads_has_left(first: int, blas: Any) -> None:
    inside, leave, left = (
        threading.Barrier(3, timeout=LONG),
        *([threading.Event() for _ in "ab"] for _ in "xy"),
    )

    def user(number: int) -> None:
        with threads.one_blas_thread():
            inside.wait()
            assert leave[number].wait(LONG)
        left[number].set()

    with ThreadPoolExecutor(2) as users:
        found = [users.submit(user, number) for number in (0, 1)]
        inside.wait()
        numbers = [blas()]
        for number in (first, 1 - first):
            leave[number].set()
            assert left[number].wait(LONG)
            numbers.append(blas())
        assert [f.result(LONG) for f in found] == [None, None]
    assert numbers == [{1}, {1}, {2}]


@pytest.mark.parametrize("first", ["main", "other"])
def test_one_blas_thread_does_not_belong_to_the_thread_that_came_first(first: str, blas: Any) -> None:
    def use() -> set[int]:
        with threads.one_blas_thread():
            return set(blas())

    with ThreadPoolExecutor(1) as other:
        for _ in range(2):
            if first == "main":
                assert use() == {1}
                assert blas() == {2}
            assert other.submit(use).result(LONG) == {1}
            assert blas() == {2}
            assert use() == {1}
            assert blas() == {2}


@pytest.mark.parametrize("work", [0.0, 1.0])
def test_blocks_are_computed_with_one_blas_thread(work: float, blas: Any, helpers: int) -> None:
    assert threads.each(range(4), lambda block: blas(), work) == [{1}] * 4
    assert blas() == {2}


# ---- how many


def test_there_is_a_helper_for_each_core_but_the_callers(helpers: int) -> None:
    threads.each(range(8), lambda block: block, 1.0)
    assert len(threads._state.helpers) == helpers - 1


def test_a_system_that_does_not_tell_its_cores_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads._State().cores == 1
