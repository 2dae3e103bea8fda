"""`tinydl train perceptron`: what it says, what it writes, and the same again for the same seed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tinydl.cli import main
from tinydl.data import apples_oranges, or_gate, xor
from tinydl.recipes import Options
from tinydl.recipes.perceptron import chosen, learn, run


def options(out: Path, **others: Any) -> Options:
    return Options(**{"out": out, "epochs": 12, "batch_size": 1, "seed": 0, "progress": False, **others})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("perceptron")
    return out, run(options(out))


def test_or_and_apples_are_learned_and_xor_is_not(done: tuple[Path, dict[str, Any]]) -> None:
    _, metrics = done
    assert metrics["or_gate_accuracy"] == metrics["apples_oranges_accuracy"] == 1
    assert metrics["or_gate_learned"] is metrics["apples_oranges_learned"] is True
    assert metrics["xor_learned"] is False
    assert metrics["xor_accuracy"] <= 0.75


def test_its_files(done: tuple[Path, dict[str, Any]]) -> None:
    out, _ = done
    pictures = ["apples_oranges.png", "or_gate.png", "xor.png"]
    assert sorted(p.name for p in out.iterdir()) == sorted([*pictures, "history.csv"])
    for name in pictures:
        with Image.open(out / name) as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 5
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(i) for i in range(1, 13)]
    assert all(int(row["xor_corrections"]) > 0 for row in rows)
    assert [row["or_gate_corrections"] for row in rows[:5]] == ["1", "2", "1", "0", ""]


def test_its_titles_read_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = []
    monkeypatch.setattr("tinydl.plot.boundaries", lambda *arguments: titles.append(arguments[5:]))
    run(options(tmp_path, epochs=1))
    assert titles == [
        (tmp_path / "apples_oranges.png", "A perceptron: apples and oranges"),
        (tmp_path / "or_gate.png", "A perceptron: OR"),
        (tmp_path / "xor.png", "A perceptron: XOR"),
    ]


def test_the_same_seed_gives_the_same_files(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, metrics = done
    again = run(options(tmp_path))
    assert {**again, "seconds": 0} == {**metrics, "seconds": 0}
    for path in out.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_one_pass_is_not_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = run(options(tmp_path, epochs=1))
    assert not metrics["or_gate_learned"]
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    capsys.readouterr()


def test_learning_stops_when_there_is_nothing_to_correct() -> None:
    for table in (or_gate.load(), apples_oranges.load(generator=1)):
        corrections, steps = learn(table, 10**9)
        assert corrections[-1] == 0
        assert all(corrections[:-1])
        assert len(steps) == 1 + sum(corrections)
        assert (np.asarray(steps[-1][1](table.x)) == table.y).all()
        assert not np.asarray(steps[0][1](table.x)).any()  # an earlier step stays what it was
    assert len(learn(xor.load(), 7)[0]) == 7


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 100])
def test_the_first_and_the_last_step_are_among_the_chosen(count: int) -> None:
    steps: list[Any] = [(str(i), None) for i in range(count)]
    picked = chosen(steps)
    assert len(picked) == min(count, 8)
    assert picked == sorted(picked, key=steps.index)
    assert (picked[0], picked[-1]) == (steps[0], steps[-1])


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "perceptron", "--epochs", "5", "--out", str(tmp_path), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "or_gate          learned after 3 passes; corrections in each pass: 1, 2, 1, 0" in said
    assert "xor              never learned: no line separates it" in said
    assert "metrics.json" in said
