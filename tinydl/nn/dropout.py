"""Dropout as a layer."""

from __future__ import annotations

from tinydl.nn.module import Module
from tinydl.ops.dropout import dropout
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


class Dropout(Module):
    """While training, sets each element to 0 with probability p and divides the others by 1 - p.

    Any shape; float32 gives float32 (Srivastava et al., 2014). The masks are drawn from `generator`; a checkpoint of
    the Trainer keeps its place. Raises ValueError for p outside [0, 1], TypeError for another kind of `generator`.
    """

    def __init__(self, p: float = 0.5, generator: GeneratorLike = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p must be in [0, 1], got {p}")
        self.p = p
        self.generator = as_generator(generator)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training, self.generator)

    def options(self) -> str:
        return str(self.p)
