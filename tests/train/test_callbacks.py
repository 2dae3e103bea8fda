import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.data import DataLoader
from tinydl.losses import mse
from tinydl.optim import SGD
from tinydl.train import Callback, Checkpoint, EarlyStopping, History, Trainer


class Run:
    """What a callback sees of a trainer: here the values are given, epoch by epoch."""

    def __init__(self):
        self.model = nn.Dense(1, 1)
        self.history = History()
        self.first_epoch = 0
        self.stop = False

    def play(self, callback, name, values):
        callback.on_fit_begin(self)
        for value in values:
            row = {"epoch": len(self.history.rows) + 1, name: value}
            self.model.bias.data = td.full(1, value, dtype="float32")
            self.history.append(row)
            callback.on_epoch_end(self, row)
            if self.stop:
                break
        callback.on_fit_end(self)
        return len(self.history.rows)


@pytest.mark.parametrize(
    ("name", "values", "patience", "epochs", "best"),
    [
        ("validation_loss", [3.0, 2.0, 2.5, 2.6, 1.0], 1, 4, 2),
        ("validation_loss", [3.0, 2.0, 2.5, 2.6, 1.0], 2, 5, 5),
        ("validation_loss", [1.0, 1.0], 0, 2, 1),  # as good as before is not better
        ("validation_accuracy", [0.5, 0.9, 0.8, 0.7, 0.95], 1, 4, 2),
    ],
)
def test_it_stops_when_nothing_has_improved_for_patience_epochs(name, values, patience, epochs, best):
    run, stopping = Run(), EarlyStopping(name, patience)
    assert run.play(stopping, name, values) == epochs
    assert stopping.best_epoch == best
    assert stopping.best == values[best - 1]
    assert run.model.bias.item() == pytest.approx(values[best - 1])  # the best parameters are back


def test_a_call_that_it_had_ended_is_not_continued_when_it_is_resumed(tmp_path):
    def train(resume=None):
        layer = nn.Dense(1, 1, generator=0)
        callbacks = [EarlyStopping("loss", patience=1), Checkpoint(tmp_path / "run.safetensors")]
        trainer = Trainer(layer, mse, SGD(layer.parameters(), lr=0.0), callbacks=callbacks, progress=False)
        data = DataLoader((np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)), batch_size=4)
        return trainer.fit(data, epochs=9, resume=resume), layer.state_dict()

    history, weights = train()
    resumed, again = train(tmp_path / "run.safetensors")
    assert len(history.rows) == len(resumed.rows) == 3
    for name, array in weights.items():
        np.testing.assert_array_equal(again[name], array)


def test_without_restore_the_last_parameters_stay():
    run = Run()
    run.play(EarlyStopping("loss", 1, restore_best=False), "loss", [1.0, 2.0, 3.0])
    assert run.model.bias.item() == 3.0


def test_a_value_that_nobody_measures_is_named():
    with pytest.raises(KeyError, match="no 'validation_loss' among epoch, loss; is there validation data"):
        Run().play(EarlyStopping(), "loss", [1.0])


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match="patience must be 0 or more"):
        EarlyStopping(patience=-1)
    with pytest.raises(ValueError, match="every must be 1 or more"):
        Checkpoint("x", every=0)


def test_every_step_is_told_before_and_after_it():
    told = []

    class Tells(Callback):
        def on_step_begin(self, trainer):
            told.append(("begin", trainer.optimizer.steps))

        def on_step_end(self, trainer):
            told.append(("end", trainer.optimizer.steps, trainer.model.weight.grad is not None))

    model = nn.Dense(2, 1, generator=0)
    x, y = td.ones(4, 2), td.ones(4, 1)
    trainer = Trainer(model, mse, SGD(model.parameters(), 0.1), callbacks=[Tells()], progress=False)
    trainer.fit(DataLoader((x, y), 2))
    assert told == [("begin", 0), ("end", 1, True), ("begin", 1), ("end", 2, True)]
