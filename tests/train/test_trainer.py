import numpy as np
import pytest

import tinydl as td
from tinydl import nn, optim
from tinydl.data import DataLoader
from tinydl.train import Callback, Checkpoint, EarlyStopping, Trainer


class Noisy(nn.Module):
    """A module that draws random numbers while it trains."""

    def __init__(self, seed):
        self.generator = td.Generator(seed)

    def forward(self, x):
        if not self.training:
            return x
        return x * td.tensor(self.generator.random(x.shape) + np.float32(0.5))


def data(n=64, seed=0):
    x = td.Generator(seed).normal((n, 4))
    return x, (x.sum(1) > 0).astype(np.int64)


def make(seed=0, callbacks=(), schedule=True, epochs=6, noisy=True):
    """A trainer and its loaders, all from one seed."""
    generator = td.Generator(seed)
    layers = [nn.Dense(4, 8, generator=generator), nn.Tanh(), nn.Dense(8, 2, generator=generator)]
    if noisy:
        layers.insert(2, Noisy(seed + 7))
    model = nn.Sequential(*layers)
    train = DataLoader(data(), 10, shuffle=True, generator=generator.fork())
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    cycle = optim.OneCycleLR(optimizer, 0.02, epochs * len(train)) if schedule else None
    trainer = Trainer(
        model, td.losses.cross_entropy, optimizer, [td.metrics.accuracy], callbacks, cycle, progress=False
    )
    return trainer, train, DataLoader(data(40, 1), 16)


def bits(trainer):
    state = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
    state |= trainer.optimizer.state_dict()["buffers"]
    return {k: v.tobytes() for k, v in state.items()}


def numbers(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


def test_training_learns_and_the_history_has_one_row_an_epoch():
    trainer, train, validation = make(noisy=False)
    history = trainer.fit(train, validation, epochs=6)
    assert history["epoch"] == [1, 2, 3, 4, 5, 6]
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["validation_accuracy"][-1] > 0.9
    assert set(history) == {
        "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "lr", "seconds",
    }  # fmt: skip
    assert history["lr"][0] < history["lr"][2] > history["lr"][5]


def test_one_epoch_is_the_loop_written_by_hand():
    trainer, train, _ = make(schedule=False)
    trainer.fit(train, epochs=2)
    other, loader, _ = make(schedule=False)
    for _ in range(2):
        for x, y in loader:
            loss = td.losses.cross_entropy(other.model(x), y)
            other.optimizer.zero_grad()
            loss.backward()
            other.optimizer.step()
    assert bits(trainer) == bits(other)


def test_each_call_of_fit_trains_that_many_epochs_more():
    trainer, train, _ = make(schedule=False)
    trainer.fit(train, epochs=2)
    history = trainer.fit(train, epochs=3)
    assert history["epoch"] == [1, 2, 3, 4, 5]
    once, loader, _ = make(schedule=False)
    once.fit(loader, epochs=5)
    assert bits(trainer) == bits(once)


def test_measures_are_means_over_rows_and_not_over_batches():
    trainer, _, _ = make()
    loader = DataLoader(data(25, 3), 10)  # the last batch has 5 rows
    whole = trainer.evaluate(DataLoader(data(25, 3), 25))
    parts = trainer.evaluate(loader)
    assert parts["accuracy"] == pytest.approx(whole["accuracy"], abs=1e-12)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)


def test_evaluation_and_prediction_record_nothing_and_restore_the_mode():
    trainer, _, validation = make()
    trainer.model.train()
    values = trainer.evaluate(validation)
    assert trainer.model.training
    assert values == trainer.evaluate(validation)  # no noise in evaluation mode
    x = td.tensor(data(40, 1)[0])
    out = trainer.predict(x, batch_size=7)
    assert not out.requires_grad
    trainer.model.eval()
    np.testing.assert_allclose(out.numpy(), trainer.model(x).numpy(), rtol=1e-5)


def test_metrics_can_be_named():
    trainer, train, _ = make()
    trainer.metrics = {}
    named = Trainer(
        trainer.model, trainer.loss, trainer.optimizer, {"right": td.metrics.accuracy}, progress=False
    )
    assert "right" in named.fit(train, epochs=1)


@pytest.mark.parametrize("stopped_after", [1, 3, 5])
def test_a_resumed_run_ends_with_the_same_bits_as_one_that_never_stopped(tmp_path, stopped_after):
    path = tmp_path / "c.safetensors"

    class Stop(Callback):
        def on_epoch_end(self, trainer, row):
            if row["epoch"] == stopped_after:
                raise KeyboardInterrupt

    whole, train, validation = make()
    whole.fit(train, validation, epochs=6)
    first, train, validation = make(callbacks=[Checkpoint(path), Stop()])
    with pytest.raises(KeyboardInterrupt):
        first.fit(train, validation, epochs=6)
    second, train, validation = make(seed=99, callbacks=[Checkpoint(path)])  # nothing of the seed survives
    history = second.fit(train, validation, epochs=6, resume=path)
    assert numbers(history) == numbers(whole.history)
    assert bits(second) == bits(whole)


