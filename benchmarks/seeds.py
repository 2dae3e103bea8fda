"""What the networks of `tinydl train` reach, as the mean over seeds.

python -m benchmarks.seeds NAME [NAME ...] [--seeds 3]      one file for each network in benchmarks/results/networks/
python -m benchmarks.seeds --report                         all of them as one table, networks.md
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance
from tinydl.recipes import RECIPES, Options

RESULTS = Path(__file__).parent / "results"


def measured(name: str, seeds: int) -> dict[str, Any]:
    """Trains the network once for each seed: the mean and the deviation of every number that it reports."""
    recipe = RECIPES[name]
    runs: list[dict[str, Any]] = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            options = Options(Path(folder), recipe.epochs, recipe.batch_size, seed, progress=False)
            runs.append({"seed": seed, **recipe.run(options)})
    numbers = [key for key, value in runs[0].items() if key != "seed" and _is_number(value)]
    return {
        "command": f"python -m benchmarks.seeds {name} --seeds {seeds}",
        "summary": recipe.summary,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "mean": {key: statistics.fmean(run[key] for run in runs) for key in numbers},
        "deviation": {key: statistics.pstdev([run[key] for run in runs]) for key in numbers},
        "runs": runs,
        **provenance(),
    }


def report(results: list[dict[str, Any]]) -> str:
    """Every figure of every network: its mean, its deviation, and its value with the default seed."""
    lines = [
        "# What the networks reach",
        "",
        "Written by `python -m benchmarks.seeds --report` from networks/*.json, each by the command that it names. The "
        "default seed is 0; the deviation is that of the seeds themselves.",
    ]
    for result in results:
        lines += [
            "",
            f"## {result['command'].split()[3]}: {result['summary']}",
            "",
            f"`{result['command']}`, {result['date']}, commit {result['commit']}, {result['epochs']} epochs",
            "",
            "| | mean | deviation | seed 0 |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {key} | {mean:.6g} | {result['deviation'][key]:.2g} | {result['runs'][0][key]:.6g} |"
            for key, mean in result["mean"].items()
        ]
    return "\n".join(lines) + "\n"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def main() -> None:
    """Trains and writes one JSON file for each network, or the table of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - set(RECIPES)):
        parser.error(f"{', '.join(unknown)} unknown; there are {', '.join(RECIPES)}")
    folder = RESULTS / "networks"
    folder.mkdir(parents=True, exist_ok=True)
    for name in asked.names:
        text = json.dumps(measured(name, asked.seeds), indent=2) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    if asked.report:
        results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
        (RESULTS / "networks.md").write_text(report(results), encoding="utf-8")


if __name__ == "__main__":
    main()
