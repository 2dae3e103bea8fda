"""The same training run in tinydl and in PyTorch: the same network, weights, batches and optimiser, step by step.

python -m benchmarks.parity [ROW ...] [--steps 200] [--save]     --save writes results/parity.json, .md and .png

In exact arithmetic both would have the same losses. So what differs is owed to rounding, which training multiplies:
float64 begins nine digits further down, and shows that it is rounding and nothing else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import tinydl as td
from benchmarks import networks
from benchmarks.provenance import provenance
from benchmarks.rows import ROWS, Array
from tinydl.data import mnist, nuclei, to_float
from tinydl.data.crops import RandomCrops

RESULTS = Path(__file__).parent / "results"
STEPS = 200
EARLY = 10  # steps, before rounding has been multiplied much
DTYPES = ("float32", "float64")

Batches = list[tuple[Array, ...]]


def digits(
    batch: int, make: Callable[[Array, Array, td.Generator], tuple[Array, ...]]
) -> Callable[[int], Batches]:
    """Batches of handwritten digits in random order, as `make` turns them into inputs and target."""

    def draw(steps: int) -> Batches:
        g = td.Generator(0)
        train = mnist.load().train
        x, y = to_float(train.images), train.labels
        rows = [g.permutation(len(y))[:batch] for _ in range(steps)]
        return [make(x[r], y[r], g) for r in rows]

    return draw


def crops(steps: int) -> Batches:
    """Batches of eight pieces 64x64 of the micrograph with their masks."""
    image, labels = nuclei.load().train
    mask = (labels > 0).astype(np.float32)[None, None]
    pieces = RandomCrops(to_float(image[None]), mask, size=64, count=8, generator=td.Generator(0))
    return [tuple(pieces[np.arange(8)]) for _ in range(steps)]


def _wide(x: Array, y: Array, g: td.Generator) -> tuple[Array, ...]:
    return np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))), y


def _with_noise(x: Array, y: Array, g: td.Generator) -> tuple[Array, ...]:
    flat = x.reshape(len(x), -1)
    return flat, g.normal((len(x), 20)), flat


# For ResNet-18 no colour images of its size come with tinydl: tests/models hold it against its twin.
BATCHES: dict[str, Callable[[int], Batches]] = {
    "mlp": digits(128, lambda x, y, g: (x.reshape(len(x), -1), y)),
    "lenet-64": digits(64, _wide),
    "autoencoder": digits(128, lambda x, y, g: (x, x)),
    "vae": digits(128, _with_noise),
    "unet": crops,
}


def with_tinydl(name: str, weights: dict[str, Array], batches: Batches, dtype: str) -> list[float]:
    """The loss before each step."""
    library, row = networks.tinydl(), ROWS[name]
    model = row.network(library)
    model.load_state_dict(weights)
    step = row.training(library, model.astype(dtype))
    return [float(step(*(td.tensor(_as(a, dtype)) for a in batch)).item()) for batch in batches]


def with_pytorch(name: str, weights: dict[str, Array], batches: Batches, dtype: str) -> list[float]:
    """The same with PyTorch."""
    import torch

    library, row = networks.pytorch(torch), ROWS[name]
    model = row.network(library).to(getattr(torch, dtype))
    model.load_state_dict({key: torch.from_numpy(_as(array, dtype)) for key, array in weights.items()})
    step = row.training(library, model)
    return [float(step(*(torch.from_numpy(_as(a, dtype)) for a in batch)).item()) for batch in batches]


def compared(name: str, steps: int) -> dict[str, Any]:
    """Both loss curves in both dtypes, and how far they are apart, relatively."""
    weights = {key: array for key, array in ROWS[name].initial().items() if not key.startswith("batch.")}
    batches = BATCHES[name](steps)
    found: dict[str, Any] = {"title": ROWS[name].title}
    for dtype in DTYPES:
        ours = with_tinydl(name, weights, batches, dtype)
        theirs = with_pytorch(name, weights, batches, dtype)
        apart = difference(ours, theirs)
        found[dtype] = {
            "tinydl": ours,
            "torch": theirs,
            "largest_difference_early": float(apart[:EARLY].max()),
            "largest_difference": float(apart.max()),
        }
    return found


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Array:
    """|a - b| / |b| for each step."""
    a, b = np.array(ours), np.array(theirs)
    return np.abs(a - b) / np.abs(b)


def table(result: dict[str, Any]) -> str:
    """Last losses and differences in Markdown."""
    steps = result["steps"]
    lines = [
        "# The same training run in tinydl and in PyTorch",
        "",
        "Same network, weights, batches of real data and optimiser. A difference is that of the losses before a step, "
        f"divided by PyTorch's: the largest of the first {EARLY} steps, and of all {steps}.",
        "",
        "| | last loss, tinydl | PyTorch "
        + "".join(f"| {d}, first {EARLY} | {d}, all " for d in DTYPES)
        + "|\n| --- "
        + "| --- " * (2 + 2 * len(DTYPES))
        + "|",
    ]
    for row in result["rows"].values():
        last = (f"{row['float32'][who][-1]:.6g}" for who in ("tinydl", "torch"))
        apart = (
            f"{row[d][key]:.0e}" for d in DTYPES for key in ("largest_difference_early", "largest_difference")
        )
        lines.append("| " + " | ".join([row["title"], *last, *apart]) + " |")
    lines += [
        "",
        "![Losses and their differences](parity.png)",
        "",
        f"`{result['command']}`, {result['date']}, commit {result['commit']}, PyTorch {result['torch']}, "
        f"NumPy {result['versions']['numpy']}.",
    ]
    return "\n".join(lines) + "\n"


def chart(result: dict[str, Any], path: Path) -> None:
    """Above, both loss curves of each network; below, their relative difference in both dtypes."""
    rows = list(result["rows"].values())
    figure, axes = plt.subplots(
        2, len(rows), figsize=(2.6 * len(rows) + 0.6, 4.6), sharex=True, layout="constrained", squeeze=False
    )
    for (top, bottom), row in zip(axes.T, rows, strict=True):
        top.plot(row["float32"]["tinydl"], color="tab:blue", linewidth=3.5, alpha=0.45, label="tinydl")
        top.plot(row["float32"]["torch"], color="black", linewidth=0.8, label="PyTorch")
        top.set_title(row["title"], fontsize=9)
        for dtype, colour in zip(DTYPES, ("tab:blue", "tab:orange"), strict=True):
            apart = difference(row[dtype]["tinydl"], row[dtype]["torch"])
            bottom.semilogy(np.where(apart > 0, apart, np.nan), ".", markersize=2, color=colour, label=dtype)
        bottom.set_ylim(1e-17, 1)
        bottom.set_xlabel("step")
    axes[0, 0].set_ylabel("loss, float32")
    axes[1, 0].set_ylabel("relative difference")
    axes[0, 0].legend(fontsize=8)
    axes[1, 0].legend(fontsize=8, markerscale=4)
    for axis in axes[1, 1:]:
        axis.tick_params(labelleft=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _as(array: Array, dtype: str) -> Array:
    return array.astype(dtype) if array.dtype.kind == "f" else array


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs it, prints the table, and with --save keeps everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(BATCHES)}; all by default")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--save", action="store_true", help="write the result files")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.rows if name not in BATCHES]:
        parser.error(f"unknown row {unknown[0]!r}; the rows are {', '.join(BATCHES)}")
    if options.steps < 1:
        parser.error(f"--steps must be 1 or more, got {options.steps}")
    try:
        import torch
    except ImportError:
        parser.error("PyTorch is not installed: pip install '.[bench]'")
    result = {
        "command": " ".join(["python -m benchmarks.parity", *options.rows, f"--steps {options.steps}"]),
        "steps": options.steps,
        "torch": torch.__version__,
        "rows": {name: compared(name, options.steps) for name in options.rows or BATCHES},
        **provenance(),
    }
    print(table(result))
    if options.save:
        (RESULTS / "parity.json").write_text(json.dumps(result) + "\n")
        (RESULTS / "parity.md").write_text(table(result))
        chart(result, RESULTS / "parity.png")


if __name__ == "__main__":
    main()
