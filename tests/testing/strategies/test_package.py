"""What the package says of itself: every public name has an example, and the example at its top runs."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest

from tinydl.testing import strategies

FUNCTIONS = [name for name in strategies.__all__ if name.islower()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_strategy_says_what_it_shrinks_to(name: str) -> None:
    doc = getattr(strategies, name).__doc__
    assert doc
    assert "hrinks" in doc or name == "lay_out"


def test_the_example_runs() -> None:
    assert strategies.__doc__
    lines = [line for line in strategies.__doc__.splitlines() if line.startswith("    ") or not line]
    names: dict[str, Any] = {}
    exec(textwrap.dedent("\n".join(lines)), names)
    tests = [name for name in names if re.match("test_", name)]
    assert len(tests) == 2
    for name in tests:
        names[name]()
