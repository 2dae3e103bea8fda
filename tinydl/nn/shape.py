"""Layers that only change shapes; the dtype stays."""

from __future__ import annotations

from tinydl.errors import ShapeError
from tinydl.nn.module import Module
from tinydl.op import check_tensors
from tinydl.ops.shape import flatten, reshape
from tinydl.tensor import Tensor


class Flatten(Module):
    """(N, ...) to (N, features), in any dtype. Raises ValueError for inputs without axis `start_axis`."""

    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = start_axis

    def forward(self, x: Tensor) -> Tensor:
        return flatten(x, self.start_axis)


class Reshape(Module):
    """(N, ...) to (N, *shape), in any dtype. Raises ValueError where the elements do not fit."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        check_tensors("reshape", x)
        if x.ndim == 0:
            raise ShapeError("reshape", "expected an input (N, ...), got a 0-d tensor")
        return reshape(x, (x.shape[0], *self.shape))

    def options(self) -> str:
        return ", ".join(map(str, self.shape))
