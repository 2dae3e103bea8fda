"""Stochastic gradient descent: PyTorch's numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import optim
from tinydl.testing.point import host

OPTIONS = [
    {"momentum": m, "nesterov": n, "weight_decay": w}
    for m, n, w in itertools.product([0.0, 0.9, 0.3], [False, True], [0.0, 0.05])
    if m or not n
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_fifty_steps_are_torchs(options: dict[str, Any], device: str, torch: Any) -> None:
    rng = np.random.default_rng(0)
    start = [rng.normal(size=s) for s in ((3, 2), (4,), ())]
    ours = [td.tensor(np.asarray(a), requires_grad=True, device=device) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]
    a = optim.SGD(ours, lr=0.03, **options)
    b = torch.optim.SGD(theirs, lr=0.03, **options)
    for i in range(50):
        for j, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            if j == 1 and i % 3 == 0:  # now and then a parameter has no gradient
                p.grad = q.grad = None
                continue
            g = np.asarray(rng.normal(size=p.shape))
            p.grad, q.grad = td.tensor(g, device=device), torch.tensor(g)
        a.step()
        b.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(host(p), q.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_one_step_by_hand(device: str) -> None:
    x = td.tensor([2.0], requires_grad=True, dtype="float64", device=device)
    optimizer = optim.SGD([x], lr=0.5, momentum=0.5, weight_decay=0.1)
    x.grad = td.tensor([1.0], dtype="float64", device=device)
    optimizer.step()  # g = 1.2, v = 1.2
    assert x.item() == pytest.approx(1.4, rel=1e-15)
    optimizer.step()  # g = 1.14, v = 1.74
    assert x.item() == pytest.approx(0.53, rel=1e-14)


def test_the_argument_order_of_the_documentation() -> None:
    optimizer = optim.SGD([td.ones(1, requires_grad=True)], 0.1, 0.9, True, 0.01)
    assert (optimizer.lr, optimizer.momentum, optimizer.nesterov, optimizer.weight_decay) == (
        0.1,
        0.9,
        True,
        0.01,
    )
