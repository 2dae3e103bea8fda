"""Numbers too small to have all their digits: 0 in the steps of optimisers, as they are everywhere else."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import optim
from tinydl.kernels import cpu, subnormal, threads
from tinydl.kernels.subnormal import FlushedToZero

needs_register = pytest.mark.skipif(
    subnormal._library() is None, reason="this processor or its C library is not asked to flush"
)
SMALLEST = {"float32": 2.0**-126, "float64": 2.0**-1022}  # of those with all digits


def half(dtype: str = "float32") -> Any:
    """Half of the smallest number, computed here and now: eight of them, so that all lanes of a register are seen."""
    return (np.full(8, SMALLEST[dtype], dtype) * np.asarray(0.5, dtype)).tolist()


@needs_register
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_and_operands_are_zero_inside_and_not_after(dtype: str) -> None:
    small = np.full(8, SMALLEST[dtype] / 4, dtype)
    assert small.min() > 0
    with FlushedToZero():
        assert half(dtype) == [0.0] * 8
        assert ((small * np.asarray(2.0**50, dtype)) == 0).all()
        with FlushedToZero():
            assert half(dtype) == [0.0] * 8
        assert half(dtype) == [0.0] * 8
    assert half(dtype) == [SMALLEST[dtype] / 2] * 8
    assert ((small * np.asarray(2.0**50, dtype)) == SMALLEST[dtype] * 2.0**48).all()


@needs_register
def test_it_ends_after_an_error_and_holds_in_its_own_thread() -> None:
    with pytest.raises(ValueError, match="no"), FlushedToZero():
        raise ValueError("no")
    assert half()[0] > 0
    found: list[float] = []
    with FlushedToZero():
        other = threading.Thread(target=lambda: found.extend(half()))
        other.start()
        other.join()
    # A thread begins with the register of the one that made it, and keeps that.
    assert found == [0.0] * 8
    assert half()[0] > 0


def test_a_system_that_is_not_asked_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "another")
    subnormal._library.cache_clear()
    try:
        with FlushedToZero():
            assert half()[0] > 0
    finally:
        monkeypatch.undo()
        subnormal._library.cache_clear()


@needs_register
@pytest.mark.parametrize("size", [10, 1000])
@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("compiled", [False, True])
def test_what_decays_ends_at_zero(
    size: int, cores: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The velocity of a weight whose gradient stays 0: 0.9 times the smallest number would be that number for ever.

    In one block, in several, and in those that a helper computes.
    """
    if compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    monkeypatch.setattr(threads, "WORTHWHILE", 1e9 if compiled else 0.0)
    monkeypatch.setattr(threads._state, "cores", cores)
    monkeypatch.setattr(threads._state, "blas_sleeps", 0.0)
    p = td.tensor(np.ones(size, np.float32), requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    for value in (1e-37, *[0.0] * 300):
        p.grad = td.tensor(np.full(size, value, np.float32))
        if compiled:
            with td.numba_kernels():
                optimizer.step()
        else:
            optimizer.step()
    velocity = optimizer.state_dict()["buffers"]["0.velocity"]
    assert (velocity == 0).all()
    assert half()[0] > 0
