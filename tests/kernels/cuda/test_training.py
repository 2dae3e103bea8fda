"""Networks through the public functions, on the CUDA kernels that g++ has built: the CPU's losses, to rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn


def lenet() -> nn.Module:
    return td.models.LeNet5(generator=td.Generator(0))


def with_norm() -> nn.Module:
    """Batch norm, average pooling, a transposed convolution, dropout, groups, a strided convolution."""
    random = td.Generator(1)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, generator=random.fork()),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Dropout(0.2, generator=random.fork()),
        nn.Conv2d(6, 8, 3, stride=2, groups=2, generator=random.fork()),
        nn.Sigmoid(),
        nn.ConvTranspose2d(8, 4, 2, stride=2, generator=random.fork()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(144, 10, generator=random.fork()),
    )


def losses(build: Callable[[], nn.Module], side: int, optimizer: Any, steps: int) -> list[float]:
    model, random = build(), td.Generator(2)
    x = td.tensor(random.random((8, 1, side, side)))
    labels = td.tensor(random.integers(0, 10, (8,)))
    chosen = optimizer(model.parameters())
    found = []
    for _ in range(steps):
        chosen.zero_grad()
        loss = td.losses.cross_entropy(model(x), labels)
        loss.backward()
        chosen.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize(
    ("build", "side", "optimizer", "kernels"),
    [
        (lenet, 32, lambda p: td.optim.SGD(p, 0.05, 0.9), {"im2col", "col2im", "cross_entropy", "sgd"}),
        (
            with_norm,
            28,
            lambda p: td.optim.Adam(p, 0.01),
            {"batch_norm", "sum_pool", "max_pool_gradient", "adam"},
        ),
    ],
    ids=["lenet", "with norm"],
)
def test_training_gives_the_losses_of_the_cpu(
    build: Any, side: int, optimizer: Any, kernels: set[str], on_cuda_kernels: Any
) -> None:
    on_cuda_kernels.calls.clear()
    found = losses(build, side, optimizer, steps=4)
    ran = {name.removesuffix("_float32") for name in on_cuda_kernels.calls}
    with td.textbook():
        want = losses(build, side, optimizer, steps=4)
    np.testing.assert_allclose(found, want, rtol=2e-4)
    assert found[-1] < found[0]
    assert kernels <= ran
    assert not any(name.endswith("float64") for name in ran)  # nothing was widened on the way
