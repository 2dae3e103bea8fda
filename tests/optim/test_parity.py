"""Fifty steps of every optimiser and schedule, options and shapes drawn: PyTorch's numbers to 1e-12."""

from __future__ import annotations

import inspect
import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinydl as td
from tinydl import optim
from tinydl.testing import strategies
from tinydl.testing.point import host

STEPS = 50

rates = st.sampled_from([1e-3, 0.01, 0.1])
decays = st.sampled_from([0.0, 1e-4, 0.1])
epsilons = st.sampled_from([1e-10, 1e-8, 1e-3])
momenta = st.sampled_from([0.0, 0.5, 0.99])

# Averages of squares with a memory: g / |g| of the last g alone magnifies the rounding of a g near 0.
OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "SGD": {"lr": rates, "momentum": momenta, "nesterov": st.booleans(), "weight_decay": decays},
    "RMSprop": {
        "lr": rates,
        "alpha": st.sampled_from([0.5, 0.9, 0.99]),
        "eps": epsilons,
        "weight_decay": decays,
        "momentum": momenta,
    },
    "Adagrad": {"lr": rates, "lr_decay": decays, "weight_decay": decays, "eps": epsilons},
    "Adam": {
        "lr": rates,
        "betas": st.tuples(st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.9, 0.99, 0.999])),
        "eps": epsilons,
        "weight_decay": decays,
    },
}
OPTIONS["AdamW"] = OPTIONS["Adam"]

SCHEDULES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "StepLR": {"step_size": st.integers(1, 60), "gamma": st.floats(0.1, 1.5)},
    "CosineAnnealingLR": {"T_max": st.integers(1, 60), "eta_min": st.floats(0.0, 0.5)},
    "OneCycleLR": {
        "max_lr": st.floats(1e-4, 10.0),
        "total_steps": st.integers(STEPS, 2 * STEPS),
        "pct_start": st.floats(0.0, 1.0),
        "div_factor": st.floats(1.0, 100.0),
        "final_div_factor": st.floats(1.0, 1e5),
    },
    "ReduceLROnPlateau": {
        "factor": st.floats(0.1, 0.9),
        "patience": st.integers(0, 3),
        "threshold": st.sampled_from([0.0, 1e-4, 0.1]),
        "min_lr": st.sampled_from([0.0, 1e-3, 0.2]),
        "eps": st.sampled_from([0.0, 1e-8, 1e-3, 0.02]),
    },
}


def test_every_option_is_drawn() -> None:
    bases = optim.Optimizer, optim.Schedule
    made = {n: v for n, v in vars(optim).items() if isinstance(v, type) and issubclass(v, bases)}
    tables, first = OPTIONS | SCHEDULES, {True: "params", False: "optimizer"}
    assert set(made) - {"Optimizer", "Schedule"} == set(tables)
    for name, options in tables.items():
        assert set(inspect.signature(made[name]).parameters) == {*options, first[name in OPTIONS]}, name


@pytest.mark.parametrize("name", OPTIONS)
@given(data=st.data())
def test_an_optimisers_steps_are_torchs(name: str, device: str, torch: ModuleType, data: Any) -> None:
    options = data.draw(st.fixed_dictionaries(OPTIONS[name]))
    if name == "SGD" and options["momentum"] == 0:
        options["nesterov"] = False
    sizes = [*data.draw(st.lists(strategies.shapes(), min_size=1, max_size=3)), (), (0, 2)]
    every = data.draw(st.lists(st.integers(1, 4), min_size=len(sizes), max_size=len(sizes)), label="every")
    draw = td.Generator(data.draw(st.integers(0, 1000), label="seed"))

    start = [draw.normal(shape, np.float64) for shape in sizes]
    ours = [td.tensor(a, requires_grad=True, device=device) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]
    a = getattr(optim, name)(ours, **options)
    b = getattr(torch.optim, name)(theirs, **options)
    largest = [np.abs(host(p)).max(initial=0.0) for p in ours]  # on the way: a number near 0 proves little
    for step in range(STEPS):
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            p.grad = q.grad = None
            if step % every[i] == every[i] - 1:
                g = draw.normal(p.shape, np.float64) * 10.0 ** float(draw.integers(-4, 2, ()))
                p.grad, q.grad = td.tensor(g, device=device), torch.tensor(g)
        a.step()
        b.step()
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            largest[i] = max(largest[i], np.abs(host(p)).max(initial=0.0))
            error = np.abs(host(p) - q.detach().numpy()).max(initial=0.0)
            assert error <= 1e-12 * largest[i], f"parameter {i} of {p.shape} in step {step}"


def run(make: Any, optimizer: Any, rate: Any, values: list[float] | None) -> list[float]:
    """The learning rates of fifty steps."""
    schedule = make(optimizer)
    found = [rate()]
    for i in range(STEPS - 1):
        optimizer.step()
        schedule.step(*([] if values is None else [values[i]]))
        found.append(rate())
    return found


@pytest.mark.parametrize("name", SCHEDULES)
@given(data=st.data())
def test_a_schedules_rates_are_torchs(name: str, torch: ModuleType, data: Any) -> None:
    options = data.draw(st.fixed_dictionaries(SCHEDULES[name]))
    lr = data.draw(st.sampled_from([1e-7, 1e-3, 0.1, 2.0]), label="lr")
    values, extra = None, {}
    if name == "ReduceLROnPlateau":
        falls = data.draw(st.lists(st.sampled_from([0.0, 1e-5, 0.01, -0.5]), min_size=STEPS, max_size=STEPS))
        values = list(itertools.accumulate(falls, lambda value, fall: value - fall, initial=3.0))
    if name == "OneCycleLR":
        assume(abs(options["pct_start"] * options["total_steps"] - 1.0) > 1e-6)  # PyTorch divides by 0 there
        extra = {"cycle_momentum": False}
    p, q = td.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    ours, theirs = optim.SGD([p], lr), torch.optim.SGD([q], lr)
    a = run(lambda o: getattr(optim, name)(o, **options), ours, lambda: ours.lr, values)
    b = run(
        lambda o: getattr(torch.optim.lr_scheduler, name)(o, **options, **extra),
        theirs,
        lambda: theirs.param_groups[0]["lr"],
        values,
    )
    # PyTorch's cosine multiplies each rate to the next, which gathers rounding; ours is the formula itself
    slack = 1e-11 * max(b) if name == "CosineAnnealingLR" else 0.0
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=slack)
