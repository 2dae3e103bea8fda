"""Memory of a process, as the kernel tells it."""

from __future__ import annotations

import mmap
import sys
from types import ModuleType

import pytest

resident: ModuleType = pytest.importorskip("benchmarks.resident", reason="not started in the repository")


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_a_peak_is_counted_from_where_it_was_forgotten() -> None:
    size = 64 << 20
    before = resident.memory("VmRSS")
    with mmap.mmap(-1, size) as room:  # goes back to the system at once, whatever the allocator keeps
        for _ in range(64):
            room.write(b"x" * (1 << 20))
        assert resident.memory("VmRSS") > before + (60 << 20)
    assert resident.memory("VmHWM") > before + (60 << 20)
    resident.forget_peak()
    assert resident.memory("VmHWM") < before + (30 << 20)
