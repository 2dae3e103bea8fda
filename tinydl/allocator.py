"""Memory that one training step frees stays with the process, for the next step to use.

Every step computes arrays of the same sizes as the step before, and frees them. C's allocator hands large ones back
to the system at once, and the next step gets new pages: for every 4 KiB the kernel interrupts, finds a page and
fills it with zeros. Convolutional networks, whose arrays have megabytes, spend much of a step on that.
"""

from __future__ import annotations

import ctypes
import sys

# Parameters of `mallopt`, by their names and numbers in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MIB = 1 << 20


def keep_freed_memory(mib: int) -> bool:
    """Asks C's allocator to keep up to `mib` MiB that were freed, and says whether it will: glibc's alone can."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    # Older versions take no threshold above 32 MiB: they go on to hand back arrays that are larger.
    large = mallopt(_M_MMAP_THRESHOLD, mib * _MIB) or mallopt(_M_MMAP_THRESHOLD, 32 * _MIB)
    return bool(large and mallopt(_M_TRIM_THRESHOLD, mib * _MIB) and mallopt(_M_TOP_PAD, 32 * _MIB))
