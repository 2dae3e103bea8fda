"""A sweep: what is chosen on what, one look at the test part, and what survives an interruption."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.cli import main
from tinydl.data import nearest_neighbour_accuracy
from tinydl.data.images import ImageSet
from tinydl.sweep import NETWORKS, Plan, run, sweep
from tinydl.sweep.cells import Cell, divided
from tinydl.sweep.report import Findings, warnings
from tinydl.train import Trainer
from tinydl.train.checkpoint import load_model

PLAN = Plan(("mlp", "lenet"), {"lr": (0.001, 0.02)}, epochs=2, batch_size=32)
ARGUMENTS = [
    "sweep",
    "mlp",
    "lenet",
    "--grid",
    "lr=0.001,0.02",
    "--epochs",
    "2",
    "--batch-size",
    "32",
    "--quiet",
]
CELLS = [f"{network}/lr={value}" for network in ("mlp", "lenet") for value in ("0.001", "0.02")]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, few_digits: ImageSet) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "run"
    assert main([*ARGUMENTS, "--out", str(out)]) == 0
    return out


def table(out: Path) -> list[dict[str, str]]:
    """The rows of results.csv without what a clock said."""
    with (out / "results.csv").open(encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def weights(out: Path) -> dict[str, dict[str, bytes]]:
    found = {}
    for cell in CELLS:
        arrays = td.load(out / cell / "checkpoint.safetensors")
        found[cell] = {name: a.tobytes() for name, a in arrays.items() if name.startswith("model/")}
    return found


def test_the_best_on_validation_images_is_chosen_and_measured_on_the_test_part(
    done: Path, few_digits: ImageSet
) -> None:
    rows = table(done)
    assert [f"{row['network']}/lr={row['lr']}" for row in rows] == CELLS
    for network in PLAN.networks:
        own = [row for row in rows if row["network"] == network]
        best = max(own, key=lambda row: (float(row["validation_accuracy"]), -float(row["validation_loss"])))
        assert [row["chosen"] for row in own] == ["yes" if row is best else "no" for row in own]
        assert [row["test_accuracy"] != "" for row in own] == [row is best for row in own]
        settings = NETWORKS[network].settings("mnist", {})
        model = settings.build(td.Generator(9))
        load_model(done / network / f"lr={best['lr']}" / "checkpoint.safetensors", model)
        with td.no_grad():
            validation = divided(PLAN, few_digits)[1]
            for part, name in ((validation, "validation_accuracy"), (few_digits.test, "test_accuracy")):
                scores = model.eval()(td.tensor(settings.prepare(part.images)))
                measured = td.metrics.accuracy(scores, td.tensor(part.labels))
                assert float(best[name]) == pytest.approx(measured, abs=1e-12)


def test_the_table_the_chart_and_the_numbers(done: Path, few_digits: ImageSet) -> None:
    text = (done / "results.md").read_text(encoding="utf-8")
    rows = table(done)
    for row in rows:
        bold = "**" if row["chosen"] == "yes" else ""
        assert f"| {row['network']} | {row['lr']} |" in text
        assert f"{bold}{float(row['validation_accuracy']):.2%}{bold}" in text
    assert PLAN.command() in text
    assert "](sweep.png)" in text
    baseline = nearest_neighbour_accuracy(few_digits.train, few_digits.test)
    assert f"| {baseline:.2%} |" in text
    metrics = json.loads((done / "metrics.json").read_text())
    assert metrics["baseline_nearest_neighbour_accuracy"] == baseline
    for network in PLAN.networks:
        (chosen,) = (r for r in rows if r["network"] == network and r["chosen"] == "yes")
        assert metrics[f"chosen_{network}_lr"] == float(chosen["lr"])
        assert metrics[f"test_{network}_accuracy"] == float(chosen["test_accuracy"])
    assert (metrics["cells"], metrics["seed"], metrics["epochs"]) == (4, 0, 2)
    with Image.open(done / "sweep.png") as picture:
        assert picture.width > 800
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_test_part_is_looked_at_once_for_each_network_when_all_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    train, test = run.train, run.test_accuracy
    monkeypatch.setattr(run, "train", lambda *a: (told.append("train"), train(*a))[1])
    monkeypatch.setattr(run, "test_accuracy", lambda *a: (told.append(a[2].network), test(*a))[1])
    sweep(Plan(("mlp", "lenet"), {"lr": (0.01, 0.02, 0.03)}, 1), tmp_path, progress=False)
    assert told == ["train"] * 6 + ["mlp", "lenet"]


def test_parts_do_not_overlap_and_have_every_class(few_digits: ImageSet) -> None:
    train, validation = divided(PLAN, few_digits)
    assert (len(train.images), len(validation.images)) == (160, 40)
    assert np.bincount(validation.labels).tolist() == [4] * 10
    ours, theirs = ({image.tobytes() for image in part.images} for part in (train, validation))
    assert not ours & theirs
    assert not (ours | theirs) & {image.tobytes() for image in few_digits.test.images}


def test_cells_of_a_network_begin_with_the_same_weights_and_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bytes, ...]] = []
    step = Trainer.step

    def watched(self: Trainer, *batch: Any) -> Any:
        if self.optimizer.steps == 0:
            first = self.model.parameters()[0].numpy().tobytes()
            seen.append((first, *(part.numpy().tobytes() for part in batch)))
        return step(self, *batch)

    monkeypatch.setattr(Trainer, "step", watched)
    sweep(Plan(("mlp",), {"lr": (0.01, 0.02)}, 1), tmp_path, progress=False)
    assert len(seen) == 2
    assert seen[0] == seen[1]


@pytest.mark.parametrize("where", [(1, 1), (2, 0)])  # the cell, and the epochs that it had
def test_an_interrupted_sweep_goes_on_and_ends_with_the_same_bits(
    where: tuple[int, int], done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    epoch, begun = Trainer._epoch, []

    def interrupted(self: Trainer, *arguments: Any) -> Any:
        if not self.history.rows:
            begun.append(self)
        if (len(begun) - 1, len(self.history.rows)) == where:
            raise KeyboardInterrupt
        return epoch(self, *arguments)

    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    assert main([*ARGUMENTS, "--out", str(tmp_path)]) == 130
    assert "to go on, give the same command with --resume" in capsys.readouterr().err
    assert not (tmp_path / "results.csv").exists()

    trained: list[int] = []
    monkeypatch.setattr(Trainer, "_epoch", lambda self, *a: (trained.append(1), epoch(self, *a))[1])
    assert main([*ARGUMENTS, "--out", str(tmp_path), "--resume"]) == 0
    assert len(trained) == 2 * 4 - 2 * where[0] - where[1]  # the rest, and no epoch twice
    assert weights(tmp_path) == weights(done)
    assert table(tmp_path) == table(done)


def test_a_finished_sweep_resumed_trains_nothing(
    done: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before = {name: (done / name).read_bytes() for name in ("results.csv", "results.md", "sweep.png")}
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert main([*ARGUMENTS, "--out", str(done), "--resume"]) == 0
    assert {name: (done / name).read_bytes() for name in before} == before


def fails(arguments: list[str], capsys: Any) -> str:
    capsys.readouterr()
    assert main(arguments) == 1
    said: str = capsys.readouterr().err
    assert said.startswith("tinydl: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("networks", "options", "begun"),
    [
        ("mlp lenet", ["--grid", "lr=0.001,0.02,0.3"], "mlp lenet --grid lr=0.001,0.02 "),
        ("mlp lenet", ["--grid", "batch-size=8"], "mlp lenet --grid lr=0.001,0.02 "),
        ("mlp lenet", ["--grid", "lr=0.001,0.02", "--epochs", "3"], "--epochs 2"),
        ("mlp lenet", ["--grid", "lr=0.001,0.02", "--seed", "1"], "--seed 0"),
        ("mlp lenet vgg", ["--grid", "lr=0.001,0.02"], "mlp lenet --grid"),
    ],
)
def test_another_sweep_is_not_resumed(
    networks: str, options: list[str], begun: str, done: Path, capsys: Any
) -> None:
    """Values that are added after a look at the test part would be chosen on it."""
    before = (done / "sweep.json").read_bytes()
    usual = ["--epochs", "2", "--batch-size", "32", "--resume", "--out", str(done)]
    said = fails(["sweep", *networks.split(), *usual, *options], capsys)
    assert "this sweep was begun as: tinydl sweep" in said
    assert begun in said
    assert "leave --resume out to start anew" in said
    assert (done / "sweep.json").read_bytes() == before


def test_there_must_be_something_to_resume(tmp_path: Path, capsys: Any) -> None:
    said = fails([*ARGUMENTS, "--resume", "--out", str(tmp_path / "nothing")], capsys)
    assert f"--resume: there is no {tmp_path / 'nothing' / 'sweep.json'}; leave --resume out" in said


GOOD = {
    "network": "mlp",
    "values": {"lr": 0.001},
    "validation_accuracy": 0.5,
    "validation_loss": 1.0,
    "parameters": 10,
    "seconds": 1.0,
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        json.dumps({**GOOD, "network": "lenet"}).encode(),
        json.dumps({**GOOD, "values": {"lr": 0.02}}).encode(),
        json.dumps({**GOOD, "values": 3}).encode(),
        json.dumps({**GOOD, "validation_accuracy": 1.5}).encode(),
        json.dumps({**GOOD, "validation_accuracy": "0.5"}).encode(),
        json.dumps({**GOOD, "validation_accuracy": float("nan")}).encode(),
        json.dumps({**GOOD, "validation_loss": None}).encode(),
        json.dumps({**GOOD, "validation_loss": -1}).encode(),
        json.dumps({**GOOD, "parameters": None}).encode(),
        json.dumps({**GOOD, "seconds": "long"}).encode(),
        json.dumps({**GOOD, "more": 1}).encode(),
        json.dumps({"network": "mlp"}).encode(),
    ],
)
def test_a_damaged_cell_is_named(content: bytes, done: Path, capsys: Any) -> None:
    path = done / "mlp" / "lr=0.001" / "cell.json"
    whole = path.read_bytes()
    try:
        path.write_bytes(content)
        said = fails([*ARGUMENTS, "--resume", "--out", str(done)], capsys)
        assert f"{path}: damaged (" in said
        assert "delete it, and --resume trains this again" in said
    finally:
        path.write_bytes(whole)


def test_a_deleted_cell_is_trained_again(done: Path, capsys: Any) -> None:
    path, rows, bits = done / "mlp" / "lr=0.001", table(done), weights(done)
    (path / "cell.json").unlink()
    (path / "checkpoint.safetensors").unlink()
    assert main([*ARGUMENTS, "--resume", "--out", str(done)]) == 0
    assert (table(done), weights(done)) == (rows, bits)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"networks": 3}', b'{"networks": [], "grid": {}}'])
def test_a_damaged_plan_is_named(content: bytes, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "sweep.json").write_bytes(content)
    said = fails([*ARGUMENTS, "--resume", "--out", str(tmp_path)], capsys)
    assert f"{tmp_path / 'sweep.json'}: damaged (" in said


def test_without_resume_it_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier sweep left, from other settings perhaps, is not taken for its own."""
    plan = Plan(("mlp",), {"lr": (0.01,)}, 1)
    (first,) = sweep(plan, tmp_path, progress=False).cells
    path = tmp_path / "mlp" / "lr=0.01" / "cell.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "validation_accuracy": 1.0}))
    (again,) = sweep(plan, tmp_path, progress=False).cells
    assert again.validation_accuracy == first.validation_accuracy < 1

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "divided", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(plan, tmp_path, progress=False)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["mlp/lr=0.01/history.csv", "sweep.json"]


