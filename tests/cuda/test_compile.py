"""td.compile on a GPU that is played on the CPU (conftest.py): every call is one step, with the numbers of a step."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import compiled, nn, optim
from tinydl.capture import Capture, capturing, current
from tinydl.models import LeNet5
from tinydl.testing.point import host

STEPS = 6  # two ordinary ones, the capture, and three that are only repeated

OPTIMISERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True, weight_decay=0.01),
    "plain SGD": lambda p: optim.SGD(p, 0.1),
    "Adam": lambda p: optim.Adam(p, 0.01, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, 0.01),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.9, weight_decay=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr_decay=0.1, weight_decay=0.01),
}


def network(generator: int = 1) -> nn.Module:
    draw = td.Generator(generator)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False, generator=draw), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.3, generator=td.Generator(7)), nn.Dense(27, 4, generator=draw),
    )  # fmt: skip


def train(device: str, make: Any, compile: bool, steps: int = STEPS, clip: bool = True) -> list[Any]:
    model = network().to(device)
    optimizer = make(model.parameters())
    schedule = optim.StepLR(optimizer, 2, 0.5)
    draw = td.Generator(2)

    def step(x: td.Tensor, y: td.Tensor) -> Any:
        optimizer.zero_grad()
        loss = td.losses.cross_entropy(model(x), y)
        loss.backward()
        norm = optim.clip_grad_norm_(model.parameters(), 1.0) if clip else None
        optimizer.step()
        return {"loss": loss, "norm": norm}

    run = td.compile(step) if compile else step
    found = []
    for _ in range(steps):
        x, y = (
            td.tensor(draw.normal((4, 1, 8, 8)), device=device),
            td.tensor(draw.integers(0, 4, (4,)), device=device),
        )
        found.append(run(x, y))
        schedule.step()
    values = [host(v) for result in found for v in result.values() if v is not None]
    state = optimizer.state_dict()
    place = model[5].generator.get_state()["counter"]
    return [
        *values,
        *model.state_dict().values(),
        *state["buffers"].values(),
        np.array([state["steps"], *state["taken"]]),
        np.array(place),
    ]


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.usefixtures("cuda")
def test_it_does_what_the_step_does(name: str) -> None:
    """To the bit: the same kernels on the same numbers. Against the CPU's kernels to rounding."""
    ours, eager = train("cuda", OPTIMISERS[name], True), train("cuda", OPTIMISERS[name], False)
    cpu = train("cpu", OPTIMISERS[name], False)
    assert len(ours) == len(eager) == len(cpu)
    for i, (a, b, c) in enumerate(zip(ours, eager, cpu, strict=True)):
        assert a.tobytes() == b.tobytes(), f"value {i} differs by {np.abs(a - b).max()}"
        np.testing.assert_allclose(a, c, rtol=2e-4, atol=2e-5)


@pytest.fixture
def line(cuda: Any) -> Any:
    """w, its optimiser, and a step that brings w x closer to y."""
    w = td.tensor([0.5, -1.0], requires_grad=True, device="cuda")
    optimizer = optim.SGD([w], 0.01)

    def step(x: td.Tensor) -> td.Tensor:
        optimizer.zero_grad()
        loss = (w * x).sum() ** 2
        loss.backward()
        optimizer.step()
        return loss

    return w, optimizer, step


def x(*values: float, device: str = "cuda") -> td.Tensor:
    return td.tensor(list(values), device=device)


def test_on_the_cpu_the_step_itself_is_called() -> None:
    seen = []

    @td.compile
    def step(*arguments: Any) -> int:
        """A step."""
        seen.append(arguments)
        return 3

    batch = x(1.0, device="cpu")
    assert step(batch, 2.5) == 3
    assert step() == 3
    assert seen[0][0] is batch
    assert (step.__name__, step.__doc__) == ("step", "A step.")


def test_python_runs_three_times(line: Any) -> None:
    step = line[2]
    calls = []

    def counted(batch: td.Tensor) -> td.Tensor:
        calls.append(current() is not None)
        return step(batch)

    run = td.compile(counted)
    for _ in range(STEPS):
        run(x(1.0, 2.0))
    assert calls == [False, False, True]


def test_results_are_not_overwritten(line: Any) -> None:
    run = td.compile(line[2])
    losses = [run(x(1.0, 2.0)) for _ in range(STEPS)]
    values = [loss.item() for loss in losses]
    assert len(set(values)) == STEPS
    assert values == sorted(values, reverse=True)
    assert all(loss.is_leaf and not loss.requires_grad for loss in losses)


def test_allocations_come_from_the_graphs_own_pool(played: Any, line: Any) -> None:
    run = td.compile(line[2])
    for n in range(STEPS):
        run(x(1.0, 2.0))
        assert len(played.xp.pools) == min(n + 1, 3)


