"""`pytest --device strict`: what tests make is made there, they may look at it, and the engine may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import on_device
import tinydl as td
from tinydl import nn
from tinydl.data import DataLoader
from tinydl.recipes.recipe import Options

TESTS = Path(__file__).parent


@pytest.fixture
def on_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    on_device.make_default("strict", monkeypatch)


def of_the_engine(code: str, **names: Any) -> Any:
    """The value of code that stands in a module of tinydl."""
    return eval(code, {"__name__": "tinydl.planted", "np": np, **names})


@pytest.mark.usefixtures("on_strict")
def test_no_device_means_the_chosen_one() -> None:
    layer = nn.Dense(2, 3)
    made = [td.tensor([1.0]), td.ones(2), td.arange(3), td.eye(2), td.rand(2), *layer.parameters()]
    made += next(iter(DataLoader((np.ones((4, 2), np.float32),), 2)))
    made.append(layer(td.ones(1, 2)))
    assert {x.device.name for x in made} == {"strict"}
    assert Options(Path(), 1, 1).device == "strict"
    assert td.ones(2, device="cpu").device == "cpu"


@pytest.mark.usefixtures("on_strict")
def test_tests_look_and_the_engine_does_not() -> None:
    x = td.tensor([1.0, 2.0])
    assert x.numpy().tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(x, [1.0, 2.0])
    for leak in ("x.numpy()", "np.asarray(x)", "np.sum(x.data)", "np.testing.assert_array_equal(x, x)"):
        with pytest.raises((RuntimeError, TypeError), match=r"is on strict|device array"):
            of_the_engine(leak, x=x)


def test_the_table_of_tests_on_the_cpu_only_is_no_longer_than_needed() -> None:
    for beginnings in on_device.CPU_ONLY.values():
        for beginning in beginnings:
            path, _, name = beginning.partition("::")
            assert (TESTS / path).exists(), beginning
            assert not name or f"def {name.partition('[')[0]}" in (TESTS / path).read_text(), beginning