def test_a_value_that_diverges_is_said_and_never_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    fit = Trainer.fit

    def diverging(self: Trainer, *arguments: Any, **options: Any) -> Any:
        if self.schedule.max_lr > 0.5:  # type: ignore[union-attr]
            raise FloatingPointError("the loss of epoch 1 is nan")
        return fit(self, *arguments, **options)

    monkeypatch.setattr(Trainer, "fit", diverging)
    findings = sweep(Plan(("mlp",), {"lr": (1.0, 0.01)}, 1), tmp_path, progress=False)
    assert findings.chosen["mlp"].values == {"lr": 0.01}
    assert [cell.validation_accuracy is None for cell in findings.cells] == [True, False]
    assert "mlp lr=1: validation diverged" in capsys.readouterr().out
    assert "| diverged |" in (tmp_path / "results.md").read_text()
    again = sweep(Plan(("mlp",), {"lr": (1.0, 0.01)}, 1), tmp_path, resume=True, progress=False)
    assert again.cells == findings.cells

    none = sweep(Plan(("mlp",), {"lr": (1.0,)}, 1), tmp_path, progress=False)
    assert (none.chosen, none.test_accuracy) == ({}, {})
    assert [row["chosen"] for row in table(tmp_path)] == ["no"]


@pytest.mark.parametrize(
    ("grid", "best", "end"),
    [
        ((0.1, 0.2, 0.3), 0.3, "0.3, is the largest"),
        ((0.3, 0.1, 0.2), 0.1, "0.1, is the smallest"),
        ((0.1, 0.2, 0.3), 0.2, None),
        ((0.1, 0.2), 0.2, None),  # one of two is always an end
    ],
)
def test_a_value_at_an_end_of_the_grid_is_said(grid: Any, best: float, end: str | None) -> None:
    cell = Cell("mlp", {"lr": best}, 0.9, 0.1, 1, 0.0)
    findings = Findings(Plan(("mlp",), {"lr": grid}), [cell], {"mlp": cell}, {"mlp": 0.8}, "test", 0.7, 0.6)
    said = warnings(findings)
    assert [f"The best lr of mlp, {end} that was tried" in text for text in said] == [True] * (
        end is not None
    )


