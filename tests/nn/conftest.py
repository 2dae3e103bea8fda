"""What tests of modules share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tinydl as td
from tinydl import nn


class Net(nn.Module):
    """Layers in layers, a bare parameter and a buffer."""

    def __init__(self, seed: int = 0) -> None:
        self.scale = nn.Parameter(td.full(3, 2.0))
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3, generator=seed), nn.ReLU(), nn.MaxPool2d(2))
        self.heads = nn.ModuleList(
            [nn.Dense(18, 3, generator=seed + 1), nn.Dense(18, 3, bias=False, generator=seed)]
        )
        self.register_buffer("offset", td.zeros(3))

    def forward(self, x: td.Tensor) -> td.Tensor:
        h = self.features(x).flatten(1)
        return self.scale * (self.heads[0](h) + self.heads[1](h)) + self.offset


@pytest.fixture
def make_net(device: str) -> Callable[..., Net]:
    """Makes small networks for images (N, 1, 8, 8) on the device, with a bare parameter and a buffer."""
    return lambda seed=0: Net(seed).to(device)
