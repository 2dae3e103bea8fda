"""`tinydl train xor`: solved for every seed, the same again, and the same when it was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.recipes import RECIPES, Options
from tinydl.recipes.xor import run
from tinydl.train import Trainer

FILES = ["boundary.png", "checkpoint.safetensors", "curves.png", "history.csv"]


def options(out: Path, **others: Any) -> Options:
    recipe = RECIPES["xor"]
    chosen = {"out": out, "epochs": recipe.epochs, "batch_size": recipe.batch_size, "progress": False}
    return Options(**{**chosen, **others})


def bits(out: Path) -> dict[str, bytes]:
    return {name: a.tobytes() for name, a in td.load(out / "checkpoint.safetensors").items()}


def losses(out: Path) -> list[list[str]]:
    """The history without the seconds."""
    return [line.split(",")[:-1] for line in (out / "history.csv").read_text().splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("xor")
    return out, run(options(out))


def test_its_files(done: tuple[Path, dict[str, Any]]) -> None:
    out, metrics = done
    assert sorted(p.name for p in out.iterdir()) == FILES
    for name in ("boundary.png", "curves.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 5
    assert metrics["accuracy"] == 1
    assert metrics["parameters"] == 17
    assert metrics["train_loss"] < 0.05
    assert len(losses(out)) == 201


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_solved_from_every_start(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(options(tmp_path, seed=seed))["accuracy"] == 1
    assert capsys.readouterr().out.startswith("xor: 100% of the four rows right")


def test_the_same_seed_gives_the_same_bits(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, _ = done
    run(options(tmp_path))
    assert bits(tmp_path) == bits(out)
    assert losses(tmp_path) == losses(out)
    assert (tmp_path / "boundary.png").read_bytes() == (out / "boundary.png").read_bytes()


@pytest.mark.parametrize("stop", [60, 100, 199])
def test_an_interrupted_run_draws_the_same_picture(
    stop: int, done: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = Trainer._epoch

    def interrupted(self: Trainer, *arguments: Any) -> Any:
        if len(self.history.rows) == stop:
            raise KeyboardInterrupt
        return epoch(self, *arguments)

    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(options(tmp_path))
    monkeypatch.undo()
    run(options(tmp_path, resume=True))
    out, _ = done
    assert bits(tmp_path) == bits(out)
    assert losses(tmp_path) == losses(out)
    assert (tmp_path / "boundary.png").read_bytes() == (out / "boundary.png").read_bytes()


def test_one_epoch_is_enough_for_a_picture(tmp_path: Path) -> None:
    metrics = run(options(tmp_path, epochs=1))
    assert metrics["accuracy"] <= 0.75
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
