"""The dense layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3), (2, 1, 2, 3)])
def test_values_and_gradients_are_torchs(bias: bool, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.Dense(3, 5, bias=bias, generator=0).astype("float64")
    theirs = torch.nn.Linear(3, 5, bias=bias).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=shape), rng.normal(size=(*shape[:-1], 5))
    a, b = td.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-12, atol=1e-14)
    y.backward(td.tensor(g))
    z.backward(torch.tensor(g))
    assert a.grad is not None
    np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-12, atol=1e-14)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert p.grad is not None
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_by_hand() -> None:
    layer = nn.Dense(2, 1)
    layer.weight.data = np.array([[2.0, 3.0]], "float32")
    layer.bias.data = np.array([0.5], "float32")
    assert layer(td.tensor([[1.0, 10.0]])).data.tolist() == [[32.5]]


def test_weights_start_uniform_within_one_over_the_root_of_the_inputs() -> None:
    layer = nn.Dense(100, 80, generator=0)
    for p in layer.parameters():
        assert p.dtype == np.float32
        assert np.abs(p.data).max() <= 0.1
    assert layer.weight.data.std() == pytest.approx(0.1 / math.sqrt(3), rel=0.05)
    assert np.abs(layer.weight.data).max() > 0.099
    assert np.abs(layer.bias.data).max() > 0.08


def test_the_generator_decides_the_weights() -> None:
    a, b, c = (nn.Dense(3, 2, generator=s).state_dict() for s in (0, 0, 1))
    assert all(np.array_equal(a[k], b[k]) and not np.array_equal(a[k], c[k]) for k in a)
    td.manual_seed(1)
    d = nn.Dense(3, 2).state_dict()
    assert all(np.array_equal(d[k], c[k]) for k in d)


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-1, 2)])
def test_sizes_must_be_positive(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"Dense\(.*\): expected one feature or more"):
        nn.Dense(*sizes)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (3, 2), ()])
def test_inputs_that_do_not_fit_name_the_layer(shape: Any) -> None:
    with pytest.raises(ValueError, match=r"^Dense\(3, 5\): "):
        nn.Dense(3, 5)(td.zeros(shape))


def test_repr() -> None:
    assert repr(nn.Dense(3, 5)) == "Dense(3, 5)"
    assert repr(nn.Dense(3, 5, bias=False)) == "Dense(3, 5, bias=False)"
