"""What a training step spends its time on: kernel by kernel, for rows of `python -m benchmarks.speed`.

    python -m benchmarks.profile lenet-64 lenet-256 [--seconds 3] [--save]     --save writes results/profile.md

`td.trace()` says which kernel ran for which operation, and how long; the medians over the steps are listed. Listening
takes time itself, so the whole step is timed without it; what no kernel takes of it is the rest: Python, the graph, and
operations that have no kernel of their own. One process, on the cores that it finds, without settings.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import tinydl as td
from benchmarks import networks
from benchmarks.provenance import provenance
from benchmarks.rows import ROWS_BY_NAME
from benchmarks.speed import RESULTS, machine

WARM_UP = 5  # steps


def step_of(row: str) -> Callable[[], Any]:
    """A training step of a row, as `benchmarks.speed` makes it, and the reading of its loss."""
    arrays = ROWS_BY_NAME[row].initial()
    batch = [td.tensor(arrays.pop(key)) for key in sorted(arrays) if key.startswith("batch.")]
    library = networks.tinydl()
    model = ROWS_BY_NAME[row].network(library)
    model.load_state_dict(arrays)
    step = ROWS_BY_NAME[row].step(library, model, batch)
    return lambda: step().item()


def measured(row: str, seconds: float) -> tuple[float, dict[tuple[str, str], tuple[int, float]]]:
    """Milliseconds of a step, and for each operation and its kernel the calls in a step and their milliseconds."""
    step = step_of(row)
    for _ in range(WARM_UP):
        step()
    whole = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        step()
        whole.append(1e3 * (time.perf_counter() - start))
    sums: dict[tuple[str, str], list[float]] = defaultdict(list)
    calls: dict[tuple[str, str], int] = {}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        with td.trace() as kernels:
            step()
        in_step: dict[tuple[str, str], list[float]] = defaultdict(list)
        for call in kernels:
            in_step[call.op, call.kernels[-1]].append(1e3 * call.seconds)
        for key, found in in_step.items():
            sums[key].append(sum(found))
            calls[key] = len(found)
    return statistics.median(whole), {key: (calls[key], statistics.median(ms)) for key, ms in sums.items()}


def table(title: str, whole: float, kernels: dict[tuple[str, str], tuple[int, float]]) -> str:
    """Markdown: the kernels by their share of a step, and the rest."""
    rest = whole - sum(ms for _, ms in kernels.values())
    lines = [
        f"## {title}: {whole:.2f} ms a step",
        "",
        "| operation | kernel | calls | ms | share |",
        "|---|---|---|---|---|",
    ]
    for (op, kernel), (calls, ms) in sorted(kernels.items(), key=lambda item: -item[1][1]):
        lines.append(f"| {op} | {kernel} | {calls} | {ms:.2f} | {ms / whole:.0%} |")
    lines.append(f"| the rest | | | {rest:.2f} | {rest / whole:.0%} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Profiles the rows and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="+", choices=ROWS_BY_NAME, metavar="ROW", help=", ".join(ROWS_BY_NAME))
    parser.add_argument("--seconds", type=float, default=3.0, help="of each of both measurements")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/profile.md")
    asked = parser.parse_args()
    came_from = provenance()
    text = "# What a training step is spent on\n\n" + "\n".join(
        table(ROWS_BY_NAME[row].title, *measured(row, asked.seconds)) for row in asked.rows
    )
    text += (
        f"\n`python -m benchmarks.profile {' '.join(asked.rows)}`, {came_from['date']}, commit {came_from['commit']}, "
        f"{machine()['cpu']}, {came_from['cores']} cores, NumPy {came_from['versions']['numpy']}.\n"
    )
    print(text)
    if asked.save:
        (RESULTS / "profile.md").write_text(text)


if __name__ == "__main__":
    main()
