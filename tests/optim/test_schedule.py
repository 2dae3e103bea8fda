"""Learning-rate schedules: PyTorch's sequences of rates."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import optim


def optimizer(lr: float = 0.1) -> optim.SGD:
    return optim.SGD([td.zeros(1, requires_grad=True)], lr=lr)


def torch_rates(make: Any, steps: int, lr: float = 0.1, values: Any = None) -> list[float]:
    torch = pytest.importorskip("torch")
    o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        s = make(torch.optim.lr_scheduler, o)
        for i in range(steps):
            rates.append(o.param_groups[0]["lr"])
            o.step()
            if i < steps - 1:
                s.step(*([] if values is None else [values[i]]))
    return rates


def our_rates(make: Any, steps: int, lr: float = 0.1, values: Any = None) -> list[float]:
    o = optimizer(lr)
    s = make(optim, o)
    rates = []
    for i in range(steps):
        rates.append(o.lr)
        assert type(o.lr) is float
        s.step(*([] if values is None else [values[i]]))
    return rates


@pytest.mark.parametrize(("step_size", "gamma"), [(1, 0.9), (3, 0.1), (10, 0.5), (100, 0.1), (2, 1.0)])
def test_step_lr(step_size: int, gamma: float) -> None:
    def make(m: Any, o: Any) -> Any:
        return m.StepLR(o, step_size, gamma)

    np.testing.assert_allclose(our_rates(make, 40), torch_rates(make, 40), rtol=1e-12)


@pytest.mark.parametrize(("t_max", "eta_min"), [(10, 0.0), (7, 0.01), (1, 0.0), (40, 0.001), (15, 0.2)])
def test_cosine_annealing_lr_also_beyond_its_period(t_max: int, eta_min: float) -> None:
    def make(m: Any, o: Any) -> Any:
        return m.CosineAnnealingLR(o, t_max, eta_min)

    np.testing.assert_allclose(our_rates(make, 41), torch_rates(make, 41), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("total", "share"),
    [
        (total, share)
        for total in (1, 3, 5, 10, 37, 100)
        for share in (0.0, 0.25, 0.3, 0.3333, 0.9, 1.0)
        if share * total != 1.0  # PyTorch divides by zero there
    ],
)
@pytest.mark.parametrize("factors", [(25.0, 1e4), (2.0, 10.0)])
def test_one_cycle_lr_at_every_batch(total: int, share: float, factors: tuple[float, float]) -> None:
    div, final = factors
    ours = our_rates(
        lambda m, o: m.OneCycleLR(o, 0.5, total, share, div_factor=div, final_div_factor=final), total
    )
    theirs = torch_rates(
        lambda m, o: m.OneCycleLR(
            o, 0.5, total, pct_start=share, div_factor=div, final_div_factor=final, cycle_momentum=False
        ),
        total,
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("total", "share"), [(10, 0.1), (4, 0.25), (2, 0.5), (1, 1.0)])
def test_one_cycle_lr_whose_rise_is_a_single_batch_starts_at_the_top(total: int, share: float) -> None:
    rates = our_rates(lambda m, o: m.OneCycleLR(o, 0.5, total, share), total)
    assert rates[0] == pytest.approx(0.5)
    assert all(a > b for a, b in itertools.pairwise(rates))


def test_one_cycle_lr_rises_falls_and_ends() -> None:
    o = optimizer()
    s = optim.OneCycleLR(o, max_lr=1.0, total_steps=20, pct_start=0.25)
    assert s.every == "batch"
    rates = []
    for _ in range(20):
        rates.append(o.lr)
        s.step()
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[4] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 25 / 1e4)
    with pytest.raises(ValueError, match="beyond total_steps=20"):
        s.step()


@pytest.mark.parametrize("options", [
    {}, {"patience": 2}, {"factor": 0.5, "patience": 0}, {"patience": 1, "threshold": 0.1},
    {"patience": 1, "min_lr": 0.03},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("shape", ["falling", "flat", "noisy", "rising", "nan"])
def test_reduce_lr_on_plateau(options: dict[str, Any], shape: str) -> None:
    rng = np.random.default_rng(0)
    values = {
        "falling": [1.0 / (i + 1) for i in range(40)],
        "flat": [1.0] * 40,
        "noisy": (1.0 / np.sqrt(np.arange(1, 41)) + 0.1 * rng.normal(size=40)).tolist(),
        "rising": [float(i) for i in range(40)],
        "nan": [math.nan] * 5 + [1.0] * 35,
    }[shape]

    def make(m: Any, o: Any) -> Any:
        return m.ReduceLROnPlateau(o, **options)

    # PyTorch leaves changes below 1e-8 alone
    ours, theirs = our_rates(make, 40, values=values), torch_rates(make, 40, values=values)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=2e-8)


def test_reduce_lr_on_plateau_needs_the_value() -> None:
    s = optim.ReduceLROnPlateau(optimizer())
    with pytest.raises(TypeError, match="expected the value that is watched"):
        s.step()


MAKE: dict[str, Any] = {
    "StepLR": lambda o: optim.StepLR(o, 3),
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 10),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, 0.5, 30),
    "ReduceLROnPlateau": lambda o: optim.ReduceLROnPlateau(o, patience=1),
}


@pytest.mark.parametrize("name", list(MAKE))
def test_a_restored_schedule_goes_on(name: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(size=20).tolist()

    def steps(o: optim.Optimizer, s: optim.Schedule, some: Any) -> list[float]:
        rates = []
        for value in some:
            s.step(*([value] if name == "ReduceLROnPlateau" else []))
            rates.append(o.lr)
        return rates

    o = optimizer()
    s = MAKE[name](o)
    steps(o, s, values[:8])
    saved, rate = s.state_dict(), o.state_dict()
    expected = steps(o, s, values[8:])

    other = optimizer(lr=0.9)
    again = MAKE[name](other)
    other.load_state_dict(rate)
    again.load_state_dict(saved)
    assert steps(other, again, values[8:]) == expected
    with pytest.raises(ValueError, match=rf"{name}\.load_state_dict"):
        again.load_state_dict({"count": 3})
    assert again.state_dict() == s.state_dict()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: optim.StepLR(o, 0),
        lambda o: optim.CosineAnnealingLR(o, 0),
        lambda o: optim.OneCycleLR(o, 0.1, 0),
        lambda o: optim.OneCycleLR(o, 0.1, 10, pct_start=1.01),
        lambda o: optim.OneCycleLR(o, 0.1, 10, pct_start=-0.01),
        lambda o: optim.ReduceLROnPlateau(o, factor=1.0),
        lambda o: optim.ReduceLROnPlateau(o, factor=0.0),
        lambda o: optim.ReduceLROnPlateau(o, patience=-1),
    ],
)
def test_options_out_of_range(make: Any) -> None:
    o = optimizer()
    with pytest.raises(ValueError, match=r"must be|expected"):
        make(o)
    assert o.lr == 0.1


def test_a_schedule_of_ones_own() -> None:
    class Halved(optim.Schedule):
        """lr = base / (1 + epoch)."""

        def rate(self) -> float:
            return self.base_lr / (1 + self.count)

    assert our_rates(lambda m, o: Halved(o), 4) == [0.1, 0.05, 0.1 / 3, 0.025]
