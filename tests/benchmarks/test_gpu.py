"""`python -m benchmarks.gpu` as far as it goes without a GPU: stages that fail or hang, reports, what it refuses."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

gpu: ModuleType = pytest.importorskip("benchmarks.gpu", reason="not started in the repository")
gpu_batch: ModuleType = pytest.importorskip("benchmarks.gpu_batch")
gpu_parity: ModuleType = pytest.importorskip("benchmarks.gpu_parity")
gpu_probe: ModuleType = pytest.importorskip("benchmarks.gpu_probe")
speed: ModuleType = pytest.importorskip("benchmarks.speed")
speed_report: ModuleType = pytest.importorskip("benchmarks.speed_report")

FACTS = {"date": "2026-11-21", "commit": "abc", "gpu": "a GPU", "cores": 16, "versions": {"numpy": "2"}}


def stage(name: str, code: str, limit: float = 30, **options: Any) -> Any:
    return gpu.Stage(name, f"Does {name} pass?", (sys.executable, "-c", code), limit, **options)


@pytest.mark.parametrize("module", ["gpu", "gpu_batch", "gpu_parity", "gpu_probe", "speed"])
def test_without_a_gpu_it_says_so_and_writes_nothing(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def none(*_: Any) -> Any:
        raise RuntimeError("device 'cuda': there is none")

    monkeypatch.setattr("tinydl.device.get_device", none)
    for name in ("gpu_batch", "gpu_parity", "gpu_probe", "speed"):
        monkeypatch.setattr(globals()[name], "get_device", none)
    asked = (
        ["--device", "cuda", "--save", str(tmp_path / "x")]
        if module == "speed"
        else ["--out", str(tmp_path / "x")]
    )
    monkeypatch.setattr(sys, "argv", [module, *asked])
    try:
        status = globals()[module].main()
    except SystemExit as error:
        status = error.code
    assert status == 1
    said = capsys.readouterr()
    assert "device 'cuda': there is none" in said.err
    assert not said.out
    assert not list(tmp_path.iterdir())


def test_a_stage_that_fails_or_hangs_keeps_none_from_running(tmp_path: Path) -> None:
    stages = [
        stage("good", "print('hello')"),
        stage("bad", "import sys; sys.exit(3)"),
        stage(
            "slow",
            "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
            0.5,
        ),
        stage("absent", "", needs="no-such-program"),
        stage("last", f"open({str(tmp_path / 'written')!r}, 'w')"),
    ]
    start = time.monotonic()
    summary = gpu.run_all(stages, tmp_path / "out", 60, FACTS)
    assert time.monotonic() - start < 30
    assert [record["ended"] for record in summary["stages"].values()] == [
        "passed", "failed", "too slow", "left out", "passed",
    ]  # fmt: skip
    assert summary["stages"]["bad"]["status"] == 3
    assert (tmp_path / "written").exists()
    assert (tmp_path / "out" / "good.txt").read_text() == "hello\n"
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    text = (tmp_path / "out" / "summary.md").read_text()
    for line in (
        "- gpu: a GPU",
        "- commit: abc",
        "failed with status 3",
        "too slow, ended after",
        "no-such-program is not",
    ):
        assert line in text


def test_what_a_stage_started_ends_with_it(tmp_path: Path) -> None:
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
    record = gpu.run(stage("slow", code, 2), tmp_path, 60)
    assert record["ended"] == "too slow"
    (number,) = (tmp_path / "slow.txt").read_text().split()
    for _ in range(100):
        if not _alive(int(number)):
            break
        time.sleep(0.02)
    assert not _alive(int(number))


def _alive(number: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def test_the_time_of_all_is_limited(tmp_path: Path) -> None:
    stages = [stage("first", "import time; time.sleep(60)"), stage("second", "")]
    summary = gpu.run_all(stages, tmp_path, 0.5, FACTS)
    assert [record["ended"] for record in summary["stages"].values()] == ["too slow", "left out"]
    assert sum(s.limit for s in gpu.STAGES) < 600  # the longest that all can take


def test_the_stages_are_commands_that_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran = []
    monkeypatch.setattr(gpu, "run_all", lambda stages, *_: ran.append(stages) or {"stages": {}})
    monkeypatch.setattr(sys, "argv", ["gpu", "--stages", "probe,speed", "--out", str(tmp_path)])
    assert gpu.main(lambda: {"gpu": "a GPU"}) == 0
    assert [s.name for s in ran[0]] == ["probe", "speed"]
    monkeypatch.setattr(sys, "argv", ["gpu", "--stages", "nothing"])
    with pytest.raises(SystemExit):
        gpu.main(dict)
    modules = {s.command[s.command.index("-m") + 1] for s in gpu.STAGES}
    root = Path(gpu.__file__).parents[1]
    for module in modules - {"pytest"}:
        assert (root / f"{module.replace('.', os.sep)}.py").exists()
    for s in gpu.STAGES:
        for part in s.command:
            assert not part.startswith("tests/") or (root / part).exists()


def test_questions_that_fail_leave_the_others() -> None:
    def good(device: Any) -> dict[str, Any]:
        return {"answer": device}

    def bad(device: Any) -> dict[str, Any]:
        raise ValueError("no")

    assert gpu_probe.ask_all(7, [bad, good]) == {"bad": {"failed": "ValueError: no"}, "good": {"answer": 7}}
    assert len(gpu_probe.QUESTIONS) == 7


def test_parity_compares_devices() -> None:
    found = {"mlp": gpu_parity.compare("mlp", "strict", 2)}
    assert set(found["mlp"]) == {"float32, eager", "float32, captured", "float64, eager", "float64, captured"}
    assert all(
        norm == 0 for norms in found["mlp"].values() for norm in norms.values()
    )  # it has the CPU's kernels
    assert gpu_parity.too_far(found) == []
    found["mlp"]["float64, captured"]["gradients"] = 1e-3
    found["mlp"]["float32, eager"]["losses"] = float("nan")
    assert gpu_parity.too_far(found) == [
        "mlp, float32, eager: losses differ by nan",
        "mlp, float64, captured: gradients differ by 1.0e-03",
    ]


def points(**seconds: list[float]) -> dict[str, list[dict[str, float]]]:
    return {
        way: [{"batch": 4**i, "seconds": s, "bytes": 2**20 * 4**i} for i, s in enumerate(found)]
        for way, found in seconds.items()
    }


@pytest.mark.parametrize(
    ("cpu", "captured", "batch"),
    [
        ([1, 2, 3], [0.5, 1, 2], 1),
        ([1, 2, 3], [2, 1, 2], 4),
        ([1, 2, 3], [0.5, 1, 4], None),
        ([1, 2], [2, 1, 1], 4),
    ],
)
def test_the_crossover(cpu: Any, captured: Any, batch: int | None) -> None:
    assert gpu_batch.crossover(points(cpu=cpu, captured=captured), "captured") == batch


def test_batches_are_measured_and_drawn(tmp_path: Path) -> None:
    from tinydl.device import cpu

    make: Callable[..., Any] = lambda row: gpu_batch.tinydl_step(row, cpu, False)

    def absent(row: Any) -> Any:
        raise ImportError("no torch")

    makers = {
        "cpu": make,
        "eager": make,
        "captured": lambda row: gpu_batch.tinydl_step(row, cpu, True),
        "torch": absent,
    }
    found = gpu_batch.measure([1, 2], 0.001, makers, lambda way: 1 << 20)
    assert [p["batch"] for p in found["captured"]] == [1, 2]
    assert found["torch"] == []
    result = {**FACTS, "points": found}
    assert "| batch | tinydl, CPU ms |" in gpu_batch.table(result)
    gpu_batch.chart(result, tmp_path / "batch.png")
    assert (tmp_path / "batch.png").read_bytes()[1:4] == b"PNG"


def timed(*seconds: float) -> dict[str, Any]:
    return {
        "version": "1",
        "losses": [2.0],
        "seconds": list(seconds),
        "means": list(seconds),
        "steps": [1] * len(seconds),
        "bytes": 2**21,
    }


def test_the_table_of_a_gpu(tmp_path: Path) -> None:
    row = {
        "title": "LeNet-5, batch 64", "floor": 1.0, "goal": 3.0,
        "contenders": {
            "tinydl": timed(0.002), "tinydl-compile": timed(0.0001), "torch": timed(0.0004) | {"processes": [0.0004]},
            "torch-graph": timed(0.0002),
        },
    }  # fmt: skip
    refused = {
        "title": "VAE",
        "floor": 1.0,
        "goal": 3.0,
        "contenders": {"tinydl": {"failed": "out of memory"}},
    }
    result = {
        **FACTS, "command": "python -m benchmarks.speed --device cuda", "rows": {"lenet-64": row, "vae": refused},
        "settings": {"processes": 1, "device": "cuda", "tf32": False},
        "machine": {"cpu": "a CPU", "used_cores": 2, "gpu": "a GPU",
                    "cuda_driver": 13000, "cuda_runtime": 13000, "cupy": "14.2.0"},
        "versions": {"python": "3.11", "numpy": "2"},
    }  # fmt: skip
    text = speed_report.table(result)
    assert "| LeNet-5, batch 64 | 0.1 | 0.4 | **4.00** | 4.00-4.00 | 3 | 2 (20.00) | 0.2 (2.00) |" in text
    assert "| VAE | - | - | failed | - | 3 |" in text
    assert "| LeNet-5, batch 64 | 2 | 2 | 2 | 2 |  |" in text
    assert "float32, no TF32, in all contenders" in text
    assert "a GPU, driver for CUDA 13000" in text
    speed_report.chart(result, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes()[1:4] == b"PNG"
    result["settings"]["tf32"] = True
    assert "TF32 in products and convolutions, in all contenders" in speed_report.table(result)


def test_float32_has_a_closer_tolerance_than_tf32() -> None:
    a, b = np.full(4, 1.0), np.full(4, 1.005)
    assert speed.disagreement(b, a) is not None
    assert speed.disagreement(b, a, speed.TF32_TOLERANCE) is None


def test_a_row_that_was_not_timed_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"tinydl-compile": timed(0.1), "torch": timed(0.2)},
        {"tinydl": {"failed": "why"}},
    ]
    monkeypatch.setattr(
        speed, "gpu", lambda: {"gpu": "a GPU", "cuda_driver": 1, "cuda_runtime": 1, "cupy": "1"}
    )
    monkeypatch.setattr(speed.os, "sched_setaffinity", lambda *_: None, raising=False)
    monkeypatch.setattr(
        speed, "measure", lambda *_: {"title": "x", "floor": 1, "goal": 3, "contenders": rows[0]}
    )
    monkeypatch.setattr(
        sys, "argv", ["speed", "--device", "cuda", "--rows", "vae", "--save", str(tmp_path / "gpu" / "x")]
    )
    speed.main()
    assert {path.name for path in (tmp_path / "gpu").iterdir()} == {"x.json", "x.md", "x.png"}
    rows.pop(0)
    with pytest.raises(SystemExit) as ended:
        speed.main()
    assert ended.value.code == 1
