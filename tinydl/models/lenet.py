"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998): the network that read the digits on cheques."""

from __future__ import annotations

from tinydl import nn
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor

_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}
_POOLS: dict[str, type[nn.AvgPool2d] | type[nn.MaxPool2d]] = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}


class LeNet5(nn.Module):
    """LeNet-5: images (N, channels, 32, 32) to scores (N, classes).

        C1  6 feature maps, 5x5       32x32 -> 28x28            156 parameters
        S2  average pooling, 2x2      28x28 -> 14x14
        C3  16 feature maps, 5x5      14x14 -> 10x10          2,416
        S4  average pooling, 2x2      10x10 -> 5x5
        C5  120 feature maps, 5x5       5x5 -> 1x1           48,120
        F6  84 units                                         10,164
        output                                                  850    together 61,706

    As in most implementations since, C3 sees all maps of S2, pooling has no weights of its own and the output
    is a dense layer. `activation` is "tanh" (as published), "sigmoid" or "relu"; `pool` is "avg" or "max".
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 1,
        activation: str = "tanh",
        pool: str = "avg",
        generator: GeneratorLike = None,
    ) -> None:
        if activation not in _ACTIVATIONS or pool not in _POOLS:
            raise ValueError(
                f"LeNet5: activation must be one of {list(_ACTIVATIONS)} and pool one of {list(_POOLS)}, "
                f"got {activation!r} and {pool!r}"
            )
        generator = as_generator(generator)
        self.c1 = nn.Conv2d(channels, 6, kernel_size=5, generator=generator)
        self.s2 = _POOLS[pool](2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5, generator=generator)
        self.s4 = _POOLS[pool](2)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5, generator=generator)
        self.f6 = nn.Dense(120, 84, generator=generator)
        self.output = nn.Dense(84, classes, generator=generator)
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        x = self.s2(self.activation(self.c1(x)))
        x = self.s4(self.activation(self.c3(x)))
        x = self.activation(self.c5(x)).flatten(1)
        x = self.activation(self.f6(x))
        out: Tensor = self.output(x)
        return out
