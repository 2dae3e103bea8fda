import numpy as np
import pytest

from tinydl import nn
from tinydl.train import Checkpoint, EarlyStopping, History


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
            self.model.bias.data = np.array([value], np.float32)
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
