"""Which mutants there are, and which of them are drawn: small changes of the source that the tests should notice.

cosmic-ray knows where a change can be made and makes it; what is left out, and why, stands in `LEFT_OUT`.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import random
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

FILES = ("autograd.py", "op.py", "calculus.py", "losses.py", "ops/*.py", "optim/*.py", "kernels/*.py")

LEFT_OUT = {
    "annotation": "in a type annotation or a type alias: never executed, or executed for no effect",
    "message": "in the f-string of a `raise`: the wording of an error",
    "bits": "arithmetic made a shift or a bitwise operation: float arrays refuse those with a TypeError, so a test "
    "that merely runs the line kills it",
    "identity": "`==` made `is` or `is` made `==`: the same for types, dtypes, None and CPython's small integers",
}

_ARITHMETIC = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}
_BITS = {"RShift", "LShift", "BitOr", "BitAnd", "BitXor"}
_IDENTITY = {("Eq", "Is"), ("Is", "Eq"), ("NotEq", "IsNot"), ("IsNot", "NotEq")}

Place: TypeAlias = tuple[int, int]  # a line, from 1, and a column, from 0


@dataclass(frozen=True)
class Mutant:
    """One change: the `occurrence`-th that `operator` can make in a file of which `source` is the hash."""

    file: str
    operator: str
    occurrence: int
    place: Place
    source: str

    @property
    def identity(self) -> str:
        """A line that names it for good; another source text gives another name."""
        line, column = self.place
        return f"{self.file}:{line}:{column} {self.operator}#{self.occurrence} @{self.source}"

    def apply(self, source: str) -> str:
        """The source with the change made."""
        return str(mutate_code(source, get_operator(f"core/{self.operator}")(), self.occurrence))


Drawn: TypeAlias = tuple[list[Mutant], Counter[str], Counter[str]]


def sources(root: Path) -> dict[str, str]:
    """The text of every file that is mutated, by its path in the repository `root`."""
    found = {path for pattern in FILES for path in (root / "tinydl").glob(pattern)}
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(found)}


def mutants_of(file: str, source: str) -> tuple[list[Mutant], Counter[str]]:
    """All mutants of a file, and how many were left out for which reason."""
    nodes = list(ast_nodes(get_ast(source)))
    spans = list(_spans(source))
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    kept: list[Mutant] = []
    left_out: Counter[str] = Counter()
    for name in operator_names():
        operator_class = get_operator(name)
        if operator_class.arguments():  # those replace variables that somebody has to name
            continue
        operator = operator_class()
        places = (start for node in nodes for start, _ in operator.mutation_positions(node))
        short = name.removeprefix("core/")
        for occurrence, place in enumerate(places):
            reason = _by_operator(short) or next((r for r, a, b in spans if a <= place < b), None)
            if reason is None:
                kept.append(Mutant(file, short, occurrence, place, digest))
            else:
                left_out[reason] += 1
    return kept, left_out


def _by_operator(operator: str) -> str | None:
    kind, _, change = operator.partition("_")
    before, _, after = change.partition("_")
    if kind == "ReplaceBinaryOperator" and before in _ARITHMETIC and after in _BITS:
        return "bits"
    return "identity" if kind == "ReplaceComparisonOperator" and (before, after) in _IDENTITY else None


def _spans(source: str) -> Iterator[tuple[str, Place, Place]]:
    """The parts of a source in which nothing is changed: the reason, where they begin, and where they end."""
    lines = source.splitlines()

    def span(reason: str, node: ast.expr | ast.stmt) -> tuple[str, Place, Place]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return reason, place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)

    def place(line: int, offset: int) -> Place:  # ast counts bytes, cosmic-ray characters
        return line, len(lines[line - 1].encode()[:offset].decode())

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign):
            alias = isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
            yield span("annotation", node if alias else node.annotation)
        elif isinstance(node, ast.arg) and node.annotation is not None:
            yield span("annotation", node.annotation)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            yield span("annotation", node.returns)
        elif isinstance(node, ast.Raise):
            yield from (span("message", part) for part in ast.walk(node) if isinstance(part, ast.JoinedStr))


def spread(counts: Mapping[str, int], size: int, least: int = 4) -> dict[str, int]:
    """How many of `size` each file gets: in proportion to its count, at least `least` (or all it has)."""
    least = min(least, size // len(counts))
    shares = {file: min(least, count) for file, count in counts.items()}
    for _ in range(min(size, sum(counts.values())) - sum(shares.values())):
        open_files = [file for file in counts if shares[file] < counts[file]]
        shares[max(open_files, key=lambda file: counts[file] / (shares[file] + 1))] += 1
    return shares


def in_order(mutants: list[Mutant], seed: int) -> list[Mutant]:
    """A file's mutants in the order in which they are drawn: no place a second time before each had its first."""
    shuffled = list(mutants)
    random.Random(f"{seed} {mutants[0].file}" if mutants else seed).shuffle(shuffled)
    seen: Counter[Place] = Counter()
    turn = {}
    for mutant in shuffled:
        turn[mutant] = seen[mutant.place]
        seen[mutant.place] += 1
    return sorted(shuffled, key=turn.__getitem__)


def draw(sources: Mapping[str, str], size: int, seed: int) -> Drawn:
    """A sample over all files, one file after the other in turn, so that its beginning is spread as well.

    Also how many mutants each file has, and how many were left out for which reason.
    """
    left_out: Counter[str] = Counter()
    everything: dict[str, list[Mutant]] = {}
    for file, source in sources.items():
        mutants, without = mutants_of(file, source)
        left_out += without
        if mutants:
            everything[file] = mutants
    counts = Counter({file: len(mutants) for file, mutants in everything.items()})
    chosen = []
    for file, share in spread(counts, size).items():
        valid = (m for m in in_order(everything[file], seed) if _is_python(m.apply(sources[file])))
        chosen.append(list(itertools.islice(valid, share)))
    rounds = itertools.zip_longest(*chosen)
    return [mutant for turn in rounds for mutant in turn if mutant is not None], counts, left_out


def _is_python(source: str) -> bool:
    """Whether the compiler takes it, and without a warning: the tests' settings turn warnings into errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)
            compile(source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True
