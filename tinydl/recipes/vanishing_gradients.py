"""Why depth is hard: how large the gradient still is when it has come back through 5 to 50 layers.

A layer's Jacobian multiplies the gradient on its way back. Sigmoid's slope is a quarter at most; the default weights,
uniform in +- 1 / sqrt(fan_in), keep a third of the variance, where Glorot's and He's keep all of it (of what ReLU lets
through). So the gradient shrinks by the same factor in every layer. A residual layer x + F(x) adds instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinydl import init, nn, plot
from tinydl.creation import zeros_like
from tinydl.data import mnist, to_float, train_validation_test_split
from tinydl.data.loader import DataLoader
from tinydl.losses import cross_entropy
from tinydl.metrics import accuracy
from tinydl.optim import SGD
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import Trainer

WIDTH = 100
DEPTHS = (5, 10, 20, 30, 50)
LR = 0.01
PROBE = 256  # digits whose gradient is measured


class Residual(nn.Module):
    """x + relu(batch norm(W x)): (N, width) to (N, width)."""

    def __init__(self, generator: Generator) -> None:
        self.branch = nn.Sequential(*normalised(WIDTH, generator))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def normalised(inputs: int, generator: Generator) -> list[nn.Module]:
    """A dense layer, batch norm and ReLU."""
    return [nn.Dense(inputs, WIDTH, generator=generator), nn.BatchNorm1d(WIDTH), nn.ReLU()]


def activated(activation: Callable[[], nn.Module], start: Callable[..., Tensor] | None = None) -> Any:
    """Makes a dense layer and its activation; `start` draws the weights, biases are 0 then."""

    def layer(inputs: int, generator: Generator) -> list[nn.Module]:
        dense = nn.Dense(inputs, WIDTH, generator=generator)
        if start is not None:
            assert dense.bias is not None
            dense.weight.data = start(dense.weight.shape, generator=generator)
            dense.bias.data = zeros_like(dense.bias)
        return [dense, activation()]

    return layer


def residual(inputs: int, generator: Generator) -> list[nn.Module]:
    """A residual layer; the first one has no shortcut, since it changes the size."""
    return [Residual(generator)] if inputs == WIDTH else normalised(inputs, generator)


LAYERS: dict[str, Callable[[int, Generator], list[nn.Module]]] = {
    "sigmoid": activated(nn.Sigmoid),
    "tanh": activated(nn.Tanh),
    "relu": activated(nn.ReLU),
    "batch_norm": normalised,
    "sigmoid_scaled": activated(nn.Sigmoid, init.glorot_uniform),
    "tanh_scaled": activated(nn.Tanh, init.glorot_uniform),
    "relu_scaled": activated(nn.ReLU, init.he_uniform),
    "residual": residual,
}
NAMES = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "ReLU",
    "batch_norm": "ReLU + batch norm",
    "sigmoid_scaled": "Sigmoid, Glorot's weights",
    "tanh_scaled": "Tanh, Glorot's weights",
    "relu_scaled": "ReLU, He's weights",
    "residual": "Residual + batch norm",
}
PANELS = {  # of the picture of training
    "Sigmoid": {"default weights": "sigmoid", "scaled weights": "sigmoid_scaled"},
    "Tanh": {"default weights": "tanh", "scaled weights": "tanh_scaled"},
    "ReLU": {"default weights": "relu", "scaled weights": "relu_scaled"},
    "ReLU + batch norm": {"without shortcuts": "batch_norm", "with shortcuts": "residual"},
}


def build(name: str, depth: int, generator: Generator) -> nn.Sequential:
    """A network of `depth` dense layers, 784-100-...-100-10: digits (N, 1, 28, 28) to scores (N, 10)."""
    hidden = [layer for i in range(depth - 1) for layer in LAYERS[name](784 if i == 0 else WIDTH, generator)]
    if name == "residual":  # a sum of many layers is large
        hidden.append(nn.BatchNorm1d(WIDTH))
    return nn.Sequential(nn.Flatten(), *hidden, nn.Dense(WIDTH, 10, generator=generator))


def gradient_norms(model: nn.Module, x: Tensor, y: Tensor) -> list[float]:
    """|d loss / d W| of the weights of every dense layer, the first layer first.

    Computed in float64: in float32 the smallest would be 0.
    """
    model.astype("float64").train()
    cross_entropy(model(x.astype("float64")), y).backward()
    weights = [layer.weight for layer in model.modules() if isinstance(layer, nn.Dense)]
    return [float(np.linalg.norm(w.grad.to("cpu").numpy())) for w in weights if w.grad is not None]


def train(options: Options, name: str, train_part: Any, validation: Any) -> Trainer:
    """Trains the deepest network of one kind; batches are the same for all."""
    generator = Generator(options.seed)
    loader = DataLoader(
        train_part, options.batch_size, shuffle=True, generator=generator.fork(), device=options.device
    )
    model = build(name, DEPTHS[-1], generator.fork()).to(options.device)
    trainer = Trainer(
        model,
        cross_entropy,
        SGD(model.parameters(), LR, momentum=0.9),
        [accuracy],
        callbacks(options),
        progress=options.progress,
    )
    fit(options, trainer, loader, DataLoader(validation, 250, device=options.device))
    return trainer


def run(options: Options) -> dict[str, Any]:
    """Measures gradients before training, for every kind and depth, and trains the deepest network of each kind."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}")
    labels = data.train.labels
    train_part, validation, _ = train_validation_test_split(
        to_float(data.train.images),
        labels,
        fractions=(0.9, 0.1, 0.0),
        stratify=labels,
        generator=Generator(options.seed),
    )
    probe = [tensor(array[:PROBE], device=options.device) for array in train_part]
    norms: dict[str, dict[int, list[float]]] = {}
    metrics: dict[str, Any] = {}
    for name in NAMES:
        norms[name] = {}
        for depth in DEPTHS:
            model = build(name, depth, Generator(options.seed)).to(options.device)
            found = norms[name][depth] = gradient_norms(model, probe[0], probe[1])
            metrics[f"ratio_{name}_{depth}"] = found[0] / found[-1]
        said = ", ".join(f"{metrics[f'ratio_{name}_{depth}']:.2g}" for depth in DEPTHS)
        print(
            f"{NAMES[name]}: gradient of the first layer / of the last, {', '.join(map(str, DEPTHS))} layers: {said}"
        )
    curves = {}
    test = DataLoader((to_float(data.test.images), data.test.labels), 250, device=options.device)
    for name, part in zip(NAMES, options.parts(*NAMES), strict=True):
        trainer = train(part, name, train_part, validation)
        curves[name] = trainer.history["loss"], trainer.history["validation_loss"]
        metrics[f"test_accuracy_{name}"] = trainer.evaluate(test)["accuracy"]
        metrics[f"train_loss_{name}"] = trainer.history["loss"][-1]
        print(
            f"{NAMES[name]}, {DEPTHS[-1]} layers: {metrics[f'test_accuracy_{name}']:.1%} of {data.test_name} right"
        )
    plot.by_layer(
        {NAMES[name]: norms[name] for name in NAMES},
        "Gradient norm of the weights",
        path=options.out / "gradients.png",
        title="Before training: how much of the gradient arrives in each layer",
        low=1e-12,
        high=1e5,
    )
    plot.learning_curves(
        {title: {words: curves[name] for words, name in runs.items()} for title, runs in PANELS.items()},
        "Cross-entropy",
        path=options.out / "learning.png",
        title=f"What networks of {DEPTHS[-1]} layers learn",
        high=2.6,
    )
    return {
        **metrics,
        "baseline_chance_accuracy": float(np.bincount(data.test.labels).max() / len(data.test.labels)),
        "parameters": count(trainer.model),
        "data": data.source,
        "seconds": round(time.perf_counter() - start, 2),
    }


VANISHING_GRADIENTS = Recipe(
    "vanishing-gradients",
    "why depth is hard: the gradient on its way back through 5 to 50 layers",
    5,
    64,
    run,
)
