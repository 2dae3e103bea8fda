"""A sweep from its first cell to its one look at the test part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinydl.data import nearest_neighbour_accuracy
from tinydl.data.images import ImageSet
from tinydl.recipes.classify import DATA
from tinydl.recipes.recipe import Options, write_metrics
from tinydl.serialization import FileError, write_atomically
from tinydl.sweep.cells import RESULT, Cell, divided, read, test_accuracy, train
from tinydl.sweep.plan import Plan, Values, said
from tinydl.sweep.report import CHART, PAGE, TABLE, Findings, conclusion, warnings, write

PLAN = "sweep.json"


def sweep(
    plan: Plan, out: Path, resume: bool = False, device: str = "cpu", progress: bool = True
) -> Findings:
    """Trains every cell, chooses the best of each network on validation images, and measures those on the test part.

    Writes a folder for each cell, results.csv, results.md, sweep.png and metrics.json into `out`. With `resume` the
    sweep that was interrupted there goes on, with the same bits as one that never was. Raises FileNotFoundError when
    there is none to resume, ValueError when it is another one, or a file of it is damaged.
    """
    options = Options(
        out, plan.epochs, plan.batch_size, plan.seed, plan.data, plan.source, device, progress=progress
    )
    _begin(plan, options, resume)
    data = DATA[plan.data].load(plan.source)
    print(f"data: {data.source}")
    parts = divided(plan, data)
    cells = []
    for network in plan.networks:
        for values in plan.cells():
            own = _options(options, network, values)
            if (own.out / RESULT).exists():
                cell = read(own.out / RESULT, network, values)
            else:
                cell = train(own, plan, network, values, parts)
            cells.append(cell)
            judged = "diverged" if cell.validation_accuracy is None else f"{cell.validation_accuracy:.2%}"
            print(f"{network} {said(values)}: validation {judged}", flush=True)
    findings = _finish(plan, options, cells, data, nearest_neighbour_accuracy(*parts))
    write(findings, out)
    write_metrics(options, _metrics(findings))
    if findings.chosen:
        print(conclusion(findings), *warnings(findings), sep="\n")
    return findings


def _begin(plan: Plan, options: Options, resume: bool) -> None:
    """Leaves the folder with this plan, and without the cells of an earlier sweep unless that goes on."""
    path = options.out / PLAN
    if resume:
        _same(plan, path)
        return
    for name in (PLAN, TABLE, PAGE, CHART, "metrics.json"):
        (options.out / name).unlink(missing_ok=True)
    for network in plan.networks:
        for values in plan.cells():
            own = _options(options, network, values)
            own.out.mkdir(parents=True, exist_ok=True)
            (own.out / RESULT).unlink(missing_ok=True)
            own.checkpoint.unlink(missing_ok=True)
    write_atomically(path, (json.dumps(plan.facts(), indent=2) + "\n").encode())


def _same(plan: Plan, path: Path) -> None:
    """Raises unless the sweep that was begun there is this one.

    Values that are added after a look at the test part would be chosen on it.
    """
    try:
        facts = json.loads(path.read_bytes())
        begun = Plan(**{**facts, "networks": tuple(facts["networks"]),
                        "grid": {name: tuple(values) for name, values in facts["grid"].items()}})  # fmt: skip
        command = begun.command()
    except FileNotFoundError:
        raise FileNotFoundError(f"--resume: there is no {path}; leave --resume out to start anew") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise FileError(f"{path}: damaged ({error}); leave --resume out to start anew") from error
    if begun != plan:
        raise ValueError(
            f"this sweep was begun as: {command}; give the same, or leave --resume out to start anew"
        )


def _options(options: Options, network: str, values: Values) -> Options:
    """What a cell is trained with: in a folder of its own, from its checkpoint if there is one."""
    own = replace(
        options,
        out=options.out / network / said(values).replace(" ", ","),
        epochs=int(values.get("epochs", options.epochs)),
        batch_size=int(values.get("batch-size", options.batch_size)),
    )
    return replace(own, resume=own.checkpoint.exists())


def _finish(
    plan: Plan, options: Options, cells: list[Cell], data: ImageSet, validation_baseline: float
) -> Findings:
    """Chooses on validation images, and asks each chosen network about the test part."""
    chosen = {}
    for network in plan.networks:
        best = max((cell for cell in cells if cell.network == network), key=lambda cell: cell.rank)
        if best.validation_accuracy is not None:
            chosen[network] = best
    measured = {
        network: test_accuracy(_options(options, network, cell.values), plan, cell, data.test)
        for network, cell in chosen.items()
    }
    baseline = nearest_neighbour_accuracy(data.train, data.test)
    return Findings(plan, cells, chosen, measured, data.test_name, baseline, validation_baseline)


def _metrics(findings: Findings) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for network, cell in findings.chosen.items():
        name = network.replace("-", "_")
        facts |= {f"chosen_{name}_{key.replace('-', '_')}": value for key, value in cell.values.items()}
        facts[f"validation_{name}_accuracy"] = cell.validation_accuracy
        facts[f"test_{name}_accuracy"] = findings.test_accuracy[network]
    return {
        **facts,
        "baseline_nearest_neighbour_accuracy": findings.baseline,
        "baseline_nearest_neighbour_validation_accuracy": findings.validation_baseline,
        "cells": len(findings.cells),
        "command": findings.plan.command(),
        "seconds": round(sum(cell.seconds for cell in findings.cells), 2),
    }
