"""Activation layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host

LAYERS: list[Any] = [
    ("ReLU", {}, {}),
    ("LeakyReLU", {}, {}),
    ("LeakyReLU", {"negative_slope": 0.3}, {"negative_slope": 0.3}),
    ("ELU", {}, {}),
    ("ELU", {"alpha": 0.5}, {"alpha": 0.5}),
    ("Sigmoid", {}, {}),
    ("Tanh", {}, {}),
    ("Softplus", {}, {"threshold": 1e9}),
    ("Softmax", {}, {"dim": -1}),
    ("Softmax", {"axis": 1}, {"dim": 1}),
]


@pytest.mark.parametrize(("name", "options", "torchs"), LAYERS)
def test_values_and_gradients_are_torchs(
    name: str, options: Any, torchs: Any, device: str, torch: Any, agrees_with_torch: Any
) -> None:
    array = np.random.default_rng(0).normal(size=(3, 4, 5)) * 5
    array[0, 0, 0] = 0.0
    x = td.tensor(array, requires_grad=True, device=device)
    assert agrees_with_torch(getattr(nn, name)(**options), getattr(torch.nn, name)(**torchs), [x], tol=1e-15)


@pytest.mark.parametrize(("name", "options"), [(n, o) for n, o, _ in LAYERS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_inputs_stay_finite_in_value_and_gradient(
    name: str, options: Any, dtype: str, device: str
) -> None:
    x = td.tensor([[[-1000.0, 1000.0], [0.0, -0.0]]], requires_grad=True, dtype=dtype, device=device)
    y = getattr(nn, name)(**options)(x)
    assert np.isfinite(host(y)).all()
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad is not None
    assert np.isfinite(host(x.grad)).all()


def test_slopes_at_zero_are_the_left_ones(device: str) -> None:
    for layer, slope in ((nn.ReLU(), 0.0), (nn.LeakyReLU(0.2), 0.2)):
        x = td.tensor([0.0], requires_grad=True, device=device)
        layer(x).backward()
        assert x.grad is not None
        assert x.grad.item() == pytest.approx(slope)


def test_maxout_takes_the_largest_of_each_group_of_neighbours(device: str) -> None:
    x = td.tensor([[1.0, 5.0, 2.0, 0.0, -1.0, -3.0]], requires_grad=True, device=device)
    y = nn.Maxout(2)(x)
    assert host(y).tolist() == [[5.0, 2.0, -1.0]]
    y.sum().backward()
    assert x.grad is not None
    assert host(x.grad).tolist() == [[0.0, 1.0, 1.0, 0.0, 1.0, 0.0]]
    images = td.randn(2, 6, 3, 3, generator=0, device=device)
    expected = host(images).reshape(2, 2, 3, 3, 3).max(2)
    assert np.array_equal(host(nn.Maxout(3)(images)), expected)
    assert nn.Maxout(3, axis=-1)(images).shape == (2, 6, 3, 1)
    with pytest.raises(ValueError, match=r"^Maxout\(4, axis=1\): "):
        nn.Maxout(4)(x)


def test_softmax_sums_to_one(device: str) -> None:
    y = nn.Softmax(axis=0)(td.randn(4, 3, generator=0, device=device))
    np.testing.assert_allclose(host(y).sum(0), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.ReLU(), "ReLU()"),
        (nn.LeakyReLU(0.2), "LeakyReLU(0.2)"),
        (nn.ELU(0.5), "ELU(0.5)"),
        (nn.Softmax(1), "Softmax(axis=1)"),
        (nn.Maxout(3), "Maxout(3, axis=1)"),
    ],
)
def test_repr(layer: nn.Module, text: str) -> None:
    assert repr(layer) == text