def test_early_stopping_survives_an_interruption(tmp_path):
    path = tmp_path / "c.safetensors"

    def trainer(seed=0, stop_at=None):
        class Stop(Callback):
            def on_epoch_end(self, trainer, row):
                if row["epoch"] == stop_at:
                    raise KeyboardInterrupt

        stopping = EarlyStopping("validation_accuracy", patience=1)
        return stopping, make(seed, [stopping, Checkpoint(path), Stop()], schedule=False)

    stopping, (whole, train, validation) = trainer()
    whole.fit(train, validation, epochs=30)
    assert len(whole.history.rows) < 30
    _, (first, train, validation) = trainer(stop_at=2)
    with pytest.raises(KeyboardInterrupt):
        first.fit(train, validation, epochs=30)
    again, (second, train, validation) = trainer(seed=5)
    second.fit(train, validation, epochs=30, resume=path)
    assert numbers(second.history) == numbers(whole.history)
    assert (again.best, again.best_epoch) == (stopping.best, stopping.best_epoch)
    assert bits(second) == bits(whole)


def test_a_loss_that_is_not_finite_ends_training_with_a_sentence():
    trainer, train, _ = make(schedule=False)
    trainer.loss = lambda prediction, target: td.losses.cross_entropy(prediction, target) * float("nan")
    with pytest.raises(FloatingPointError, match="the loss of epoch 1 is nan"):
        trainer.fit(train)


def test_a_loader_without_batches_is_refused():
    trainer, train, _ = make()
    nothing = DataLoader((np.zeros((3, 4), np.float32), np.zeros(3, np.int64)), 4, drop_last=True)
    with pytest.raises(ValueError, match=r"^Trainer\.fit: the training loader has no batches"):
        trainer.fit(nothing)
    with pytest.raises(ValueError, match=r"^Trainer\.fit: the validation loader has no batches"):
        trainer.fit(train, nothing)
    assert trainer.history.rows == []  # it said so before it trained
    with pytest.raises(ValueError, match=r"^Trainer\.evaluate: the loader has no batches"):
        trainer.evaluate(nothing)


def test_the_prediction_of_no_rows_has_no_rows():
    trainer, _, _ = make()
    out = trainer.predict(td.zeros(0, 4))
    assert (out.shape, out.dtype) == ((0, 2), np.float32)
    trainer.model = td.models.LeNet5(generator=0)
    assert trainer.predict(td.zeros(0, 1, 32, 32), batch_size=3).shape == (0, 10)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None])
def test_the_batch_size_of_predictions_is_a_positive_integer(batch_size):
    trainer, _, _ = make()
    with pytest.raises(
        ValueError, match=r"^Trainer\.predict: batch_size must be an integer of 1 or more, got"
    ):
        trainer.predict(td.zeros(3, 4), batch_size)


def test_a_plateau_schedule_is_told_of_the_validation_loss():
    trainer, train, validation = make(schedule=False)
    seen = []

    class Spy(optim.ReduceLROnPlateau):
        def step(self, value=None):
            seen.append(value)

    trainer.schedule = Spy(trainer.optimizer)
    history = trainer.fit(train, validation, epochs=2)
    assert seen == history["validation_loss"]


class Weighted(nn.Module):
    """A network with two inputs: the second one scales the answer."""

    def __init__(self):
        self.dense = nn.Dense(4, 1, generator=0)

    def forward(self, x, scale):
        return self.dense(x) * scale


def test_all_of_a_batch_but_the_last_are_inputs_of_the_model():
    generator = td.Generator(0)
    x, scale = generator.normal((40, 4)), generator.uniform(1.0, 2.0, (40, 1))
    target = (x.sum(1, keepdims=True) * scale).astype(np.float32)
    model = Weighted()
    trainer = Trainer(model, td.losses.mse, optim.SGD(model.parameters(), 0.1), progress=False)
    loader = DataLoader((x, scale.astype(np.float32), target), 8)
    trainer.fit(loader, epochs=60)
    assert trainer.evaluate(loader)["loss"] < 1e-6
    np.testing.assert_allclose(model.dense.weight.numpy(), np.ones((1, 4)), atol=1e-2)


def test_a_trainer_may_take_steps_of_its_own():
    class Constant(Trainer):
        def step(self, x, y):
            self.model.bias.data += 1.0
            return {"loss": 3.0, "rows": float(len(x))}

    model = nn.Dense(4, 1, generator=0)
    trainer = Constant(model, td.losses.mse, optim.SGD(model.parameters(), 0.1), progress=False)
    before, x = model.bias.item(), td.Generator(0).normal((10, 4))
    history = trainer.fit(DataLoader((x, x), 4), epochs=2)
    assert (history["loss"], history["rows"]) == ([3.0, 3.0], [pytest.approx(3.6)] * 2)
    assert model.bias.item() - before == pytest.approx(6.0)  # three batches, two epochs
