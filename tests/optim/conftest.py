"""What tests of optimisers share."""

from __future__ import annotations

from typing import Any

import pytest

from tinydl import optim

KINDS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr_decay=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
}


@pytest.fixture(params=list(KINDS), scope="module")
def kind(request: pytest.FixtureRequest) -> Any:
    """A function that makes an optimiser of the parameters it gets: one test for each kind."""
    return KINDS[request.param]
