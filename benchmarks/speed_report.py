"""What `python -m benchmarks.speed` found, in Markdown and as a bar chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

TITLES = {
    "tinydl": "tinydl",
    "torch": "PyTorch, 2 threads",
    "tinydl-shards": "tinydl, 2 shards",
    "tinydl-numba": "tinydl, Numba",
    "torch-1-thread": "PyTorch, 1 thread",
    "torch-compile": "torch.compile, 2 threads",
    "jax": "JAX jit",
    "mygrad": "MyGrad",
    "autograd": "HIPS autograd",
}
GPU_TITLES = {
    "tinydl-compile": "tinydl, td.compile",
    "torch": "PyTorch eager",
    "tinydl": "tinydl eager",
    "torch-graph": "PyTorch, CUDA graph",
    "torch-compile": "torch.compile",
}


def titles(result: dict[str, Any]) -> dict[str, str]:
    """The contenders as the report calls them; the first is compared with PyTorch, the second."""
    return GPU_TITLES if result["settings"].get("device") == "cuda" else TITLES


def ratios(row: dict[str, Any], name: str = "tinydl") -> list[float] | None:
    """PyTorch's time divided by tinydl's for each round; None where the row was not timed."""
    contenders = row["contenders"]
    if "seconds" not in contenders.get(name, {}):
        return None
    pairs = zip(contenders["torch"]["seconds"], contenders[name]["seconds"], strict=True)
    return [torch / tinydl for torch, tinydl in pairs]


def table(result: dict[str, Any]) -> str:
    """The table, then how much the figures vary, what was refused, and where it was measured."""
    if result["settings"].get("device") == "cuda":
        return _gpu_table(result)
    rows = result["rows"].values()
    others = [name for name in TITLES if any(name in row["contenders"] for row in rows)][2:]
    compared = ["tinydl", "torch", *others]
    head = [
        "",
        "tinydl ms",
        "PyTorch ms",
        "ratio",
        "quartiles",
        "floor",
        "goal",
        *(TITLES[o] for o in others),
    ]
    lines = [
        "# Milliseconds of a training step",
        "",
        f"The ratio is PyTorch's time (eager, {TITLES['torch'].partition(', ')[2]}, the fastest of "
        f"{result['settings']['processes']} processes) divided by tinydl's, the median over the rounds; in "
        "parentheses the others' time divided by tinydl's; for shards, `Trainer(..., shards=2)`, the ratio again.",
        "",
        *_markdown(head, [_line(row, others) for row in rows]),
        *_remarks(rows),
        "",
        "## Spread",
        "",
        "Over the rounds, each the median of its steps; the mean is that of all steps of all rounds. ms.",
        "",
        *_markdown(
            ["", "contender", "least", "quartile", "median", "quartile", "mean", "steps"], _spread(rows)
        ),
        "",
        "## Memory",
        "",
        "By how many MiB each process was larger at its largest than before its network was made: weights, what a step "
        "keeps, what the library sets up in the first steps, and freed memory that it holds on to. Of shards it is one "
        "process of two.",
        "",
        *_markdown(
            ["", *(TITLES[name] for name in compared)],
            [[row["title"], *(_mebibytes(row, name) for name in compared)] for row in rows],
        ),
        "",
        "## PyTorch processes",
        "",
        "All that were tried before the rounds, ms; the fastest was taken.",
        "",
        *_markdown(
            ["", "processes"],
            [
                [row["title"], ", ".join(f"{1e3 * s:.3g}" for s in row["contenders"]["torch"]["processes"])]
                for row in rows
                if "processes" in row["contenders"].get("torch", {})
            ],
        ),
        "",
        "## Origin",
        "",
        f"`{result['command']}`, {result['date']}, commit {result['commit']}. {_origin(result)}",
    ]
    return "\n".join(lines) + "\n"


def _gpu_table(result: dict[str, Any]) -> str:
    rows, named = result["rows"].values(), titles(result)
    lead, _, *others = [
        name for name in named if any(name in row["contenders"] for row in rows) or name in list(named)[:2]
    ]
    precision = "TF32 in products and convolutions" if result["settings"]["tf32"] else "float32, no TF32"
    head = ["", *(f"{named[name]} ms" for name in (lead, "torch")), "ratio", "quartiles", "goal"]
    lines = [
        "# Milliseconds of a training step on a GPU",
        "",
        f"{precision}, in all contenders. The ratio is PyTorch's time (eager, the fastest of "
        f"{result['settings']['processes']} processes) divided by that of tinydl's captured steps, the median over the "
        "rounds; in parentheses the others' time divided by tinydl's.",
        "",
        *_markdown(
            [*head, *(named[name] for name in others)],
            [_line(row, others, lead)[:5] + _line(row, others, lead)[6:] for row in rows],
        ),
        *_remarks(rows, named),
        "",
        "## Memory",
        "",
        "MiB of the GPU that each library has taken for arrays after the rounds, without the driver's own.",
        "",
        *_markdown(
            ["", *named.values()],
            [[row["title"], *(_mebibytes(row, name) for name in named)] for row in rows],
        ),
        "",
        "## Spread",
        "",
        *_markdown(
            ["", "contender", "least", "quartile", "median", "quartile", "mean", "steps"],
            _spread(rows, named),
        ),
        "",
        "## Origin",
        "",
        f"`{result['command']}`, {result['date']}, commit {result['commit']}. {_origin(result)}",
    ]
    return "\n".join(lines) + "\n"


def _mebibytes(row: dict[str, Any], name: str) -> str:
    taken = row["contenders"].get(name, {}).get("bytes")
    return "" if taken is None else f"{taken / 2**20:.0f}"


def chart(result: dict[str, Any], path: Path) -> None:
    """A bar for each row's ratio (blue at the goal and above), its quartiles, and marks for floor, goal and shards."""
    named = titles(result)
    lead, beside = next(iter(named)), "tinydl-shards" if named is TITLES else "torch-graph"
    timed = [(row, found) for row in result["rows"].values() if (found := ratios(row, lead))]
    figure, axes = plt.subplots(figsize=(8, 0.6 * len(timed) + 1.4), layout="constrained")
    for place, (row, found) in enumerate(timed):
        low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
        axes.barh(place, middle, color="tab:blue" if middle >= row["goal"] else "tab:gray")
        axes.plot([low, high], [place, place], color="black", linewidth=1.5)
        axes.text(0.03, place, f"{middle:.2f}", va="center", color="white")
        if shared := ratios(row, beside):
            axes.plot(np.median(shared), place, "o", color="black", markersize=5, label=named[beside])
        axes.plot(2 * [row["floor"]], [place - 0.4, place + 0.4], ":", color="black", label="floor")
        axes.plot(2 * [row["goal"]], [place - 0.4, place + 0.4], color="tab:red", label="goal")
    axes.axvline(1.0, color="black", linewidth=0.5)
    axes.set_yticks(range(len(timed)), [row["title"] for row, _ in timed])
    axes.invert_yaxis()
    where = ", 2 cores" if named is TITLES else f"\n{result['machine']['gpu']}"
    # The figure's label, not that of the axes, which long titles of rows push to the right.
    figure.supxlabel(
        f"time of PyTorch eager / time of {named[lead]}{where}: higher is better", fontsize="medium"
    )
    legend = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(legend.values(), legend.keys(), loc="outside upper right", ncols=3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _markdown(head: list[str], lines: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines]]


