"""The networks that restore pictures: PyTorch's numbers, what they see of a picture, and what they begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import DnCNN, SuperResolution
from tinydl.testing.point import host


def count(model: td.nn.Module) -> int:
    return sum(p.size for p in model.parameters())


def dncnn_twin(torch: Any, channels: int, features: int, depth: int) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU()]
            for _ in range(depth - 2):
                layers += [nn.Conv2d(features, features, 3, padding=1, bias=False)]
                layers += [nn.BatchNorm2d(features), nn.ReLU()]
            layers += [nn.Conv2d(features, channels, 3, padding=1)]
            self.noise = nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            return x - self.noise(x)

    return Twin().double()


def super_resolution_twin(torch: Any) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = []
            for inputs in (2, 5, 5):
                layers += [nn.Conv2d(inputs, 5, 3, padding=1), nn.ReLU()]
            self.encoder = nn.Sequential(*layers)
            self.decoder = nn.ConvTranspose2d(5, 2, 4, stride=2, padding=1)

        def forward(self, x: Any) -> Any:
            smooth = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            return smooth + self.decoder(self.encoder(x))

    return Twin().double()


@pytest.mark.parametrize("training", [True, False])
def test_dncnn_is_torchs(
    training: bool, device: str, torch: Any, random: Any, agrees_with_torch: Callable[..., bool]
) -> None:
    model = DnCNN(2, 4, 4, generator=0).astype("float64").to(device).train(training)
    twin = dncnn_twin(torch, 2, 4, 4).train(training)
    assert agrees_with_torch(model, twin, [random(3, 2, 6, 5, device=device)])


def test_super_resolution_is_torchs(
    device: str, torch: Any, random: Any, agrees_with_torch: Callable[..., bool]
) -> None:
    model = SuperResolution(2, 5, 3, generator=0).astype("float64").to(device)
    assert agrees_with_torch(model, super_resolution_twin(torch), [random(3, 2, 4, 5, device=device)])


def test_parameters_of_the_published_network() -> None:
    middle = 64 * 64 * 9 + 2 * 64  # no bias: batch norm has one
    assert count(DnCNN()) == (64 * 9 + 64) + 15 * middle + (64 * 9 + 1)
    assert count(SuperResolution()) == (32 * 9 + 32) + 3 * (32 * 32 * 9 + 32) + (32 * 16 + 1)


def test_a_pixel_depends_on_those_up_to_depth_away() -> None:
    model = DnCNN(1, 8, 3, generator=0).eval()
    x = td.zeros(1, 1, 15, 15, requires_grad=True)
    model(x)[0, 0, 7, 7].backward()
    assert x.grad is not None
    rows, columns = np.nonzero(host(x.grad)[0, 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 10, 4, 10)


def test_with_a_last_layer_of_zeros_nothing_is_changed(device: str) -> None:
    x = td.rand(2, 1, 6, 4, generator=0, device=device)
    dncnn, larger = DnCNN(1, 4, 3, generator=0).to(device), SuperResolution(1, 4, 2, generator=0).to(device)
    for last in (dncnn.noise[-1], larger.decoder):
        for p in last.parameters():
            p.data = p.data * 0
    assert (host(dncnn(x)) == host(x)).all()
    smooth = td.functional.interpolate(x, scale_factor=2, mode="bilinear")
    assert (host(larger(x)) == host(smooth)).all()


def test_the_generator_decides_the_weights() -> None:
    for build in (DnCNN, SuperResolution):
        a, b, c = (build(1, 4, 3, generator=seed).state_dict() for seed in (0, 0, 1))
        weights = [name for name in a if name.endswith("weight") and a[name].ndim == 4]
        assert all(np.array_equal(a[name], b[name]) for name in a)
        assert not any(np.array_equal(a[name], c[name]) for name in weights)


def test_refuses(device: str) -> None:
    with pytest.raises(ValueError, match="DnCNN: expected a depth of 2 or more, got 1"):
        DnCNN(depth=1)
    with pytest.raises(ValueError, match="SuperResolution: expected a depth of 1 or more, got 0"):
        SuperResolution(depth=0)
    for model in (DnCNN(3, 4, 2), SuperResolution(3, 4, 1)):
        with pytest.raises(ValueError, match="input has 1 channel, expected 3"):
            model.to(device)(td.zeros(1, 1, 8, 8, device=device))
