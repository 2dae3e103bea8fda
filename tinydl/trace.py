"""Which kernel ran: the calls of kernels, in order, each with the operation that made it.

A device has several kernels for one operation, and chooses by shape and dtype (`tinydl/kernels/`). `trace()` listens
to Python's profiling hook, so that the kernels themselves need no bookkeeping and cost nothing while nobody listens.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from types import FrameType
from typing import Any

from tinydl.op import Op
from tinydl.optim import Optimizer

_PACKAGE = "tinydl.kernels."


@dataclass(frozen=True)
class KernelCall:
    """One call of a kernel.

    `op` is the operation or the optimiser that called it, as "Conv2d.forward" or "Adam.step". `kernels` are the
    functions that it went through, the last of which computed: ("cpu.conv2d", "reference.conv2d") is a
    convolution that the fast kernel left to the textbook's. `shapes` are those of the arrays it got, `seconds`
    the time it took, listening included.
    """

    op: str
    kernels: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    seconds: float


class Trace(list[KernelCall]):
    """The calls in the order in which they ended; as text, a table of them."""

    def __str__(self) -> str:
        rows = [("operation", "kernel", "calls", "ms")]
        order = sorted(self, key=lambda call: (call.op, call.kernels))
        groups = [list(same) for _, same in groupby(order, key=lambda call: (call.op, call.kernels))]
        for same in sorted(groups, key=lambda same: -sum(call.seconds for call in same)):
            milliseconds = 1e3 * sum(call.seconds for call in same)
            rows.append((same[0].op, " > ".join(same[0].kernels), str(len(same)), f"{milliseconds:.2f}"))
        left, middle = (max(len(row[i]) for row in rows) for i in (0, 1))
        return "\n".join(
            f"{op:{left}}  {kernel:{middle}}  {n:>5}  {ms:>8}".rstrip() for op, kernel, n, ms in rows
        )


@contextmanager
def trace() -> Iterator[Trace]:
    """Inside it, in this thread, the calls of kernels are written down.

        with td.trace() as kernels:
            loss_of(model(x), y).backward()
        print(kernels)

    Gives a `Trace`, a list of `KernelCall`. What other processes compute (`Trainer(shards=...)`) is not in it. Raises
    RuntimeError where a profiler is running already: Python has one place for both.
    """
    if sys.getprofile() is not None:
        raise RuntimeError("trace: a profiler is running in this thread; end it first")
    calls = Trace()
    running: list[
        tuple[FrameType, float, list[str]]
    ] = []  # the kernel that was called, when, and through what

    def listen(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and _is_kernel(frame):
            if not running:
                running.append((frame, time.perf_counter(), []))
            running[0][2].append(_name(frame))
        elif event == "return" and running and frame is running[0][0]:
            _, start, names = running.pop()
            seconds = time.perf_counter() - start
            calls.append(KernelCall(_caller(frame), tuple(names), _shapes(frame), seconds))

    sys.setprofile(listen)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def _is_kernel(frame: FrameType) -> bool:
    """Whether it is a function that a device offers to operations: these take the device's array module first."""
    code = frame.f_code
    module = frame.f_globals.get("__name__", "")
    takes_module = code.co_argcount > 0 and code.co_varnames[0] == "xp"
    return takes_module and module.startswith(_PACKAGE) and not code.co_name.startswith("_")


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals['__name__'].removeprefix(_PACKAGE)}.{frame.f_code.co_name}"


def _shapes(frame: FrameType) -> tuple[tuple[int, ...], ...]:
    names = frame.f_code.co_varnames[
        1 : frame.f_code.co_argcount + 1
    ]  # after xp; the last is *arrays where there are
    return tuple(_shapes_in([frame.f_locals.get(name) for name in names]))


def _shapes_in(value: Any) -> Iterator[tuple[int, ...]]:
    """The shapes of an array, or of all arrays in a list."""
    if hasattr(value, "shape"):
        yield tuple(value.shape)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _shapes_in(part)


def _caller(frame: FrameType) -> str:
    """The operation that a kernel computes for, or the function that called it."""
    above = frame.f_back
    while above is not None and not isinstance(owner := above.f_locals.get("self"), Op | Optimizer):
        above = above.f_back
    if above is not None:
        return f"{type(owner).__name__}.{above.f_code.co_name if isinstance(owner, Op) else 'step'}"
    assert frame.f_back is not None
    return frame.f_back.f_code.co_qualname
