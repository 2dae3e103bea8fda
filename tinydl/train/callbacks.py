"""What can happen around each step and after each epoch: stop early, write a checkpoint."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinydl.serialization import remove_leftovers
from tinydl.train.checkpoint import save_checkpoint

if TYPE_CHECKING:
    from tinydl.train.trainer import Trainer


class Callback:
    """Told by the Trainer what happens; the base does nothing and raises nothing.

    What has to survive an interruption is in `state_dict()`: numbers and texts, and NumPy arrays.
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Before the first epoch of a call of `fit`, after a resumed state was loaded."""

    def on_step_begin(self, trainer: Trainer) -> None:
        """Before the step on a batch."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After a step; parameters still have the gradients that it followed, where one optimiser has them all."""

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        """After an epoch, with its numbers; they are in `trainer.history` already."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What has to survive an interruption."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a `state_dict()`."""


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved for more than `patience` epochs (Prechelt, 1998).

    Values whose name ends in "loss" improve downwards, all others upwards. With `restore_best` the model gets
    the parameters of its best epoch back. `best` and `best_epoch` tell which. Raises ValueError for a negative
    patience, and KeyError in training for a `monitor` that was not measured.
    """

    def __init__(
        self, monitor: str = "validation_loss", patience: int = 5, restore_best: bool = True
    ) -> None:
        if patience < 0:
            raise ValueError(f"EarlyStopping: patience must be 0 or more, got {patience}")
        self.monitor, self.patience, self.restore_best = monitor, patience, restore_best
        self.sign = 1.0 if monitor.endswith("loss") else -1.0
        self._forget()

    def _forget(self) -> None:
        self.best = self.sign * math.inf
        self.best_epoch = 0
        self.waited = 0
        self.best_state: dict[str, np.ndarray[Any, Any]] = {}

    def on_fit_begin(self, trainer: Trainer) -> None:
        if len(trainer.history.rows) == trainer.first_epoch:  # a fresh call, not a resumed one
            self._forget()
        elif self.waited > self.patience:  # the resumed call had ended: there is nothing to go on with
            trainer.stop = True

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        if self.monitor not in row:
            raise KeyError(
                f"EarlyStopping: no {self.monitor!r} among {', '.join(row)}; is there validation data?"
            )
        if self.sign * row[self.monitor] < self.sign * self.best:
            self.best, self.best_epoch, self.waited = row[self.monitor], int(row["epoch"]), 0
            if self.restore_best:
                self.best_state = trainer.model.state_dict()
        else:
            self.waited += 1
            if self.waited > self.patience:
                trainer.stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.best_state:
            trainer.model.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        numbers = {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}
        return numbers | {f"best_state/{name}": array for name, array in self.best_state.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]
        prefix = "best_state/"
        self.best_state = {name[len(prefix) :]: a for name, a in state.items() if name.startswith(prefix)}


class Checkpoint(Callback):
    """Writes everything that training needs to go on into one file, after every `every` epochs and at the end.

    List it after the callbacks whose state it should hold. Resume with `fit(..., resume=path)`. Raises ValueError
    for an `every` below 1, and OSError in training when the file can't be written.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"Checkpoint: every must be 1 or more, got {every}")
        self.path, self.every = Path(path), every

    def on_fit_begin(self, trainer: Trainer) -> None:
        remove_leftovers(self.path)

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        if int(row["epoch"]) % self.every == 0:
            save_checkpoint(self.path, trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        save_checkpoint(self.path, trainer)
