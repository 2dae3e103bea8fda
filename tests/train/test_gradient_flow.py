"""GradientFlow: norms and ratios against hand calculations, and training that does not notice it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn, optim
from tinydl.data import DataLoader
from tinydl.train import Callback, Checkpoint, GradientFlow, Trainer

X = td.Generator(0).normal((6, 3), "float64")
Y = td.Generator(1).normal((6, 2), "float64")


def trainer(*callbacks: Callback, shards: int = 1, dtype: str = "float64", lr: float = 0.1) -> Trainer:
    g = td.Generator(2)
    model = nn.Sequential(nn.Dense(3, 4, generator=g), nn.Tanh(), nn.Dense(4, 2, generator=g)).astype(dtype)
    optimizer = optim.SGD(model.parameters(), lr)
    return Trainer(model, td.losses.mse, optimizer, callbacks=callbacks, progress=False, shards=shards)


def loader(dtype: str = "float64", batch: int = 2) -> DataLoader:
    return DataLoader((X.astype(dtype), Y.astype(dtype)), batch, shuffle=True, generator=3)


def bits(t: Trainer) -> dict[str, bytes]:
    return {name: a.tobytes() for name, a in t.model.state_dict().items()}


def test_of_sgd_an_update_is_the_rate_times_the_gradient() -> None:
    """One step an epoch: the ratio is lr |g| / |w|, g and w by hand; where w is 0, there is none."""
    flow = GradientFlow()
    t = trainer(flow)
    t.model.parameters()[1].data = td.zeros_like(t.model.parameters()[1])
    batch = loader(batch=6)
    for epoch in range(2):
        w = {name: p.numpy().copy() for name, p in t.model.named_parameters()}
        by_hand = td.grad(td.losses.mse(t.model.train()(td.tensor(X)), td.tensor(Y)), t.model.parameters())
        t.fit(batch)
        for (name, before), g in zip(w.items(), by_hand, strict=True):
            assert g is not None
            size = np.linalg.norm(g.numpy())
            assert flow.gradients[name][epoch] == pytest.approx(size, rel=1e-9)
            if name == "0.bias" and epoch == 0:
                assert name not in flow.updates.rows[0]
            else:
                expected = 0.1 * size / np.linalg.norm(before)
                assert flow.updates[name][epoch] == pytest.approx(expected, rel=1e-9)
    assert flow.gradients["epoch"] == flow.updates["epoch"] == [1, 2]
    assert set(flow.gradients) == {"epoch", "0.weight", "0.bias", "2.weight", "2.bias"}


def test_an_epoch_has_the_mean_of_its_measured_steps() -> None:
    """Of three steps, every second is measured: the first and the third."""
    seen: list[float] = []

    class Watch(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            g = trainer.model.parameters()[0].grad
            assert g is not None
            seen.append(float(np.linalg.norm(g.numpy())))

    flow = GradientFlow(every=2)
    trainer(flow, Watch()).fit(loader(), epochs=2)
    assert len(seen) == 6
    means = [(seen[0] + seen[2]) / 2, (seen[3] + seen[5]) / 2]
    np.testing.assert_allclose(flow.gradients["0.weight"], means, rtol=1e-9)  # type: ignore[arg-type]


def test_gradients_that_vanish_in_float32_have_a_norm() -> None:
    """1e-30 squared is 0 in float32; a gradient of 1e-30 is what this callback is for."""
    flow = GradientFlow()
    t = trainer(flow, dtype="float32")
    t.loss = lambda prediction, target: (prediction * td.tensor(np.float32(1e-30))).sum()
    t.fit(loader("float32"))
    (size,) = flow.gradients["2.weight"]
    assert size is not None
    assert 1e-32 < size < 1e-28


def test_parameters_that_do_not_learn_are_left_out() -> None:
    flow = GradientFlow()
    t = trainer(flow)
    t.model.parameters()[0].requires_grad = False
    t.fit(loader())
    assert "0.weight" not in flow.gradients
    assert "0.weight" not in flow.updates
    assert "2.weight" in flow.updates


@pytest.mark.parametrize("shards", [1, 2])
def test_training_computes_the_same_bits_as_without(shards: int) -> None:
    if shards > 1 and sys.platform != "linux":
        pytest.skip("processes share steps on Linux")
    flow = GradientFlow(every=1)
    watched, alone = trainer(flow, shards=shards, dtype="float32"), trainer(shards=shards, dtype="float32")
    for t in (watched, alone):
        t.fit(loader("float32"), epochs=3)
    assert bits(watched) == bits(alone)
    if shards > 1:
        one = GradientFlow(every=1)
        trainer(one, dtype="float32").fit(loader("float32"), epochs=3)
        for histories in ((one.gradients, flow.gradients), (one.updates, flow.updates)):
            for ours, theirs in zip(*(history.rows for history in histories), strict=True):
                assert ours == pytest.approx(theirs, rel=1e-4)


def test_on_another_device_it_measures_the_same() -> None:
    flows = []
    for device in ("cpu", "strict"):
        flows.append(flow := GradientFlow(every=1))
        model = nn.Dense(3, 2, generator=0).astype("float64").to(device)
        Trainer(
            model, td.losses.mse, optim.SGD(model.parameters(), 0.1), callbacks=[flow], progress=False
        ).fit(DataLoader((X, Y), 3, device=device), epochs=2)
    for ours, theirs in zip(flows[0].gradients.rows, flows[1].gradients.rows, strict=True):
        assert ours == pytest.approx(theirs)
    for ours, theirs in zip(flows[0].updates.rows, flows[1].updates.rows, strict=True):
        assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("stopped_after", ["epoch", "step"])
def test_a_resumed_run_has_the_record_of_a_whole_one(tmp_path: Path, stopped_after: str) -> None:
    class Stop(Callback):
        def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
            if stopped_after == "epoch" and row["epoch"] == 2:
                raise KeyboardInterrupt

        def on_step_end(self, trainer: Trainer) -> None:
            if stopped_after == "step" and trainer.optimizer.steps == 8:  # of three an epoch
                raise KeyboardInterrupt

    path = tmp_path / "c.safetensors"
    whole = GradientFlow(every=1)
    trainer(whole).fit(loader(), epochs=4)
    flow = GradientFlow(every=1)
    cut = trainer(flow, Checkpoint(path), Stop())
    with pytest.raises(KeyboardInterrupt):
        cut.fit(loader(), epochs=4)
    for again in (GradientFlow(every=1), flow):  # another process, and the one that was interrupted
        trainer(again, Checkpoint(tmp_path / "d")).fit(loader(), epochs=4, resume=path)
        assert again.gradients.rows == whole.gradients.rows
        assert again.updates.rows == whole.updates.rows


def test_a_trainer_that_clears_its_gradients_has_updates_still() -> None:
    """As those of networks that play against each other do."""

    class Clears(Trainer):
        def step(self, *batch: Any) -> dict[str, float]:
            measured = super().step(*batch)
            self.optimizer.zero_grad()
            return measured

    flow, kept = GradientFlow(), GradientFlow()
    t = trainer(kept)
    t.fit(loader())
    Clears(*vars_of(trainer()), callbacks=[flow], progress=False).fit(loader())
    assert list(flow.gradients) == ["epoch"]
    assert flow.updates.rows == kept.updates.rows
    figure: Any = flow.plot()
    assert len(figure.axes[1].patches) == 0
    assert len(figure.axes[3].patches) == 2


def vars_of(t: Trainer) -> tuple[Any, Any, Any]:
    return t.model, t.loss, t.optimizer


def test_the_picture_shows_weights(tmp_path: Path) -> None:
    flow = GradientFlow()
    with pytest.raises(ValueError, match="gradient_flow: expected parameters with a value"):
        flow.plot()
    trainer(flow).fit(loader(), epochs=2)
    figure: Any = flow.plot(tmp_path / "flow.png", "Flow")
    assert (tmp_path / "flow.png").stat().st_size > 1000
    labels = [t.get_text() for t in figure.axes[1].get_yticklabels()]
    assert labels == ["0.weight", "2.weight"]


def test_steps_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="GradientFlow: every must be 1 or more, got 0"):
        GradientFlow(every=0)
