"""Every example runs from its first line to its last, for one epoch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "gallery.py")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "agg"}
    command = [sys.executable, str(EXAMPLES / name), "1"]
    process = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert re.search(r"\d", process.stdout), "it says no figure"
    assert not re.search(r"\b(nan|inf)\b", process.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_on_two_screens(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 85
