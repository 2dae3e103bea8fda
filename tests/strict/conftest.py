"""What the tests of the strict device share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.strict import call


@pytest.fixture(params=["textbook", "cpu"])
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the textbook's kernels, which run on the device's own arrays, and with the CPU's behind the wall."""
    with td.textbook() if request.param == "textbook" else nullcontext():
        yield


@pytest.fixture
def no_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """No array of the strict device may be float64."""
    made = call.Wrapped.__init__

    def checked(self: call.Wrapped, host: np.ndarray[Any, Any], numpy_strides: Any = None) -> None:
        assert host.dtype not in (np.float64, np.complex128), f"{host.dtype} in a float32 computation"
        made(self, host, numpy_strides)

    monkeypatch.setattr(call.Wrapped, "__init__", checked)


@pytest.fixture
def same_bits() -> Callable[[list[Any], list[Any]], None]:
    """Asserts that two lists of arrays, or None, are equal to the bit."""

    def compare(ours: list[Any], theirs: list[Any]) -> None:
        assert len(ours) == len(theirs)
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if a is None or b is None:
                assert a is b
            else:
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
                assert a.tobytes() == b.tobytes(), f"result {i} differs by up to {np.abs(a - b).max()}"

    return compare
