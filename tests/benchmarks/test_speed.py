"""`python -m benchmarks.speed`: processes that answer, pairs that are refused, and the report. No time is judged."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

speed: ModuleType = pytest.importorskip("benchmarks.speed", reason="not started in the repository")
speed_report: ModuleType = pytest.importorskip("benchmarks.speed_report")
contender: ModuleType = pytest.importorskip("benchmarks.contender")
rows: ModuleType = pytest.importorskip("benchmarks.rows")

SAME = [2.0, 1.5, 1.2, 1.0]


@pytest.fixture
def mlp() -> Any:
    """Measures the row of the MLP, one short block of each."""
    if find_spec("torch") is None:  # imported by its own process only
        pytest.skip("PyTorch is not installed: nothing to compare with (pip install '.[bench]')")
    return lambda *others: speed.measure("mlp", others, rounds=1, seconds=0.002, tries=1)


def result(**rows: Any) -> dict[str, Any]:
    return {
        "command": "python -m benchmarks.speed",
        "settings": {"processes": 3},
        "machine": {"cpu": "a processor", "used_cores": 2},
        "cores": 4,
        "date": "2026-11-21",
        "commit": "abc",
        "versions": {"python": "3.11", "numpy": "2.4"},
        "rows": rows,
    }


def row(**contenders: Any) -> dict[str, Any]:
    return {"title": "MLP", "floor": 0.85, "goal": 1.2, "contenders": contenders}


def timed(*seconds: float) -> dict[str, Any]:
    seconds_of = {"seconds": list(seconds), "means": list(seconds), "steps": [1] * len(seconds)}
    return {"version": "1", "losses": SAME, **seconds_of}


def test_a_row_is_measured(mlp: Any) -> None:
    found = mlp()["contenders"]
    assert set(found) == {"tinydl", "torch"}
    for contender in found.values():
        assert speed.disagreement(contender["losses"], found["tinydl"]["losses"]) is None
        assert len(contender["seconds"]) == len(contender["means"]) == 1
        assert contender["seconds"][0] > 0
        assert contender["steps"][0] >= 1
    losses = found["tinydl"]["losses"]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == 4  # it learns, so that losses tell wrong gradients


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Altered(speed.Process):
        """tinydl in PyTorch's place, with changed weights."""

        def __init__(self, contender: str, *_: Any) -> None:
            super().__init__("tinydl")
            self.altered = contender == "torch"

        def load(self, row: str, arrays: Path) -> Any:
            if self.altered:
                with np.load(arrays) as file:
                    changed = dict(file)
                changed["4.weight"] *= 3
                arrays = arrays.with_name("altered.npz")
                np.savez(arrays, **changed)
            return super().load(row, arrays)

    monkeypatch.setattr(speed, "Process", Altered)
    found = speed.measure("mlp", (), rounds=1, seconds=0.002, tries=1)
    losses = {name: contender["losses"] for name, contender in found["contenders"].items()}
    assert losses["torch"][0] != losses["tinydl"][0]
    assert "before the first step" in found["contenders"]["torch"]["refused"]
    assert "seconds" not in found["contenders"]["tinydl"]
    text = speed_report.table(result(mlp=found))
    assert "| refused |" in text
    assert all(f"{losses[name][0]:.7g}" in text for name in losses)


@pytest.mark.parametrize(
    ("losses", "when"),
    [
        ([2.0003, 1.5, 1.2, 1.0], "before the first step"),
        ([2.0, 1.4997, 1.2, 1.0], "after one step"),
        ([2.0, 1.5, 1.2, 1.0002], "after three steps"),
        ([2.0, float("nan"), 1.2, 1.0], "after one step"),
    ],
)
def test_losses_that_differ(losses: list[float], when: str) -> None:
    assert when in speed.disagreement(losses, SAME)
    assert speed.disagreement([value * 1.00005 for value in SAME], SAME) is None


def test_a_contender_that_fails_says_so(tmp_path: Path) -> None:
    process = speed.Process("tinydl")
    try:
        with pytest.raises(speed.Failed, match="FileNotFoundError"):
            process.load("mlp", tmp_path / "nothing.npz")
    finally:
        process.close()
    with pytest.raises(speed.Failed, match="has ended"):
        speed.Process("nobody")


def test_what_is_not_installed_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mygrad.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(speed.Absent, match="not here"):
        speed.Process("mygrad")


def test_contenders_get_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def popen(*_: Any, env: dict[str, str], **__: Any) -> Any:
        raise InterruptedError(env)

    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    monkeypatch.setattr(speed.subprocess, "Popen", popen)
    with pytest.raises(InterruptedError) as error:
        speed.Process("tinydl")
    (env,) = error.value.args
    assert "SOMETHING_ELSE" in env
    assert not [name for name in env if "THREADS" in name]


