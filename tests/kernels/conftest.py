"""What tests of kernels share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from tinydl.kernels import threads

Calls: TypeAlias = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Calls]:
    """record(module, *names) gives a list that every call of these functions joins, with its arguments."""

    def record(module: Any, *names: str) -> Calls:
        calls: Calls = []

        def recorded(name: str, original: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                calls.append((name, arguments))
                return original(*arguments, **options)

            return call

        for name in names:
            monkeypatch.setattr(module, name, recorded(name, getattr(module, name)))
        return calls

    return record


@pytest.fixture(scope="module")  # Hypothesis refuses fixtures made for one test
def helpers() -> Iterator[int]:
    """Three helpers on any machine, and no kernel is too small for them: the number of threads that compute."""
    with pytest.MonkeyPatch.context() as patch:
        state = threads._State()
        state.cores = 4
        patch.setattr(threads, "_state", state)
        patch.setattr(threads, "WORTHWHILE", 0.0)
        yield 4


@pytest.fixture(scope="session")
def ways() -> dict[str, dict[str, Any]]:
    """Limits of cpu_conv.py with which all convolutions of stride 1 take one way there and back, or the chosen one."""
    every, none = range(1 << 60), range(0)
    product = {"_NARROW": 1, "_THIN": 1, "_WORTH": 0, "_WORTH_GRADIENT": 0}
    return {
        "chosen": {},
        "lowered": {"_NARROW": 1 << 60},
        "stacked, deep": product | {"_STACKED": every, "_DEEP": 0},
        "apart, shifted": product | {"_STACKED": none, "_FEW": 1, "_DEEP": 1 << 60},
    }
