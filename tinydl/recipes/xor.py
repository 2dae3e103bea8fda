"""XOR, which one neuron can't learn, learned by a network with one hidden layer."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import nn, plot
from tinydl.autograd import no_grad
from tinydl.data import xor
from tinydl.data.loader import DataLoader
from tinydl.losses import binary_cross_entropy_with_logits
from tinydl.models import MLP
from tinydl.ops.activation import sigmoid
from tinydl.optim import Adam
from tinydl.random import Generator
from tinydl.recipes.perceptron import Step, chosen
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import Callback, Trainer

HIDDEN = 4


class Snapshots(Callback):
    """Keeps the network as it is before the first and after some of the epochs."""

    def __init__(self, epochs: list[int]) -> None:
        self.epochs = {0, *epochs}
        self.kept: dict[int, State] = {}

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._keep(trainer)

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        self._keep(trainer)

    def _keep(self, trainer: Trainer) -> None:
        epoch = len(trainer.history.rows)
        if epoch in self.epochs:
            self.kept[epoch] = trainer.model.state_dict()

    def steps(self) -> list[Step]:
        """What the network said of the plane at each of these moments."""
        return [
            (f"after epoch {epoch}" if epoch else "before", probabilities(state))
            for epoch, state in sorted(self.kept.items())
        ]

    def state_dict(self) -> dict[str, Any]:
        return {f"{epoch}/{name}": a for epoch, state in self.kept.items() for name, a in state.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kept = {}
        for key, array in state.items():
            epoch, name = key.split("/")
            self.kept.setdefault(int(epoch), {})[name] = array


State = dict[str, npt.NDArray[Any]]


def probabilities(state: State) -> Any:
    """The probability of class 1 as a function of points, by the network with these weights."""
    copy = MLP((2, HIDDEN, 1), nn.Tanh, generator=0)
    copy.load_state_dict(state)

    def predict(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with no_grad():
            return np.asarray(sigmoid(copy(tensor(points))).squeeze(1).to("cpu").numpy())

    return predict


def right(prediction: Tensor, target: Tensor) -> float:
    """The share of logits on the right side of 0."""
    return float(((prediction > 0) == (target > 0.5)).astype("float32").mean())


def run(options: Options) -> dict[str, Any]:
    """Trains an MLP with four hidden neurons on the four rows of XOR and draws its boundary as it forms."""
    start = time.perf_counter()
    table = xor.load()
    x, y = table.x, table.y[:, None].astype(np.float32)
    generator = Generator(options.seed)
    model = MLP((2, HIDDEN, 1), nn.Tanh, generator.fork()).to(options.device)
    doubling = [1 << i for i in range(options.epochs.bit_length())]
    snapshots = Snapshots([*doubling, options.epochs])
    trainer = Trainer(
        model,
        binary_cross_entropy_with_logits,
        Adam(model.parameters(), lr=0.05),
        {"accuracy": right},
        callbacks(options, snapshots, every=50),
        progress=options.progress,
    )
    loader = DataLoader(
        (x, y), options.batch_size, shuffle=True, generator=generator.fork(), device=options.device
    )
    history = fit(options, trainer, loader, None)
    plot.boundaries(
        chosen(snapshots.steps()),
        table.x,
        table.y,
        table.classes,
        table.features,
        options.out / "boundary.png",
        "XOR, learned by a network with four hidden neurons",
    )
    accuracy = trainer.evaluate(DataLoader((x, y), 4, device=options.device))["accuracy"]
    print(f"xor: {accuracy:.0%} of the four rows right; one neuron alone gets at most 75%")
    return {
        "accuracy": accuracy,
        "baseline_linear_accuracy": 0.75,
        "train_loss": history["loss"][-1],
        "parameters": count(model),
        "seconds": round(time.perf_counter() - start, 2),
    }


XOR = Recipe("xor", "a network with one hidden layer learns what one neuron can't", 200, 4, run)
