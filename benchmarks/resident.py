"""How much memory this process has resident (Linux)."""

from __future__ import annotations

import re
from pathlib import Path


def memory(key: str) -> int:
    """Bytes of this process: "VmRSS" as it is, "VmHWM" at its highest since `forget_peak`."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


def forget_peak() -> None:
    """From now on the peak is a new one."""
    Path("/proc/self/clear_refs").write_text("5")