def _line(row: dict[str, Any], others: list[str], lead: str = "tinydl") -> list[str]:
    contenders = row["contenders"]
    limits = [f"{row['floor']:.3g}", f"{row['goal']:.3g}"]
    found = ratios(row, lead)
    if found is None:
        first = ("tinydl", "torch", lead)
        why = next((_why(contenders[name]) for name in first if _why(contenders.get(name, {}))), "not timed")
        return [row["title"], "-", "-", why, "-", *limits, *("-" for _ in others)]
    low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
    tinydl, torch = (np.median(contenders[name]["seconds"]) for name in (lead, "torch"))
    cells = []
    for name in others:
        other = contenders.get(name, {})
        if "seconds" not in other:
            cells.append(_why(other))
            continue
        seconds = np.median(other["seconds"])
        shared = ratios(row, name) if name == "tinydl-shards" else None
        compared = f"{seconds / tinydl:.2f}" if shared is None else f"**{np.median(shared):.2f}**"
        cells.append(f"{1e3 * seconds:.3g} ({compared})")
    figures = [f"{1e3 * tinydl:.3g}", f"{1e3 * torch:.3g}", f"**{middle:.2f}**", f"{low:.2f}-{high:.2f}"]
    return [row["title"], *figures, *limits, *cells]


def _why(contender: dict[str, Any]) -> str:
    """Why a contender has no time."""
    return next((word for word in ("absent", "failed", "refused") if word in contender), "")


def _remarks(rows: Any, named: dict[str, str] = TITLES) -> list[str]:
    """A sentence for each refusal and failure; one for each contender that is absent."""
    found: dict[str, None] = {}
    for row in rows:
        for name, contender in row["contenders"].items():
            if why := _why(contender):
                where = "" if why == "absent" else f" at {row['title']}"
                found[f"- {named[name]} {why}{where}: {contender[why]}"] = None
    return ["", *found] if found else []


def _spread(rows: Any, named: dict[str, str] = TITLES) -> list[list[str]]:
    lines = []
    for row in rows:
        for name, contender in row["contenders"].items():
            if "seconds" in contender:
                figures = [*np.quantile(contender["seconds"], [0, 0.25, 0.5, 0.75])]
                figures.append(np.average(contender["means"], weights=contender["steps"]))
                steps = str(sum(contender["steps"]))
                lines.append([row["title"], named[name], *(f"{1e3 * s:.3g}" for s in figures), steps])
    return lines


def _origin(result: dict[str, Any]) -> str:
    contenders = [item for row in result["rows"].values() for item in row["contenders"].items()]
    named = titles(result)
    versions = {
        named[name].partition(",")[0].removesuffix(" eager"): c["version"]
        for name, c in contenders
        if "version" in c
    }
    versions |= {name: result["versions"][name] for name in ("python", "numpy")}
    machine = result["machine"]
    gpu = (
        f"{machine['gpu']}, driver for CUDA {machine['cuda_driver']}, CUDA {machine['cuda_runtime']}, "
        f"CuPy {machine['cupy']}; "
        if "gpu" in machine
        else ""
    )
    return (
        f"{gpu}{machine['cpu']}, {machine['used_cores']} of {result['cores']} cores; "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}."
    )
