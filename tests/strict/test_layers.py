"""Layers on the strict device: the CPU's bits, forward, backward and in what they remember."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn

pytestmark = pytest.mark.usefixtures("kernels")

Same = Callable[[list[Any], list[Any]], None]


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return td.Generator(seed).normal(shape)


def labels(high: int, *shape: int) -> np.ndarray[Any, Any]:
    return td.Generator(0).integers(0, high, shape)


def images(n: int = 2, c: int = 3, h: int = 6, w: int = 7) -> np.ndarray[Any, Any]:
    """Images that lie in memory as the kernels leave them, C, N, H, W: a sum over them depends on that."""
    return normal(c, n, h, w).transpose(1, 0, 2, 3)


LAYERS: dict[str, tuple[Callable[[], nn.Module], np.ndarray[Any, Any]]] = {
    **{
        name: (getattr(nn, name), images())
        for name in ("ELU", "LeakyReLU", "ReLU", "Sigmoid", "Softmax", "Softplus", "Tanh")
    },
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(3), images()),
    **{
        name: (lambda name=name: getattr(nn, name)(3, 2, 1), images())
        for name in ("AvgPool2d", "MaxPool2d", "MinPool2d")
    },
    "BatchNorm1d": (lambda: nn.BatchNorm1d(5), normal(6, 5)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, momentum=None), images()),
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3, padding=1, generator=1), images()),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 4, 3, 2, generator=1), images()),
    "Dense": (lambda: nn.Dense(5, 3, generator=1), normal(6, 5)),
    "Dropout": (lambda: nn.Dropout(0.5, generator=1), images()),
    "Embedding": (lambda: nn.Embedding(5, 3, generator=1), labels(5, 4, 6)),
    "Flatten": (nn.Flatten, images()),
    "GroupNorm": (lambda: nn.GroupNorm(3, 3), images()),
    "LayerNorm": (lambda: nn.LayerNorm((6, 7)), images()),
    "Maxout": (lambda: nn.Maxout(3), images()),
    "ModuleList": (lambda: nn.Sequential(*nn.ModuleList([nn.Dense(5, 4, generator=1)])), normal(6, 5)),
    "Reshape": (lambda: nn.Reshape(7, 18), images()),
    "Sequential": (lambda: nn.Sequential(nn.Dense(5, 4, generator=1), nn.Tanh()), normal(6, 5)),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), images()),
}


def test_every_layer_has_a_row() -> None:
    assert set(nn.__all__) - {"Module", "Parameter"} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.usefixtures("no_float64")
def test_layers_have_the_cpus_bits(name: str, same_bits: Same) -> None:
    make, array = LAYERS[name]

    def run(device: str) -> list[Any]:
        layer = make().to(device)
        x = td.tensor(array, array.dtype.kind == "f", device=device)
        out = layer(x)
        out.backward(td.tensor(normal(*out.shape, seed=9), device=device))
        found = [out, x.grad, *(p.grad for p in layer.parameters())]
        return [None if t is None else t.to("cpu").detach().numpy() for t in found] + [
            *layer.state_dict().values()
        ]

    same_bits(run("strict"), run("cpu"))
