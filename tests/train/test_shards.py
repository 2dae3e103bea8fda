"""Steps that several processes share: the same numbers as on one, and a clean end whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn, optim
from tinydl.data import DataLoader
from tinydl.train import Callback, Checkpoint, EarlyStopping, Trainer
from tinydl.train.shards import ShardError, Shards

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes share steps on Linux")


def network() -> nn.Module:
    """With everything that depends on other rows than one's own: batch norm, and random numbers."""
    g = td.Generator(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, generator=g),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(16, 6, generator=g),
        nn.BatchNorm1d(6),
        nn.Tanh(),
        nn.Dropout(0.3, generator=g.fork()),
        nn.Dense(6, 3, generator=g),
    )


def rows(n: int = 20, dtype: str = "float64") -> tuple[Any, Any]:
    return td.Generator(1).normal((n, 1, 4, 4), dtype), td.Generator(2).integers(0, 3, (n,))


def trainer(shards: int, dtype: str = "float64", **options: Any) -> Trainer:
    model = network().astype(dtype)
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return Trainer(
        model,
        td.losses.cross_entropy,
        optimizer,
        [td.metrics.accuracy],
        progress=False,
        shards=shards,
        **options,
    )


def loader(n: int = 20, batch: int = 10) -> DataLoader:
    return DataLoader(rows(n), batch, shuffle=True, generator=3)


def children() -> list[str]:
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]


@pytest.mark.parametrize("shards", [2, 3])
def test_processes_compute_what_one_does(shards: int) -> None:
    """10 rows for 3 processes: shares of different sizes, whose means must be weighted."""
    one, several = trainer(1), trainer(shards)
    histories = [t.fit(loader(), epochs=4) for t in (one, several)]
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-12)
    ours, theirs = (t.model.state_dict() for t in (one, several))
    for name, array in ours.items():
        np.testing.assert_allclose(theirs[name], array, rtol=1e-9, atol=1e-12, err_msg=name)
    assert one.history["loss"][-1] < 0.9 * one.history["loss"][0]
    assert not children()


def test_gradients_are_those_of_the_whole_batch() -> None:
    x, y = rows(9)
    grads = []
    for shards in (1, 2):
        t = trainer(shards)
        t.optimizer.step = lambda: None  # type: ignore[method-assign]
        t.step(td.tensor(x), td.tensor(y))
        grads.append([p.grad.numpy() for p in t.model.parameters() if p.grad is not None])
        t._end_processes()
    assert len(grads[0]) == len(grads[1]) == len(network().parameters())
    for ours, theirs in zip(*grads, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-10, atol=1e-14)


