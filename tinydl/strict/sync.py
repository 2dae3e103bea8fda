"""What the strict device refuses: its errors, and `no_sync()`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class LeakError(TypeError):
    """Host and device memory meet without `Device.asarray` or `Device.to_host` between them."""


class UndefinedError(RuntimeError):
    """The result on a GPU would depend on chance, or differ from the CPU's: a race, or a cast out of range."""


class SyncError(RuntimeError):
    """Something inside `no_sync()` makes the host wait for the device, or copies between the two."""


class _State(threading.local):
    forbidden = False


_state = _State()


@contextmanager
def no_sync() -> Iterator[None]:
    """A context in which every upload, download and data-dependent shape on the strict device is a `SyncError`.

    A GPU works through a queue of kernels while the host goes on filling it; whatever needs a value on the host,
    or a shape that depends on values, empties the queue. And a training step can be captured into a CUDA graph,
    to be launched as one, only if it has nothing of the kind. A step that runs in here has not.
    """
    before, _state.forbidden = _state.forbidden, True
    try:
        yield
    finally:
        _state.forbidden = before


def syncing_is_forbidden() -> bool:
    """Whether `no_sync()` is in force in this thread."""
    return _state.forbidden


def crossing(what: str) -> None:
    """Says that the host needs a value of the device, or the other way round; raises inside `no_sync()`."""
    if _state.forbidden:
        raise SyncError(
            f"{what} inside no_sync(): the host would wait for the device, and no graph could be captured"
        )
