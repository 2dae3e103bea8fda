"""The rows of `python -m benchmarks.speed`: which network learns what, on which batch and by which optimiser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import tinydl as td
from benchmarks.networks import Library, autoencoder, lenet, mlp, resnet18, tinydl, unet, vae

Array: TypeAlias = npt.NDArray[Any]
Draw: TypeAlias = Callable[[np.random.Generator], list[Array]]


def _classified(batch: int, *shape: int) -> Draw:
    return lambda random: [random.standard_normal((batch, *shape), np.float32), random.integers(0, 10, batch)]


def _pictures_to_copy(batch: int, h: int = 28, w: int = 28) -> Draw:
    return lambda random: [random.random((batch, 1, h, w), np.float32)] * 2


def _pictures_and_noise(batch: int) -> Draw:
    def draw(random: np.random.Generator) -> list[Array]:
        x, noise = random.random((batch, 784), np.float32), random.standard_normal((batch, 20), np.float32)
        return [x, noise, x]

    return draw


def _pictures_and_masks(batch: int, h: int = 64, w: int = 64) -> Draw:
    def draw(random: np.random.Generator) -> list[Array]:
        x = random.standard_normal((batch, 1, h, w), np.float32)
        return [x, (random.random(x.shape) > 0.5).astype(np.float32)]

    return draw


def _classification(library: Library, scores: Any, labels: Any) -> Any:
    return library.cross_entropy(scores, labels)


def _reconstruction(library: Library, picture: Any, x: Any) -> Any:
    return library.mse(picture, x)


def _evidence(library: Library, output: Any, x: Any) -> Any:
    """The negative evidence lower bound, per image."""
    logits, mu, logvar = output
    error = library.bce_with_logits(logits, x, reduction="sum")
    return (error + library.gaussian_kl(mu, logvar)) / x.shape[0]


def _segmentation(library: Library, logits: Any, mask: Any) -> Any:
    return library.bce_with_logits(logits, mask)


@dataclass(frozen=True)
class Row:
    """A line of the table: what is trained on which batch, and the ratio to PyTorch that it has to reach.

    `floor` must be reached, `goal` is aimed for. A batch is the inputs of the network and, last, the target;
    `loss(library, prediction, target)` is differentiated.
    """

    title: str
    floor: float
    goal: float
    network: Callable[[Library], Any]
    batch: Draw
    loss: Callable[..., Any]
    optimizer: str
    options: dict[str, float]

    def initial(self) -> dict[str, Array]:
        """The weights that all contenders begin with, by tinydl's names, and the batch as "batch.0", ..."""
        td.manual_seed(0)
        arrays: dict[str, Array] = dict(self.network(tinydl()).state_dict())
        batch = self.batch(np.random.default_rng(0))
        return arrays | {f"batch.{i}": array for i, array in enumerate(batch)}

    def training(self, library: Library, model: Any) -> Callable[..., Any]:
        """A function that makes one training step with the batch it is called with, and returns the loss before it."""
        optimizer = getattr(library.optim, self.optimizer)(model.parameters(), **self.options)

        def step(*batch: Any) -> Any:
            *inputs, target = batch
            optimizer.zero_grad()
            loss = self.loss(library, model(*inputs), target)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def step(self, library: Library, model: Any, batch: list[Any]) -> Callable[[], Any]:
        """`training` with the same batch at every call."""
        return partial(self.training(library, model), *batch)


MOMENTUM = {"lr": 0.1, "momentum": 0.9}


def _lenet(batch: int) -> Row:
    return Row(
        title=f"LeNet-5, batch {batch}",
        floor=1.6,
        goal=3.0,
        network=lenet,
        batch=_classified(batch, 1, 32, 32),
        loss=_classification,
        optimizer="SGD",
        options=MOMENTUM,
    )


