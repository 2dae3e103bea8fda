"""CUDA kernels on a GPU, on NumPy arrays: each launch copies its arrays there and back."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from tinydl.kernels.cuda.launch import CupyLauncher


class GpuLauncher:
    """What HostLauncher is, with the real thing behind it: the same tests hold the compiled kernels to account."""

    def __init__(self, cupy: ModuleType) -> None:
        self._cupy, self._launcher = cupy, CupyLauncher(cupy)
        self.calls: list[str] = []
        self.products = 0

    def launch(self, name: str, threads: int, *args: Any) -> None:
        self.calls.append(name)
        there: dict[int, tuple[Any, Any]] = {}
        for a in args:
            if isinstance(a, np.ndarray):
                there.setdefault(a.ctypes.data, (a, self._cupy.array(a)))
        values = [there[a.ctypes.data][1] if isinstance(a, np.ndarray) else a for a in args]
        self._launcher.launch(name, threads, *values)
        for array, copy in there.values():
            if (after := copy.get()).tobytes() != array.tobytes():
                array[...] = after

    def product(self, a: Any, b: Any) -> Any:
        self.products += 1
        return np.matmul(a, b)
