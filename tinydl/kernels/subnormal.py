"""Subnormal numbers, those below the smallest that has all its digits (1.2e-38 in float32), taken for 0.

What an optimiser keeps for a weight decays by a factor from step to step once its gradient stays 0, as that of a dead
ReLU does. After some 800 steps 0.9^t is subnormal, and so it stays, for 0.9 times the smallest number rounds to that
number. x86 processors compute with such numbers tens of times slower, and can be told to take them for 0 instead.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from typing import Any

# glibc's fenv_t on x86: seven words of the old floating-point unit, and the register that governs the one in use.
_Environment = ctypes.c_uint32 * 8
_REGISTER = 7
_FLUSH = 1 << 15 | 1 << 6  # results to zero, and operands


@cache
def _library() -> Any:
    """The functions that read and set this thread's register; None on other systems."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL("libm.so.6")


class FlushedToZero:
    """A context: inside it, in this thread, subnormal numbers are 0 where the processor can be told so."""

    def __enter__(self) -> None:
        library = _library()
        if library is None:
            return
        self._before = _Environment()
        library.fegetenv(self._before)
        now = _Environment(*self._before)
        now[_REGISTER] |= _FLUSH
        library.fesetenv(now)

    def __exit__(self, *_: object) -> None:
        library = _library()
        if library is not None:
            library.fesetenv(self._before)
