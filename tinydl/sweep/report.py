"""What came of a sweep: results.csv, results.md and sweep.png."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinydl import plot
from tinydl.serialization import write_atomically
from tinydl.sweep.cells import Cell
from tinydl.sweep.plan import WORDS, Plan, said, shortest

TABLE, PAGE, CHART = "results.csv", "results.md", "sweep.png"


@dataclass(frozen=True)
class Findings:
    """All cells; by the name of each network the chosen one and its test accuracy; what to compare with."""

    plan: Plan
    cells: list[Cell]
    chosen: dict[str, Cell]
    test_accuracy: dict[str, float]
    test_name: str
    baseline: float  # 1-nearest-neighbour, on the test part
    validation_baseline: float

    @property
    def best(self) -> str:
        """The network that is best on validation images."""
        return max(self.chosen, key=lambda name: self.chosen[name].rank)


def write(findings: Findings, out: Path) -> None:
    """Writes the table, twice, and the chart into the folder `out`."""
    write_atomically(out / TABLE, _csv(findings).encode())
    write_atomically(out / PAGE, _markdown(findings).encode())
    _chart(findings, out / CHART)


def _csv(findings: Findings) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name.replace("-", "_") for name in findings.plan.grid]
    writer.writerow(
        [
            "network",
            *names,
            "parameters",
            "seconds",
            "validation_accuracy",
            "validation_loss",
            "chosen",
            "test_accuracy",
        ]
    )
    for cell in findings.cells:
        chosen = findings.chosen.get(cell.network) is cell
        writer.writerow(
            [
                cell.network,
                *map(shortest, cell.values.values()),
                cell.parameters,
                cell.seconds,
                cell.validation_accuracy,
                cell.validation_loss,
                "yes" if chosen else "no",
                findings.test_accuracy[cell.network] if chosen else None,
            ]
        )
    return text.getvalue()


def _markdown(findings: Findings) -> str:
    plan = findings.plan
    grid = [WORDS[name] for name in plan.grid]
    lines = [
        f"# {', '.join(plan.networks)}: which {' and '.join(grid)}?",
        "",
        f"`{plan.command()}`",
        "",
        "Each network was trained with each value on four fifths of the training images and judged on the others. The "
        "value with the best validation accuracy (bold) is the chosen one, and that network alone was asked about the "
        f"test part ({findings.test_name}), once. For that, 1-nearest-neighbour compares with all training images.",
        "",
        f"| network | {' | '.join(grid)} | parameters | seconds | validation loss | validation accuracy "
        "| test accuracy |",
        f"|---|{'---|' * (len(grid) + 5)}",
    ]
    for cell in findings.cells:
        bold = "**" if findings.chosen.get(cell.network) is cell else ""
        values = " | ".join(map(shortest, cell.values.values()))
        test = f"{bold}{findings.test_accuracy[cell.network]:.2%}{bold}" if bold else ""
        judged = "diverged" if cell.validation_accuracy is None else f"{cell.validation_accuracy:.2%}"
        loss = "" if cell.validation_loss is None else f"{cell.validation_loss:.4f}"
        lines.append(
            f"| {cell.network} | {values} | {cell.parameters:,} | {cell.seconds:.0f} | {loss} | {bold}{judged}{bold} "
            f"| {test} |"
        )
    lines.append(
        f"| 1-nearest-neighbour | {'| ' * (len(grid) + 2)}| {findings.validation_baseline:.2%} "
        f"| {findings.baseline:.2%} |"
    )
    lines += ["", f"![Validation accuracy of each network with each value]({CHART})"]
    if findings.chosen:
        lines += ["", " ".join([conclusion(findings), *warnings(findings)])]
    return "\n".join(lines) + "\n"


def conclusion(findings: Findings) -> str:
    """The sentence that a sweep ends with."""
    name = findings.best
    cell = findings.chosen[name]
    return (
        f"Best on validation images: {name} with {said(cell.values)} ({cell.validation_accuracy:.2%}); "
        f"it reads {findings.test_accuracy[name]:.2%} of the test part right, "
        f"1-nearest-neighbour {findings.baseline:.2%}."
    )


def warnings(findings: Findings) -> list[str]:
    """Sentences about chosen values at an end of the grid: a better one may lie beyond it."""
    said = []
    for name, values in findings.plan.grid.items():
        ends = {min(values): "smallest", max(values): "largest"}
        for network, cell in findings.chosen.items():
            best = cell.values[name]
            if len(values) > 2 and best in ends:
                said.append(
                    f"The best {name} of {network}, {shortest(best)}, is the {ends[best]} that was tried: "
                    "a better one may lie beyond."
                )
    return said


def _chart(findings: Findings, path: Path) -> None:
    """A line for each network (and for each choice of the other hyperparameters) over the first hyperparameter."""
    first, *others = findings.plan.grid
    places = sorted(findings.plan.grid[first])
    lines: dict[str, dict[float, float | None]] = {}
    rings: dict[str, int] = {}
    for cell in findings.cells:
        rest = said({name: cell.values[name] for name in others})
        name = " ".join(part for part in (cell.network, rest) if part)
        lines.setdefault(name, {})[cell.values[first]] = cell.validation_accuracy
        if findings.chosen.get(cell.network) is cell:
            rings[name] = places.index(cell.values[first])
    names = {
        name: f"{name}\ntest {findings.test_accuracy[name.split()[0]]:.1%} with {shortest(places[rings[name]])}"
        if name in rings
        else name
        for name in lines
    }
    plot.lines(
        {
            names[name]: 100 * np.array([row[place] for place in places], np.float64)
            for name, row in lines.items()
        },
        places,
        WORDS[first].capitalize(),
        "Validation accuracy (%)",
        path=path,
        title=f"Which {WORDS[first]}? The chosen ones have a ring",
        baselines={
            f"1-nearest-neighbour\ntest {findings.baseline:.1%}": np.full(
                len(places), 100 * findings.validation_baseline
            )
        },
        chosen={names[name]: i for name, i in rings.items()},
    )
