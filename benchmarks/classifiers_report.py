"""What `python -m benchmarks.classifiers` found, in Markdown and as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, PercentFormatter

from tinydl.plot import style

Rows = dict[str, dict[str, Any]]
HEAD = (
    "", "accuracy", "validation", "parameters", "multiply-adds", "epochs", "batch", "seconds", "CPU seconds", "commit",
)  # fmt: skip

# where the names stand, so that none hides another: VGG and AlexNet cost nearly the same
BELOW: dict[str, Any] = {"xytext": (0, -8), "ha": "center", "va": "top"}
SIDES: dict[str, dict[str, Any]] = {
    "lenet": {"xytext": (0, 8), "ha": "center", "va": "bottom"},
    "vgg": {"xytext": (-8, 2), "ha": "right", "va": "bottom"},
    "alexnet": {"xytext": (6, -8), "ha": "left", "va": "top"},
    "resnet": {"xytext": (0, 8), "ha": "center", "va": "bottom"},
}


def table(rows: Rows, torch: dict[str, Any]) -> str:
    """The table, what its columns are, and PyTorch's seconds for ResNet-20 as far as they were measured."""
    first = next(iter(rows.values()))
    baseline = first["baseline_nearest_neighbour_accuracy"]
    lines = [
        "# The classifiers of the course",
        "",
        f"Accuracy on the {first['test_name']}, looked at once at the end of each training. A tenth of the training "
        "images was kept for validation. Learning rates were chosen on training images alone: see "
        "[README.md](README.md). One seed, 0.",
        "",
        *_markdown(HEAD, [*map(_line, rows.values()), ["nearest neighbour", f"{baseline:.2%}", *8 * ["-"]]]),
        "",
        "![Accuracy against multiply-adds](classifiers.png)",
        "",
        "Multiply-adds are those of one image on its way forward. Seconds are those of all epochs with validation, "
        "on one core of a machine that had other work as well; CPU seconds are the part of them that the process "
        "computed, and can be compared.",
    ]
    if torch:
        lines += ["", "## ResNet-20 in PyTorch", "", *_torch_lines(rows.get("resnet"), torch)]
    lines += [
        "",
        "## Commands",
        "",
        *[f"- `{row['command']}`, {row['date']}, NumPy {row['versions']['numpy']}" for row in rows.values()],
    ]
    return "\n".join(lines) + "\n"


def chart(rows: Rows, path: Path) -> None:
    """A point for each network, multiply-adds along a logarithmic axis, and the nearest neighbour as a line."""
    first = next(iter(rows.values()))
    baseline = first["baseline_nearest_neighbour_accuracy"]
    name = first["test_name"]
    with style.sheet(6.6, 4.4, path, name[0].upper() + name[1:]) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for key, row in rows.items():
            at = row["multiply_adds"], row["test_accuracy"]
            axes.plot(*at, "o", color=style.TRAINING, markersize=7)
            text = f"{row['title'].partition(' (')[0]}\n{row['parameters']:,} parameters"
            axes.annotate(text, at, fontsize=8, textcoords="offset points", **SIDES.get(key, BELOW))
        axes.axhline(baseline, color=style.QUIET, linestyle="--", linewidth=1)
        axes.text(
            0.99, baseline, "nearest neighbour", transform=axes.get_yaxis_transform(), ha="right", va="bottom",
            fontsize=8, color=style.QUIET,
        )  # fmt: skip
        adds = [row["multiply_adds"] for row in rows.values()]
        axes.set_xlim(min(adds) / 5, max(adds) * 6)
        levels = [baseline, *(row["test_accuracy"] for row in rows.values())]
        room = 0.2 * (max(levels) - min(levels)) or 0.01
        axes.set_ylim(min(levels) - room, max(levels) + room)
        axes.xaxis.set_major_formatter(FuncFormatter(_count))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("Multiply-adds for one image")
        axes.set_ylabel("Accuracy")
        axes.grid(True)


def _count(value: float, _: int) -> str:
    return f"{value / 1e6:g} million" if value >= 1e6 else f"{value:,.0f}"


def _line(row: dict[str, Any]) -> list[str]:
    return [
        row["title"],
        f"{row['test_accuracy']:.2%}",
        f"{row['validation_accuracy']:.2%}",
        f"{row['parameters']:,}",
        f"{row['multiply_adds']:,}",
        str(row["epochs"]),
        str(row["batch_size"]),
        f"{row['seconds']:,.0f}",
        f"{row['cpu_seconds']:,.0f}",
        row["commit"],
    ]


def _torch_lines(ours: dict[str, Any] | None, torch: dict[str, Any]) -> list[str]:
    lines = [
        "The same network from the same first weights with the same optimiser, schedule and batches, on one thread: "
        "`python -m benchmarks.resnet_torch`.",
    ]
    if whole := torch.get("training"):
        line = ["PyTorch", *(f"{whole[key]:,.0f}" for key in ("seconds", "cpu_seconds"))]
        both = [[*line, f"{whole['test_accuracy']:.2%}"]]
        if ours is not None and ours["epochs"] == whole["epochs"]:
            line = ["tinydl", *(f"{ours[key]:,.0f}" for key in ("seconds", "cpu_seconds"))]
            both.append([*line, f"{ours['test_accuracy']:.2%}"])
        head = (f"{whole['epochs']} epochs", "seconds", "CPU seconds", "accuracy")
        lines += ["", *_markdown(head, both)]
    if steps := torch.get("steps"):
        heading = (f"a step, median of {steps['steps']} taken in turn", "ms", "CPU ms")
        both = [
            [title, *(f"{1e3 * steps[key][kind]:.0f}" for kind in ("seconds", "cpu_seconds"))]
            for title, key in (("PyTorch", "pytorch"), ("tinydl", "tinydl"))
        ]
        lines += ["", *_markdown(heading, both)]
    return lines


def _markdown(head: Sequence[str], lines: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines]]
