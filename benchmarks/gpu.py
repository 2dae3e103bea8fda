"""All that only a GPU can tell, in one call of less than ten minutes: checks first, then figures.

    python -m benchmarks.gpu                                  writes into benchmarks/results/gpu
    python -m benchmarks.gpu --stages probe,speed --minutes 5 --out DIR

Stages run one after the other, each in processes of its own with a time limit; one that fails or takes too long does
not keep the next from running. What each prints is in NAME.txt, its figures in files of their own, and how it ended in
summary.json and summary.md, with date, commit, GPU and versions. Needs `pip install -e ".[test,bench]"` and CuPy. Where
there is no .git, as in a copy of the files, TINYDL_COMMIT says which commit they are. Without a GPU nothing is written.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance
from benchmarks.speed import RESULTS, gpu

ROOT = RESULTS.parents[1]


@dataclass(frozen=True)
class Stage:
    """A question, the command that answers it, and the seconds it may take. `{out}` is the folder of results.

    `needs` is a program without which the stage is left out.
    """

    name: str
    question: str
    command: tuple[str, ...]
    limit: int
    needs: str | None = None


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return sys.executable, "-m", module, *arguments


_QUICK = ("--device", "cuda", "--rounds", "5", "--seconds", "0.15", "--processes", "1")
_TESTS = ("--device", "cuda", "-q", "-p", "no:cacheprovider")
_ONLY_CAPTURED = "--contenders", "tinydl-compile,torch-graph"
_SANITIZER = "compute-sanitizer", "--tool", "memcheck", "--error-exitcode", "9"
# Tests of the kernels, which run them on the CPU otherwise; not with --device, where they are left out.
_ON_THE_GPU = "env", "TINYDL_KERNELS=gpu"
_KERNEL_TESTS = "-q", "-p", "no:cacheprovider", "-p", "no:xdist"
_SANITIZED = tuple(f"tests/kernels/cuda/test_{name}.py" for name in ("optim", "random", "conv", "pool"))
STAGES = (
    Stage(
        "probe",
        "Are our products and kernels captured, and what does a call cost?",
        _python("benchmarks.gpu_probe", "--out", "{out}/probe.json"),
        60,
    ),
    Stage(
        "parity",
        "Are gradients and training steps those of the CPU, by relative norm, in float32 and float64, captured or not?",
        _python("benchmarks.gpu_parity", "--out", "{out}/parity.json"),
        60,
    ),
    Stage(
        "speed",
        "How long is a step, and how much memory does it take, beside PyTorch eager and PyTorch's graphs?",
        _python("benchmarks.speed", *_QUICK, "--save", "{out}/speed"),
        110,
    ),
    Stage(
        "tests",
        "Does the whole suite pass on the GPU, gradients in float64 included?",
        _python("pytest", *_TESTS, "-n", "8", "tests", "--junit-xml={out}/tests.xml"),
        140,
    ),
    Stage(
        "batch",
        "How do time and memory grow with the batch, and from where is the GPU faster than the CPU?",
        _python("benchmarks.gpu_batch", "--out", "{out}/batch"),
        60,
    ),
    Stage(
        "kernels",
        "Do the kernels, compiled for the GPU, pass the tests that they pass on a CPU?",
        (*_ON_THE_GPU, *_python("pytest", *_KERNEL_TESTS, "tests/kernels/cuda")),
        25,
    ),
    Stage(
        "sanitizer",
        "Do the kernels stay inside their arrays, and read nothing that was not written?",
        (*_ON_THE_GPU, *_SANITIZER, *_python("pytest", *_KERNEL_TESTS, *_SANITIZED)),
        60,
        needs="compute-sanitizer",
    ),
    Stage(
        "speed_tf32",
        "And with TF32 on both sides?",
        _python("benchmarks.speed", *_QUICK, "--tf32", *_ONLY_CAPTURED, "--save", "{out}/speed_tf32"),
        80,
    ),
)  # fmt: skip


def run(stage: Stage, out: Path, seconds: float) -> dict[str, Any]:
    """How a stage ended: "passed", "failed" with its status, "too slow", or "left out". It gets `seconds` at most."""
    record: dict[str, Any] = {"question": stage.question}
    if stage.needs is not None and shutil.which(stage.needs) is None:
        return record | {"ended": "left out", "why": f"{stage.needs} is not installed"}
    limit = min(stage.limit, seconds)
    if limit <= 0:
        return record | {"ended": "left out", "why": "the time was used up"}
    command = [part.replace("{out}", str(out)) for part in stage.command]
    record |= {"command": " ".join(["python", *command[1:]] if command[0] == sys.executable else command)}
    start = time.monotonic()
    with (out / f"{stage.name}.txt").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
            record["ended"] = "failed" if status else "passed"
            record |= {"status": status} if status else {}
        except subprocess.TimeoutExpired:
            record |= {"ended": "too slow", "limit": round(limit)}
        finally:
            _end(process)
    return record | {"seconds": round(time.monotonic() - start, 1)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a stage with all processes that it started."""
    with contextlib.suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_all(stages: Sequence[Stage], out: Path, seconds: float, facts: dict[str, Any]) -> dict[str, Any]:
    """Runs the stages within `seconds` and writes the summary after each of them."""
    out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    summary: dict[str, Any] = {**facts, "stages": {}}
    for stage in stages:
        print(f"{stage.name}: {stage.question}", flush=True)
        record = run(stage, out, deadline - time.monotonic())
        summary["stages"][stage.name] = record
        print(f"    {_words(record)}", flush=True)
        (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        (out / "summary.md").write_text(report(summary))
    return summary


def _words(record: dict[str, Any]) -> str:
    """How a stage ended, in words."""
    ended = record["ended"]
    if ended == "left out":
        return f"left out: {record['why']}"
    details = {
        "failed": f" with status {record.get('status')}",
        "too slow": f", ended after {record.get('limit')} s",
    }
    return f"{ended}{details.get(ended, '')} ({record['seconds']:.0f} s)"


def report(summary: dict[str, Any]) -> str:
    """The summary in Markdown."""
    facts = [f"- {name}: {value}" for name, value in summary.items() if name not in ("stages", "versions")]
    versions = ", ".join(f"{name} {value}" for name, value in summary["versions"].items())
    lines = [
        "# What a GPU said",
        "",
        *facts,
        f"- versions: {versions}",
        "",
        "| stage | question | ended |",
        "|---|---|---|",
        *(f"| {name} | {r['question']} | {_words(r)} |" for name, r in summary["stages"].items()),
        "",
        "Commands:",
        "",
        *(f"    {r['command']}" for r in summary["stages"].values() if "command" in r),
    ]
    return "\n".join(lines) + "\n"


def main(find: Callable[[], dict[str, Any]] = gpu) -> int:
    """Runs the stages that were asked for; the exit status is 0 when none failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [stage.name for stage in STAGES]
    parser.add_argument(
        "--stages", type=lambda text: text.split(","), default=names, help=f"of {','.join(names)}"
    )
    parser.add_argument("--minutes", type=float, default=9.5, help="for all of them together")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.stages) - set(names)):
        parser.error(f"--stages: {', '.join(unknown)} unknown; there are {', '.join(names)}")
    try:
        facts = provenance() | find()
    except RuntimeError as error:
        print(f"benchmarks.gpu: {error}; nothing was run or written", file=sys.stderr)
        return 1
    stages = [stage for stage in STAGES if stage.name in asked.stages]
    summary = run_all(stages, asked.out.resolve(), 60 * asked.minutes, facts)
    return 0 if all(record["ended"] in ("passed", "left out") for record in summary["stages"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
