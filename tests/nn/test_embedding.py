"""The embedding layer."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.nn import embedding as layers
from tinydl.testing.point import host

TESTED = {"Embedding"}


def test_every_layer_is_tested() -> None:
    found = {name for name, value in vars(layers).items() if inspect.isclass(value)}
    assert {name for name in found if vars(layers)[name].__module__ == layers.__name__} == TESTED


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,), (2, 0, 3)])
def test_values_and_gradients_are_torchs(shape: Any, dtype: str, device: str, torch: Any) -> None:
    ours = nn.Embedding(5, 3, generator=0).astype("float64").to(device)
    theirs = torch.nn.Embedding(5, 3).double()
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    theirs.load_state_dict({"weight": torch.tensor(ours.state_dict()["weight"])})
    rng = np.random.default_rng(0)
    x, g = rng.integers(0, 5, shape).astype(dtype), rng.normal(size=(*shape, 3))
    y, z = ours(td.tensor(np.array(x), device=device)), theirs(torch.tensor(np.array(x, np.int64)))
    assert y.shape == (*shape, 3)
    assert np.array_equal(host(y), z.detach().numpy())
    y.backward(td.tensor(g, device=device))
    z.backward(torch.tensor(g))
    assert ours.weight.grad is not None
    np.testing.assert_allclose(host(ours.weight.grad), theirs.weight.grad.numpy(), rtol=1e-14)


def test_by_hand(device: str) -> None:
    layer = nn.Embedding(3, 2).to(device)
    layer.load_state_dict({"weight": np.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]])})
    y = layer(td.tensor([[2, 0], [2, 2]], device=device))
    assert host(y).tolist() == [[[20, 21], [0, 1]], [[20, 21], [20, 21]]]
    y.sum().backward()
    assert layer.weight.grad is not None
    assert host(layer.weight.grad).tolist() == [[1, 1], [0, 0], [3, 3]]  # added where a row was read thrice


def test_rows_start_standard_normal() -> None:
    w = nn.Embedding(200, 50, generator=0).weight.numpy()
    assert w.dtype == np.float32
    assert w.mean() == pytest.approx(0, abs=0.04)
    assert w.std() == pytest.approx(1, abs=0.03)
    assert np.array_equal(w, nn.Embedding(200, 50, generator=0).weight.numpy())
    assert not np.array_equal(w, nn.Embedding(200, 50, generator=1).weight.numpy())


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-1, 2)])
def test_sizes_must_be_positive(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"Embedding\(.*\): expected one row and column or more"):
        nn.Embedding(*sizes)


def test_errors(device: str) -> None:
    layer = nn.Embedding(5, 3).to(device)
    for wrong, got in (([0, 5], "0 to 5"), ([-1, 2], "-1 to 2")):
        with pytest.raises(
            ValueError, match=rf"^Embedding\(5, 3\): expected integers in \[0, 4\], got {got}"
        ):
            layer(td.tensor(wrong, device=device))
    for x, name in (
        (td.ones(2, device=device), "float32"),
        (td.tensor([True], device=device), "bool"),
        (np.zeros(2, int), "ndarray"),
        ([0], "list"),
    ):
        with pytest.raises(
            TypeError, match=rf"^Embedding\(5, 3\): expected a tensor of integers, got {name}"
        ):
            layer(x)


def test_integers_on_another_device() -> None:
    for device, other in (("cpu", "strict"), ("strict", "cpu")):
        with pytest.raises(
            td.errors.DeviceError,
            match=rf"^Embedding\(5, 3\): the tensor is on {device}, an index on {other}; move one with",
        ):
            nn.Embedding(5, 3).to(device)(td.tensor([1], device=other))


def test_repr() -> None:
    assert repr(nn.Embedding(5, 3)) == "Embedding(5, 3)"
