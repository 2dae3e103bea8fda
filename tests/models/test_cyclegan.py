"""CycleGAN: shapes both ways, and that the cycle's gradient reaches both translators."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td
from tinydl.models import CycleGAN
from tinydl.testing.point import host


def test_translations_keep_the_size_and_change_the_channels(device: str) -> None:
    model = CycleGAN(channels=(1, 3), width=4, generator=0).to(device)
    for size in ((28, 28), (8, 12)):
        x, y = td.randn(2, 1, *size, device=device), td.randn(2, 3, *size, device=device)
        assert model(x).shape == model.g(x).shape == y.shape
        assert model.f(y).shape == x.shape
        patches = (2, 1, size[0] // 4, size[1] // 4)
        assert model.d_x(x).shape == model.d_y(y).shape == patches
        assert float(np.abs(host(model.g(100 * x))).max()) <= 1


def test_the_cycle_trains_both_translators() -> None:
    model = CycleGAN(width=4, generator=0)
    x = td.randn(2, 1, 8, 8, generator=1)
    td.losses.mae(model.f(model.g(x)), x).backward()
    for network in (model.g, model.f):
        assert all(p.grad is not None and np.abs(p.grad.numpy()).sum() > 0 for p in network.parameters())
    assert all(p.grad is None for network in (model.d_x, model.d_y) for p in network.parameters())


def test_the_residual_block_adds_to_what_it_gets() -> None:
    model = CycleGAN(width=4, generator=0)
    block = model.g[2]
    for p in block.parameters():
        p.data = td.zeros_like(p)
    x = td.randn(2, 4, 6, 6, generator=1)
    np.testing.assert_array_equal(block(x).numpy(), x.numpy())


def test_the_generator_decides_the_weights() -> None:
    a, b, c = (CycleGAN(generator=seed).state_dict() for seed in (0, 0, 1))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not any(np.array_equal(a[k], c[k]) for k in a)


def test_wrong_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels must be positive"):
        CycleGAN(channels=(0, 3))
    with pytest.raises(ValueError, match="input has 3 channels, expected 1"):
        CycleGAN()(td.zeros(1, 3, 28, 28))
