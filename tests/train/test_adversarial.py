"""AdversarialTrainer and CycleTrainer: the steps written out in PyTorch, who gets which gradient, resuming."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn, optim
from tinydl.data import DataLoader
from tinydl.models.gan import Noise
from tinydl.train import AdversarialTrainer, Callback, Checkpoint, CycleTrainer, Trainer
from tinydl.train.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint


class Game(nn.Module):
    """Two small dense networks."""

    def __init__(self, seed: int) -> None:
        g = td.Generator(seed)
        self.noise = Noise(3, g.fork())
        self.generator = nn.Sequential(
            nn.Dense(3, 8, generator=g), nn.BatchNorm1d(8), nn.Tanh(), nn.Dense(8, 2, generator=g)
        )
        self.discriminator = nn.Sequential(
            nn.Dense(2, 8, generator=g), nn.LeakyReLU(0.2), nn.Dense(8, 1, generator=g)
        )


def game(seed: int = 0, smoothing: float = 0.0, callbacks: Any = ()) -> AdversarialTrainer:
    model = Game(seed)
    return AdversarialTrainer(
        model,
        optim.Adam(model.generator.parameters(), 0.02, betas=(0.5, 0.999)),
        optim.Adam(model.discriminator.parameters(), 0.01, betas=(0.5, 0.999)),
        smoothing,
        callbacks,
        progress=False,
    )


def ring(n: int = 60) -> Any:
    angle = td.Generator(5).uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def loader(seed: int = 0) -> DataLoader:
    return DataLoader((ring(),), 20, shuffle=True, generator=seed)


def bits(trainer: Trainer) -> dict[str, bytes]:
    state = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
    for role, optimizer in trainer.optimizers().items():
        state |= {f"{role}.{k}": v for k, v in optimizer.state_dict()["buffers"].items()}
    return {k: v.tobytes() for k, v in state.items()}


def numbers(trainer: Trainer) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history.rows]


def twin(torch: Any, model: nn.Sequential) -> Any:
    """The same network in PyTorch, in float64."""
    layers = []
    for layer in (value for _, value in model.children()):
        if isinstance(layer, nn.Dense):
            other = torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0], dtype=torch.float64)
        elif isinstance(layer, nn.BatchNorm1d):
            other = torch.nn.BatchNorm1d(layer.num_features, dtype=torch.float64)
        elif isinstance(layer, nn.LeakyReLU):
            other = torch.nn.LeakyReLU(0.2)
        else:
            other = torch.nn.Tanh()
        other.load_state_dict({k: torch.tensor(v) for k, v in layer.state_dict().items()})
        layers.append(other)
    return torch.nn.Sequential(*layers)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_three_steps_are_those_of_a_loop_in_pytorch(smoothing: float) -> None:
    torch = pytest.importorskip("torch")
    trainer = game(smoothing=smoothing)
    model: Any = trainer.model.astype("float64")
    generator, discriminator = twin(torch, model.generator), twin(torch, model.discriminator)
    trainer.optimizer = optim.Adam(model.generator.parameters(), 0.02, betas=(0.5, 0.999))
    trainer.discriminator_optimizer = optim.Adam(model.discriminator.parameters(), 0.01, betas=(0.5, 0.999))
    g_optim = torch.optim.Adam(generator.parameters(), 0.02, betas=(0.5, 0.999))
    d_optim = torch.optim.Adam(discriminator.parameters(), 0.01, betas=(0.5, 0.999))
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    x = ring().astype(np.float64)
    noise = td.Generator(8)
    model.noise = lambda count, device: td.tensor(noise.normal((count, 3), np.float64))
    drawn = td.Generator(8)
    for _ in range(3):
        measured = trainer.step(td.tensor(x))
        real, z = torch.tensor(x), torch.tensor(drawn.normal((len(x), 3), np.float64))
        fake = generator(z)
        on_real, on_fake = discriminator(real), discriminator(fake.detach())
        d_loss = bce(on_real, torch.full_like(on_real, 1 - smoothing)) + bce(
            on_fake, torch.zeros_like(on_fake)
        )
        d_optim.zero_grad()
        d_loss.backward()
        d_optim.step()
        score = discriminator(fake)
        g_loss = bce(score, torch.ones_like(score))
        g_optim.zero_grad()
        g_loss.backward()
        g_optim.step()
        assert measured["discriminator_loss"] == pytest.approx(d_loss.item(), rel=1e-9)
        assert measured["generator_loss"] == pytest.approx(g_loss.item(), rel=1e-9)
        assert measured["real_score"] == pytest.approx(on_real.sigmoid().mean().item(), rel=1e-9)
        assert measured["fake_score"] == pytest.approx(on_fake.sigmoid().mean().item(), rel=1e-9)
    for ours, theirs in ((model.generator, generator), (model.discriminator, discriminator)):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-10)


def test_no_gradients_stay_behind() -> None:
    trainer = game()
    trainer.step(td.tensor(ring()))
    assert [p for p in trainer.model.parameters() if p.grad is not None] == []


@pytest.mark.parametrize("role", ["optimizer", "discriminator_optimizer"])
def test_each_optimiser_moves_its_own_network_alone(role: str) -> None:
    trainer = game()
    trainer.optimizers()[role].lr = 0.0
    before = {name: p.numpy().copy() for name, p in trainer.model.named_parameters()}
    trainer.step(td.tensor(ring()))
    moved = {name for name, p in trainer.model.named_parameters() if (p.numpy() != before[name]).any()}
    other = "discriminator" if role == "optimizer" else "generator"
    assert {name.split(".")[0] for name in moved} == {other}
    assert f"{other}.0.weight" in moved


def test_the_generator_learns_to_draw_a_ring() -> None:
    trainer = game()
    noise = td.Generator(77).normal((500, 3))

    def distance() -> float:
        """Between the samples' lengths and that of all real points, 1."""
        trainer.model.eval()
        model: Any = trainer.model
        with td.no_grad():
            samples = model.generator(td.tensor(noise)).numpy()
        return float(np.abs(np.hypot(*samples.T) - 1).mean())

    before = distance()
    history = trainer.fit(loader(), epochs=60)
    assert distance() < 0.5 * before
    assert set(history) == {
        "epoch", "discriminator_loss", "generator_loss", "real_score", "fake_score", "lr", "seconds",
    }  # fmt: skip
    assert all(0 < score < 1 for score in (*history["real_score"], *history["fake_score"]))  # type: ignore[operator]


