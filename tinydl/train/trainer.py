"""Trainer: the training loop.

for each epoch, for each batch:   loss(model(x), y).backward();   optimizer.step()

Networks that are trained against each other take their steps differently: they derive a trainer with a `step` of its
own.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tinydl.autograd import no_grad
from tinydl.data.loader import DataLoader
from tinydl.nn.module import Module
from tinydl.ops.shape import cat
from tinydl.optim import Optimizer, ReduceLROnPlateau, Schedule
from tinydl.tensor import Tensor
from tinydl.train.callbacks import Callback
from tinydl.train.checkpoint import load_checkpoint
from tinydl.train.history import History
from tinydl.train.shards import Shards

Loss = Callable[[Any, Any], Tensor]
Metric = Callable[[Any, Any], "float | Tensor"]


class Trainer:
    """Trains a model and keeps the record.

    `loss(prediction, target)` gives a tensor with one element. `metrics` maps names to functions of the same
    arguments (or lists functions, which go by their own names); they are averaged over the rows. `schedule`
    sets the learning rate. `callbacks` are told of every step and epoch. `progress` shows a bar. Batches are pairs
    (x, y) of tensors whose shapes and dtypes the model and the loss take: what these raise, `fit` raises. All tensors
    of a batch but the last are inputs of the model, the last is the target.

    With `shards` above 1 that many processes share every step, on Linux and the CPU: train/shards.py says how. A step
    computes what it does on one, up to the rounding of sums, and gives the same bits for the same number of shards.
    The processes have the model as it is at the first step of a call of `fit`: what a callback changes in it later,
    other than parameters, only this one sees. In the model, rows may depend on one another through batch norm alone: a
    mean over the batch that a model takes itself is one over its share, and nothing notices.

    Raises: ValueError for `shards` below 1; in training RuntimeError for a model that can't be shared.
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Optimizer,
        metrics: Mapping[str, Metric] | Sequence[Metric] = (),
        callbacks: Sequence[Callback] = (),
        schedule: Schedule | None = None,
        progress: bool = True,
        shards: int = 1,
    ) -> None:
        if not isinstance(shards, int) or shards < 1:
            raise ValueError(f"Trainer: shards must be an integer of 1 or more, got {shards!r}")
        if not isinstance(metrics, Mapping):
            metrics = {getattr(metric, "__name__", type(metric).__name__): metric for metric in metrics}
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = dict(metrics)
        self.callbacks = list(callbacks)
        self.schedule = schedule
        self.progress = progress
        self.shards = shards
        self._processes: Shards | None = None
        self.history = History()
        self.loader: DataLoader | None = None  # of the training data, while `fit` runs
        self.stop = False  # a callback sets it to end training after the epoch
        self.first_epoch = 0  # how many epochs there were before the current call of `fit`

    def fit(
        self,
        train: DataLoader,
        validation: DataLoader | None = None,
        epochs: int = 1,
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Trains for `epochs` more epochs and returns the history of all.

        With `resume`, the path of a checkpoint, the call that wrote it goes on where it stopped: with the same
        arguments the result is the same to the bit as that of a call that never stopped. Raises ValueError for a
        loader without batches and a validation loader with a transform, FloatingPointError for a loss (any number
        whose name ends so) that is not finite, RuntimeError for one of several elements; for a checkpoint
        FileNotFoundError, and ValueError or KeyError when it does not fit.
        """
        if len(train) == 0:
            raise ValueError("Trainer.fit: the training loader has no batches")
        if validation is not None and len(validation) == 0:
            raise ValueError("Trainer.fit: the validation loader has no batches")
        if validation is not None:
            _refuse_transform("Trainer.fit: the validation loader", validation)
        self.loader = train
        self.stop = False
        self.first_epoch = len(self.history.rows)
        if resume is not None:
            load_checkpoint(resume, self)
        for callback in self.callbacks:
            callback.on_fit_begin(self)
        last = self.first_epoch + epochs
        try:
            with self._progress_bar(train, last) as bar:
                while len(self.history.rows) < last and not self.stop:
                    row = self._epoch(train, validation, bar)
                    self.history.append(row)
                    for callback in self.callbacks:
                        callback.on_epoch_end(self, row)
        finally:
            self._end_processes()
        for callback in self.callbacks:
            callback.on_fit_end(self)
        self.model.eval()
        return self.history

    def evaluate(self, data: DataLoader) -> dict[str, float]:
        """Loss and metrics over all batches, as floats, the model in evaluation mode; nothing is recorded.

        Raises: ValueError for a loader without batches or with a transform; what the model, the loss and the metrics
        raise.
        """
        if len(data) == 0:
            raise ValueError("Trainer.evaluate: the loader has no batches")
        _refuse_transform("Trainer.evaluate: the loader", data)
        averages = _Averages()
        was_training = self.model.training
        self.model.eval()
        with no_grad():
            for *inputs, target in data:
                prediction = self.model(*inputs)
                averages.add(len(target), self._measured(prediction, target, self.loss(prediction, target)))
        self.model.train(was_training)
        return averages.values()

    def predict(self, inputs: Tensor, batch_size: int = 256) -> Tensor:
        """The model's outputs (N, ...) for all rows of `inputs` (N, ...), in evaluation mode; nothing is recorded.

        No rows go through the model as one batch of none. Raises ValueError for a batch_size that is no positive
        integer; what the model raises.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f"Trainer.predict: batch_size must be an integer of 1 or more, got {batch_size!r}"
            )
        was_training = self.model.training
        self.model.eval()
        with no_grad():
            starts = range(0, max(len(inputs), 1), batch_size)
            outputs = [self.model(inputs[i : i + batch_size]) for i in starts]
        self.model.train(was_training)
        return cat(outputs)

    def step(self, *batch: Tensor) -> dict[str, float]:
        """One step on a batch: the inputs of the model, then the target. Returns loss and metrics before it, as floats.

        Tensors (N, ...) of the shapes and dtypes that the model and the loss take. Raises what the model and the loss
        raise, and RuntimeError for a step that `shards` processes can't share.
        """
        *inputs, target = batch
        if self.shards > 1:
            return self._shared_step(inputs, target)
        prediction = self.model(*inputs)
        loss = self.loss(prediction, target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return self._measured(prediction, target, loss)

    def _shared_step(self, inputs: Sequence[Tensor], target: Tensor) -> dict[str, float]:
        """The same on several processes."""
        try:
            if self._processes is None:
                self._processes = Shards(self.model, self.shards)
            prediction = self._processes(*inputs)
            loss = self.loss(prediction, target)
            self.optimizer.zero_grad()
            loss.backward()
            self._processes.backward()
            self.optimizer.step()
            return self._measured(prediction, target, loss)
        except BaseException:
            self._end_processes()
            raise

    def _end_processes(self) -> None:
        if self._processes is not None:
            self._processes.close()
            self._processes = None

    def optimizers(self) -> dict[str, Optimizer]:
        """The optimisers by their names in a checkpoint. A trainer with more than one adds them here. Never raises."""
        return {"optimizer": self.optimizer}

    def _progress_bar(self, train: DataLoader, last: int) -> Any:
        if not self.progress:  # not tqdm(disable=True): that takes a lock that forked processes share
            return _NoBar()
        from tqdm import tqdm

        done = len(self.history.rows) * len(train)
        return tqdm(total=last * len(train), initial=done, unit="batch")

    def _epoch(self, train: DataLoader, validation: DataLoader | None, bar: Any) -> dict[str, float]:
        number = len(self.history.rows) + 1
        start = time.perf_counter()
        averages = _Averages()
        self.model.train()
        lr = self.optimizer.lr
        bar.set_description(f"epoch {number}")
        for batch in train:
            for callback in self.callbacks:
                callback.on_step_begin(self)
            averages.add(len(batch[-1]), self.step(*batch))
            for callback in self.callbacks:
                callback.on_step_end(self)
            if self.schedule is not None and self.schedule.every == "batch":
                self.schedule.step()
            bar.update()
        row: dict[str, float] = {"epoch": number, **averages.values()}
        for name, value in row.items():
            if name.endswith("loss") and not math.isfinite(value):
                raise FloatingPointError(
                    f"Trainer.fit: the {name.replace('_', ' ')} of epoch {number} is {value}; "
                    "a smaller learning rate may help"
                )
        if validation is not None:
            row |= {f"validation_{name}": value for name, value in self.evaluate(validation).items()}
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(row.get("validation_loss", row["loss"]))
        elif self.schedule is not None and self.schedule.every == "epoch":
            self.schedule.step()
        shown = {name: f"{value:.3f}" for name, value in row.items() if name != "epoch"}
        bar.set_postfix(shown)
        return row | {"lr": lr, "seconds": time.perf_counter() - start}

    def _measured(self, prediction: Any, target: Any, loss: Tensor) -> dict[str, float]:
        with no_grad():
            values = {name: metric(prediction, target) for name, metric in self.metrics.items()}
        return {"loss": loss.item()} | {name: float(value) for name, value in values.items()}


def _refuse_transform(who: str, loader: DataLoader) -> None:
    # a list of batches will do for a loader
    if getattr(loader, "transform", None) is not None:
        raise ValueError(
            f"{who} has a transform; random changes are for training alone: "
            "measure on a DataLoader of the unchanged data"
        )


class _NoBar(AbstractContextManager["_NoBar"]):
    """Stands in for the progress bar where none is wanted."""

    def __exit__(self, *_: object) -> None: ...

    def update(self) -> None: ...

    def set_description(self, _: str) -> None: ...

    def set_postfix(self, _: dict[str, str]) -> None: ...


class _Averages:
    """Means over rows, from means over batches."""

    def __init__(self) -> None:
        self.rows = 0
        self.totals: dict[str, float] = {}

    def add(self, rows: int, values: dict[str, float]) -> None:
        self.rows += rows
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + rows * value

    def values(self) -> dict[str, float]:
        return {name: total / self.rows for name, total in self.totals.items()}
