"""The small ResNets: the paper's sizes, shortcuts without weights, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import CifarResNet
from tinydl.models.cifar_resnet import Subsample
from tinydl.testing import gradcheck
from tinydl.testing.point import host


def by_hand(n: int, side: int, channels: int) -> tuple[int, int]:
    """Parameters and multiply-adds of 6 n + 2 layers: 2 n convolutions of each width after the first."""
    layers = [(channels, 16, side)]
    before = 16
    for width in (16, 32, 64):
        side = -(-side // (width // before))
        layers += [(before, width, side)] + [(width, width, side)] * (2 * n - 1)
        before = width
    parameters = sum(9 * i * o + 2 * o for i, o, _ in layers) + 650
    return parameters, sum(9 * i * o * s * s for i, o, s in layers) + 640


@pytest.mark.parametrize(
    ("depth", "parameters"), [(20, 269_722), (32, 464_154), (56, 853_018), (110, 1_727_962)]
)
def test_parameters_are_the_papers_and_those_of_the_plain_network(depth: int, parameters: int) -> None:
    assert by_hand(depth // 6, 32, 3)[0] == parameters
    for residual in (True, False):
        model = CifarResNet(depth, residual=residual, generator=0)
        assert sum(p.size for p in model.parameters()) == parameters


@pytest.mark.parametrize("residual", [True, False])
def test_multiply_adds_of_both_sizes_of_images(residual: bool, totals: Any) -> None:
    assert by_hand(3, 32, 3)[1] == 40_551_040
    assert totals(CifarResNet(residual=residual, generator=0), 3, 32, 32) == by_hand(3, 32, 3)
    grey = CifarResNet(20, channels=1, residual=residual, generator=0)
    assert totals(grey, 1, 28, 28) == by_hand(3, 28, 1)


def test_shapes(seen_shapes: Any) -> None:
    seen = seen_shapes(CifarResNet(8, channels=1, generator=0), 1, 28, 28)
    assert [seen[name] for name in ("conv1", "layer1", "layer2", "layer3", "avgpool", "fc")] == [
        (16, 28, 28), (16, 28, 28), (32, 14, 14), (64, 7, 7), (64, 1, 1), (10,)
    ]  # fmt: skip


def test_the_shortcut_takes_every_second_pixel_and_adds_maps_of_zeros(device: str, random: Any) -> None:
    x = random(2, 3, 5, 4, device=device)
    out = host(Subsample()(x))
    assert out.shape == (2, 6, 3, 2)
    assert np.array_equal(out[:, :3], host(x)[:, :, ::2, ::2])
    assert not out[:, 3:].any()
    assert gradcheck(Subsample(), x)


def torch_cifar_resnet(torch: Any, n: int, channels: int, residual: bool) -> Any:
    nn = torch.nn
    relu, pad = nn.functional.relu, nn.functional.pad

    class Block(nn.Module):
        def __init__(self, inputs: int, width: int) -> None:
            super().__init__()
            self.extra = width - inputs
            self.conv1 = nn.Conv2d(inputs, width, 3, 2 if self.extra else 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)

        def forward(self, x: Any) -> Any:
            out = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
            if residual and self.extra:
                x = nn.functional.max_pool2d(x, 1, stride=2)
                x = pad(x, (0, 0, 0, 0, 0, self.extra))
            return relu(out + x) if residual else relu(out)

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
            for place, (inputs, width) in enumerate(((16, 16), (16, 32), (32, 64)), start=1):
                blocks = [Block(inputs if block == 0 else width, width) for block in range(n)]
                setattr(self, f"layer{place}", nn.Sequential(*blocks))
            self.fc = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            x = self.layer3(self.layer2(self.layer1(relu(self.bn1(self.conv1(x))))))
            return self.fc(x.mean((2, 3)))

    return Twin()


@pytest.mark.parametrize("residual", [True, False])
def test_forward_gradients_and_running_values_in_training_are_torchs(
    residual: bool, device: str, torch: Any, equals_torch: Any
) -> None:
    ours = CifarResNet(8, channels=1, residual=residual, generator=0)
    build = lambda: torch_cifar_resnet(torch, 1, 1, residual)
    equals_torch(ours, build, 3, 1, 14, 13, train=True, device=device)


def test_resnet_20_and_32_are_torchs(torch: Any, equals_torch: Any) -> None:
    for depth in (20, 32):
        ours = CifarResNet(depth, generator=0)
        build = lambda n=depth // 6: torch_cifar_resnet(torch, n, 3, True)
        equals_torch(ours, build, 2, 3, 32, 32)


@pytest.mark.parametrize("depth", [2, 7, 18, 21])
def test_depths_that_can_not_be_are_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"CifarResNet: depth must be 6 n \+ 2, .* got {depth}"):
        CifarResNet(depth)


def test_it_learns_eight_random_images_by_heart(device: str) -> None:
    x, labels = td.randn(8, 1, 12, 12, generator=0, device=device), td.arange(8, device=device)
    model = CifarResNet(8, channels=1, generator=0).to(device)
    optimizer = td.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(15):
        optimizer.zero_grad()
        loss = td.losses.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2
    assert td.metrics.accuracy(model(x), labels) == 1.0
