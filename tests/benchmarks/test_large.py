"""`python -m benchmarks.large`: figures of one process each, twins, and the table. No time is judged."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinydl as td

large: ModuleType = pytest.importorskip("benchmarks.large", reason="not started in the repository")
contender: ModuleType = pytest.importorskip("benchmarks.large_contender")

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")


def figures(peak: float) -> dict[str, Any]:
    memory = {"imports_mib": 50.0, "loaded_mib": 100.0, "peak_mib": peak}
    return {"version": "1.0", **memory, "seconds": [2.0, 1.5], "cpu_seconds": [1.25, 1.75]}


def found(difference: float = 1e-6) -> dict[str, Any]:
    losses = {"tinydl": [2.0, 1.0], "torch": [2.0, 1.25]}
    return {"difference": difference, "losses": losses, "tinydl": figures(350.0), "torch": figures(250.0)}


def result(**networks: Any) -> dict[str, Any]:
    return {
        "command": "python -m benchmarks.large",
        "batch": 2,
        "repetitions": 2,
        "machine": {"cpu": "a processor"},
        "pytorch": "2.0",
        "date": "2026-11-21",
        "commit": "abc",
        "versions": {"tinydl": "0.1", "python": "3.11", "numpy": "2.4"},
        "networks": networks,
    }


def test_the_table() -> None:
    text = large.table(result(vgg16={"forward": found(), "step": found(0.5)}))
    assert "| VGG16 | forward | 300 (350) | 200 (250) | **1.50** | 1.50 | 1.50 | 1.25 | 1.25 |" in text
    assert "| VGG16 | training step | refused: other numbers | - |" in text
    assert "VGG16 2.0000, 1.0000 and 2.0000, 1.2500." in text
    assert "| refused" in large.table(result(vgg16={"step": found(float("nan"))}))
    assert "The largest whole is 0.3 GiB." in text
    assert "a processor; tinydl 0.1, PyTorch 2.0, python 3.11, numpy 2.4." in text


def test_measurements_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def answer(*arguments: str) -> dict[str, Any]:
        asked.append(arguments[:5])
        value = 2.0 if arguments[0] == "tinydl" else 2.5
        return {} if arguments[2] == "weights" else figures(300.0) | {"values": [[value], [1.0]]}

    monkeypatch.setattr(large, "contender", answer)
    monkeypatch.setattr(large, "RESULTS", tmp_path)
    large.main(["--networks", "resnet152", "--batch", "1", "--repetitions", "2", "--save"])
    assert asked == [
        ("tinydl", "resnet152", "weights", "0", "0"),
        ("tinydl", "resnet152", "forward", "1", "2"),
        ("torch", "resnet152", "forward", "1", "2"),
        ("tinydl", "resnet152", "step", "1", "2"),
        ("torch", "resnet152", "step", "1", "2"),
    ]
    written = json.loads((tmp_path / "large.json").read_text())
    step = written["networks"]["resnet152"]["step"]
    assert step["difference"] == pytest.approx(0.2)
    assert step["losses"] == {"tinydl": [2.0, 1.0], "torch": [2.5, 1.0]}
    assert (
        written["command"]
        == "python -m benchmarks.large --networks resnet152 --batch 1 --repetitions 2 --save"
    )
    assert "refused" in (tmp_path / "large.md").read_text()


@linux
def test_both_libraries_compute_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    networks = pytest.importorskip("benchmarks.large_networks")
    nn = td.nn
    monkeypatch.setattr(contender, "SIZE", 6)
    monkeypatch.setattr(contender, "SGD", {"lr": 0.1, "momentum": 0.9})
    layers = lambda library, dense: [
        library.Conv2d(3, 4, 3),
        library.ReLU(),
        library.Flatten(),
        dense(64, 1000),
    ]
    small = nn.Sequential(*layers(nn, nn.Dense))
    monkeypatch.setitem(contender.MODELS, "small", lambda: copy.deepcopy(small))
    monkeypatch.setitem(
        networks.NETWORKS, "small", lambda: torch.nn.Sequential(*layers(torch.nn, torch.nn.Linear))
    )
    for name, array in small.state_dict().items():
        np.save(tmp_path / f"{name}.npy", array)
    for what, shape in (("forward", (3, 2000)), ("step", (3, 1))):
        ours, theirs = (contender.measured(each, "small", what, 2, 3, tmp_path) for each in contender.START)
        values = [np.array(each["values"]) for each in (ours, theirs)]
        assert values[0].shape == values[1].shape == shape
        np.testing.assert_allclose(values[0], values[1], rtol=1e-4, atol=1e-5)
        assert len(np.unique(values[0][:, 0])) == (
            3 if what == "step" else 1
        )  # it learns, or computes the same again
        for each in (ours, theirs):
            assert 0 < each["imports_mib"] <= each["peak_mib"]
            assert len(each["seconds"]) == len(each["cpu_seconds"]) == 3


def test_the_twins_have_the_same_names_and_shapes() -> None:
    torch = pytest.importorskip("torch")
    networks = pytest.importorskip("benchmarks.large_networks")
    assert list(networks.NETWORKS) == list(contender.MODELS) == list(large.TITLES)
    with torch.device("meta"):  # without weights
        twins = {name: build().state_dict() for name, build in networks.NETWORKS.items()}
    ours = contender.MODELS["resnet152"]().state_dict()
    shapes = [(name, tuple(value.shape)) for name, value in twins["resnet152"].items()]
    assert shapes == [(name, value.shape) for name, value in ours.items()]
    assert sum(value.numel() for value in twins["vgg16"].values()) == 138_357_544


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(large.Failed, match="KeyError"):
        large.contender("tinydl", "nothing", "weights", "0", "0", "none")
