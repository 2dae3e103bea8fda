"""The multilayer perceptron: dense layers with a nonlinearity between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tinydl import nn
from tinydl.random import GeneratorLike, as_generator


class MLP(nn.Sequential):
    """Dense layers of the given sizes, an activation after each but the last (Rumelhart et al., 1986).

    Inputs (N, ...) are flattened to (N, sizes[0]); the output is (N, sizes[-1]) scores.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 512, 256, 10),
        activation: Callable[[], nn.Module] = nn.ReLU,
        generator: GeneratorLike = None,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(f"MLP: expected two sizes or more, got {tuple(sizes)}")
        generator = as_generator(generator)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Dense(inputs, outputs, generator=generator), activation()]
        super().__init__(*layers[:-1])
