"""`python -m benchmarks.seeds`: means over seeds, and the table of all networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tinydl.recipes.recipe import Recipe

seeds: ModuleType = pytest.importorskip("benchmarks.seeds", reason="not started in the repository")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A network that learns its seed."""
    run: Any = lambda options: {
        "test_loss": options.seed + 1.0,
        "data": "none",
        "learned": True,
        "seconds": 0.5,
    }
    monkeypatch.setattr(seeds, "RECIPES", {"net": Recipe("net", "a network", 3, 4, run)})
    monkeypatch.setattr(seeds, "RESULTS", tmp_path)


def test_means_and_the_table(recipe: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["seeds", "net", "--seeds", "3"])
    seeds.main()
    found = json.loads((tmp_path / "networks" / "net.json").read_text())
    assert found["mean"] == {"test_loss": 2.0, "seconds": 0.5}
    assert found["deviation"]["test_loss"] == pytest.approx((2 / 3) ** 0.5)
    assert [run["seed"] for run in found["runs"]] == [0, 1, 2]
    monkeypatch.setattr(sys, "argv", ["seeds", "--report"])
    seeds.main()
    text = (tmp_path / "networks.md").read_text()
    assert "## net: a network" in text
    assert "| test_loss | 2 | 0.82 | 1 |" in text


def test_an_unknown_network(recipe: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["seeds", "other"])
    with pytest.raises(SystemExit):
        seeds.main()