def players(kind: str, seed: int, *callbacks: Callback) -> tuple[AdversarialTrainer, DataLoader]:
    trainer = game(seed) if kind == "noise" else pair(seed)
    trainer.callbacks = list(callbacks)
    arrays = (ring(),) if kind == "noise" else (ring(), 2 * ring()[::-1])
    return trainer, DataLoader(arrays, 20, shuffle=True, generator=seed)


@pytest.mark.parametrize("kind", ["noise", "cycle"])
@pytest.mark.parametrize("stopped_after", [1, 3])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, kind: str, stopped_after: int) -> None:
    class Stop(Callback):
        def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
            if row["epoch"] == stopped_after:
                raise KeyboardInterrupt

    path = tmp_path / "c.safetensors"
    whole, train = players(kind, 0)
    whole.fit(train, epochs=5)
    cut, train = players(kind, 0, Checkpoint(path), Stop())
    with pytest.raises(KeyboardInterrupt):
        cut.fit(train, epochs=5)
    again, train = players(kind, 9, Checkpoint(path))
    again.fit(train, epochs=5, resume=path)
    assert bits(again) == bits(whole)
    assert numbers(again) == numbers(whole)
    roles = {"optimizer", "discriminator_optimizer"}
    assert roles <= set(read_checkpoint(path)[1])
    assert roles <= {name.split("/")[0] for name in read_checkpoint(path)[0]}


def test_a_checkpoint_with_one_optimiser_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    trainer = game()
    plain = Trainer(trainer.model, td.losses.mse, trainer.optimizer, progress=False)
    save_checkpoint(path, plain)
    other = game(seed=3)
    before = bits(other)
    with pytest.raises(ValueError, match="c: trained without a discriminator optimizer"):
        load_checkpoint(path, other)
    assert bits(other) == before


