"""The mutants of `python -m benchmarks.mutation`: which there are, which are drawn, and how they are counted."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed (pip install '.[mutation]')")
mutants: ModuleType = pytest.importorskip("benchmarks.mutants", reason="not started in the repository")
mutation_report: ModuleType = pytest.importorskip("benchmarks.mutation_report")

SOURCE = '''\
from __future__ import annotations
from typing import TypeAlias

Number: TypeAlias = int | float


def mean(values: list[float] | None, start: int | None = 3) -> float | None:
    """Adds 1 + 1."""
    total: float | int = start - 1
    if not values:
        raise ValueError(f"é {start + 1} of {total * 2}")
    for value in values:
        total = total + value if value > 0 else total
    return total / len(values)
'''


def line(number: int) -> str:
    return SOURCE.splitlines()[number - 1]


def test_types_and_messages_are_not_changed() -> None:
    kept, left_out = mutants.mutants_of("mean.py", SOURCE)
    assert {m.place[0] for m in kept} == {7, 9, 10, 12, 13, 14}
    assert all("|" not in line(m.place[0])[m.place[1] :][:1] for m in kept)
    assert left_out["annotation"] == 11 * 3  # | in the parameters and the result; the others cosmic-ray skips
    assert left_out["bits"] == 5 * 5  # each of -, +, *, + and / becomes any of five
    assert left_out["message"] == 6 + 6 + 2 + 2  # what is left of + and *, and the numbers 1 and 2
    default = [m for m in kept if m.place[0] == 7]
    assert {m.operator for m in default} == {"NumberReplacer"}
    assert {m.place[1] for m in default} == {line(7).index("3")}


def test_identity_instead_of_equality_is_left_out() -> None:
    kept, left_out = mutants.mutants_of("f.py", "a = b == c\nd = b is not c\n")
    assert left_out["identity"] == 2
    operators = {m.operator.removeprefix("ReplaceComparisonOperator_") for m in kept}
    assert {"Eq_IsNot", "Eq_Lt", "IsNot_Is"} <= operators
    assert not {"Eq_Is", "IsNot_NotEq"} & operators


def test_columns_are_counted_in_characters() -> None:
    source = "def f(éééé: int | None = 1): ..."
    kept, left_out = mutants.mutants_of("f.py", source)
    assert left_out == {"annotation": 11}
    assert {m.place for m in kept} == {(1, source.index("1"))}


def test_a_mutant_makes_one_change_and_its_name_says_of_which_source() -> None:
    kept, _ = mutants.mutants_of("mean.py", SOURCE)
    division = next(m for m in kept if m.operator == "ReplaceBinaryOperator_Div_Mul")
    assert division.apply(SOURCE) == SOURCE.replace("total / len", "total * len")
    again, _ = mutants.mutants_of("mean.py", SOURCE + "# one more line\n")
    other = next(m for m in again if m.operator == division.operator)
    assert other.place == division.place
    assert other.identity != division.identity
    assert len({m.identity for m in kept}) == len(kept)


def test_the_sample_is_spread_in_proportion() -> None:
    shares = mutants.spread({"big": 600, "middle": 300, "small": 12, "tiny": 2}, 100)
    assert shares["tiny"] == 2
    assert shares["small"] == 4
    assert sum(shares.values()) == 100
    assert shares["big"] == pytest.approx(2 * shares["middle"], abs=1)
    assert mutants.spread({"a": 3, "b": 1}, 100) == {"a": 3, "b": 1}
    assert mutants.spread({"a": 30, "b": 10, "c": 10}, 3) == {"a": 1, "b": 1, "c": 1}


def test_no_place_is_drawn_twice_before_each_was_drawn_once() -> None:
    kept, _ = mutants.mutants_of("mean.py", SOURCE)
    places = [m.place for m in mutants.in_order(kept, seed=1)]
    different = len(set(places))
    assert len(set(places[:different])) == different < len(places)


def test_the_sample_depends_on_the_seed_alone_and_is_python() -> None:
    sources = {"a.py": SOURCE, "b.py": "def f(x, *, y=1):\n    return x == 'mean' or x + y\n"}
    sample, counts, _ = mutants.draw(sources, 20, seed=0)
    assert sample == mutants.draw(sources, 20, seed=0)[0]
    assert sample != mutants.draw(sources, 20, seed=1)[0]
    assert len(sample) == 20
    assert [m.file for m in sample[:4]] == ["a.py", "b.py", "a.py", "b.py"]  # its beginning is spread, too
    everything, _, _ = mutants.draw(sources, 1000, seed=0)
    assert len(everything) < sum(counts.values())  # some are no Python: f(x, +, y)
    for mutant in everything:
        compile(mutant.apply(sources[mutant.file]), "mutant", "exec")  # warnings are errors here


def test_a_survivor_with_a_reason_is_not_counted_as_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"tinydl": "1", "numpy": "2", "python": "3"}
    monkeypatch.setattr(mutation_report, "RESULTS", tmp_path)
    monkeypatch.setattr(
        mutation_report, "provenance", lambda: {"date": "today", "commit": "c", "versions": versions}
    )
    sources = {"mean.py": SOURCE}
    drawn = mutants.draw(sources, 6, seed=0)
    names = [m.identity for m in drawn[0]]
    killed = {"outcome": "killed", "how": "failure", "by": "tests/x.py::test", "stage": 1, "seconds": [1.0]}
    survived = {"outcome": "survived", "seconds": [1.0, 1.0]}
    fates = [killed, killed, survived, survived, survived]  # the sixth is not judged yet
    records = [{"mutant": name, **fate} for name, fate in zip(names, fates, strict=False)]
    records.append({"mutant": names[2], **killed})  # once a test was added
    session = tmp_path / "session.jsonl"
    session.write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "mutation_reasons.json").write_text(json.dumps({names[3]: "the same", "gone": "old"}))
    text = mutation_report.write(drawn, sources, 0, session)
    result = json.loads((tmp_path / "mutation.json").read_text())
    figures = [result[key] for key in ("drawn", "judged", "killed", "survived", "explained")]
    assert figures == [6, 5, 3, 2, 1]
    assert result["killed_of_judged"] == 3 / 5
    assert result["killed_after_tests_were_added"] == {names[2]: "tests/x.py::test"}
    assert result["reasons_without_survivor"] == ["gone"]
    assert f"`{names[3]}`: the same" in text
    assert f"`{names[4]}`: **no reason yet**" in text
    assert text == (tmp_path / "mutation.md").read_text()
