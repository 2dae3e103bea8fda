import json

import numpy as np
import pytest

import tinydl as td
from tinydl import nn, optim
from tinydl.data import DataLoader
from tinydl.serialization import save
from tinydl.train import Trainer
from tinydl.train.checkpoint import _state, load_checkpoint, load_model, read_checkpoint, save_checkpoint


def trainer(width=3, optimizer=optim.Adam, schedule=None):
    model = nn.Sequential(nn.Dense(2, width, generator=1), nn.Dense(width, 1, generator=2))
    made = optimizer(model.parameters(), lr=0.1)
    made_schedule = schedule(made, 2) if schedule else None
    return Trainer(model, td.losses.mse, made, schedule=made_schedule, progress=False)


def loader():
    return DataLoader(
        (np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)), 2, shuffle=True, generator=0
    )


def test_one_safetensors_file_holds_everything(tmp_path):
    path = tmp_path / "deep" / "c.safetensors"
    run = trainer(schedule=optim.StepLR)
    run.fit(loader(), epochs=3)
    save_checkpoint(path, run)
    arrays, facts = read_checkpoint(path)
    assert set(arrays) == {f"model/{n}" for n in run.model.state_dict()} | {
        f"optimizer/{i}.{b}" for i in range(4) for b in ("mean", "square")
    }
    assert facts["history"] == run.history.rows
    assert facts["optimizer"]["steps"] == 6
    assert facts["generators"]["loader"] == run.loader.generator.get_state()
    assert facts["schedule"]["count"] == 3
    assert set(td.load(path)) == set(arrays)
    assert [p.name for p in path.parent.iterdir()] == ["c.safetensors"]
    fresh = trainer()
    load_model(path, fresh.model)
    assert fresh.model.state_dict()["0.weight"].tobytes() == run.model.state_dict()["0.weight"].tobytes()


def test_a_checkpoint_of_another_network_is_refused_with_every_difference(tmp_path):
    run = trainer()
    save_checkpoint(tmp_path / "c", run)
    other = trainer(width=5)
    before = other.model.state_dict()
    with pytest.raises(ValueError, match=r"0.weight: shape \(3, 2\), expected \(5, 2\).*1.weight: shape"):
        load_checkpoint(tmp_path / "c", other)
    assert all((before[k] == v).all() for k, v in other.model.state_dict().items())


def test_another_optimiser_or_schedule_is_refused(tmp_path):
    save_checkpoint(tmp_path / "c", trainer())
    other = trainer(optimizer=optim.SGD)
    other.model[0].weight.data = td.zeros(3, 2)
    with pytest.raises(ValueError, match="another kind of optimiser"):
        load_checkpoint(tmp_path / "c", other)
    assert not other.model[0].weight.numpy().any()  # nothing was changed
    other = trainer(schedule=optim.StepLR)
    other.fit(loader(), epochs=1)  # as different from the checkpoint as can be
    before = _state(other)
    with pytest.raises(ValueError, match="trained without a schedule"):
        load_checkpoint(tmp_path / "c", other)
    after = _state(other)
    assert after[1] == before[1]
    assert {k: a.tobytes() for k, a in after[0].items()} == {k: a.tobytes() for k, a in before[0].items()}


@pytest.mark.parametrize("scheduled", [False, True])
def test_another_network_is_told_before_anything_else(tmp_path, scheduled):
    save_checkpoint(tmp_path / "c", trainer(schedule=None if scheduled else optim.StepLR))
    model = nn.Sequential(nn.Dense(2, 3, generator=1), nn.Tanh(), nn.Dense(3, 1, generator=2))
    made = optim.SGD(model.parameters(), lr=0.1)
    other = Trainer(model, td.losses.mse, made, schedule=optim.StepLR(made, 2) if scheduled else None)
    before = _state(other)
    with pytest.raises(KeyError, match=r"missing keys: 2.weight, 2.bias; unexpected keys: 1.bias, 1.weight"):
        load_checkpoint(tmp_path / "c", other)
    after = _state(other)
    assert after[1] == before[1]
    assert {k: a.tobytes() for k, a in after[0].items()} == {k: a.tobytes() for k, a in before[0].items()}


def test_other_files_are_refused_with_one_sentence(tmp_path):
    path = tmp_path / "c"
    with pytest.raises(FileNotFoundError):
        read_checkpoint(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="not a safetensors file, or a damaged one"):
        read_checkpoint(path)
    save({"x": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="a safetensors file, but not a checkpoint"):
        read_checkpoint(path)
    save({"x": np.zeros(3)}, path, {"tinydl_checkpoint": "1", "facts": json.dumps({"optimizer": {}})})
    with pytest.raises(ValueError, match="a damaged checkpoint"):
        read_checkpoint(path)
    whole = tmp_path / "whole"
    save_checkpoint(whole, trainer())
    path.write_bytes(whole.read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged"):
        read_checkpoint(path)
