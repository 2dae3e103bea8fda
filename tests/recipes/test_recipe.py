"""What recipes share: options, metrics.json, and that a run is resumed only as what it was."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tinydl.recipes import RECIPES, Options
from tinydl.recipes.recipe import SameRun, versions, write_metrics


def options(out: Path, **others: Any) -> Options:
    return Options(**{"out": out, "epochs": 2, "batch_size": 3, **others})


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_metrics_are_strict_json(tmp_path: Path) -> None:
    write_metrics(
        options(tmp_path, seed=2**127), {"accuracy": 1 / 3, "name": "ü", "learned": True, "none": None}
    )
    text = (tmp_path / "metrics.json").read_text(encoding="ascii")
    assert text.endswith("}\n")
    metrics = json.loads(text, parse_constant=no_constant)
    assert metrics["accuracy"] == 1 / 3
    assert (metrics["name"], metrics["learned"], metrics["none"]) == ("ü", True, None)
    assert (metrics["epochs"], metrics["batch_size"], metrics["seed"]) == (2, 3, 2**127)
    assert metrics["device"] == options(tmp_path).device
    assert metrics["versions"] == versions()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_json_can_not_say_is_refused_and_the_old_file_stays(number: float, tmp_path: Path) -> None:
    write_metrics(options(tmp_path), {"loss": 1.0})
    before = (tmp_path / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_metrics(options(tmp_path), {"loss": number})
    assert (tmp_path / "metrics.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_versions_name_everything_that_bits_depend_on() -> None:
    assert set(versions()) == {"tinydl", "python", "numpy", "pillow", "matplotlib", "safetensors", "machine"}
    assert all(isinstance(value, str) and value for value in versions().values())


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    assert options(tmp_path).resume_from() is None
    with pytest.raises(FileNotFoundError, match=re.escape(f"--resume: there is no {tmp_path}")):
        options(tmp_path, resume=True).resume_from()
    options(tmp_path).checkpoint.touch()
    assert options(tmp_path, resume=True).resume_from() == tmp_path / "checkpoint.safetensors"
    assert options(tmp_path).resume_from() is None


def test_a_run_goes_on_only_as_the_same(tmp_path: Path) -> None:
    state = SameRun(options(tmp_path)).state_dict()
    SameRun(options(tmp_path / "moved", progress=False)).load_state_dict(json.loads(json.dumps(state)))
    for changed, begun in (
        ({"epochs": 3}, "--epochs 2"),
        ({"batch_size": 4, "seed": 5}, "--batch-size 3 --seed 0"),
        ({"data": "fashion_mnist"}, "--data mnist"),
        ({"source": "full"}, "--source embedded"),
    ):
        with pytest.raises(
            ValueError, match=f"this run was begun with {begun}; give the same, or leave --resume"
        ):
            SameRun(options(tmp_path, **changed)).load_state_dict(state)
    with pytest.raises(ValueError, match="begun with --epochs None"):
        SameRun(options(tmp_path)).load_state_dict({})


def test_recipes_go_by_their_names_and_say_what_they_do() -> None:
    assert list(RECIPES)[:4] == ["perceptron", "xor", "mlp", "lenet"]
    for name, recipe in RECIPES.items():
        assert name == recipe.name
        assert recipe.summary
        assert recipe.epochs >= 1
        assert recipe.batch_size >= 1


def test_parts_of_a_run_have_folders_of_their_own(tmp_path: Path) -> None:
    first, second = options(tmp_path).parts("first", "second")
    assert (first.checkpoint, second.out) == (
        tmp_path / "first" / "checkpoint.safetensors",
        tmp_path / "second",
    )
    assert not first.resume


def test_a_resumed_run_starts_the_parts_that_it_had_not_begun(tmp_path: Path) -> None:
    resumed = options(tmp_path, resume=True)
    with pytest.raises(FileNotFoundError, match=re.escape(f"there is no {tmp_path / 'first'}")):
        resumed.parts("first", "second")
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "checkpoint.safetensors").touch()
    first, second = resumed.parts("first", "second")
    assert (first.resume, second.resume) == (True, False)
