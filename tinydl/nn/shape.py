"""Layers that only change shapes."""

from __future__ import annotations

from tinydl.nn.module import Module
from tinydl.ops.shape import flatten, reshape
from tinydl.tensor import Tensor


class Flatten(Module):
    """(N, ...) to (N, features)."""

    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = start_axis

    def forward(self, x: Tensor) -> Tensor:
        return flatten(x, self.start_axis)


class Reshape(Module):
    """(N, ...) to (N, *shape)."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return reshape(x, (x.shape[0], *self.shape))

    def options(self) -> str:
        return ", ".join(map(str, self.shape))
