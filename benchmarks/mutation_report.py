"""What `python -m benchmarks.mutation` found, as JSON and in Markdown."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.mutants import LEFT_OUT, Drawn, Mutant
from benchmarks.provenance import provenance

RESULTS = Path(__file__).parent / "results"


def history(session: Path) -> dict[str, list[dict[str, Any]]]:
    """All records of each mutant, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in session.read_text().splitlines() if session.exists() else []:
        record = json.loads(line)
        found.setdefault(record["mutant"], []).append(record)
    return found


def reasons() -> dict[str, str]:
    """Why no test kills a mutant, by its identity."""
    path = RESULTS / "mutation_reasons.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(drawn: Drawn, text: Mapping[str, str], seed: int, session: Path) -> str:
    """Writes mutation.json and mutation.md for the sample that the present source has, and returns the latter."""
    sample, counts, left_out = drawn
    records = history(session)
    explained = reasons()
    rows = [records[m.identity][-1] for m in sample if m.identity in records]
    killed = [row for row in rows if row["outcome"] == "killed"]
    survivors = [
        {
            "mutant": m.identity,
            "diff": difference(m, text[m.file]),
            "reason": explained.get(m.identity),
        }
        for m in sample
        if m.identity in records and records[m.identity][-1]["outcome"] == "survived"
    ]
    by_file = {}
    for file in counts:
        of_file = [row["outcome"] for row in rows if row["mutant"].startswith(f"{file}:")]
        by_file[file] = {"mutants": counts[file], "judged": len(of_file), "killed": of_file.count("killed")}
    later = {
        row["mutant"]: row["by"]
        for row in killed
        if any(record["outcome"] == "survived" for record in records[row["mutant"]])
    }
    result = {
        "command": "python -m benchmarks.mutation",
        "seed": seed,
        "drawn": len(sample),
        "judged": len(rows),
        "killed": len(killed),
        "survived": len(survivors),
        "explained": sum(s["reason"] is not None for s in survivors),
        "killed_of_judged": len(killed) / max(len(rows), 1),
        "killed_by": dict(Counter(row["how"] for row in killed)),
        "killed_in_stage": dict(sorted(Counter(row["stage"] for row in killed).items())),
        "seconds": round(sum(sum(row["seconds"]) for row in rows)),
        "mutants": sum(counts.values()),
        "left_out": dict(left_out),
        "by_file": by_file,
        "survivors": survivors,
        "killed_after_tests_were_added": later,
        "reasons_without_survivor": sorted(set(explained) - {s["mutant"] for s in survivors}),
        "judgements": rows,
        "tools": {name: _version(name) for name in ("cosmic-ray", "pytest", "hypothesis", "torch")},
        **provenance(),
    }
    (RESULTS / "mutation.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "mutation.md").write_text(summary(result))
    return summary(result)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def difference(mutant: Mutant, source: str) -> str:
    """What the mutant changes."""
    lines = difflib.unified_diff(source.splitlines(), mutant.apply(source).splitlines(), n=1, lineterm="")
    return "\n".join(list(lines)[2:])


def summary(result: dict[str, Any]) -> str:
    """The report in Markdown."""
    judged, killed, explained = result["judged"], result["killed"], result["explained"]
    lines = [
        "# Can the tests fail?",
        "",
        f"`{result['command']}`, seed {result['seed']}, {result['date']}, commit {result['commit']}, "
        f"tinydl {result['versions']['tinydl']}, NumPy {result['versions']['numpy']}, Python "
        f"{result['versions']['python']}, " + ", ".join(f"{k} {v}" for k, v in result["tools"].items()) + ".",
        "",
        f"**{killed} of {judged} mutants killed ({result['killed_of_judged']:.1%})**; {explained} of the "
        f"{judged - killed} survivors have their reason below. Drawn: {result['drawn']} of {result['mutants']}. "
        f"Killed by {', '.join(f'{how} {n}' for how, n in result['killed_by'].items())}.",
        "",
        "Not drawn from, decided before the first run:",
        "",
        *(f"- {result['left_out'].get(reason, 0)}: {why}" for reason, why in LEFT_OUT.items()),
        "- what the compiler refuses or warns about",
        "",
        "| file | mutants | judged | killed |",
        "|---|---|---|---|",
        *(f"| {f} | {n['mutants']} | {n['judged']} | {n['killed']} |" for f, n in result["by_file"].items()),
        "",
        "## Survivors",
        "",
    ]
    for survivor in result["survivors"]:
        reason = survivor["reason"] or "**no reason yet**"
        lines += [f"`{survivor['mutant']}`: {reason}", "", "```diff", survivor["diff"], "```", ""]
    lines += ["## Survived at first, killed by a test that was added", ""]
    lines += [f"- `{mutant}`: {by}" for mutant, by in result["killed_after_tests_were_added"].items()]
    return "\n".join(lines).rstrip() + "\n"