def test_the_same_number_of_processes_gives_the_same_bits() -> None:
    runs = [trainer(2, "float32") for _ in range(2)]
    x, y = rows(20, "float32")
    for t in runs:
        t.fit(DataLoader((x, y), 7, shuffle=True, generator=3), epochs=2)
    first, second = (t.model.state_dict() for t in runs)
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_the_processes_have_the_kernels_that_this_one_has() -> None:
    """Numba's, where the first step is inside their context."""
    pytest.importorskip("numba")
    plain, compiled = trainer(2, "float32"), trainer(2, "float32")
    x, y = rows(20, "float32")
    plain.fit(DataLoader((x, y), 7, shuffle=True, generator=3), epochs=2)
    with td.numba_kernels():
        compiled.fit(DataLoader((x, y), 7, shuffle=True, generator=3), epochs=2)
    ours, theirs = (t.model.state_dict() for t in (plain, compiled))
    for name, array in ours.items():
        np.testing.assert_allclose(theirs[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
            if row["epoch"] == 2:
                raise KeyboardInterrupt

    whole = trainer(2)
    whole.fit(loader(), loader(), epochs=4)
    path = tmp_path / "checkpoint.safetensors"
    broken = trainer(2, callbacks=[Checkpoint(path), Stop()])
    with pytest.raises(KeyboardInterrupt):
        broken.fit(loader(), loader(), epochs=4)
    assert not children()
    resumed = trainer(2)
    resumed.fit(loader(), loader(), epochs=4, resume=path)
    ours, theirs = (t.model.state_dict() for t in (whole, resumed))
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def test_batches_of_many_sizes_keep_their_places_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """More sets of places than are remembered, each used again later; batches that grow need more memory."""
    monkeypatch.setattr("tinydl.train.shards._REMEMBERED", 3)
    losses = []
    for shards in (1, 2):
        t = trainer(shards)
        losses.append([])
        for n in (8, 6, 40, 9, 6, 200, 7, 8, 40, 9, 200):
            x, y = rows(n)
            losses[-1].append(t.step(td.tensor(x), td.tensor(y))["loss"])
        t._end_processes()
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)


class Twins(nn.Module):
    """Two inputs, two outputs, one of which needs no gradient, and a parameter that is never used."""

    def __init__(self) -> None:
        self.a, self.b = nn.Dense(3, 2, generator=0), nn.Dense(3, 2, generator=1)
        self.idle = nn.Dense(1, 1, generator=2)

    def forward(self, x: Any, z: Any) -> Any:
        return self.a(x) * self.b(z), x * 2.0


def test_models_may_have_several_inputs_and_outputs() -> None:
    x, z, y = (td.Generator(i).normal((7, n)) for i, n in ((0, 3), (1, 3), (2, 2)))

    def loss(prediction: Any, target: Any) -> Any:
        product, doubled = prediction
        return td.losses.mse(product, target) + (doubled * doubled).mean()

    states, losses = [], []
    for shards in (1, 2):
        model = Twins()
        t = Trainer(model, loss, optim.SGD(model.parameters(), 0.1), progress=False, shards=shards)
        losses.append([t.step(td.tensor(x), td.tensor(z), td.tensor(y))["loss"] for _ in range(3)])
        assert model.idle.weight.grad is None
        assert model.a.weight.grad is not None
        t._end_processes()
        states.append(model.state_dict())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    for name in states[0]:
        np.testing.assert_allclose(states[0][name], states[1][name], rtol=1e-5, atol=1e-7)


def test_a_loss_may_use_parameters_itself() -> None:
    def decayed(model: nn.Module) -> Any:
        return lambda p, y: td.losses.mse(p, y) + sum((w * w).sum() for w in model.parameters())

    x = td.Generator(0).normal((6, 3))
    grads = []
    for shards in (1, 2):
        model = nn.Dense(3, 3, generator=0)
        t = Trainer(model, decayed(model), optim.SGD(model.parameters(), 0.0), progress=False, shards=shards)
        t.step(td.tensor(x), td.tensor(x))
        t._end_processes()
        grads.append(model.weight.grad.numpy())
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-5, atol=1e-7)


def test_numbers_that_are_drawn_between_epochs_do_not_disturb_the_others() -> None:
    class Draws(Callback):
        def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
            dropout = next(m for m in trainer.model.modules() if isinstance(m, nn.Dropout))
            dropout.generator.random((5,))

    one, two = trainer(1, callbacks=[Draws()]), trainer(2, callbacks=[Draws()])
    for t in (one, two):
        t.fit(loader(), loader(), epochs=3)
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], rtol=1e-12)


def test_early_stopping_restores_the_best_parameters() -> None:
    t = trainer(2, callbacks=[stopping := EarlyStopping(patience=1)])
    t.optimizer.lr = 3.0  # soon it gets worse
    t.fit(loader(), loader(), epochs=30)
    assert stopping.best_epoch < len(t.history.rows) < 30
    assert t.evaluate(loader())["loss"] == pytest.approx(stopping.best, rel=1e-12)


# ---- what can't be shared


class Stranger(nn.Module):
    """A model that does what it is told, in this process or in the others."""

    def __init__(self, there: bool, act: Any) -> None:
        self.dense = nn.Dense(3, 3, generator=0)
        self.there, self.act, self.home = there, act, os.getpid()

    def forward(self, x: Any) -> Any:
        x = self.dense(x)
        if (os.getpid() != self.home) == self.there:
            x = self.act(self, x)
        return x


def fails(there: bool, act: Any, error: type[BaseException], match: str) -> None:
    model = Stranger(there, act)
    t = Trainer(model, td.losses.mse, optim.SGD(model.parameters(), 0.1), progress=False, shards=2)
    x = td.tensor(td.Generator(0).normal((6, 3)))
    before = model.state_dict()
    with pytest.raises(error, match=match):
        t.step(x, x)
    assert not children()
    after = model.state_dict()
    assert all((before[name] == after[name]).all() for name in before)
    model.act = lambda self, x: x
    assert t.step(x, x)["loss"] > 0  # a new step starts new processes
    t._end_processes()


