"""The pages in docs/: their code blocks run, one after the other, and fail with the text that is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DOCS = Path(__file__).parent.parent / "docs"
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Pairs of a Python block and the text block that comes right after it, or ""."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for code, _, output in re.findall(r"```python\n(.*?)```\n(\n```text\n(.*?)```)?", text, re.DOTALL):
        yield code, output.rstrip("\n")


def test_your_own_layer() -> None:
    names: dict[str, Any] = {"__name__": "page"}
    failures = 0
    for code, output in blocks("test_your_own_layer.md"):
        if output:
            failures += 1
            with pytest.raises(AssertionError) as info:
                exec(compile(code, "test_your_own_layer.md", "exec"), names)
            assert NUMBER.sub("#", str(info.value)) == NUMBER.sub("#", output)
            shown, got = ([float(n) for n in NUMBER.findall(s)] for s in (output, str(info.value)))
            np.testing.assert_allclose(shown, got, rtol=1e-6)
        else:
            exec(compile(code, "test_your_own_layer.md", "exec"), names)
    tests = [fn for name, fn in names.items() if name.startswith("test_")]
    assert (len(tests), failures) == (2, 2)
    for test in tests:
        test()


def test_the_twenty_pains_have_the_tests_that_are_named() -> None:
    page = (DOCS / "twenty_pains.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| pain")]
    assert len(rows) == 24
    for row in rows:
        proof = row.split("|")[-2]
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", proof)
        others = [path for path in re.findall(r"`([\w./]+)`", proof) if (DOCS.parent / path).is_file()]
        assert named or others or "benchmark" in proof, row
        for path, test in named:
            source = (DOCS.parent / path).read_text(encoding="utf-8")
            assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{path} has no {test}"
