"""How long a training step takes in tinydl, and in PyTorch, JAX, MyGrad and HIPS autograd.

    python -m benchmarks.speed                          prints the table; --save also writes it to benchmarks/results
    python -m benchmarks.speed --rows mlp,unet --rounds 3 --seconds 0.3 --contenders torch-1-thread,torch-compile
    python -m benchmarks.speed --rows odd --save speed_odd       sizes for which nothing was tuned; "single": batch 1
    python -m benchmarks.speed --device cuda --save gpu/speed    on a GPU; --tf32 for both libraries, or for neither

It needs `pip install -e ".[bench]"` (PyTorch). MyGrad and HIPS autograd come with `.[peers]`, JAX with
`pip install jax`; what is not installed is reported as absent. torch.compile takes a C++ compiler and minutes, and
runs only where it is named. The machine should have nothing else to do.

A step is forward pass, loss, backward pass and optimiser on a batch that stays the same, in float32, and the reading
of the loss. All begin with the same weights: a contender whose losses before the first step, after one and after three
differ from tinydl's by more than `TOLERANCE` is not timed. Each contender is a process of its own, as a user would
start it, on the same two cores and without settings in the environment. They take turns in blocks of steps; a block
counts by the median of its steps, a contender by the median of its blocks. PyTorch's speed differs from process to
process, so several are tried for each row and the fastest one is compared. JAX, MyGrad and HIPS autograd run the MLP
and LeNet-5 only.

On a GPU what is compared is `td.compile`d steps; eager steps of tinydl and PyTorch's own CUDA graphs stand beside them.
Both libraries compute in float32, with TF32 in products and convolutions or without, as is said.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import takes
from benchmarks.provenance import provenance
from benchmarks.rows import ROWS, ROWS_BY_NAME, SETS
from benchmarks.speed_report import chart, ratios, table
from tinydl.device import get_device

RESULTS = Path(__file__).parent / "results"
PEERS = ("jax", "mygrad", "autograd")  # for the MLP and LeNet-5 only
CONTENDERS = ("tinydl-shards", "tinydl-numba", "torch-1-thread", "torch-compile", *PEERS)
GPU_CONTENDERS = ("tinydl-compile", "torch-graph", "torch-compile")
GPU_ROWS = ("lenet-64", "lenet-256", "autoencoder", "vae", "unet")
GPU_GOALS = {"lenet-64": 3.0, "lenet-256": 3.0, "vae": 3.0, "autoencoder": 2.0, "unet": 1.5}
TOLERANCE = 1e-4  # relative
TF32_TOLERANCE = 2e-2  # a mantissa of ten bits
COMPARED = {0: "before the first step", 1: "after one step", 3: "after three steps"}
PAUSE = (
    0.1  # s before a block: the threads of the one before wait actively for more work for about a third of it
)
CORES = 2

# Settings of libraries: whoever has set one shall measure what others get.
SETTINGS = (
    "OPENBLAS_",
    "GOTO_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "DNNL_",
    "ONEDNN_",
    "TORCH_",
    "PYTORCH_",
    "XLA_",
)
SETTINGS += ("JAX_", "TF_", "NUMPY_", "NPY_", "TINYDL_", "MALLOC_", "GLIBC_", "LD_PRELOAD", "PYTHONMALLOC")


class Absent(Exception):
    """A contender is not installed."""


class Failed(Exception):
    """A contender raised, or its process has ended."""


class Process:
    """A contender in its process; to be closed after use."""

    def __init__(self, contender: str, device: str = "cpu", tf32: bool = False) -> None:
        self.contender = contender
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contender", contender, device, "tf32" if tf32 else "float32"],
            cwd=RESULTS.parents[1],
            env={name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.version: str = self._answer()["version"]
        except BaseException:
            self.close()
            raise

    def load(self, row: str, arrays: Path) -> list[float]:
        """Takes the weights and the batch of a row; the losses of the first steps."""
        losses: list[float] = self._ask(do="load", row=row, arrays=str(arrays))["losses"]
        return losses

    def seconds(self, steps: int) -> list[float]:
        """The seconds of each of so many steps."""
        time.sleep(PAUSE)
        seconds: list[float] = self._ask(do="time", steps=steps)["seconds"]
        return seconds

    def memory(self) -> int | None:
        """Bytes of the GPU that its library has taken; on the CPU by how much the process grew, None where unknown."""
        taken: int | None = self._ask(do="memory")["bytes"]
        return taken

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise Failed("its process has ended") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process has ended"}
        if "absent" in answer:
            raise Absent(answer["absent"])
        if "error" in answer:
            raise Failed(answer["error"])
        return answer


def disagreement(
    losses: Sequence[float], reference: Sequence[float], tolerance: float = TOLERANCE
) -> str | None:
    """What differs by more than `tolerance` between the losses of two contenders, or None."""
    for i, when in COMPARED.items():
        if not abs(losses[i] - reference[i]) <= tolerance * abs(reference[i]):  # so written, NaN disagrees
            return f"loss {losses[i]:.7g} {when}, tinydl's {reference[i]:.7g}"
    return None


def take_turns(processes: Mapping[str, Process], rounds: int, seconds: float) -> dict[str, list[list[float]]]:
    """The seconds of each step, by process and round: blocks of about `seconds`, each second round backwards."""
    blocks = {}
    for name, process in processes.items():
        blocks[name] = max(1, round(seconds / min(process.seconds(3))))
    found: dict[str, list[list[float]]] = {name: [] for name in processes}
    for i in range(rounds):
        for name in list(processes)[:: -1 if i % 2 else 1]:
            found[name].append(processes[name].seconds(blocks[name]))
    return found


def measure(
    row: str,
    others: Sequence[str],
    rounds: int,
    seconds: float,
    tries: int,
    device: str = "cpu",
    tf32: bool = False,
) -> dict[str, Any]:
    """One line of the table: tinydl against the fastest of `tries` PyTorch processes, and against others."""
    result: dict[str, Any] = {name: getattr(ROWS_BY_NAME[row], name) for name in ("title", "floor", "goal")}
    if device != "cpu":
        result |= {"floor": 1.0, "goal": GPU_GOALS.get(row, 1.0)}
    contenders: dict[str, dict[str, Any]] = {}
    result["contenders"] = contenders
    with contextlib.ExitStack() as stack:
        arrays = Path(stack.enter_context(tempfile.TemporaryDirectory()), "arrays.npz")
        np.savez(arrays, **ROWS_BY_NAME[row].initial())
        running: dict[str, Process] = {}

        def start(name: str, contender: str) -> bool:
            """Starts it, and says in its record why it can't be timed if so."""
            record = contenders.setdefault(contender, {})
            try:
                process = Process(contender, device, tf32)
                stack.callback(process.close)
                record["version"] = process.version
                record["losses"] = process.load(row, arrays)
            except Absent as error:
                record["absent"] = str(error)
                return False
            except Failed as error:
                record["failed"] = str(error)
                return False
            tolerance = TF32_TOLERANCE if tf32 else TOLERANCE
            if different := disagreement(record["losses"], contenders["tinydl"]["losses"], tolerance):
                record["refused"] = different
                return False
            running[name] = process
            return True

        if not start("tinydl", "tinydl") or not all(start(f"torch-{i}", "torch") for i in range(tries)):
            return result
        candidates = {name: process for name, process in running.items() if name != "tinydl"}
        tried = {
            name: statistics.median(map(statistics.median, blocks))
            for name, blocks in take_turns(candidates, 2, seconds / 2).items()
        }
        contenders["torch"]["processes"] = list(tried.values())
        running["torch"] = running[min(tried, key=tried.__getitem__)]
        for name in tried:
            if running.pop(name) is not running["torch"]:
                candidates[name].close()
        for contender in others:
            if contender not in PEERS or takes(ROWS_BY_NAME[row]):
                start(contender, contender)
        for name, blocks in take_turns(running, rounds, seconds).items():
            contenders[name]["steps"] = [len(block) for block in blocks]
            contenders[name]["seconds"] = [statistics.median(block) for block in blocks]
            contenders[name]["means"] = [statistics.fmean(block) for block in blocks]
            contenders[name]["bytes"] = running[name].memory()
    return result


