"""Layers that only change shapes."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host


def test_flatten_keeps_the_batch(device: str) -> None:
    x = td.randn(2, 3, 4, 5, generator=0, device=device)
    y = nn.Flatten()(x)
    assert y.shape == (2, 60)
    assert np.array_equal(host(y), host(x).reshape(2, 60))
    assert nn.Flatten(2)(x).shape == (2, 3, 20)
    assert nn.Flatten(0)(x).shape == (120,)
    assert nn.Flatten()(td.zeros(0, 3, 4, device=device)).shape == (0, 12)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 2, 3, 0), (0, 2, 3, 1)])
def test_flatten_is_logical_whatever_the_memory(order: tuple[int, ...], device: str) -> None:
    array = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    back = tuple(int(i) for i in np.argsort(order))
    strided = np.ascontiguousarray(array.transpose(order)).transpose(back)
    x = td.tensor(strided, requires_grad=True, device=device)
    y = nn.Flatten()(x)
    assert np.array_equal(host(y), array.reshape(2, 60))
    y.backward(td.tensor(array.reshape(2, 60), device=device))
    assert x.grad is not None
    assert np.array_equal(host(x.grad), array)


def test_reshape_keeps_the_batch(device: str) -> None:
    x = td.randn(2, 12, generator=0, device=device)
    assert nn.Reshape(3, 4)(x).shape == (2, 3, 4)
    assert nn.Reshape(3, -1)(x).shape == (2, 3, 4)
    assert nn.Reshape()(td.zeros(2, 1, device=device)).shape == (2,)
    with pytest.raises(ValueError, match=r"^Reshape\(5, 2\): "):
        nn.Reshape(5, 2)(x)
    with pytest.raises(ValueError, match=r"^Reshape\(2\): expected an input \(N, \.\.\.\), got a 0-d tensor"):
        nn.Reshape(2)(td.tensor(1.0, device=device))


def test_gradients_go_back_to_the_old_shape(device: str) -> None:
    x = td.randn(2, 3, 4, generator=0, requires_grad=True, device=device)
    nn.Sequential(nn.Flatten(), nn.Reshape(4, 3))(x).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (2, 3, 4)


def test_repr() -> None:
    assert repr(nn.Reshape(3, 4)) == "Reshape(3, 4)"
    assert repr(nn.Flatten()) == "Flatten()"
