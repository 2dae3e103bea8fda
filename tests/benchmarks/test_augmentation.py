"""`python -m benchmarks.augmentation`: Pillow does the same as tinydl, and the table. No time is judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinydl as td

benchmark: ModuleType = pytest.importorskip("benchmarks.augmentation", reason="not started in the repository")

SAME = [
    "rotation, 20 degrees",
    "zoom, 20%",
    "shift, 3 pixels",
    "shear, 15 degrees",
    "brightness",
    "contrast",
    "colour jitter",
]


@pytest.mark.parametrize("name", SAME)
def test_both_do_the_same_with_the_same_amounts(name: str) -> None:
    """Inside; at the border Pillow takes what is half a pixel away."""
    x, pixels = benchmark.batch((3, 64, 64))
    change = benchmark.CHANGES[name]
    ours = change.tinydl(lambda centre, amount: (centre + amount, centre + amount))(x, td.Generator(0))
    theirs = benchmark.pillow(change, pixels, lambda amount: amount)
    assert theirs.dtype == ours.dtype == np.float32
    grey = (
        ours.mean(axis=1, keepdims=True),
        theirs.mean(axis=1, keepdims=True),
    )  # contrast: Pillow's mean is light
    a, b = grey if name == "contrast" else (ours, theirs)
    inner = (slice(None), slice(None), slice(20, -20), slice(20, -20))
    assert np.abs(a - b)[inner].mean() < (0.03 if name in ("contrast", "colour jitter") else 0.004)
    assert np.abs(ours - x)[inner].mean() > 0.02


def test_pillow_moves_what_it_crops_flips_and_covers() -> None:
    x, pixels = benchmark.batch((1, 28, 28))
    flipped, cropped, covered = (
        benchmark.pillow(benchmark.CHANGES[name], pixels, lambda amount: amount)
        for name in ("flip", "crop, 4 pixels around", "cutout, 10 pixels")
    )
    np.testing.assert_allclose(flipped, x[..., ::-1], atol=1e-6)
    np.testing.assert_allclose(cropped[..., :24, :24], x[..., 4:, 4:], atol=1e-6)
    assert (cropped[..., 24:, :] == 0).all()
    assert (covered[..., 18:, 18:] == 0).all()
    np.testing.assert_allclose(covered[..., :18, :], x[..., :18, :], atol=1e-6)


def test_all_at_once_are_the_same_four_for_both() -> None:
    """RandomAffine and the function for Pillow, with the greatest amounts to one side."""
    x, pixels = benchmark.batch((3, 64, 64))
    change = benchmark.CHANGES["RandomAffine: all four at once"]

    class Most(td.Generator):
        def uniform(self, low: float = 0, high: float = 1, shape: Any = (), dtype: Any = np.float32) -> Any:
            return np.full(shape, high, dtype)

    ours = change.tinydl(None)(x, Most(0))
    theirs = benchmark.pillow(change, pixels, lambda amount: amount)
    inner = (slice(None), slice(None), slice(20, -20), slice(20, -20))
    assert np.abs(ours - theirs)[inner].mean() < 0.004 < 0.05 < np.abs(ours - x)[inner].mean()


def test_the_fastest_round_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 5, 10, 20, 20, 20, 21, 21])  # two calls in 20 seconds, then two in one
    monkeypatch.setattr(benchmark.time, "process_time", lambda: next(clock))
    calls: list[int] = []
    assert benchmark.fastest({"one": lambda: calls.append(1)}, rounds=2, seconds=0.0) == {"one": 0.5}
    assert len(calls) == 4


def test_the_table_and_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "OUT", tmp_path / "augmentation.json")
    monkeypatch.setattr(benchmark, "fastest", lambda contenders, *_: dict.fromkeys(contenders, 0.002) | (
        {"pillow": 0.008} if "pillow" in contenders else {}))  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["augmentation", "--rounds", "1"])
    benchmark.main()
    result = json.loads((tmp_path / "augmentation.json").read_text())
    assert len(result["rows"]) == 2 * len(benchmark.CHANGES) - 1  # grey has no colour
    text = (tmp_path / "augmentation.md").read_text()
    assert "| flip | 32 | 8 | 4.0 | 32 | 8 | 4.0 | 50% |" in text
    assert "| noise | 32 |  |  | 32 |  |  | 50% |" in text
    assert "| colour jitter |  |  |  | 32 | 8 | 4.0 |  |" in text
    assert "takes 2.0 ms of one core" in text
