"""How deep graphs may be, how long they live, what a backward pass frees and what it refuses afterwards."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.autograd import Op


class Cube(td.Op):
    """out = x^3,  dx = 3 x^2 g."""

    def forward(self, x: Any) -> Any:
        return x * x * x

    def backward(self, g: Any, x: Any) -> Any:
        return 3 * x * x * g


def leaf(*values: float, dtype: str = "float64") -> td.Tensor:
    return td.tensor(np.array(values, dtype), requires_grad=True)


def gradient(x: td.Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.data.tolist()


def cyclic_garbage() -> list[Any]:
    """What of the engine only the collector of cycles could free."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    found = [
        thing
        for thing in gc.garbage
        if isinstance(thing, td.Tensor | Op)
        or str(getattr(thing, "__module__", type(thing).__module__)).startswith("tinydl")
    ]
    gc.set_debug(0)
    gc.garbage.clear()
    return found


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What dies in the test dies by reference counting."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ---- depth


def test_a_chain_of_100_000_operations_runs_and_dies(no_collector: None) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert gradient(x) == [1.0]
    end = weakref.ref(y)
    del y
    assert end() is None
    assert cyclic_garbage() == []


def test_a_chain_of_100_000_operations_dies_without_a_backward_pass(no_collector: None) -> None:
    x = leaf(1.0)
    first = x * 1.0
    y = first
    for _ in range(100_000):
        y = y * 1.0
    start = weakref.ref(first)
    del first
    assert start() is None  # a graph does not keep tensors alive, only what backward reads
    assert y.item() == 1.0
    del y
    assert cyclic_garbage() == []


def test_a_deep_graph_of_gradients_dies(no_collector: None) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    (g,) = td.grad(y, x, create_graph=True)
    assert g.item() == 1.0
    del y, g
    assert cyclic_garbage() == []


# ---- garbage


def test_training_steps_leave_no_garbage(no_collector: None) -> None:
    model = td.nn.Sequential(
        td.nn.Conv2d(1, 2, 3), td.nn.ReLU(), td.nn.MaxPool2d(2), td.nn.Flatten(), td.nn.Dense(18, 3)
    )
    optimizer = td.optim.Adam(model.parameters())
    x, labels = td.randn(4, 1, 8, 8, generator=0), td.tensor([0, 1, 2, 1])
    for _ in range(3):
        optimizer.zero_grad()
        loss = td.losses.cross_entropy(model(x), labels)
        loss.backward()
        td.optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    del loss
    assert cyclic_garbage() == []


def test_second_derivatives_leave_no_garbage(no_collector: None) -> None:
    x = leaf(0.3, 0.4)
    y = (td.tanh(x) * x.exp()).sum()
    (g,) = td.grad(y, x, create_graph=True)
    (h,) = td.grad((g * g).sum(), x)
    del y, g, h
    assert cyclic_garbage() == []


def test_a_failed_backward_pass_leaves_no_garbage(no_collector: None) -> None:
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError):
        y.backward()
    del y
    assert cyclic_garbage() == []


# ---- what lives how long


class Holds(td.Op):
    """out = x, and it keeps a private array: shows how long an operation's values live."""

    __slots__ = ("__weakref__",)

    def forward(self, x: Any) -> Any:
        return x * 1.0

    def backward(self, g: Any, x: Any) -> Any:
        return g * 1.0


def test_the_graph_is_freed_when_the_output_is_dropped(no_collector: None) -> None:
    x = leaf(1.0)
    op = Holds()
    watched = weakref.ref(op)
    y = op(x * 2.0) * 3.0
    del op
    assert watched() is not None
    del y
    assert watched() is None


def test_backward_frees_the_graph_while_the_output_lives(no_collector: None) -> None:
    x = leaf(1.0)
    op = Holds()
    watched = weakref.ref(op)
    y = op(x * 2.0) * 3.0
    del op
    y.backward()
    assert watched() is None
    assert y.item() == 6.0


def test_backward_frees_what_was_saved_while_the_output_lives(no_collector: None) -> None:
    x = leaf(1.0)
    h = x * 2.0
    y = Cube()(h)
    saved = weakref.ref(h.data)
    del h
    assert saved() is not None
    y.backward()
    assert saved() is None
    assert y.item() == 8.0


def test_retain_graph_keeps_it(no_collector: None) -> None:
    x = leaf(1.0)
    op = Holds()
    watched = weakref.ref(op)
    y = op(x * 2.0) * 3.0
    del op
    y.backward(retain_graph=True)
    assert watched() is not None


@pytest.mark.parametrize("reads", ["nothing", "input", "output"])
def test_only_what_backward_names_stays_alive(reads: str, no_collector: None) -> None:
    class Nothing(td.Op):
        def forward(self, x: Any) -> Any:
            return x * 2.0

        def backward(self, g: Any) -> Any:
            return g * 2.0

    class Input(Nothing):
        def backward(self, g: Any, x: Any) -> Any:
            return g * 2.0

    class Output(Nothing):
        def backward(self, g: Any, out: Any) -> Any:
            return g * 2.0

    h = leaf(1.0) * 1.0
    y = {"nothing": Nothing, "input": Input, "output": Output}[reads]()(h)
    z = y + 0.0
    before, after = weakref.ref(h.data), weakref.ref(y.data)
    del h, y
    assert (before() is not None) == (reads == "input")
    assert (after() is not None) == (reads == "output")
    assert z.requires_grad


def test_retain_grad_does_not_keep_the_tensor_alive(no_collector: None) -> None:
    x = leaf(2.0)
    h = x * x
    h.retain_grad()
    y = h * 1.0
    watched = weakref.ref(h)
    del h
    assert watched() is None
    y.backward()
    assert gradient(x) == [4.0]


# ---- backward twice


def test_backward_twice_is_an_error_that_says_what_to_do() -> None:
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    assert gradient(x) == [2.0]


def test_backward_through_a_part_that_was_freed_is_an_error() -> None:
    x = leaf(1.0)
    h = x * x
    (h * 2).backward()
    with pytest.raises(RuntimeError, match="freed"):
        (h * 3).backward()
    assert gradient(x) == [4.0]


def test_retain_graph_allows_a_second_pass_and_the_gradients_add() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert gradient(x) == [12.0]
