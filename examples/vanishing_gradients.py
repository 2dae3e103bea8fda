"""Why depth is hard: the gradient of every layer in networks of 30, before any training.

python examples/vanishing_gradients.py [DEPTH]
"""

import sys

import numpy as np

import tinydl as td
from tinydl import nn

DEPTH = max(4, int(sys.argv[1])) if len(sys.argv) > 1 else 30
WIDTH = 100

train, _ = td.data.mnist.load()
x, y = td.tensor(td.data.to_float(train.images[:256])), td.tensor(train.labels[:256])


class Residual(nn.Module):
    """x + F(x): on its way back the gradient takes the sum's other road, past F."""

    def __init__(self, *layers):
        self.f = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.f(x)


KINDS = {  # what follows a dense layer; the last one goes around all of it
    "sigmoid": lambda dense: [dense, nn.Sigmoid()],
    "tanh": lambda dense: [dense, nn.Tanh()],
    "ReLU": lambda dense: [dense, nn.ReLU()],
    "ReLU + batch norm": lambda dense: [dense, nn.BatchNorm1d(WIDTH), nn.ReLU()],
    "residual": lambda dense: [Residual(dense, nn.BatchNorm1d(WIDTH), nn.ReLU())],
}

print(
    "|gradient| of the first layer of equal size, the middle one and the last, and what one layer does to it"
)
for name, layers in KINDS.items():
    generator = td.Generator(0)
    dense = [nn.Dense(WIDTH, WIDTH, generator=generator) for _ in range(DEPTH - 2)]
    model = nn.Sequential(
        nn.Flatten(),
        nn.Dense(784, WIDTH, generator=generator),
        *[layer for each in dense for layer in layers(each)],
        nn.Dense(WIDTH, 10, generator=generator),
    ).astype("float64")  # in float32 the smallest gradients would be 0
    td.losses.cross_entropy(model(x.astype("float64")), y).backward()
    norms = [np.linalg.norm(layer.weight.grad.numpy()) for layer in dense]
    factor = (norms[0] / norms[-1]) ** (1 / max(1, len(norms) - 1))
    print(
        f"{name:18} {norms[0]:9.1e} {norms[len(norms) // 2]:9.1e} {norms[-1]:9.1e}   x {factor:.2f} a layer"
    )
