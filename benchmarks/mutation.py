"""Can the tests fail? Small changes are made to the engine's source, one at a time, and the tests should notice each.

    python -m benchmarks.mutation [--sample 400] [--seed 0] [--workers 2]    (resumes where it was stopped)
    python -m benchmarks.mutation --near                the nearest tests only: a quarter of the time
    python -m benchmarks.mutation --again survivors     with all tests, or once tests were added
    python -m benchmarks.mutation --report              writes benchmarks/results/mutation.json and mutation.md

It needs `pip install -e ".[test,torch,peers,mutation]"` and runs on copies of the repository. A mutant is
tried with the tests nearest to its file, then with those of the engine, then with the rest; the first failure kills
it, and so does computing three times as long as the tests take without a mutant, or out of memory. What survives goes
into `benchmarks/results/mutation_reasons.json` with the reason why no test can tell it from the original, or a
test is added. A changed source file has new mutants; the results of the other files stay.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.mutants import Mutant, draw, sources
from benchmarks.mutation_report import history, reasons, write
from benchmarks.provenance import provenance

ROOT = Path(__file__).parents[1]
MEMORY = 6 * 2**30  # bytes of address space

LATER = ("data", "plot", "train", "models", "cli", "predict", "testing")  # tests of what uses the engine
# Tests of what lies beside a file, by its folder; those of the engine's core lie beside one another.
NEIGHBOURS = {
    "": ("tests/test_*op*.py", "tests/test_autograd*.py", "tests/test_graphs.py", "tests/test_in_place.py",
         "tests/test_tensor.py", "tests/test_properties.py", "tests/test_calculus.py",
         "tests/test_signatures.py"),
    "optim": ("tests/optim/test_*.py", "tests/test_signatures.py"),
    "kernels": ("tests/kernels/test_*.py", "tests/ops/test_conv.py", "tests/ops/test_pool.py",
                "tests/ops/test_norm*.py"),
    "ops": ("tests/test_tensor.py", "tests/test_signatures.py"),
}  # fmt: skip
NOT_RUN = ("recipes", "benchmarks")  # minutes of training; the script itself

# Processor time is limited, not the clock's: the machine may have other things to do. The first failure kills, so
# Hypothesis need not search for a smaller one.
TEST = f"""
import resource, sys
import pytest

class FirstFailure:
    def pytest_sessionstart(self, session):
        from hypothesis import Phase, settings  # once pytest is there to rewrite it

        settings.register_profile("first_failure", settings(), phases=(Phase.explicit, Phase.generate))
        settings.load_profile("first_failure")

resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1]) + 5))
sys.exit(pytest.main(sys.argv[2:], [FirstFailure()]))
"""


class Stopped(Exception):
    """The user wants to end."""


class Worker:
    """A copy of the repository, and the tests in it."""

    stopping: ClassVar[threading.Event] = threading.Event()
    seconds: ClassVar[dict[frozenset[str], float]] = {}  # what tests take without a mutant

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\0")
        for name in names:
            if (ROOT / name).is_file():  # not when deleted and not yet committed
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        # Bytecode that knows the hash of its source: two mutants of the same size and second are not confused.
        command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "tinydl"]
        subprocess.run(command, cwd=folder, check=True)

    def stages(self, file: str, near: bool) -> Iterator[tuple[str, ...]]:
        """Tests of the file, its rows of the grid, its neighbours' tests, then those of the engine and the rest.

        As arguments for pytest; with `near` the first three alone.
        """
        everything = sorted(path.relative_to(self.folder) for path in self.folder.glob("tests/**/test_*.py"))
        source = Path(file).relative_to("tinydl")
        nearest = [path for path in everything if path.match(f"tests/{source.parent}/test_{source.stem}*.py")]
        if nearest:
            yield tuple(map(str, nearest))
        if source.parts[0] in ("ops", "losses.py") and (self.folder / "tests/grid" / source.name).exists():
            yield "tests/test_grid.py", "-k", ".".join(source.with_suffix("").parts) + "."
        beside = NEIGHBOURS.get(str(source.parent) if source.parent != Path() else "", ())
        if beside:
            yield tuple(
                str(path) for path in everything if path not in nearest and any(map(path.match, beside))
            )
        if near:
            return
        later: list[str] = []
        engine: list[str] = []
        for path in everything:
            part = path.parts[1].removeprefix("test_").removesuffix(".py").partition("_")[0]
            if part not in NOT_RUN:
                (later if part in LATER else engine).append(str(path))
        folder = str(Path("tests") / source.parent)
        engine.sort(key=lambda path: (str(Path(path).parent) != folder, not path.startswith("tests/ops")))
        yield tuple(engine)
        yield tuple(later)

    def run(self, tests: tuple[str, ...], limit: int) -> tuple[str | None, str]:
        """How the tests fail in `limit` seconds (None: they pass), and the test that fails or the output."""
        command = [sys.executable, "-c", TEST, str(limit), "-x", "--tb=no", "-p", "no:cacheprovider", *tests]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "OPENBLAS_NUM_THREADS": "1",
            "TINYDL_HYPOTHESIS": "default",
        }
        waits_until = time.monotonic() + 10 * limit
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            while True:
                try:
                    output, _ = process.communicate(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    if self.stopping.is_set() or time.monotonic() > waits_until:
                        os.killpg(process.pid, signal.SIGKILL)
        if self.stopping.is_set():
            raise Stopped
        if process.returncode == 0:
            return None, output
        if process.returncode < 0:
            ended = signal.Signals(-process.returncode)
            return "limit" if ended in (signal.SIGXCPU, signal.SIGKILL) else "crash", ended.name
        failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", output, re.MULTILINE)
        return "failure", failed[1] if failed else output[-200:]

    def limit(self, tests: tuple[str, ...]) -> int:
        """The longest that the tests may compute with a mutant, in seconds; without one they must pass."""
        same = frozenset(tests)  # in any order
        if same not in self.seconds:
            began = time.monotonic()
            how, output = self.run(tests, 3600)
            if how is not None:
                raise RuntimeError(f"the tests fail without a mutant ({how}): {output}")
            self.seconds[same] = time.monotonic() - began
        return 20 + int(3 * self.seconds[same])

    def judge(self, mutant: Mutant, near: bool) -> dict[str, Any]:
        """The record of one mutant: by which test of which stage it was killed, or that it survived."""
        path = self.folder / mutant.file
        source = path.read_text()
        times: list[float] = []
        record: dict[str, Any] = {"mutant": mutant.identity, "outcome": "survived"}
        for stage, tests in enumerate(self.stages(mutant.file, near), start=1):
            limit = self.limit(tests)
            began = time.monotonic()
            path.write_text(mutant.apply(source))
            try:
                how, by = self.run(tests, limit)
            finally:
                path.write_text(source)
            times.append(round(time.monotonic() - began, 1))
            if how is not None:
                record |= {"outcome": "killed", "how": how, "by": by, "stage": stage}
                break
        return record | {"seconds": times}  # of each stage


def main() -> None:
    """Judges the mutants that have no result yet, or writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, help="stop after so many mutants")
    parser.add_argument(
        "--again", choices=["survivors"], help="try these once more; those with a reason excepted"
    )
    parser.add_argument(
        "--near", action="store_true", help="the nearest tests only; --again tries all of them"
    )
    parser.add_argument("--report", action="store_true", help="write the results instead")
    parser.add_argument("--session", type=Path, default=ROOT / "runs" / "mutation.jsonl")
    asked = parser.parse_args()
    if asked.report:
        print(write(draw(sources(ROOT), asked.sample, asked.seed), sources(ROOT), asked.seed, asked.session))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        workers = [
            Worker(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutation-"))))
            for _ in range(asked.workers)
        ]
        # From a copy: somebody may be working on the original.
        sample, _, _ = draw(sources(workers[0].folder), asked.sample, asked.seed)
        latest = {name: records[-1] for name, records in history(asked.session).items()}
        if asked.again:
            explained = reasons()
            survived = {name for name, record in latest.items() if record["outcome"] == "survived"}
            to_do = [m for m in sample if m.identity in survived and m.identity not in explained]
        else:
            to_do = [m for m in sample if m.identity not in latest]
        print(f"{len(sample)} mutants drawn, {len(to_do)} to judge")
        asked.session.parent.mkdir(parents=True, exist_ok=True)
        judge_all(to_do[: asked.limit], workers, asked.session, asked.near)


def judge_all(mutants: list[Mutant], workers: list[Worker], session: Path, near: bool) -> None:
    """Appends a record to the session for each mutant as soon as it is judged."""
    free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def judge(mutant: Mutant) -> dict[str, Any]:
        if Worker.stopping.is_set():
            raise Stopped
        worker = free.get()
        try:
            return worker.judge(mutant, near)
        finally:
            free.put(worker)

    came_from = {key: value for key, value in provenance().items() if key in ("date", "commit")}
    with ThreadPoolExecutor(len(workers)) as pool, session.open("a") as out:
        futures = [pool.submit(judge, mutant) for mutant in mutants]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                record = future.result()
                print(json.dumps(record | came_from), file=out, flush=True)
                fate = f"{record['how']}: {record['by']}" if "how" in record else "SURVIVED"
                print(
                    f"{done}/{len(mutants)} {sum(record['seconds']):5.1f} s  {record['mutant']}  {fate}",
                    flush=True,
                )
        except KeyboardInterrupt:
            raise SystemExit("stopped; the same command goes on from here") from None
        finally:  # also where tests fail without a mutant
            Worker.stopping.set()


if __name__ == "__main__":
    main()
