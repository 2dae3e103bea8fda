"""Thousands of damaged and foreign checkpoints: one clear sentence, bounded memory, and nothing is changed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn, optim
from tinydl.data import DataLoader
from tinydl.serialization import FileError, load_with_metadata, save
from tinydl.train import EarlyStopping, Trainer
from tinydl.train.checkpoint import _state, load_checkpoint, load_model, save_checkpoint


def loader() -> DataLoader:
    rows = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    return DataLoader(rows, 2, shuffle=True, generator=0)


def fresh(seed: int = 1) -> Trainer:
    model = nn.Sequential(nn.Dense(2, 3, generator=seed), nn.Dense(3, 1, generator=seed + 1))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    trainer = Trainer(
        model,
        td.losses.mse,
        optimizer,
        callbacks=[EarlyStopping("loss", patience=9)],
        schedule=optim.ReduceLROnPlateau(optimizer),
        progress=False,
    )
    trainer.loader = loader()
    return trainer


def everything(trainer: Trainer) -> Any:
    arrays, facts = _state(trainer)
    return {name: a.tobytes() for name, a in arrays.items()}, json.dumps(facts)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with all that one can hold."""
    path = tmp_path_factory.mktemp("whole") / "c"
    td.manual_seed(0)
    trainer = fresh()
    trainer.fit(loader(), epochs=3)
    for row in trainer.history.rows:
        row["seconds"] = 0.25  # the same file in every process, so that the same mutations are tried
    save_checkpoint(path, trainer)
    return path


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(out)))
        match rng.integers(5):
            case 0:
                out[place] ^= 1 << int(rng.integers(8))
            case 1:
                out[place] = rng.choice(list(b'0179-.,:{}[]"eE \\/nft'))
            case 2:
                out[place : place + 1] = bytes([rng.integers(256)])
            case 3:  # two pieces of one size change places: the lengths stay right
                other, size = int(rng.integers(len(out))), int(rng.integers(1, 9))
                size = min(size, len(out) - max(place, other))
                out[place : place + size], out[other : other + size] = (
                    out[other : other + size],
                    out[place : place + size],
                )
            case _:
                out[place : place + 1] = rng.choice([b"", b"00"])
    return bytes(out)