def test_text_in_the_second_optimiser_is_refused(tmp_path: Path) -> None:
    trainer = game()
    save_checkpoint(tmp_path / "c", trainer)
    arrays, facts = read_checkpoint(tmp_path / "c")
    facts["discriminator_optimizer"]["hyperparameters"]["lr"] = "fast"
    td.save(arrays, tmp_path / "d", {"tinydl_checkpoint": "1", "facts": json.dumps(facts)})
    before = bits(trainer)
    with pytest.raises(ValueError, match="a damaged checkpoint"):
        load_checkpoint(tmp_path / "d", trainer)
    assert (bits(trainer), trainer.discriminator_optimizer.lr) == (before, 0.01)


def test_what_can_not_be_done_is_said() -> None:
    for smoothing in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"AdversarialTrainer: smoothing must be in \[0, 1\)"):
            game(smoothing=smoothing)
    with pytest.raises(
        TypeError, match="AdversarialTrainer: there is nothing to evaluate; leave the validation"
    ):
        game().fit(loader(), loader())


def test_any_loss_that_is_not_finite_ends_training() -> None:
    trainer = game()
    trainer.discriminator_optimizer.lr = float("nan")
    with pytest.raises(FloatingPointError, match="the discriminator loss of epoch 1 is nan"):
        trainer.fit(loader())


class Pair(nn.Module):
    """One dense layer each way, and a discriminator on each side."""

    def __init__(self, seed: int) -> None:
        g = td.Generator(seed)
        self.g, self.f = nn.Dense(2, 2, generator=g), nn.Dense(2, 2, generator=g)
        self.d_x, self.d_y = nn.Dense(2, 1, generator=g), nn.Dense(2, 1, generator=g)


def pair(seed: int = 0, cycle_weight: float = 10.0) -> CycleTrainer:
    model = Pair(seed)
    return CycleTrainer(
        model,
        optim.SGD([*model.g.parameters(), *model.f.parameters()], 0.05),
        optim.SGD([*model.d_x.parameters(), *model.d_y.parameters()], 0.05),
        cycle_weight,
        progress=False,
    )


def test_a_cycle_step_is_the_formula() -> None:
    torch = pytest.importorskip("torch")
    trainer = pair()
    state = {k: torch.tensor(v, requires_grad=True) for k, v in trainer.model.state_dict().items()}
    x, y = ring(), 3 * ring()[::-1] + np.float32(1)
    measured = trainer.step(td.tensor(x), td.tensor(y.copy()))

    def net(name: str, a: Any) -> Any:
        return a @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def moved(loss: Any, names: tuple[str, ...]) -> None:
        keys = [k for k in state if k.split(".")[0] in names]
        for k, gradient in zip(keys, torch.autograd.grad(loss, [state[k] for k in keys]), strict=True):
            state[k] = (state[k] - 0.05 * gradient).detach().requires_grad_()

    a, b = torch.tensor(x), torch.tensor(y.copy())
    to_y, to_x = net("g", a), net("f", b)
    d_loss = sum(
        ((net(d, real) - 1) ** 2).mean() + (net(d, fake.detach()) ** 2).mean()
        for d, real, fake in (("d_x", a, to_x), ("d_y", b, to_y))
    )
    moved(d_loss, ("d_x", "d_y"))
    fooled = ((net("d_y", to_y) - 1) ** 2).mean() + ((net("d_x", to_x) - 1) ** 2).mean()
    cycle = (net("f", to_y) - a).abs().mean() + (net("g", to_x) - b).abs().mean()
    moved(fooled + 10 * cycle, ("g", "f"))
    assert measured == pytest.approx(
        {"discriminator_loss": d_loss.item(), "generator_loss": fooled.item(), "cycle_loss": cycle.item()},
        rel=1e-5,
    )
    for name, values in trainer.model.state_dict().items():
        np.testing.assert_allclose(values, state[name].detach().numpy(), rtol=1e-4, atol=1e-6, err_msg=name)


def test_the_weight_of_the_cycle_is_not_negative() -> None:
    with pytest.raises(ValueError, match="CycleTrainer: cycle_weight must be 0 or more, got -1"):
        pair(cycle_weight=-1)