def test_two_hyperparameters_are_all_combined(tmp_path: Path) -> None:
    plan = Plan(("mlp",), {"width": (8, 16), "batch-size": (40, 80)}, 1)
    findings = sweep(plan, tmp_path, progress=False)
    assert [list(cell.values.values()) for cell in findings.cells] == [[8, 40], [8, 80], [16, 40], [16, 80]]
    sizes = [784 * w + w + w * (w // 2) + w // 2 + w // 2 * 10 + 10 for w in (8, 8, 16, 16)]
    assert [cell.parameters for cell in findings.cells] == sizes
    rows = [line for line in (tmp_path / "results.md").read_text().splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1


def test_of_equal_accuracies_the_smaller_loss_is_chosen() -> None:
    def cell(accuracy: float | None, loss: float | None) -> Cell:
        return Cell("mlp", {}, accuracy, loss, 1, 0.0)

    ranked = [cell(0.9, 0.2), cell(0.9, 0.3), cell(0.8, 0.1), cell(None, None)]
    mixed = [ranked[i] for i in (1, 3, 0, 2)]
    assert sorted(mixed, key=lambda c: c.rank, reverse=True) == ranked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["oracle"], "unknown network 'oracle'; there are mlp"),
        (["--grid", "lr="], "expected a number as a value of lr, got ''"),
        (["--grid", "lr=fast"], "got 'fast'"),
        (["--grid", "speed=1"], "with a NAME among lr, batch-size"),
        (["--epochs", "0"], "expected an integer of 1 or more"),
    ],
)
def test_what_is_asked_wrongly_ends_with_status_2(arguments: list[str], said: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_what_does_not_go_together_is_one_sentence(tmp_path: Path, capsys: Any) -> None:
    out = ["--out", str(tmp_path / "x")]
    assert "lenet has no width" in fails(["sweep", "lenet", "--grid", "width=8", *out], capsys)
    twice = ["sweep", "--grid", "lr=1", "--grid", "lr=2", *out]
    assert "expected one --grid for each hyperparameter" in fails(twice, capsys)
    assert "device 'abacus'" in fails(["sweep", "--device", "abacus", *out], capsys)
    (tmp_path / "file").touch()
    assert "file" in fails(["sweep", "mlp", "--out", str(tmp_path / "file")], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
