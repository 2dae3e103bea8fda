"""The device "cuda" on a stand-in for CuPy (conftest.py): the way in and out, names, values that are checked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import device as devices
from tinydl.testing.point import host

LAYOUTS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "moved": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "reversed": lambda a: a[::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 1, 2), (4,), (2, 0, 3)])
def test_in_and_out(cuda: Any, layout: str, shape: tuple[int, ...]) -> None:
    values = LAYOUTS[layout](np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    there = cuda.asarray(values)
    assert type(there) is cuda.array_type
    assert (there.shape, there.dtype) == (values.shape, values.dtype)
    back = cuda.to_host(there)
    assert (back == values).all()
    if values.size and all(n > 1 for n in values.shape):  # the order of the axes in memory
        wanted = np.array(values, order="K").strides
        assert np.argsort(there.strides).tolist() == np.argsort(wanted).tolist()
    back[...] = -1
    assert (cuda.to_host(there) == values).all()


def test_numbers_and_what_is_no_array(cuda: Any) -> None:
    assert cuda.to_host(cuda.asarray(np.float64(2.5))).item() == 2.5
    with pytest.raises(TypeError, match="expected a NumPy array, got list"):
        cuda.asarray([1.0])


def test_two_names_and_one_device(cuda: Any) -> None:
    a, b = td.zeros(2, device="cuda"), td.zeros(2, device="cuda:0")
    assert a.device is b.device is cuda
    assert a.device == "cuda"
    assert a.device == "cuda:0"
    assert a.device != "cpu"
    assert a.device != "cuda:1"
    assert copy.deepcopy(td.nn.Dense(2, 2).to("cuda")).weight.device is cuda
    assert (a + b).device is cuda
    with pytest.raises(RuntimeError, match="inputs on cuda:0 and cpu"):
        a + td.zeros(2)


def test_a_tensor_comes_back(cuda: Any) -> None:
    x = td.tensor([1.0, 2.0], requires_grad=True)
    y = (x.to("cuda") * 3).to("cpu")
    y.sum().backward()
    assert (host(y) == [3, 6]).all()
    assert x.grad is not None
    assert (host(x.grad) == 3).all()
    with pytest.raises(RuntimeError, match=r"call .to\('cpu'\) first"):
        x.to("cuda").numpy()


def test_values_are_checked(cuda: Any) -> None:
    logits = td.zeros(2, 3, device="cuda")
    with pytest.raises((ValueError, IndexError), match="labels must be in"):
        td.losses.cross_entropy(logits, td.tensor([0, 3], device="cuda"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (33,), (0, 2)])
def test_random_numbers_are_the_generators(cuda: Any, dtype: str, shape: tuple[int, ...]) -> None:
    ours, theirs = td.Generator(2**100 + 3), td.Generator(2**100 + 3)
    for _ in range(3):
        uniform = cuda.to_host(cuda.uniform(ours, shape, dtype))
        assert uniform.tobytes() == theirs.random(shape, dtype).tobytes()
        normal = cuda.to_host(cuda.normal(ours, shape, dtype))
        np.testing.assert_allclose(
            normal, theirs.normal(shape, dtype), rtol=2e-6 if dtype == "float32" else 1e-12
        )
    assert ours.get_state() == theirs.get_state()


def test_dropout_draws_there(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    want = host(td.functional.dropout(td.ones(5, 7), 0.4, True, 3))
    monkeypatch.setattr(td.Generator, "words", None)  # nothing is drawn on the host
    assert (host(td.functional.dropout(td.ones(5, 7, device="cuda"), 0.4, True, 3)) == want).all()


def test_a_model_trains_and_its_state_is_the_hosts(cuda: Any) -> None:
    found = {}
    for name in ("cpu", "cuda"):
        model = td.nn.Sequential(
            td.nn.Dense(3, 4, generator=1), td.nn.Tanh(), td.nn.Dense(4, 1, generator=2)
        ).to(name)
        optimizer = td.optim.Adam(model.parameters(), 0.01)
        trainer = td.train.Trainer(model, td.losses.mse, optimizer, progress=False)
        draw = td.Generator(0)
        data = td.data.DataLoader((draw.normal((12, 3)), draw.normal((12, 1))), 4, device=name)
        trainer.fit(data, epochs=2)
        found[name] = [*model.state_dict().values(), *optimizer.state_dict()["buffers"].values()]
    for a, b in zip(*found.values(), strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_a_parameter_with_gaps_in_memory_is_updated_without_a_kernel(cuda: Any) -> None:
    """A kernel would write into the gaps."""
    room = cuda.asarray(np.zeros((3, 4), np.float32))
    p = td.Tensor(room[:, ::2], cuda, requires_grad=True)
    optimizer = td.optim.Adam([p], 0.5)
    p.grad = td.ones(3, 2, device="cuda")
    optimizer.step()
    assert (cuda.to_host(room)[:, 1::2] == 0).all()
    np.testing.assert_allclose(cuda.to_host(room)[:, ::2], -0.5, rtol=1e-5)


def test_the_device_is_not_the_cpu_in_disguise(cuda: Any) -> None:
    assert devices.get_device(None) is devices.cpu
    assert cuda.graph() is not None
    assert devices.cpu.graph() is None
    cuda.synchronize()
    devices.cpu.synchronize()
