"""What tests of strategies share: many examples of one, and its smallest with some property."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings

Examples = Callable[[Any], list[Any]]
Smallest = Callable[..., Any]


@pytest.fixture(scope="session")
def examples() -> Examples:
    """The examples (fewer when there are no more) of six runs of sixty, each with a seed of its own.

    Within one run they resemble one another: Hypothesis varies what it has drawn before.
    """
    run = settings(
        max_examples=60,
        derandomize=False,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def draw(strategy: Any) -> list[Any]:
        found: list[Any] = []
        for number in range(6):

            @seed(number)
            @run
            @given(strategy)
            def collect(example: Any) -> None:
                found.append(example)

            collect()
        return found

    return draw


@pytest.fixture(scope="session")
def smallest() -> Smallest:
    """What an example that fulfils a condition shrinks to; raises when there is none."""
    search = settings(
        max_examples=1000,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,  # or it goes on searching
    )

    def shrink(strategy: Any, condition: Callable[[Any], Any] = lambda example: True) -> Any:
        return find(strategy, condition, settings=search)

    return shrink