ROWS = {
    "mlp": Row(
        title="MLP 784-512-256-10, batch 128",
        floor=0.85,
        goal=1.2,
        network=mlp,
        batch=_classified(128, 784),
        loss=_classification,
        optimizer="SGD",
        options=MOMENTUM,
    ),
    "lenet-64": _lenet(64),
    "lenet-256": _lenet(256),
    "autoencoder": Row(
        title="conv autoencoder 28x28, batch 128",
        floor=1.2,
        goal=2.0,
        network=autoencoder,
        batch=_pictures_to_copy(128),
        loss=_reconstruction,
        optimizer="Adam",
        options={"lr": 1e-3},
    ),
    "vae": Row(
        title="VAE 784-400-20, batch 128",
        floor=0.85,
        goal=1.2,
        network=vae,
        batch=_pictures_and_noise(128),
        loss=_evidence,
        optimizer="Adam",
        options={"lr": 1e-3},
    ),
    "unet": Row(
        title="U-Net 64x64, batch 8",
        floor=0.65,
        goal=1.1,
        network=unet,
        batch=_pictures_and_masks(8),
        loss=_segmentation,
        optimizer="Adam",
        options={"lr": 1e-3},
    ),
    "resnet18": Row(
        title="ResNet-18 32x32, batch 32",
        floor=0.7,
        goal=1.0,
        network=resnet18,
        batch=_classified(32, 3, 32, 32),
        loss=_classification,
        optimizer="SGD",
        # A higher rate multiplies the rounding of float32 until three steps differ by more than is tolerated.
        options={"lr": 0.001, "momentum": 0.9, "weight_decay": 5e-4},
    ),
}


def _like(row: str, title: str, batch: Draw, **sizes: int) -> Row:
    """A row of the table at another size, where two thirds of its floor and of its goal are asked for."""
    found = ROWS[row]
    network = partial(found.network, **sizes)
    return replace(
        found, title=title, batch=batch, network=network, floor=2 * found.floor / 3, goal=2 * found.goal / 3
    )


# Sizes for which nothing was tuned.
ODD = {
    "mlp-100": _like("mlp", "MLP 784-500-123-10, batch 100", _classified(100, 784), first=500, second=123),
    "lenet-48": _like("lenet-64", "LeNet-5, batch 48", _classified(48, 1, 32, 32)),
    "lenet-100": _like("lenet-64", "LeNet-5, batch 100", _classified(100, 1, 32, 32)),
    "lenet-200": _like("lenet-256", "LeNet-5, batch 200", _classified(200, 1, 32, 32)),
    "autoencoder-100": _like(
        "autoencoder",
        "conv autoencoder 36x20, 12 and 25 channels, batch 100",
        _pictures_to_copy(100, 36, 20),
        first=12,
        second=25,
    ),
    "vae-200": _like("vae", "VAE 784-400-20, batch 200", _pictures_and_noise(200)),
    "unet-5": _like("unet", "U-Net 56x72, 12 channels, batch 5", _pictures_and_masks(5, 56, 72), base=12),
    "resnet18-20": _like("resnet18", "ResNet-18 27x27, batch 20", _classified(20, 3, 27, 27)),
}
SINGLE = {
    "mlp-1": _like("mlp", "MLP 784-512-256-10, batch 1", _classified(1, 784)),
    "lenet-1": _like("lenet-64", "LeNet-5, batch 1", _classified(1, 1, 32, 32)),
    "autoencoder-1": _like("autoencoder", "conv autoencoder 28x28, batch 1", _pictures_to_copy(1)),
    "vae-1": _like("vae", "VAE 784-400-20, batch 1", _pictures_and_noise(1)),
    "unet-1": _like("unet", "U-Net 64x64, batch 1", _pictures_and_masks(1)),
    "resnet18-1": _like("resnet18", "ResNet-18 32x32, batch 1", _classified(1, 3, 32, 32)),
}
SETS = {"table": list(ROWS), "odd": list(ODD), "single": list(SINGLE)}
ROWS_BY_NAME = ROWS | ODD | SINGLE