def test_the_table(tmp_path: Path) -> None:
    first = row(
        tinydl=timed(0.001, 0.002, 0.001),
        torch=timed(0.002, 0.003, 0.003) | {"processes": [0.002, 0.004]},
        jax={"absent": "No module named 'jax'"},
        mygrad=timed(0.004, 0.004, 0.004),
    )
    second = row(tinydl=timed(0.001, 0.001, 0.001), torch=timed(0.001, 0.001, 0.001)) | {"title": "U-Net"}
    found = result(mlp=first, unet=second)
    assert speed_report.ratios(first) == pytest.approx([2.0, 1.5, 3.0])
    lines = speed_report.table(found).splitlines()
    line = "| MLP | 1 | 3 | **2.00** | 1.75-2.50 | 0.85 | 1.2 | absent | 4 (4.00) |"
    assert line in lines
    assert "| U-Net | 1 | 1 | **1.00** | 1.00-1.00 | 0.85 | 1.2 |  |  |" in lines
    assert "| MLP | 2, 4 |" in lines
    assert "- JAX jit absent: No module named 'jax'" in lines
    speed_report.chart(found, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes()[1:4] == b"PNG"


def test_what_is_asked_wrongly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (
        ["--device", "abacus"],
        ["--tf32"],
        ["--rows", "mlp,nothing"],
        ["--contenders", "nobody"],
        ["--device", "cuda", "--contenders", "jax"],
    ):
        monkeypatch.setattr(sys, "argv", ["speed", *wrong])
        with pytest.raises(SystemExit):
            speed.main()
    said = capsys.readouterr().err
    assert "invalid choice: 'abacus'" in said
    assert "--tf32: expected --device cuda" in said
    assert "--contenders: jax unknown; there are tinydl-compile" in said
    assert "--rows: nothing unknown" in said
    assert "--contenders: nobody unknown" in said


def test_results_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = {"mlp": row(tinydl=timed(0.001), torch=timed(0.002))}
    monkeypatch.setattr(speed, "RESULTS", tmp_path)
    monkeypatch.setattr(speed, "measure", lambda name, *_: rows[name])
    monkeypatch.setattr(speed.os, "sched_setaffinity", lambda *_: None, raising=False)
    monkeypatch.setattr(sys, "argv", ["speed", "--rows", "mlp"])
    speed.main()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "argv", ["speed", "--rows", "mlp", "--save"])
    speed.main()
    assert {path.name for path in tmp_path.iterdir()} == {"speed.json", "speed.md", "speed.png"}
    written = json.loads((tmp_path / "speed.json").read_text())
    assert written["rows"] == rows
    assert {"machine", "versions", "date", "commit", "settings", "command"} <= set(written)


def test_shards_have_a_ratio_of_their_own(tmp_path: Path) -> None:
    measured = row(
        tinydl=timed(4.0), torch=timed(3.0) | {"processes": [3.0]}, **{"tinydl-shards": timed(2.0)}
    )
    text = speed_report.table(result(mlp=measured))
    assert "| tinydl, 2 shards |" in text
    assert "| 2e+03 (**1.50**) |" in text
    assert "**0.75**" in text
    speed_report.chart(result(mlp=measured), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 1000


def test_shards_make_the_steps_of_one_process(mlp: Any) -> None:
    found = mlp("tinydl-shards")["contenders"]
    np.testing.assert_allclose(found["tinydl-shards"]["losses"], found["tinydl"]["losses"], rtol=1e-5)


def test_sets_of_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def measure(row: str, *settings: Any) -> Any:
        asked.append(row)
        raise KeyboardInterrupt

    monkeypatch.setattr(speed, "measure", measure)
    for name in rows.SETS:
        monkeypatch.setattr(sys, "argv", ["speed", "--rows", name])
        with pytest.raises(KeyboardInterrupt):
            speed.main()
    assert asked == [names[0] for names in rows.SETS.values()] == ["mlp", "mlp-100", "mlp-1"]
    assert sorted(rows.ROWS_BY_NAME) == sorted(name for names in rows.SETS.values() for name in names)
    for name in (*rows.SETS["odd"], *rows.SETS["single"]):
        row = rows.ROWS_BY_NAME[name]
        kind = row.title.split(",")[0].split()[0]
        like = next(r for r in rows.ROWS.values() if r.title.startswith(kind))
        assert (row.floor, row.goal) == (2 * like.floor / 3, 2 * like.goal / 3)


@pytest.mark.parametrize("name", [n for n in (*rows.SETS["odd"], *rows.SETS["single"]) if "resnet" not in n])
def test_a_row_of_another_size_is_the_same_in_both_libraries(name: str) -> None:
    pytest.importorskip("torch")
    torch = contender.CONTENDERS["torch"]()[1]
    arrays = rows.ROWS_BY_NAME[name].initial()
    batch = [arrays.pop(key) for key in sorted(arrays) if key.startswith("batch.")]
    ours, theirs = (start(rows.ROWS_BY_NAME[name], arrays, batch) for start in (contender.tinydl()[1], torch))
    for _ in range(2):
        assert ours() == pytest.approx(theirs(), rel=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_memory_is_that_of_the_network_and_its_steps(tmp_path: Path) -> None:
    row, size = rows.ROWS["mlp"], 4 * (784 * 512 + 512 * 256)
    np.savez(tmp_path / "arrays.npz", **row.initial())
    process = speed.Process("tinydl")  # where nothing has been freed before
    try:
        process.load("mlp", tmp_path / "arrays.npz")
        assert 3 * size < process.memory() < 30 * size  # weights, gradients, momentum
    finally:
        process.close()


def test_no_words_of_a_chart_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of that with the longest titles."""
    drawn: list[Any] = []
    monkeypatch.setattr(speed_report.plt, "close", drawn.append)
    result = json.loads((speed.RESULTS / "speed_odd.json").read_text())
    speed_report.chart(result, tmp_path / "chart.png")
    (figure,) = drawn
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0
    assert box.x1 <= width
    assert box.y0 >= 0
    assert box.y1 <= height
