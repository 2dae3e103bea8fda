"""The dense layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3), (2, 1, 2, 3)])
def test_values_and_gradients_are_torchs(
    bias: bool, shape: tuple[int, ...], device: str, torch: Any, agrees_with_torch: Any, random: Any
) -> None:
    ours = nn.Dense(3, 5, bias=bias, generator=0).astype("float64").to(device)
    theirs = torch.nn.Linear(3, 5, bias=bias).double()
    assert agrees_with_torch(ours, theirs, [random(*shape, device=device)], tol=1e-14)


def test_by_hand(device: str) -> None:
    layer = nn.Dense(2, 1).to(device)
    layer.load_state_dict({"weight": np.array([[2.0, 3.0]]), "bias": np.array([0.5])})
    assert host(layer(td.tensor([[1.0, 10.0]], device=device))).tolist() == [[32.5]]


def test_weights_start_uniform_within_one_over_the_root_of_the_inputs() -> None:
    layer = nn.Dense(100, 80, generator=0)
    for p in layer.parameters():
        assert p.dtype == np.float32
        assert np.abs(p.numpy()).max() <= 0.1
    assert layer.weight.numpy().std() == pytest.approx(0.1 / math.sqrt(3), rel=0.05)
    assert np.abs(layer.weight.numpy()).max() > 0.099
    assert np.abs(layer.bias.numpy()).max() > 0.08


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
def test_inputs_that_do_not_fit_name_the_layer(shape: Any, device: str) -> None:
    with pytest.raises(ValueError, match=r"^Dense\(3, 5\): "):
        nn.Dense(3, 5).to(device)(td.zeros(shape, device=device))


def test_repr() -> None:
    assert repr(nn.Dense(3, 5)) == "Dense(3, 5)"
    assert repr(nn.Dense(3, 5, bias=False)) == "Dense(3, 5, bias=False)"
