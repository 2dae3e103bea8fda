"""Training on the strict device: the CPU's bits, no float64, and nothing in a step that would sync."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import losses, metrics, nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.models import LeNet5
from tinydl.strict import no_sync
from tinydl.train import Checkpoint, Trainer

pytestmark = pytest.mark.usefixtures("kernels")

Arrays = list[np.ndarray[Any, Any]]
Same = Callable[[list[Any], list[Any]], None]

OPTIMISERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True, weight_decay=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr_decay=0.1, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, weight_decay=0.01),
    "AdamW": optim.AdamW,
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.9, weight_decay=0.01),
}
SCHEDULES = {"CosineAnnealingLR", "OneCycleLR", "ReduceLROnPlateau", "StepLR"}  # numbers on the host


def test_every_optimiser_is_here() -> None:
    assert set(optim.__all__) - SCHEDULES - {"Optimizer", "Schedule", "clip_grad_norm_"} == set(OPTIMISERS)


def train(device: str, make: Callable[[Any], optim.Optimizer], steps: int) -> Arrays:
    model = LeNet5(generator=1).to(device)
    optimizer = make(model.parameters())
    draw = td.Generator(2)
    found: Arrays = []
    for _ in range(steps):
        x = td.tensor(draw.normal((8, 1, 32, 32)), device=device)
        loss = losses.cross_entropy(model(x), td.tensor(draw.integers(0, 10, (8,)), device=device))
        optimizer.zero_grad()
        loss.backward()
        norm = optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        found += [loss.to("cpu").detach().numpy(), norm.to("cpu").numpy()]
    return [*found, *model.state_dict().values(), *optimizer.state_dict()["buffers"].values()]


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.usefixtures("no_float64")
def test_three_steps_of_lenet_have_the_cpus_bits(name: str, same_bits: Same) -> None:
    make = OPTIMISERS[name]
    same_bits(train("strict", make, 3), train("cpu", make, 3))


@pytest.mark.parametrize("pool", ["avg", "max"])
def test_a_training_step_of_lenet_does_not_sync(pool: str) -> None:
    model = LeNet5(generator=1, pool=pool).to("strict")
    optimizer = optim.Adam(model.parameters())
    x = td.tensor(td.Generator(0).normal((4, 1, 32, 32)), device="strict")
    target = td.tensor(td.Generator(1).integers(0, 10, (4,)), device="strict")
    with no_sync():
        loss = losses.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert np.isfinite(loss.item())


def trainer_on(device: str, path: Path) -> tuple[Trainer, DataLoader]:
    draw = td.Generator(0)
    data = TensorDataset(draw.normal((24, 5)), draw.integers(0, 3, (24,)))
    loader = DataLoader(data, 8, shuffle=True, generator=1, device=device)
    layers = nn.Dense(5, 6, generator=2), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3, generator=3)
    model = nn.Sequential(*layers, nn.Dense(6, 3, generator=4)).to(device)
    optimizer = optim.Adam(model.parameters(), 0.01)
    trainer = Trainer(
        model, losses.cross_entropy, optimizer, [metrics.accuracy], [Checkpoint(path)], progress=False
    )
    return trainer, loader


def test_a_run_that_begins_here_and_ends_on_the_cpu_has_the_cpus_bits(
    tmp_path: Path, same_bits: Same
) -> None:
    whole, loader = trainer_on("cpu", tmp_path / "whole")
    whole.fit(loader, loader, epochs=3)
    first, loader = trainer_on("strict", tmp_path / "first")
    first.fit(loader, loader, epochs=2)
    second, loader = trainer_on("cpu", tmp_path / "second")
    second.fit(loader, loader, epochs=3, resume=tmp_path / "first")
    same_bits([*second.model.state_dict().values()], [*whole.model.state_dict().values()])
    for name in ("loss", "accuracy", "validation_loss"):
        assert second.history[name] == whole.history[name]


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return td.Generator(seed).normal(shape)


def positive(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return td.Generator(seed).uniform(0.1, 0.9, shape)


def labels(high: int, *shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return td.Generator(seed).integers(0, high, shape)


METRICS: dict[str, Arrays] = {
    "accuracy": [normal(6, 4), labels(4, 6)],
    "confusion_matrix": [normal(6, 4), labels(4, 6)],
    "dice": [labels(3, 2, 5), labels(3, 2, 5, seed=1)],
    "iou": [labels(3, 2, 5), labels(3, 2, 5, seed=1)],
    "psnr": [positive(2, 3), positive(2, 3, seed=1)],
    "ssim": [positive(1, 1, 12, 12), positive(1, 1, 12, 12, seed=1)],
    "roc_auc": [normal(20), labels(2, 20)],
}


def test_every_metric_is_the_cpus(public_functions: Callable[[Any], set[str]]) -> None:
    assert public_functions(metrics) == set(METRICS)
    for name, arrays in METRICS.items():
        here, there = (
            getattr(metrics, name)(*(td.tensor(a, device=d) for a in arrays)) for d in ("strict", "cpu")
        )
        assert np.array_equal(here, there), name
