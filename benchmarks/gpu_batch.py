"""Time and memory of a training step of LeNet-5 against its batch, on the CPU and on a GPU; and where the GPU wins.

    python -m benchmarks.gpu_batch [--batches 1,4,16,64,256,1024,4096] [--seconds 0.3] [--out NAME]

A stage of `python -m benchmarks.gpu`; writes NAME.json, NAME.md and NAME.png. Times are the least of a step, reading
the loss included, in float32 without TF32. Memory is what a library has taken of the GPU for arrays.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import tinydl as td
from benchmarks import networks
from benchmarks.provenance import provenance
from benchmarks.rows import ROWS, Row
from benchmarks.speed import gpu
from tinydl.device import get_device

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
TITLES = {
    "cpu": "tinydl, CPU",
    "eager": "tinydl, GPU, eager",
    "captured": "tinydl, GPU, td.compile",
    "torch": "PyTorch, GPU, eager",
}
SLOW = 2.0  # seconds of a step: larger batches are not tried


def row_of(batch: int) -> Row:
    """LeNet-5 with another batch."""

    def draw(random: np.random.Generator) -> list[Any]:
        return [random.standard_normal((batch, 1, 32, 32), np.float32), random.integers(0, 10, batch)]

    return replace(ROWS["lenet-64"], batch=draw)


def tinydl_step(row: Row, device: Any, captured: bool) -> Callable[[], float]:
    """One step on the row's batch, which returns the loss."""
    library, arrays = networks.tinydl(), row.initial()
    model = row.network(library).to(device)
    step = row.step(library, model, [td.tensor(arrays[f"batch.{i}"], device=device) for i in range(2)])
    run = td.compile(step, device=device) if captured else step
    return lambda: float(run().item())


def torch_step(row: Row) -> Callable[[], float]:
    """The same in PyTorch on the GPU."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    library, arrays = networks.pytorch(torch), row.initial()
    model = row.network(library).to("cuda")
    step = row.step(library, model, [torch.from_numpy(arrays[f"batch.{i}"]).to("cuda") for i in range(2)])
    return lambda: float(step().item())


def least(step: Callable[[], float], seconds: float) -> float:
    """The least time of a step, of those that fit into so many seconds, after four that don't count."""
    for _ in range(4):
        start = time.perf_counter()
        step()
        if time.perf_counter() - start > SLOW:
            break
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        found.append(time.perf_counter() - start)
    return min(found)


def crossover(points: dict[str, list[dict[str, float]]], way: str) -> int | None:
    """The smallest batch from which on the GPU is faster than the CPU at every larger one; None where it never is."""
    cpu = {p["batch"]: p["seconds"] for p in points["cpu"]}
    wins = [(p["batch"], p["seconds"] < cpu[p["batch"]]) for p in points[way] if p["batch"] in cpu]
    faster: int | None = None
    for batch, won in reversed(wins):
        if not won:
            break
        faster = int(batch)
    return faster


def measure(
    batches: Sequence[int], seconds: float, makers: dict[str, Callable[[Row], Any]], memory: Any
) -> Any:
    """Points {"batch", "seconds", "bytes"} for every way to compute; `memory(way)` is in bytes."""
    points: dict[str, list[dict[str, float]]] = {way: [] for way in makers}
    for batch in batches:
        for way, make in makers.items():
            if points[way] and points[way][-1]["seconds"] > SLOW:
                continue
            try:
                step = make(row_of(batch))
            except ImportError as error:
                print(f"{TITLES[way]}: {error}", file=sys.stderr)
                continue
            found = {"batch": batch, "seconds": least(step, seconds)}
            points[way].append(found | {"bytes": memory(way)})
            del step
    return points


def table(result: dict[str, Any]) -> str:
    """The points and the crossover in Markdown."""
    points = result["points"]
    batches = sorted({p["batch"] for found in points.values() for p in found})
    of = {way: {p["batch"]: p for p in found} for way, found in points.items()}
    lines = ["# A training step of LeNet-5 against its batch", ""]
    for way in ("eager", "captured"):
        batch = crossover(points, way)
        said = (
            "the CPU is faster at the largest batch"
            if batch is None
            else f"faster than the CPU from batch {batch} on"
        )
        lines.append(f"- {TITLES[way]}: {said}")
    lines += ["", f"| batch | {' | '.join(f'{TITLES[way]} ms' for way in points)} | MiB of each on the GPU |"]
    lines.append("|---" * (len(points) + 2) + "|")
    for batch in batches:
        rows = [of[way].get(batch) for way in points]
        cells = ["" if p is None else f"{1e3 * p['seconds']:.3g}" for p in rows]
        taken = [
            f"{p['bytes'] / 2**20:.0f}" for way, p in zip(points, rows, strict=True) if p and way != "cpu"
        ]
        lines.append(f"| {batch} | {' | '.join(cells)} | {', '.join(taken)} |")
    lines += ["", f"{result['gpu']}, {result['cores']} cores, {result['date']}, commit {result['commit']}"]
    return "\n".join(lines) + "\n"


def chart(result: dict[str, Any], path: Path) -> None:
    """Time, and memory of the GPU, against the batch."""
    figure, (times, memory) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
    ticks = sorted({p["batch"] for found in result["points"].values() for p in found})
    for (way, found), marker in zip(result["points"].items(), "osD^", strict=False):
        batches = [p["batch"] for p in found]
        times.loglog(batches, [1e3 * p["seconds"] for p in found], f"{marker}-", label=TITLES[way])
        if way != "cpu":
            memory.loglog(
                batches, [p["bytes"] / 2**20 for p in found], f"{marker}-", color=times.lines[-1].get_color()
            )
    for axes, what in ((times, "step, ms"), (memory, "memory of the GPU, MiB")):
        axes.set_xlabel("batch")
        axes.set_ylabel(what)
        axes.set_xticks(ticks, [str(int(batch)) for batch in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.suptitle(
        f"LeNet-5, one training step: {result['gpu']} against {result['cores']} cores", fontsize=11
    )
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> int:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--batches", type=lambda text: [int(n) for n in text.split(",")], default=list(BATCHES)
    )
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    try:
        device: Any = get_device("cuda")
        facts = provenance() | gpu()
    except RuntimeError as error:
        print(f"benchmarks.gpu_batch: {error}", file=sys.stderr)
        return 1

    def memory(way: str) -> int:
        if way == "torch":
            import torch

            return int(torch.cuda.memory_reserved())
        return 0 if way == "cpu" else int(device.memory())

    makers = {
        "cpu": lambda row: tinydl_step(row, get_device("cpu"), False),
        "eager": lambda row: tinydl_step(row, device, False),
        "captured": lambda row: tinydl_step(row, device, True),
        "torch": torch_step,
    }
    result = {**facts, "points": measure(asked.batches, asked.seconds, makers, memory)}
    print(table(result))
    if asked.out is not None:
        asked.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
        asked.out.with_suffix(".md").write_text(table(result))
        chart(result, asked.out.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
