"""Large parameters are updated in blocks, where the rule allows it: to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import optim
from tinydl.kernels import cpu as cpu_kernels
from tinydl.testing import strategies
from tinydl.testing.point import host


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_kernels, "_ELEMENTS", 100)


def train(optimizer: optim.Optimizer, steps: int, order: Any = None) -> None:
    random = td.Generator(0)
    for _ in range(steps):
        for p in optimizer.params:
            g = np.array(random.normal(p.shape, np.float64), p.dtype, order=order)
            p.grad = td.Tensor(g, p.device)
        optimizer.step()


def seen_by_update(monkeypatch: pytest.MonkeyPatch, kind: type[optim.Optimizer]) -> list[tuple[int, ...]]:
    """A list that the shape of what `update` gets joins at each call."""
    seen: list[tuple[int, ...]] = []
    original = kind.update

    def update(self: Any, data: Any, grad: Any, step: int, **buffers: Any) -> None:
        assert {a.shape for a in (data, grad, *buffers.values())} == {data.shape}
        seen.append(data.shape)
        original(self, data, grad, step, **buffers)

    monkeypatch.setattr(kind, "update", update)
    return seen


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_change_no_bit(kind: Any, dtype: str, order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start = np.array(td.Generator(1).normal((41, 17), np.float64), dtype, order=order)
    whole, cut = (td.tensor(start, requires_grad=True) for _ in range(2))
    by_blocks, at_once = kind([cut]), kind([whole])
    with monkeypatch.context() as patch:
        patch.setattr(type(at_once), "elementwise", False)
        shapes = seen_by_update(patch, type(at_once))
        train(at_once, 3, order=order)
        assert shapes == [(41, 17)] * 3
    shapes = seen_by_update(monkeypatch, type(by_blocks))
    train(by_blocks, 3, order=order)
    assert len(shapes) > 3
    assert sum(n for (n,) in shapes) == 3 * 41 * 17
    assert host(cut).tobytes() == host(whole).tobytes() != start.tobytes()
    found, want = by_blocks.state_dict()["buffers"], at_once.state_dict()["buffers"]
    assert {name: a.tobytes() for name, a in found.items()} == {name: a.tobytes() for name, a in want.items()}


@pytest.mark.parametrize("layout", ["transposed", "strided", "reversed", "broadcast"])
def test_gradients_may_lie_otherwise_than_their_parameter(kind: Any, layout: str) -> None:
    start, values = (td.Generator(seed).normal((41, 17), np.float64) for seed in (1, 2))
    grad = strategies.lay_out(values, layout)
    found = []
    for g in (grad, np.ascontiguousarray(grad)):
        p = td.tensor(start, requires_grad=True)
        optimizer = kind([p])
        for _ in range(2):
            p.grad = td.Tensor(g, p.device)
            optimizer.step()
        found.append(host(p).tobytes())
    assert found[0] == found[1] != start.tobytes()


def test_a_rule_of_ones_own_gets_whole_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may need all elements for each of them, like this one, which makes every step one long."""

    class Normalized(optim.Optimizer):
        buffer_names = ("last",)

        def update(self, data: Any, grad: Any, step: int, **buffers: Any) -> None:
            data -= self.lr * grad / (grad * grad).sum() ** 0.5
            buffers["last"][...] = grad

    shapes = seen_by_update(monkeypatch, Normalized)
    p = td.zeros(41, 17, requires_grad=True, dtype="float64")
    train(Normalized([p], lr=1.0), 1)
    assert shapes == [(41, 17)]
    assert (host(p) ** 2).sum() == pytest.approx(1.0)


def test_a_rule_of_ones_own_that_builds_on_ours_gets_whole_arrays() -> None:
    class Normalized(optim.SGD):
        def update(self, data: Any, grad: Any, step: int, **buffers: Any) -> None:
            super().update(data, grad / (grad * grad).sum() ** 0.5, step, **buffers)

    p = td.zeros(41, 17, requires_grad=True, dtype="float64")
    train(Normalized([p], lr=1.0), 1)
    assert (host(p) ** 2).sum() == pytest.approx(1.0)
