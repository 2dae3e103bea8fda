"""`python -m benchmarks.profile`: what it lists. No time is judged."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

profile: ModuleType = pytest.importorskip("benchmarks.profile", reason="not started in the repository")


def test_kernels_of_a_step_and_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(profile, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["profile", "lenet-1", "--seconds", "0.01", "--save"])
    profile.main()
    text = (tmp_path / "profile.md").read_text()
    assert text in capsys.readouterr().out
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found = {(line[0].strip("| "), line[1]): line[2] for line in lines[1:-1]}
    assert found["Conv2d.forward", "cpu_conv.conv2d"] == "3"
    assert found["ConvWeightGradient.forward", "cpu_conv.conv2d_weight_gradient"] == "3"
    assert found["SGD.step", "cpu.updates"] == "1"
    assert lines[-1][0] == "| the rest"


def test_shares_are_of_the_whole_step() -> None:
    text = profile.table(
        "A network", 4.0, {("A.forward", "cpu.a"): (2, 1.0), ("B.forward", "cpu.b"): (1, 2.0)}
    )
    assert text.splitlines()[4:] == [
        "| B.forward | cpu.b | 1 | 2.00 | 50% |",
        "| A.forward | cpu.a | 2 | 1.00 | 25% |",
        "| the rest | | | 1.00 | 25% |",
    ]