def test_the_collector_rests_during_the_capture(line: Any) -> None:
    on = []

    def step(batch: td.Tensor) -> td.Tensor:
        on.append(gc.isenabled())
        return line[2](batch)

    run = td.compile(step)
    for _ in range(4):
        run(x(1.0, 2.0))
    assert on == [True, True, False]
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda: (x(1.0, 2.0, 3.0),), ValueError, r"was \(2,\), float32 at the first call, and is \(3,\)"),
        (lambda: (td.tensor([1.0, 2.0], dtype="float64", device="cuda"),), ValueError, "is .* float64 now"),
        (lambda: (x(1.0, 2.0, device="cpu"),), RuntimeError, "computes on cuda:0, and tensor 0 is on cpu"),
        (lambda: (2.0,), TypeError, "argument 0 is float; a captured step takes tensors"),
        (lambda: (), TypeError, "captured with 1 tensors, and got 0"),
        (lambda: (x(1.0, 2.0), x(1.0)), TypeError, "captured with 1 tensors, and got 2"),
    ],
)
@pytest.mark.parametrize("calls", [1, 4])
def test_other_batches_are_refused(line: Any, calls: int, wrong: Any, error: Any, says: str) -> None:
    run = td.compile(line[2], device="cuda")
    for _ in range(calls):
        run(x(1.0, 2.0))
    before = host(line[0]).copy()
    with pytest.raises(error, match=says):
        run(*wrong())
    assert (host(line[0]) == before).all()
    run(x(1.0, 2.0))
    assert (host(line[0]) != before).all()


def test_a_batch_that_requires_gradients_is_refused(line: Any) -> None:
    with pytest.raises(ValueError, match=r"tensor 0 requires gradients.*detach"):
        td.compile(line[2])(td.tensor([1.0, 2.0], requires_grad=True, device="cuda"))


def test_a_step_without_arguments_is_told_the_device(line: Any) -> None:
    step = line[2]
    batch = x(1.0, 2.0)
    run = td.compile(lambda: step(batch), device="cuda")
    losses = [run().item() for _ in range(STEPS)]
    assert len(set(losses)) == STEPS
    assert run._capture is not None


def test_results_may_be_collections_or_nothing(cuda: Any) -> None:
    run = td.compile(lambda a: (a + 1, [a * 2, None], {"square": a * a}))
    for value in range(1, 5):
        plus, (twice, nothing), square = run(x(float(value)))
        assert (plus.item(), twice.item(), nothing) == (value + 1, 2 * value, None)
        assert square["square"].item() == value**2
    assert td.compile(lambda a: None)(x(1.0)) is None
    with pytest.raises(TypeError, match="the step returned float"):
        td.compile(lambda a: 1.5)(x(1.0))


SYNCS: dict[str, tuple[Callable[[td.Tensor], Any], str]] = {
    "item": (lambda a: td.tensor(a.sum().item(), device="cuda"), "Tensor.item can't be captured"),
    "if": (lambda a: a * 2 if a.sum() > 0 else a, "Tensor.item can't be captured"),
    "mask": (lambda a: a[a > 0], "index can't be captured|getitem can't be captured|get_item"),
    "upload": (
        lambda a: a * td.tensor([1.0, 2.0], device="cuda"),
        "the step can't be captured: an upload inside",
    ),
    "download": (lambda a: a.to("cpu").to("cuda"), "to can't be captured: a download inside"),
    "host numbers": (
        lambda a: a + td.Generator(0).random(()).item(),
        "a draw of random numbers on the host inside",
    ),
}


@pytest.mark.parametrize("name", SYNCS)
@pytest.mark.usefixtures("cuda")
def test_what_waits_is_refused_by_name(name: str) -> None:
    step, says = SYNCS[name]
    run = td.compile(step)
    for _ in range(compiled.WARM_UP):
        run(x(1.0, 2.0))
    with pytest.raises(RuntimeError, match=says):
        run(x(1.0, 2.0))
    assert current() is None
    assert gc.isenabled()
    assert step(x(1.0, 2.0)) is not None  # the device is as usable as before


def test_gradients_of_an_earlier_step_are_not_added_to(line: Any) -> None:
    w, optimizer, _ = line

    def step(batch: td.Tensor) -> None:
        (w * batch).sum().backward()

    run = td.compile(step)
    run(x(1.0, 2.0))
    run(x(1.0, 2.0))
    with pytest.raises(RuntimeError, match="adds to a gradient from before it"):
        run(x(1.0, 2.0))
    optimizer.zero_grad()
    run(x(1.0, 2.0))


