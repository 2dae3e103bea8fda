"""A sparse autoencoder, four ways: no penalty, L1, KL, dropout. What share of its code does a digit need?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import nn, plot
from tinydl.autograd import no_grad
from tinydl.data import mnist, to_float
from tinydl.data.loader import DataLoader
from tinydl.losses import mse
from tinydl.models import SparseAutoencoder
from tinydl.models.sparse_autoencoder import kl_sparsity, l1
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.reconstruction import Images, error, one_of_each, stopping, train_and_validation
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import Trainer

UNITS = 256
MAX_LR = 6e-3
Penalty = Callable[[Tensor], Tensor | float]

NAMES = {"plain": "no penalty", "l1": "L1", "kl": "KL", "dropout": "dropout"}
# Chosen on 400 of the 4,000 training digits: as strong as leaves the digits readable.
PENALTIES: dict[str, Penalty] = {
    "plain": lambda codes: 0.0,
    "l1": lambda codes: 0.2 * l1(codes),
    "kl": lambda codes: 0.5 * kl_sparsity(codes, rho=0.05),
    "dropout": lambda codes: 0.0,
}


def build(name: str, generator: Generator) -> SparseAutoencoder:
    """The network of one variant: the same for all but for the dropout of half of the code."""
    if name != "dropout":
        return SparseAutoencoder((784, UNITS), generator=generator)
    half = nn.Dropout(0.5, generator.fork())
    return SparseAutoencoder(
        (784, UNITS), code=lambda: nn.Sequential(nn.Sigmoid(), half), generator=generator
    )


def train(
    options: Options, name: str, images: tuple[Images, Images], generator: Generator
) -> tuple[SparseAutoencoder, list[float | None]]:
    """Trains one variant; the mean activation on the validation part after every epoch comes with it."""
    train_part, validation = images
    model = build(name, generator.fork()).to(options.device)
    loader = DataLoader(
        (train_part, train_part), options.batch_size, True, generator.fork(), device=options.device
    )
    penalty = PENALTIES[name]
    optimizer = Adam(model.parameters())
    trainer = Trainer(
        model,
        # the squared error of an image, summed over its pixels, so that the code is weighed against whole images
        lambda out, x: mse(out[0], x, reduction="sum") / len(x) + penalty(out[1]),
        optimizer,
        {"mse": lambda out, x: mse(out[0], x), "activation": lambda out, x: out[1].mean()},
        callbacks(options, stopping(options)),
        OneCycleLR(optimizer, max_lr=MAX_LR, total_steps=options.epochs * len(loader)),
        options.progress,
    )
    history = fit(options, trainer, loader, DataLoader((validation, validation), 250, device=options.device))
    return model, history["validation_activation"]


def active(codes: Images) -> float:
    """The share of activations (N, units) above a tenth of the largest that the unit shows: whatever its scale."""
    return float((codes > 0.1 * codes.max(axis=0)).mean())


def features(weight: npt.NDArray[np.float32], codes: Images, number: int) -> npt.NDArray[np.float32]:
    """What the units that vary most paint, as colour pictures (number, 28, 28, 3): red adds, blue takes away.

    `weight` (784, units) is that of the decoder; each picture has its own scale.
    """
    most = np.argsort(-codes.std(axis=0) * np.linalg.norm(weight, axis=0))[:number]
    painted = weight.T[most].reshape(-1, 28, 28)
    painted = painted / np.abs(painted).max(axis=(1, 2), keepdims=True)
    return 1 - np.stack([np.maximum(-painted, 0), np.abs(painted), np.maximum(painted, 0)], axis=3)


def run(options: Options) -> dict[str, Any]:
    """Trains the four variants, measures how active their codes are, draws reconstructions and features."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}")
    generator = Generator(options.seed)
    images = train_and_validation(data, generator.fork())
    pixels = to_float(data.test.images)
    x = tensor(pixels, device=options.device)
    chosen = one_of_each(data.test.labels)
    shown, painted = {"original": pixels[chosen]}, {}
    activations: dict[str, list[float | None]] = {}
    metrics: dict[str, Any] = {}
    for name, part in zip(NAMES, options.parts(*NAMES), strict=True):
        model, activations[NAMES[name]] = train(part, name, images, generator.fork())
        with no_grad():
            rebuilt, codes = (np.asarray(out.to("cpu").numpy()) for out in model(x))
        metrics |= {
            f"test_mse_{name}": error(rebuilt, pixels),
            f"activation_{name}": float(codes.mean()),
            f"active_{name}": active(codes),
        }
        shown[NAMES[name]] = rebuilt[chosen]
        painted[NAMES[name]] = features(model.state_dict()["decoder.0.weight"], codes, 14)
    seconds = time.perf_counter() - start
    said = ", ".join(
        f"{NAMES[name]} {metrics[f'activation_{name}']:.3f} (error {metrics[f'test_mse_{name}']:.4f})"
        for name in NAMES
    )
    print(f"{data.test_name}, mean activation of {UNITS} units (and mean squared error): {said}")
    plot.rows(shown, path=options.out / "reconstructions.png", title="Digits never seen, rebuilt")
    plot.rows(
        painted,
        path=options.out / "features.png",
        title="What single units of the code paint: red adds, blue takes away",
    )
    plot.comparison(
        activations,
        "Mean activation of the code, validation digits",
        path=options.out / "activations.png",
        title="How active the code is",
        low=0,
    )
    return {
        **metrics,
        "baseline_activation": metrics["activation_plain"],
        "baseline_mse": metrics["test_mse_plain"],
        "parameters": count(model),
        "data": data.source,
        "seconds": round(seconds, 2),
    }


SPARSE_AUTOENCODER = Recipe(
    "sparse-autoencoder", "digits by a code of which little is active at a time", 30, 64, run
)
