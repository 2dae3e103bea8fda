"""A training step that is being captured: what code has to know that runs once and is repeated without Python.

While `td.compile` captures a step for a GPU, `current()` is the capture. The device notes what it is asked to compute,
and later repeats just that, on the same memory. A number that Python computes would stay as it was at first: a learning
rate, the number of the step, the place in a stream of random numbers. So whoever has such a number asks for it
with `Capture.each`, and hands on the array that comes back.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = Any
Host: TypeAlias = npt.NDArray[Any]
_ALIGNED = 16  # bytes: any number may begin there


class Graph(Protocol):
    """What notes the computations of a device, to repeat them."""

    def memory(self) -> AbstractContextManager[None]:
        """Inside it, arrays are allocated from memory that only this graph uses."""
        ...

    def capture(self, work: Callable[[], None]) -> None:
        """Notes what `work` asks the device for; nothing is computed."""
        ...

    def launch(self) -> None:
        """Computes what was noted."""
        ...


class Capture:
    """What has to be told to the device before each repetition of one captured step.

    `memory` is an array of bytes on the device, in which these numbers lie.
    """

    def __init__(self, memory: Array) -> None:
        self.memory = memory
        self._hosts: list[tuple[int, Callable[[], Host]]] = []
        self._numbers = np.zeros(0, np.uint8)
        self._gradients: dict[int, weakref.ref[Any]] = {}

    def each(self, host: Callable[[], Host]) -> Array:
        """`host()` as an array of the device: its values of now in the first run, of then in each later one.

        It is called once for each run of the step, in the order of these calls, and must give the same shape and
        dtype every time. Raises RuntimeError when there is no more room.
        """
        values = np.ascontiguousarray(host())
        start = self._numbers.size
        stop = start + values.nbytes
        if stop > self.memory.size:
            raise RuntimeError(
                f"the numbers of a captured step take {stop} bytes, and there is room for {self.memory.size}"
            )
        self._hosts.append((start, host))
        self._numbers = np.concatenate(
            [self._numbers, np.zeros(-(-values.nbytes // _ALIGNED) * _ALIGNED, np.uint8)]
        )
        self._put(start, values)
        return self.memory[start:stop].view(values.dtype).reshape(values.shape)

    def numbers(self) -> Host:
        """What has to be in `memory`, from its beginning: bytes (n,)."""
        return self._numbers

    def ask_again(self) -> None:
        """Asks for all numbers anew: the next run is about to begin."""
        for start, host in self._hosts:
            self._put(start, np.ascontiguousarray(host()))

    def _put(self, start: int, values: Host) -> None:
        self._numbers[start : start + values.nbytes] = values.reshape(-1).view(np.uint8)

    # ---- gradients that may be added to

    def has_made(self, gradient: Any) -> bool:
        """Whether a gradient was made in this step: one from before it would not grow when the step is repeated."""
        known = self._gradients.get(id(gradient))
        return known is not None and known() is gradient

    def makes(self, gradient: Any) -> None:
        """Says that this gradient was made in this step."""
        self._gradients[id(gradient)] = weakref.ref(gradient)


class _State(threading.local):
    capture: Capture | None = None


_state = _State()


def current() -> Capture | None:
    """The capture that this thread makes, None outside."""
    return _state.capture


@contextmanager
def capturing(capture: Capture) -> Iterator[None]:
    """Inside it, what this thread computes belongs to that capture."""
    before, _state.capture = _state.capture, capture
    try:
        yield
    finally:
        _state.capture = before


def refuse(what: str) -> None:
    """Raises RuntimeError inside a captured step, for `what` would be done there once and never again."""
    if _state.capture is not None:
        raise RuntimeError(
            f"{what} inside a captured step: Python does it once, and no repetition does; see td.compile"
        )
