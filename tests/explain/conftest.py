from __future__ import annotations

from typing import Any

import pytest

import tinydl as td
from tinydl import nn


class Small(nn.Module):
    """Convolution, batch norm, pooling over all places, dense: whose explanations can be written down."""

    def __init__(self, dtype: str = "float64") -> None:
        g = td.Generator(0)
        self.conv = nn.Conv2d(2, 5, 3, padding=1, generator=g)
        self.norm = nn.BatchNorm2d(5)
        self.norm.running_mean.data = td.tensor(g.normal((5,)))
        self.relu = nn.ReLU()
        self.drop = nn.Dropout(0.5, generator=g.fork())
        self.dense = nn.Dense(5, 4, generator=g)
        self.unused = nn.Dense(5, 4, generator=g)
        self.astype(dtype)

    def forward(self, x: Any) -> Any:
        maps = self.relu(self.norm(self.conv(x)))
        return self.dense(self.drop(maps.mean(axis=(2, 3))))


@pytest.fixture
def model() -> Small:
    return Small()


@pytest.fixture
def images() -> Any:
    return td.tensor(td.Generator(1).uniform(0.0, 1.0, (3, 2, 6, 8), "float64"))
