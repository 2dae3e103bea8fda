"""The embedding layer."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.nn import embedding as layers

TESTED = {"Embedding"}


def test_every_layer_is_tested() -> None:
    found = {name for name, value in vars(layers).items() if inspect.isclass(value)}
    assert {name for name in found if vars(layers)[name].__module__ == layers.__name__} == TESTED


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,), (2, 0, 3)])
def test_values_and_gradients_are_torchs(shape: Any, dtype: str, torch: Any) -> None:
    ours, theirs = nn.Embedding(5, 3, generator=0).astype("float64"), torch.nn.Embedding(5, 3).double()
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    theirs.load_state_dict({"weight": torch.tensor(ours.state_dict()["weight"])})
    rng = np.random.default_rng(0)
    x, g = rng.integers(0, 5, shape).astype(dtype), rng.normal(size=(*shape, 3))
    y, z = ours(td.tensor(np.array(x))), theirs(torch.tensor(np.array(x, np.int64)))
    assert y.shape == (*shape, 3)
    assert np.array_equal(y.numpy(), z.detach().numpy())
    y.backward(td.tensor(g))
    z.backward(torch.tensor(g))
    assert ours.weight.grad is not None
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-14)


def test_by_hand() -> None:
    layer = nn.Embedding(3, 2)
    layer.weight.data = np.array([[0, 1], [10, 11], [20, 21]], "float32")
    y = layer(td.tensor([[2, 0], [2, 2]]))
    assert y.numpy().tolist() == [[[20, 21], [0, 1]], [[20, 21], [20, 21]]]
    y.sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.numpy().tolist() == [[1, 1], [0, 0], [3, 3]]  # added where a row was read thrice


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


def test_errors() -> None:
    layer = nn.Embedding(5, 3)
    for wrong, got in (([0, 5], "0 to 5"), ([-1, 2], "-1 to 2")):
        with pytest.raises(
            ValueError, match=rf"^Embedding\(5, 3\): expected integers in \[0, 4\], got {got}"
        ):
            layer(td.tensor(wrong))
    for x, name in (
        (td.ones(2), "float32"),
        (td.tensor([True]), "bool"),
        (np.zeros(2, int), "ndarray"),
        ([0], "list"),
    ):
        with pytest.raises(
            TypeError, match=rf"^Embedding\(5, 3\): expected a tensor of integers, got {name}"
        ):
            layer(x)


def test_repr() -> None:
    assert repr(nn.Embedding(5, 3)) == "Embedding(5, 3)"
