"""What Python costs: the table, and imports that are not compiled anew each time."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import tinydl as td
from benchmarks import overhead


def test_the_table_has_each_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "OPS", 3)
    monkeypatch.setattr(overhead, "import_seconds", lambda times: [0.25] * times)
    text = overhead.measure(1)
    for name in overhead.FUNCTIONS:
        assert f"| {name} | tinydl |" in text
    assert "`import tinydl` after NumPy: 0.250 s" in text


def test_the_time_of_an_operation_is_that_of_a_chain() -> None:
    calls = []

    def function(x: Any, w: Any) -> Any:
        calls.append(1)
        return x + w

    assert all(microseconds > 0 for microseconds in overhead.per_op(td, function))
    assert len(calls) == overhead.OPS


def test_imports_find_what_the_first_one_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python may not keep it, too: the first import, which compiles, is not counted."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    kept: list[bool] = []
    original = subprocess.run

    def run(command: Any, **options: Any) -> Any:
        done = original(command, **options)
        kept.append(any(Path(options["env"]["PYTHONPYCACHEPREFIX"]).rglob("op.*.pyc")))
        return done

    monkeypatch.setattr(subprocess, "run", run)
    assert len(overhead.import_seconds(1)) == 1
    assert kept == [True, True]
