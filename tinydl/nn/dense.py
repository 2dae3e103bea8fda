"""The fully connected layer."""

from __future__ import annotations

import math

from tinydl import init
from tinydl.nn.module import Module, Parameter
from tinydl.ops.linalg import dense
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


class Dense(Module):
    """y = x W^T + b: (..., in_features) to (..., out_features).

    weight (out, in) and bias (out,), float32, start uniform in +- 1 / sqrt(in_features), as PyTorch's `Linear`.
    Raises ValueError for fewer than one feature; when called, ValueError for another number of features.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, generator: GeneratorLike = None
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"Dense({in_features}, {out_features}): expected one feature or more on both sides"
            )
        generator = as_generator(generator)
        bound = 1.0 / math.sqrt(in_features)
        self.weight = Parameter(init.uniform((out_features, in_features), bound, generator))
        self.bias = Parameter(init.uniform((out_features,), bound, generator)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return dense(x, self.weight, self.bias)

    def multiply_adds(self, x: Tensor, out: Tensor) -> int:
        return out.size * self.weight.shape[1]

    def options(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + ("" if self.bias is not None else ", bias=False")
