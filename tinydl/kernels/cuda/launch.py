"""Starting kernels: on a GPU through CuPy, in tests on the CPU.

A launcher knows two things, to run a kernel and to multiply matrices; kernels are functions of C pointers and numbers.
Which one belongs to an array module is looked up in `launchers`. CuPy's is made when it is first asked for, and its
program is compiled at the first launch: nothing here needs a GPU before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from types import ModuleType
from typing import Any, Protocol, TypeAlias

import numpy as np

from tinydl.kernels.cuda.source import parameters, source

Array: TypeAlias = Any

_BLOCK = 256  # threads of a block
_BLOCKS = 1 << 16  # of a launch at most: further elements are done by the same threads


class Launcher(Protocol):
    """What runs kernels and products of an array module."""

    def launch(self, name: str, threads: int, *args: Any) -> None:
        """Runs the kernel `name` with `threads` threads or fewer, each of which does the work of several.

        Arguments are arrays in C order, None for a null pointer, and numbers.
        """
        ...

    def product(self, a: Array, b: Array) -> Array:
        """The product of two matrices, or of each pair in two stacks of them, in C order.

        Transposed matrices cost no copy.
        """
        ...


class CupyLauncher:
    """Kernels compiled by NVRTC for the current GPU, on CuPy's current stream."""

    def __init__(self, cupy: ModuleType) -> None:
        self._cupy = cupy
        self._module: Any = None
        self._kernels: dict[str, Any] = {}

    def launch(self, name: str, threads: int, *args: Any) -> None:
        """Runs the kernel; raises what CuPy and `arguments` raise, ValueError for more than 2^31 elements."""
        check_count(name, threads)
        values = arguments(name, args)
        if threads == 0:
            return
        kernel = self._kernels.get(name)
        if kernel is None:
            if self._module is None:
                self._module = self._cupy.RawModule(code=source(), options=("-std=c++17",))
            kernel = self._kernels[name] = self._module.get_function(name)
        blocks = min(-(-threads // _BLOCK), _BLOCKS)
        kernel((blocks,), (_BLOCK,), tuple(values))

    def product(self, a: Array, b: Array) -> Array:
        """a b through cuBLAS; raises NotImplementedError while a stream is captured."""
        return self._cupy.matmul(a, b)


launchers: dict[str, Launcher] = {}  # by the name of the array module


def launcher(xp: ModuleType) -> Launcher:
    """What runs the kernels of an array module; raises KeyError for one without: only CuPy needs no entry."""
    found = launchers.get(xp.__name__)
    if found is None:
        if xp.__name__ != "cupy":
            raise KeyError(f"no launcher of CUDA kernels for {xp.__name__}")
        found = launchers["cupy"] = CupyLauncher(xp)
    return found


def check_count(name: str, elements: int) -> None:
    """Raises ValueError for more elements than a kernel counts, in an `int` of 32 bits."""
    if elements >= 2**31 - 64:
        raise ValueError(f"{name}: {elements} elements are more than a kernel can count; use smaller batches")


def arguments(name: str, args: Sequence[Any]) -> list[Any]:
    """The arguments as the kernel's text wants them: C has no other way to notice that they don't fit.

    Numbers become NumPy's int32 and float64, None a null pointer. Raises TypeError for other dtypes, numbers and
    orders in memory than the kernel's.
    """
    expected = parameters()[name]
    if len(args) != len(expected):
        raise TypeError(f"{name}: expected {len(expected)} arguments, got {len(args)}")
    return [_argument(name, kind, value) for kind, value in zip(expected, args, strict=True)]


def _argument(name: str, kind: str, value: Any) -> Any:
    if kind == "int":
        return np.int32(index(value))
    if kind == "double":
        return np.float64(value)
    if value is None:
        return np.uintp(0)
    if value.dtype != kind or not value.flags.c_contiguous:
        order = "" if value.flags.c_contiguous else ", not in C order"
        raise TypeError(f"{name}: expected an array of {kind} in C order, got one of {value.dtype}{order}")
    return value
