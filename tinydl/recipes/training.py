"""What recipes share that train with a Trainer: a run that can be resumed, and the record of it."""

from __future__ import annotations

import time
from typing import Any

from tinydl.data.loader import DataLoader
from tinydl.nn import Module
from tinydl.recipes.recipe import Options, SameRun
from tinydl.tensor import Tensor
from tinydl.train import Callback, Checkpoint, History, Trainer


def callbacks(options: Options, *own: Callback, every: int = 1) -> list[Callback]:
    """The recipe's own callbacks between the two that every run has: it is resumed as what it was, and saved."""
    return [SameRun(options), *own, Checkpoint(options.checkpoint, every)]


class Clock(Callback):
    """The seconds that training took and those of computing (of all cores together), over all parts of a resumed run.

    List it before the Checkpoint. What an interrupted epoch had taken is not counted: it is trained anew.
    """

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._last = time.perf_counter(), time.process_time()

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        now = time.perf_counter(), time.process_time()
        self.seconds += now[0] - self._last[0]
        self.cpu_seconds += now[1] - self._last[1]
        self._last = now

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seconds, self.cpu_seconds = state["seconds"], state["cpu_seconds"]


class Reconstruction(Trainer):
    """A Trainer whose batches are inputs alone: the target is the image that the model got, augmented as it was."""

    def step(self, *batch: Tensor) -> dict[str, float]:
        return super().step(*batch, batch[0])


def fit(options: Options, trainer: Trainer, train: DataLoader, validation: DataLoader | None) -> History:
    """Trains for `options.epochs`, or goes on where the run stopped; writes history.csv and curves.png."""
    options.out.mkdir(parents=True, exist_ok=True)
    history = trainer.fit(train, validation, epochs=options.epochs, resume=options.resume_from())
    history.to_csv(options.out / "history.csv")
    history.plot(options.out / "curves.png")
    return history


def count(model: Module) -> int:
    """How many numbers the network learns."""
    return sum(p.size for p in model.parameters())
