"""benchmarks.parity: both libraries take the same steps on the same batches, and the report says how far they part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import parity
from benchmarks.rows import ROWS

ORIGIN: dict[str, Any] = {
    "command": "python -m benchmarks.parity",
    "date": "2026-11-21",
    "commit": "abc",
    "torch": "2",
    "versions": {"numpy": "2"},
}


def found(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    curves = {"tinydl": ours, "torch": theirs, "largest_difference_early": 1e-7, "largest_difference": 0.25}
    return {"title": "A network", **dict.fromkeys(parity.DTYPES, curves)}


@pytest.mark.parametrize("name", ["mlp", "lenet-64", "vae"])
def test_both_libraries_have_the_same_losses(name: str) -> None:
    pytest.importorskip("torch")
    row = parity.compared(name, steps=3)
    assert row["float64"]["largest_difference"] < 1e-13
    assert row["float32"]["largest_difference"] < 1e-4
    assert len(set(row["float64"]["tinydl"])) == 3  # it does learn


def test_batches_are_of_the_rows_shapes_and_the_same_at_every_call() -> None:
    for name, draw in parity.BATCHES.items():
        (once,), (again,) = draw(1), draw(1)
        expected = [a for key, a in ROWS[name].initial().items() if key.startswith("batch.")]
        assert [(a.shape, a.dtype) for a in once] == [(a.shape, a.dtype) for a in expected], name
        for a, b in zip(once, again, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_difference_is_relative_to_the_others() -> None:
    np.testing.assert_allclose(parity.difference([1.0, 3.0], [2.0, 4.0]), [0.5, 0.25])


def test_the_report(tmp_path: Path) -> None:
    result = {"steps": 2, "rows": {"a": found([2.0, 1.5], [2.0, 2.0])}, **ORIGIN}
    assert "| A network | 1.5 | 2 | 1e-07 | 2e-01 | 1e-07 | 2e-01 |" in parity.table(result)
    parity.chart(result, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("arguments", [["nothing"], ["mlp", "--steps", "0"]])
def test_what_it_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parity.main(arguments)
    assert "unknown row 'nothing'" in (said := capsys.readouterr().err) or "--steps must be 1" in said
