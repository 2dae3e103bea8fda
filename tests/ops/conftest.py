"""What tests of operations share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

import tinydl as td
from tinydl.device import get_device


@pytest.fixture(scope="module")
def on(device: str, random: Callable[..., td.Tensor]) -> SimpleNamespace:
    """What makes tensors on the device of the test: on.tensor([1.0]), on.ones(2, 3), on.random(2, 3, seed=1).

    on.leaf(array) has the memory of a NumPy array on the CPU; elsewhere it is a copy with the axes in that order.
    on.share_memory(a, b) says whether two tensors do.
    """

    def leaf(array: Any) -> td.Tensor:
        home = get_device(device)
        return td.Tensor(array if device == "cpu" else home.asarray(array), home, requires_grad=True)

    def share_memory(a: td.Tensor, b: td.Tensor) -> bool:
        shared: bool = a.device.xp.shares_memory(a.data, b.data)
        return shared

    makers = {"tensor": td.tensor, "ones": td.ones, "zeros": td.zeros, "full": td.full, "random": random}
    bound = {name: partial(make, device=device) for name, make in makers.items()}
    return SimpleNamespace(**bound, leaf=leaf, share_memory=share_memory, device=device)