def machine() -> dict[str, Any]:
    """The processor's name, and the cores that all contenders compute on."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cpu": models[0] if models else "unknown", "used_cores": CORES, "system": sys.platform}


def gpu() -> dict[str, Any]:
    """The GPU and what drives it. Raises RuntimeError where there is none."""
    device: Any = get_device("cuda")
    runtime = device.xp.cuda.runtime
    found = runtime.getDeviceProperties(0)
    return {
        "gpu": found["name"].decode(),
        "gpu_memory": found["totalGlobalMem"],
        "cuda_driver": runtime.driverGetVersion(),
        "cuda_runtime": runtime.runtimeGetVersion(),
        "cupy": device.xp.__version__,
    }


def _names(text: str) -> list[str]:
    return text.split(",") if text else []


def main() -> None:
    """Measures the rows and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=_names, help=f"of {','.join(ROWS)}, or a set: {', '.join(SETS)}")
    parser.add_argument(
        "--contenders", type=_names, help=f"of {','.join(CONTENDERS)}; on a GPU {GPU_CONTENDERS}"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a contender's block in each round")
    parser.add_argument("--processes", type=int, default=3, help="of PyTorch, of which the fastest counts")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tf32", action="store_true", help="on a GPU: products in TF32, in both libraries")
    parser.add_argument("--save", nargs="?", const="speed", metavar="NAME", help="in benchmarks/results")
    asked = parser.parse_args()
    on_gpu = asked.device == "cuda"
    known = GPU_CONTENDERS if on_gpu else CONTENDERS
    if asked.rows is None:
        asked.rows = list(GPU_ROWS if on_gpu else ROWS)
    if asked.contenders is None:
        asked.contenders = [name for name in known if name not in ("torch-compile", "tinydl-numba")]
    asked.rows = [row for name in asked.rows for row in SETS.get(name, [name])]
    for what, given, there in (("rows", asked.rows, ROWS_BY_NAME), ("contenders", asked.contenders, known)):
        if unknown := sorted(set(given) - set(there)):
            parser.error(f"--{what}: {', '.join(unknown)} unknown; there are {', '.join(there)}")
    if asked.tf32 and not on_gpu:
        parser.error("--tf32: expected --device cuda; a CPU has no TF32")
    here = machine()
    if on_gpu:
        try:
            here |= gpu()
        except RuntimeError as error:
            parser.exit(1, f"benchmarks.speed: {error}; nothing was measured\n")
    if hasattr(os, "sched_setaffinity"):  # inherited by the contenders
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    came_from = provenance() | {"OPENBLAS_NUM_THREADS": "not set"}  # the contenders don't inherit it
    rows = {}
    for row in asked.rows:
        print(f"{row} ...", file=sys.stderr, flush=True)
        block = asked.rounds, asked.seconds, asked.processes
        rows[row] = measure(row, asked.contenders, *block, asked.device, asked.tf32)
    settings = {name: getattr(asked, name) for name in ("rounds", "seconds", "processes", "device", "tf32")}
    result = {
        "command": " ".join(["python -m benchmarks.speed", *sys.argv[1:]]),
        "settings": settings | {"tolerance": TF32_TOLERANCE if asked.tf32 else TOLERANCE, "pause": PAUSE},
        "machine": here,
        **came_from,
        "rows": rows,
    }
    print(table(result))
    if asked.save:
        (RESULTS / asked.save).parent.mkdir(exist_ok=True)
        (RESULTS / f"{asked.save}.json").write_text(json.dumps(result, indent=1) + "\n")
        (RESULTS / f"{asked.save}.md").write_text(table(result))
        chart(result, RESULTS / f"{asked.save}.png")
    if on_gpu and (
        not_timed := [name for name, row in rows.items() if ratios(row, "tinydl-compile") is None]
    ):
        parser.exit(1, f"benchmarks.speed: not timed: {', '.join(not_timed)}; the table says why\n")


if __name__ == "__main__":
    main()
