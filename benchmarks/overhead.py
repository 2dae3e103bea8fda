"""What Python costs: an operation on eight numbers, forward and backward, and `import tinydl`.

    python -m benchmarks.overhead [--rounds 20]

PyTorch computes the same in the same process where it is installed, in turns. NumPy alone shows what the arithmetic
itself costs. `import tinydl` is timed in fresh processes that have NumPy already.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tinydl as td
from benchmarks.provenance import provenance

OPS = 200  # of a chain, so that the beginning and end of a backward pass don't count
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "x + w": lambda x, w: x + w,
    "x * w": lambda x, w: x * w,
    "tanh(x)": lambda x, w: x.tanh(),
    "relu(x)": lambda x, w: x.relu(),
}
IMPORT = """
import time
import numpy
start = time.perf_counter()
import tinydl
print(time.perf_counter() - start)
"""


def per_op(library: ModuleType, function: Callable[[Any, Any], Any]) -> tuple[float, float]:
    """Microseconds of an operation, forward and backward, in a chain of `OPS`."""
    x = library.ones(8, requires_grad=True)
    w = library.ones(8, requires_grad=True)
    g = library.ones(8)
    start = time.perf_counter()
    out = x
    for _ in range(OPS):
        out = function(out, w)
    between = time.perf_counter()
    out.backward(g)
    end = time.perf_counter()
    return 1e6 * (between - start) / OPS, 1e6 * (end - between) / OPS


def arithmetic() -> float:
    """Microseconds of an addition of eight numbers in NumPy."""
    x, w = np.ones(8, np.float32), np.ones(8, np.float32)
    start = time.perf_counter()
    for _ in range(OPS):
        x = x + w
    return 1e6 * (time.perf_counter() - start) / OPS


def import_seconds(times: int) -> list[float]:
    """How long `import tinydl` takes once NumPy is there, in processes that find it compiled, as from the second on.

    Some systems forbid Python to keep what it compiled; here it may, in a folder of its own.
    """
    here = Path(__file__).parents[1]
    command = [sys.executable, "-c", IMPORT]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(times + 1):
            ran = subprocess.run(
                command,
                cwd=here,
                env=environment | {"PYTHONPYCACHEPREFIX": folder},
                capture_output=True,
                text=True,
                check=True,
            )
            found.append(float(ran.stdout))
    return found[1:]


def measure(rounds: int) -> str:
    """The figures as a Markdown table: medians over the rounds."""
    libraries: dict[str, ModuleType] = {"tinydl": td}
    try:
        libraries["PyTorch"] = import_module("torch")
    except ImportError:
        print("PyTorch is absent")
    lines = ["| µs per operation on 8 numbers | | forward | backward | together |", "|---|---|---|---|---|"]
    for name, function in FUNCTIONS.items():
        found: dict[str, list[tuple[float, float]]] = {library: [] for library in libraries}
        for i in range(rounds + 1):
            for library, module in libraries.items():
                both = per_op(module, function)
                if i:  # the first is a warm-up
                    found[library].append(both)
        for library, pairs in found.items():
            forward, backward = (statistics.median(times) for times in zip(*pairs, strict=True))
            together = statistics.median(map(sum, pairs))
            lines.append(f"| {name} | {library} | {forward:.2f} | {backward:.2f} | {together:.2f} |")
    numpy = statistics.median(arithmetic() for _ in range(rounds))
    lines += [f"| x + w | NumPy, no gradient | {numpy:.2f} | | |", ""]
    lines.append(f"`import tinydl` after NumPy: {statistics.median(import_seconds(10)):.3f} s")
    return "\n".join(lines)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    came_from = provenance()
    print(f"{measure(asked.rounds)}\n\n{came_from['date']}, commit {came_from['commit']}")


if __name__ == "__main__":
    main()
