"""Freed memory stays with the process: counted in pages that the system had to give, not in seconds."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tinydl.allocator import keep_freed_memory

glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be asked to keep memory"
)

# Eight arrays of 8 MiB, all freed before the next eight are made: one training step after the other.
STEPS = """
import resource
import numpy as np
{}

def step():
    arrays = [np.ones(1 << 20) for _ in range(8)]

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_fetched(extra: str) -> int:
    """How many pages the system gave to ten steps."""
    done = subprocess.run(
        [sys.executable, "-c", STEPS.format(extra)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@glibc
def test_glibc_keeps_freed_memory() -> None:
    assert keep_freed_memory(1024)


@glibc
def test_with_tinydl_a_step_uses_the_memory_of_the_step_before() -> None:
    """Without it every step fetches pages anew, of 4 KiB or of 2 MiB."""
    without, with_tinydl = pages_fetched(""), pages_fetched("import tinydl")
    assert without >= 40
    assert with_tinydl < without / 5


@pytest.mark.parametrize(("system", "has_mallopt"), [("linux", False), ("darwin", True), ("win32", True)])
def test_other_allocators_are_left_alone(
    system: str, has_mallopt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no such function, and where it would mean something else, or libraries open otherwise."""
    asked: list[Any] = []
    library = SimpleNamespace(mallopt=lambda *a: asked.append(a)) if has_mallopt else SimpleNamespace()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", system)
    assert keep_freed_memory(1024) is False
    assert asked == []


MIB = 1 << 20


@pytest.mark.parametrize(
    ("refused", "kept"),
    [
        ([], True),
        ([(-3, 1024 * MIB)], True),  # an older glibc: arrays up to 32 MiB are kept
        ([(-3, 1024 * MIB), (-3, 32 * MIB)], False),
        ([(-1, 1024 * MIB)], False),
    ],
)
def test_it_says_what_the_allocator_said(
    refused: list[tuple[int, int]], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers are those of glibc's malloc.h: -1 M_TRIM_THRESHOLD, -2 M_TOP_PAD, -3 M_MMAP_THRESHOLD."""
    asked: list[tuple[int, int]] = []

    def mallopt(option: int, value: int) -> int:
        asked.append((option, value))
        return (option, value) not in refused

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    monkeypatch.setattr(sys, "platform", "linux")
    assert keep_freed_memory(1024) is kept
    if kept:
        granted = dict(pair for pair in asked if pair not in refused)
        assert granted == {-1: 1024 * MIB, -2: 32 * MIB, -3: 32 * MIB if refused else 1024 * MIB}