def raises(_: Any, x: Any) -> Any:
    raise ValueError("no such thing")


def normalised(_: Any, x: Any) -> Any:
    return td.functional.batch_norm(x, None, None, training=True)


@pytest.mark.parametrize(
    ("there", "act", "error", "match"),
    [
        (True, raises, ShardError, "a process failed: ValueError: no such thing"),
        (False, raises, ValueError, "no such thing"),
        (True, lambda *_: os._exit(3), ShardError, "a process has ended"),
        (True, lambda *_: os.kill(os.getpid(), signal.SIGKILL), ShardError, "a process has ended"),
        (True, normalised, ShardError, "different ways through the model"),
        (False, normalised, ShardError, "different ways through the model"),
        (False, lambda _, x: x.sum(), ShardError, r"a row for each of 3, got shape \(\)"),
        (True, lambda _, x: x[:2], ShardError, "a row for each of 3, got shape"),
        (False, lambda _, x: x.numpy() if not x.requires_grad else "x", ShardError, "got str"),
        (False, lambda _, x: x + td.randn(1, 3), RuntimeError, r"a row for each row of the batch.*3 rows"),
        (False, lambda _, x: x * float(td.Generator(0).permutation(3)[0]), RuntimeError, "train with shards=1"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_a_process_ends_the_step(there: bool, act: Any, error: Any, match: str) -> None:
    fails(there, act, error, match)


def test_batches_smaller_than_the_number_of_processes_are_refused() -> None:
    t = trainer(3)
    with pytest.raises(ValueError, match="a batch of 2 rows can't be shared by 3 processes; use drop_last"):
        t.fit(loader(12, 10), epochs=1)
    assert not children()


@pytest.mark.parametrize("shards", [0, -1, 1.5, "2"])
def test_the_number_of_shards_is_a_positive_integer(shards: Any) -> None:
    with pytest.raises(ValueError, match="shards must be an integer of 1 or more"):
        trainer(shards)


def test_only_the_cpu_has_cores_to_share() -> None:
    model = nn.Dense(2, 2, generator=0).to("strict")
    with pytest.raises(ShardError, match="the model is on strict"):
        Shards(model, 2)


def test_a_parameter_that_was_moved_is_noticed() -> None:
    t = trainer(2, "float32")
    x, y = rows(6, "float32")
    t.step(td.tensor(x), td.tensor(y))
    t.model.astype("float64")
    with pytest.raises(ShardError, match="a parameter was moved"):
        t.step(td.tensor(x.astype("float64")), td.tensor(y))
    assert not children()


def test_parameters_leave_shared_memory_with_the_processes() -> None:
    t = trainer(2)
    t.fit(loader(), epochs=1)
    arrays = [p._data for p in t.model.parameters()]
    assert all(a.base is None for a in arrays)
    child = os.fork()  # what a child does to its copy must not reach us
    if child == 0:
        for a in arrays:
            a[...] = 7.0
        os._exit(0)
    os.waitpid(child, 0)
    assert not any((a == 7.0).any() for a in arrays)


def test_forgotten_processes_end_with_the_trainer() -> None:
    t = trainer(2)
    x, y = rows(6)
    t.step(td.tensor(x), td.tensor(y))
    assert len(children()) == 1
    del t
    assert not children()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_the_others_end_when_this_process_is_killed(ending: int, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import os
        from pathlib import Path
        import tinydl as td
        from tinydl import nn, optim
        from tinydl.data import DataLoader
        from tinydl.train import Callback, Trainer

        class Say(Callback):
            def on_epoch_end(self, trainer, row):
                if row["epoch"] == 2:
                    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
                    print(*(child for t in tasks for child in (t / "children").read_text().split()), flush=True)

        x = td.Generator(0).normal((20, 3))
        model = nn.Dense(3, 3, generator=0)
        trainer = Trainer(
            model, td.losses.mse, optim.SGD(model.parameters(), 0.1), callbacks=[Say()], progress=False, shards=3
        )
        trainer.fit(DataLoader((x, x), 10), epochs=10**9)
        """)
    )
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        others = process.stdout.readline().split()
        os.killpg(process.pid, ending)  # as Ctrl-C in a terminal does

    assert len(others) == 2
    for _ in range(300):
        if not any(Path(f"/proc/{pid}").exists() and "Z" not in state(pid) for pid in others):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("a process is still there")


def state(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"