def test_two_backward_passes_of_one_step_add_up(line: Any) -> None:
    w, optimizer, _ = line

    def step(batch: td.Tensor) -> td.Tensor:
        optimizer.zero_grad()
        (w * batch).sum().backward()
        (w * batch * 2).sum().backward()
        assert w.grad is not None
        return w.grad

    run = td.compile(step)
    for value in (1.0, 2.0, 3.0, 4.0):
        assert host(run(x(value, value))).tolist() == [3 * value, 3 * value]


def test_an_optimiser_that_changed_is_noticed(line: Any) -> None:
    w, optimizer, step = line
    run = td.compile(step)
    for _ in range(4):
        run(x(1.0, 2.0))
    optimizer.weight_decay = 0.5
    with pytest.raises(RuntimeError, match=r"captured with .*'weight_decay': 0.0.*compile it again"):
        run(x(1.0, 2.0))
    optimizer.weight_decay = 0.0
    run(x(1.0, 2.0))
    w._data = w._data.copy()
    with pytest.raises(RuntimeError, match="a parameter was replaced"):
        run(x(1.0, 2.0))


def test_a_rule_without_rates_is_refused(cuda: Any) -> None:
    class Own(optim.SGD):
        def update(self, data: Any, grad: Any, step: int, **buffers: Any) -> None:
            data -= self.lr * grad

    w = td.tensor([1.0], requires_grad=True, device="cuda")
    optimizer = Own([w], 0.1)

    def step() -> None:
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()

    run = td.compile(step, device="cuda")
    run()
    run()
    assert w.item() == pytest.approx(0.8**2)
    with pytest.raises(RuntimeError, match=r"write Own\.rates"):
        run()


def test_a_schedule_belongs_outside(line: Any) -> None:
    _, optimizer, step = line
    schedule = optim.StepLR(optimizer, 1)

    def with_schedule(batch: td.Tensor) -> None:
        step(batch)
        schedule.step()

    run = td.compile(with_schedule)
    run(x(1.0, 2.0))
    run(x(1.0, 2.0))
    with pytest.raises(RuntimeError, match=r"StepLR.step\(\) inside a captured step"):
        run(x(1.0, 2.0))


def test_a_step_inside_another_is_part_of_it(line: Any) -> None:
    inner = td.compile(line[2])
    outer = td.compile(lambda batch: inner(batch))
    losses = [outer(x(1.0, 2.0)).item() for _ in range(STEPS)]
    assert len(set(losses)) == STEPS


def test_random_numbers_are_new_in_every_step(cuda: Any) -> None:
    def numbers(device: str, compile: bool) -> list[Any]:
        uniform, normal = td.Generator(3), td.Generator(2**127 + 5)

        def step() -> Any:
            a = td.rand(3, 5, generator=uniform, device=device)
            return (
                a,
                td.randn(7, generator=normal, device=device),
                td.rand(2, generator=uniform, device=device),
            )

        run = td.compile(step, device=device) if compile else step
        found = [host(part) for _ in range(STEPS) for part in run()]
        return [*found, np.array([g.get_state()["counter"] for g in (uniform, normal)])]

    for a, b in zip(numbers("cuda", True), numbers("cpu", False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_somebody_else_may_draw_in_between(cuda: Any) -> None:
    draw = td.Generator(3)
    run = td.compile(lambda: td.rand(3, generator=draw, device="cuda"), device="cuda")
    found = []
    for _ in range(5):
        found += [host(run()), draw.random(3)]
    again = td.Generator(3)
    assert all((a == again.random(3)).all() for a in found)


def test_numbers_have_room_and_keep_their_dtype() -> None:
    memory = np.zeros(64, np.uint8)
    capture = Capture(memory)
    values = iter(range(100))
    a = capture.each(lambda: np.array([next(values)], np.int64))
    b = capture.each(lambda: np.array([[next(values) + 0.5, 0.25]]))
    memory[: capture.numbers().size] = capture.numbers()
    assert (a.tolist(), b.tolist(), a.dtype, b.dtype) == ([0], [[1.5, 0.25]], np.int64, np.float64)
    capture.ask_again()
    memory[: capture.numbers().size] = capture.numbers()
    assert (a.tolist(), b.tolist()) == ([2], [[3.5, 0.25]])
    with pytest.raises(RuntimeError, match="room for 64"):
        capture.each(lambda: np.zeros(5))


def test_captures_nest_and_are_of_one_thread() -> None:
    capture = Capture(np.zeros(1, np.uint8))
    with capturing(capture):
        assert current() is capture
    assert current() is None


def test_lenet_launches_our_kernels(played: Any, library: Any) -> None:
    model = LeNet5(generator=1).to("cuda")
    out = model(td.tensor(td.Generator(0).normal((2, 1, 32, 32)), device="cuda"))
    assert out.shape == (2, 10)
    assert [name for name, _ in library.calls].count("cublasGemmEx") >= 5
