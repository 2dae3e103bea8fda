"""How time and memory of a training step grow with batch, image size, depth and width, beside PyTorch.

python -m benchmarks.scale [AXIS ...] [--seconds 1] [--save]     --save writes results/scale.json, .md and .png

The network is `depth` convolutions 3x3 of `width` channels, each with batch norm and ReLU, on images in grey; one of
the four sizes grows at a time, the others stay at `START`. A straight line through the logarithms of the three largest
gives the exponent: 1 is proportional, 2 is quadratic. Every point is a process of its own: its memory is the largest
that it ever held, less what it held before the network was made; its time is the least of its steps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import tinydl as td
from benchmarks import networks
from benchmarks.provenance import provenance

RESULTS = Path(__file__).parent / "results"
START = {"batch": 8, "size": 32, "depth": 4, "width": 16}
AXES = {
    "batch": (1, 2, 4, 8, 16, 32, 64),
    "size": (8, 16, 32, 64, 128),
    "depth": (1, 2, 4, 8, 16),
    "width": (4, 8, 16, 32, 64, 128),
}
CONTENDERS = ("tinydl", "torch")
FITTED = 3  # points
COLOURS = {"tinydl": "tab:blue", "torch": "black"}


def network(library: networks.Library, depth: int, width: int) -> Any:
    """The convolutions, and ten scores."""
    nn = library.nn
    layers: list[Any] = []
    for i in range(depth):
        layers += [nn.Conv2d(width if i else 1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def measured(
    contender: str, seconds: float, batch: int, size: int, depth: int, width: int
) -> dict[str, float]:
    """Seconds and bytes of a training step, in this process; call it in a fresh one."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((batch, 1, size, size), np.float32), random.integers(0, 10, batch)
    if contender == "tinydl":
        library, images, labels = networks.tinydl(), td.tensor(x), td.tensor(y)
    else:
        import torch

        library, images, labels = networks.pytorch(torch), torch.from_numpy(x), torch.from_numpy(y)
    before = _kibibytes("VmRSS")
    model = network(library, depth, width)
    optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 4 or time.perf_counter() < end:
        start = time.perf_counter()
        optimizer.zero_grad()
        library.cross_entropy(model(images), labels).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return {"seconds": min(times), "bytes": 1024.0 * (_kibibytes("VmHWM") - before)}


def _kibibytes(what: str) -> int:
    """VmRSS, what the process holds now, or VmHWM, the most that it ever held: Linux tells."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what + ":"))


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of the straight line through the logarithms of the last points."""
    slope, _ = np.polyfit(np.log(sizes[-FITTED:]), np.log(values[-FITTED:]), 1)
    return float(slope)


def grown(axis: str, seconds: float) -> dict[str, Any]:
    """All points of an axis, the contenders taking turns."""
    found: dict[str, Any] = {
        "sizes": list(AXES[axis]),
        **{c: {"seconds": [], "bytes": []} for c in CONTENDERS},
    }
    for value in AXES[axis]:
        print(f"{axis} {value} ...", file=sys.stderr, flush=True)
        for contender in CONTENDERS:
            request = json.dumps({"contender": contender, "seconds": seconds, **START, axis: value})
            answer = json.loads(
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.scale", "--point", request],
                    cwd=RESULTS.parents[1],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for key, number in answer.items():
                found[contender][key].append(number)
    for contender in CONTENDERS:
        for key in ("seconds", "bytes"):
            found[contender][f"{key}_exponent"] = exponent(found["sizes"], found[contender][key])
    return found


def table(result: dict[str, Any]) -> str:
    """Exponents and the largest points in Markdown."""
    start = ", ".join(f"{name} {value}" for name, value in START.items())
    lines = [
        "# How a training step grows",
        "",
        f"3x3 convolutions with batch norm and ReLU; one size grows at a time from: {start}. The exponent is that of "
        f"the {FITTED} largest; time and memory are those of the largest.",
        "",
        "| | largest | tinydl ms | exponent | PyTorch ms | exponent | tinydl MB | exponent | PyTorch MB | exponent |",
        "| --- " * 10 + "|",
    ]
    for axis, found in result["axes"].items():
        cells = [axis, str(found["sizes"][-1])]
        for key, scale in (("seconds", 1e3), ("bytes", 1e-6)):
            for contender in CONTENDERS:
                point = found[contender]
                cells += [f"{scale * point[key][-1]:.3g}", f"{point[key + '_exponent']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "![Time and memory against each size](scale.png)",
        "",
        f"`{result['command']}`, {result['date']}, commit {result['commit']}, {result['cores']} cores, "
        f"OPENBLAS_NUM_THREADS {result['OPENBLAS_NUM_THREADS']}, NumPy {result['versions']['numpy']}.",
    ]
    return "\n".join(lines) + "\n"


def chart(result: dict[str, Any], path: Path) -> None:
    """Time above, memory below, for each axis, both logarithmic."""
    axes = result["axes"]
    figure, panels = plt.subplots(
        2, len(axes), figsize=(2.5 * len(axes) + 0.8, 5), sharey="row", layout="constrained", squeeze=False
    )
    for column, (axis, found) in zip(panels.T, axes.items(), strict=True):
        for panel, key, scale in zip(column, ("seconds", "bytes"), (1e3, 1e-6), strict=True):
            for contender, label in zip(CONTENDERS, ("tinydl", "PyTorch"), strict=True):
                slope = found[contender][key + "_exponent"]
                panel.loglog(
                    found["sizes"],
                    scale * np.array(found[contender][key]),
                    "o-",
                    markersize=3.5,
                    color=COLOURS[contender],
                    label=f"{label}: {slope:.2f}",
                )
            panel.set_xticks(found["sizes"], [str(n) for n in found["sizes"]])
            panel.minorticks_off()
            panel.legend(title="exponent", fontsize=8, title_fontsize=8)
        column[1].set_xlabel(axis)
    panels[0, 0].set_ylabel("ms a step")
    panels[1, 0].set_ylabel("MB")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table, and with --save keeps everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(AXES)}; all by default")
    parser.add_argument("--seconds", type=float, default=1.0, help="of steps for each point")
    parser.add_argument("--save", action="store_true", help="write the result files")
    parser.add_argument("--point", help=argparse.SUPPRESS)  # what a process of its own is asked for
    options = parser.parse_args(arguments)
    if options.point:
        print(json.dumps(measured(**json.loads(options.point))))
        return
    if unknown := [axis for axis in options.axes if axis not in AXES]:
        parser.error(f"unknown axis {unknown[0]!r}; there are {', '.join(AXES)}")
    if not Path("/proc/self/status").exists():
        parser.error("memory is read from /proc/self/status, which only Linux has")
    try:
        import torch  # noqa: F401  before an hour of measuring, not after
    except ImportError:
        parser.error("PyTorch is not installed: pip install '.[bench]'")
    result = {
        "command": " ".join(["python -m benchmarks.scale", *options.axes, f"--seconds {options.seconds}"]),
        "axes": {axis: grown(axis, options.seconds) for axis in options.axes or AXES},
        **provenance(),
    }
    print(table(result))
    if options.save:
        (RESULTS / "scale.json").write_text(json.dumps(result, indent=1) + "\n")
        (RESULTS / "scale.md").write_text(table(result))
        chart(result, RESULTS / "scale.png")


if __name__ == "__main__":
    main()