def test_damaged_files_change_nothing_and_are_one_sentence(whole: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data, path = whole.read_bytes(), tmp_path / "c"
    trainer = fresh(seed=5)
    start = everything(trainer)
    failures = loaded = 0
    for _ in range(2000):
        path.write_bytes(mutated(data, rng))
        try:
            load_checkpoint(path, trainer)
        except (ValueError, KeyError) as error:
            failures += 1
            sentence = str(error.args[0])
        else:
            loaded += 1
            assert len(trainer.history.rows) >= trainer.first_epoch
            everything(trainer)  # it can be saved again
            trainer = fresh(seed=5)
            start = everything(trainer)  # the default generator is where that file puts it
            continue
        assert str(path) in sentence
        assert "\n" not in sentence
        assert everything(trainer) == start
    assert failures > 700
    assert loaded > 50


def test_a_checkpoint_whose_numbers_were_damaged_can_still_be_trained_on(whole: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data, path = whole.read_bytes(), tmp_path / "c"
    values = 8 + int.from_bytes(data[:8], "little")
    for _ in range(20):
        changed = bytearray(data)
        changed[int(rng.integers(values, len(data)))] ^= 1  # the lowest bits of float32 numbers among others
        path.write_bytes(changed)
        trainer = fresh()
        load_checkpoint(path, trainer)
        assert len(trainer.fit(loader(), epochs=1).rows) == 4


def test_cut_files_are_refused(whole: Path, tmp_path: Path) -> None:
    data, path = whole.read_bytes(), tmp_path / "c"
    for n in range(0, len(data), 7):
        path.write_bytes(data[:n])
        with pytest.raises(FileError, match="not a safetensors file, or a damaged one"):
            load_model(path, fresh().model)


Change = Callable[[dict[str, Any]], Any]

DAMAGE: dict[str, Change] = {
    "no optimiser": lambda f: f.pop("optimizer"),
    "optimiser: none": lambda f: f.update(optimizer=None),
    "optimiser: a list": lambda f: f.update(optimizer=[1, 2]),
    "steps: text": lambda f: f["optimizer"].update(steps="many"),
    "steps: nothing": lambda f: f["optimizer"].update(steps=None),
    "steps: infinite": lambda f: f["optimizer"].update(steps=float("inf")),
    "taken: short": lambda f: f["optimizer"].update(taken=[1]),
    "taken: a number": lambda f: f["optimizer"].update(taken=4),
    "taken: texts": lambda f: f["optimizer"].update(taken=["a", "b", "c", "d"]),
    "lr: text": lambda f: f["optimizer"]["hyperparameters"].update(lr="fast"),
    "lr: a list": lambda f: f["optimizer"]["hyperparameters"].update(lr=[0.1]),
    "lr: nothing": lambda f: f["optimizer"]["hyperparameters"].update(lr=None),
    "no lr": lambda f: f["optimizer"]["hyperparameters"].pop("lr"),
    "no hyperparameters": lambda f: f["optimizer"].update(hyperparameters=None),
    "schedule: none": lambda f: f.update(schedule=None),
    "schedule: text": lambda f: f.update(schedule="slowly"),
    "schedule: a list": lambda f: f.update(schedule=[1]),
    "schedule: another": lambda f: f.update(schedule={"count": 1}),
    "count: text": lambda f: f["schedule"].update(count="three"),
    "callbacks: none": lambda f: f.update(callbacks=None),
    "callbacks: numbers": lambda f: f.update(callbacks=[1]),
    "callback: empty": lambda f: f.update(callbacks=[{}]),
    "generators: none": lambda f: f.update(generators=None),
    "generators: a list": lambda f: f.update(generators=["loader"]),
    "generator: none": lambda f: f["generators"].update(loader=None),
    "generator: text": lambda f: f["generators"].update(loader={"seed": "x", "counter": 0}),
    "generator: negative": lambda f: f["generators"].update(loader={"seed": -1, "counter": 0}),
    "generator: infinite": lambda f: f["generators"].update(loader={"seed": 1, "counter": float("inf")}),
    "history: none": lambda f: f.update(history=None),
    "history: a number": lambda f: f.update(history=3),
    "history: numbers": lambda f: f.update(history=[1, 2, 3]),
    "history: texts": lambda f: f["history"][0].update(loss="low"),
    "history: shorter": lambda f: f.update(history=[], first_epoch=2),
    "first epoch: text": lambda f: f.update(first_epoch="one"),
    "first epoch: half": lambda f: f.update(first_epoch=0.5),
    "first epoch: negative": lambda f: f.update(first_epoch=-1),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_facts_are_refused_and_nothing_is_changed(what: str, whole: Path, tmp_path: Path) -> None:
    arrays, metadata = load_with_metadata(whole)
    facts = json.loads(metadata["facts"])
    DAMAGE[what](facts)
    path = tmp_path / "c"
    save(arrays, path, {**metadata, "facts": json.dumps(facts)})
    trainer = fresh(seed=5)
    before = everything(trainer)
    with pytest.raises(FileError, match=r"^[^\n]+$") as caught:
        load_checkpoint(path, trainer)
    assert str(caught.value).startswith(f"{path}: ")
    assert everything(trainer) == before


@pytest.mark.parametrize("facts", ["", "{", "[]", "3", "null", '"x"', "[" * 100_000, "9" * 10_000, "{}"])
def test_facts_that_are_none(facts: str, tmp_path: Path) -> None:
    save({"model/x": np.ones(1)}, tmp_path / "c", {"tinydl_checkpoint": "1", "facts": facts})
    with pytest.raises(FileError, match="a damaged checkpoint"):
        load_checkpoint(tmp_path / "c", fresh())


def test_buffers_of_another_kind_or_shape_are_refused(whole: Path, tmp_path: Path) -> None:
    arrays, metadata = load_with_metadata(whole)
    name = "optimizer/0.mean"
    trainer = fresh(seed=5)
    before = everything(trainer)
    for wrong in (arrays[name].astype(np.int32), arrays[name][:1], arrays[name] > 0):
        save({**arrays, name: wrong}, tmp_path / "c", metadata)
        with pytest.raises(FileError, match="buffers"):
            load_checkpoint(tmp_path / "c", trainer)
    del arrays[name]
    save(arrays, tmp_path / "c", metadata)
    with pytest.raises(FileError, match="the buffers are those of other parameters"):
        load_checkpoint(tmp_path / "c", trainer)
    assert everything(trainer) == before


def test_every_difference_to_another_network_is_listed(whole: Path, tmp_path: Path) -> None:
    arrays, metadata = load_with_metadata(whole)
    del arrays["model/0.weight"], arrays["model/1.bias"]
    arrays |= {
        "model/2.weight": np.ones(1),
        "model/zz": np.ones(1),
        "model/0.bias": np.ones((9, 9), np.float32),
    }
    arrays["model/1.weight"] = np.ones((1, 3), np.int64)
    save(arrays, tmp_path / "c", metadata)
    trainer = fresh(seed=5)
    before = everything(trainer)
    for load in (
        lambda: load_checkpoint(tmp_path / "c", trainer),
        lambda: load_model(tmp_path / "c", trainer.model),
    ):
        with pytest.raises(KeyError) as caught:
            load()
        for part in (
            str(tmp_path / "c"), "missing keys: 0.weight, 1.bias", "2.weight", "zz",
            "0.bias: shape (9, 9), expected (3,)", "1.weight: int64, expected float32",
        ):  # fmt: skip
            assert part in caught.value.args[0]
        assert everything(trainer) == before


def test_the_weights_of_somebody_else_are_not_a_checkpoint(tmp_path: Path) -> None:
    model = fresh().model
    save(model.state_dict(), tmp_path / "c", {"format": "pt"})
    with pytest.raises(FileError, match="a safetensors file, but not a checkpoint of this version of tinydl"):
        load_model(tmp_path / "c", model)
    model.load_state_dict(td.load(tmp_path / "c"))  # what they hold can be had this way


def announcing(shape: list[int], size: int, behind: bytes = b"") -> bytes:
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}
    header = json.dumps(
        {"model/x": entry, "__metadata__": {"tinydl_checkpoint": "1", "facts": "{}"}}
    ).encode()
    return len(header).to_bytes(8, "little") + header + behind


@pytest.mark.parametrize(
    "data",
    [
        announcing([2_500_000_000], 10**10),
        announcing([2_500_000_000], 10**10, bytes(1000)),
        announcing([50_000, 50_000], 16, bytes(16)),
        announcing([2**62, 2**62], 16, bytes(16)),
        announcing([0, 2**62], 0),
        (10**10).to_bytes(8, "little") + b"{",
        (2**63).to_bytes(8, "little") + b"{",
        (99_999_999).to_bytes(8, "little") + b"{}" * 9,
    ],
)
def test_what_a_header_announces_is_not_allocated(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(data)
    trainer = fresh()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(tmp_path / "c", trainer)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_huge_foreign_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "c").open("wb") as file:
        file.write(announcing([4], 16, bytes(16)))
        file.truncate(10**11)  # a hole: it takes no room on the disk
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=r"it announces [\d,]+ bytes and has 100,000,000,000"):
            td.load(tmp_path / "c")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_arrays_come_in_the_order_of_the_file(whole: Path) -> None:
    data = whole.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(td.load(whole)) == [name for name in header if name != "__metadata__"]
