"""benchmarks.scale: a point is measured in a process of its own, and exponents are those of the data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import networks, scale

ORIGIN: dict[str, Any] = {
    "command": "python -m benchmarks.scale",
    "date": "2026-11-21",
    "commit": "abc",
    "cores": 2,
    "OPENBLAS_NUM_THREADS": "not set",
    "versions": {"numpy": "2"},
}


def test_the_exponent_of_a_power() -> None:
    sizes = np.array([1.0, 2.0, 4.0, 8.0])
    values = 3 * sizes**1.5
    values[0] = 100  # a small point, where other costs rule, is not fitted
    assert scale.exponent(sizes, values) == pytest.approx(1.5)


def test_the_network_is_the_same_in_both_libraries() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (scale.network(make, 3, 4) for make in (networks.tinydl(), networks.pytorch(torch)))
    shapes = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes


def test_a_point_needs_more_memory_with_larger_batches() -> None:
    axes = {"seconds": 0.0, "size": 64, "depth": 2, "width": 16}
    small, large = (_point(batch=batch, **axes) for batch in (1, 16))
    assert small["seconds"] > 0
    assert 0 < small["bytes"] < large["bytes"]
    activations = 16 * 16 * 64 * 64 * 4  # of one layer in bytes
    assert 2 * activations < large["bytes"] < 40 * activations


def _point(**request: Any) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.scale",
        "--point",
        json.dumps({"contender": "tinydl", **request}),
    ]
    done = subprocess.run(command, cwd=scale.RESULTS.parents[1], check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def test_the_report(tmp_path: Path) -> None:
    curve = {"seconds": [0.1, 0.2], "bytes": [1e6, 3e6], "seconds_exponent": 1.0, "bytes_exponent": 1.58}
    result = {"axes": {"batch": {"sizes": [1, 2], "tinydl": curve, "torch": curve}}, **ORIGIN}
    assert "| batch | 2 | 200 | 1.00 | 200 | 1.00 | 3 | 1.58 | 3 | 1.58 |" in scale.table(result)
    scale.chart(result, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes()[:4] == b"\x89PNG"


def test_an_unknown_axis(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scale.main(["height"])
    assert "unknown axis 'height'; there are batch, size, depth, width" in capsys.readouterr().err
