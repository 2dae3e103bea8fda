"""Embedding: a vector for each of a number of things."""

from __future__ import annotations

from tinydl import init
from tinydl.errors import DTypeError, ShapeError
from tinydl.nn.module import Module, Parameter
from tinydl.random import GeneratorLike
from tinydl.tensor import Tensor


class Embedding(Module):
    """Integers (...) to their vectors (..., embedding_dim): row i of weight (num_embeddings, embedding_dim).

    The rows, float32, start standard normal, as PyTorch's. Raises ValueError for fewer than one row or column; when
    called, TypeError for inputs that are not integers and ValueError for integers out of range.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, generator: GeneratorLike = None) -> None:
        if num_embeddings < 1 or embedding_dim < 1:
            raise ValueError(
                f"Embedding({num_embeddings}, {embedding_dim}): expected one row and column or more"
            )
        self.weight = Parameter(init.normal((num_embeddings, embedding_dim), 1.0, generator))

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.dtype.kind not in "iu":
            got = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise DTypeError("embedding", f"expected a tensor of integers, got {got}")
        n = self.weight.shape[0]
        if x.size and x.device.checks_values:
            low, high = int(x._data.min()), int(x._data.max())
            if not 0 <= low <= high < n:
                raise ShapeError("embedding", f"expected integers in [0, {n - 1}], got {low} to {high}")
        return self.weight[x]

    def options(self) -> str:
        return ", ".join(map(str, self.weight.shape))
