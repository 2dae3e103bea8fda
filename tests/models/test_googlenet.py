"""GoogLeNet and its Inception module: the published sizes, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import GoogLeNet, Inception

# Table 1: channels in, then #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj; and the side of the maps
TABLE = {
    "inception3a": ((192, 64, 96, 128, 16, 32, 32), 28),
    "inception3b": ((256, 128, 128, 192, 32, 96, 64), 28),
    "inception4a": ((480, 192, 96, 208, 16, 48, 64), 14),
    "inception4b": ((512, 160, 112, 224, 24, 64, 64), 14),
    "inception4c": ((512, 128, 128, 256, 24, 64, 64), 14),
    "inception4d": ((512, 112, 144, 288, 32, 64, 64), 14),
    "inception4e": ((528, 256, 160, 320, 32, 128, 128), 14),
    "inception5a": ((832, 256, 160, 320, 32, 128, 128), 7),
    "inception5b": ((832, 384, 192, 384, 48, 128, 128), 7),
}
STEM = {
    "conv1": (3, 64, 7, 112),
    "conv2": (64, 64, 1, 56),
    "conv3": (64, 192, 3, 56),
}  # in, out, kernel, side
# its column "ops", in millions; it has smaller figures for conv1 and a larger one for 5a than its layers give
OPS = {"inception3a": 128, "inception3b": 304, "inception4a": 73, "inception4b": 88, "inception4c": 100,
       "inception4d": 119, "inception4e": 170, "inception5b": 71}  # fmt: skip


def convolutions(row: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Channels in and out and kernel size of the six in a module."""
    inputs, n1x1, reduced3x3, n3x3, reduced5x5, n5x5, projected = row
    return [(inputs, n1x1, 1), (inputs, reduced3x3, 1), (reduced3x3, n3x3, 3), (inputs, reduced5x5, 1),
            (reduced5x5, n5x5, 5), (inputs, projected, 1)]  # fmt: skip


@pytest.fixture(scope="module")
def published() -> GoogLeNet:
    return GoogLeNet(generator=0)


def test_6_998_552_parameters_part_by_part(published: GoogLeNet) -> None:
    parts = {name: o * (i * k * k + 1) for name, (i, o, k, _) in STEM.items()}
    parts |= {
        name: sum(o * (i * k * k + 1) for i, o, k in convolutions(row)) for name, (row, _) in TABLE.items()
    }
    parts["fc"] = 1000 * (1024 + 1)
    assert sum(parts.values()) == 6_998_552
    assert {
        name: sum(p.size for p in child.parameters())
        for name, child in published.children()
        if child.parameters()
    } == parts


def test_multiply_adds_part_by_part(published: GoogLeNet, totals: Any) -> None:
    parts = {name: i * o * k * k * side * side for name, (i, o, k, side) in STEM.items()}
    for name, (row, side) in TABLE.items():
        parts[name] = sum(i * o * k * k for i, o, k in convolutions(row)) * side * side
        if name in OPS:
            assert parts[name] == pytest.approx(OPS[name] * 1e6, abs=1e6)
    made = sum(parts.values()) + 1024 * 1000
    assert made == 1_582_671_872
    assert totals(published, 3, 224, 224) == (6_998_552, made)


def test_shapes_of_table_1(published: GoogLeNet, seen_shapes: Any) -> None:
    seen = seen_shapes(published, 3, 224, 224)
    for name, (row, side) in TABLE.items():
        assert seen[name] == (row[1] + row[3] + row[5] + row[6], side, side)
    for name, (_, out, _, side) in STEM.items():
        assert seen[name] == (out, side, side)
    pooled = [(64, 56, 56), (192, 28, 28), (480, 14, 14), (832, 7, 7), (1024, 1, 1)]
    assert [seen[f"{name}"] for name in ("maxpool1", "maxpool2", "maxpool3", "maxpool4", "avgpool")] == pooled
    assert seen["fc"] == (1000,)


def torch_inception(torch: Any, row: tuple[int, ...]) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            names = ("conv1x1", "reduce3x3", "conv3x3", "reduce5x5", "conv5x5", "project")
            for name, (i, o, k) in zip(names, convolutions(row), strict=True):
                setattr(self, name, nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2), nn.ReLU()))

        def forward(self, x: Any) -> Any:
            pooled = nn.functional.max_pool2d(x, 3, stride=1, padding=1)
            threes, fives = self.conv3x3(self.reduce3x3(x)), self.conv5x5(self.reduce5x5(x))
            return torch.cat((self.conv1x1(x), threes, fives, self.project(pooled)), 1)

    return Twin()


def torch_googlenet(torch: Any, classes: int) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, (i, o, k, _) in STEM.items():
                conv = nn.Conv2d(i, o, k, stride=2 if k == 7 else 1, padding=k // 2)
                setattr(self, name, nn.Sequential(conv, nn.ReLU()))
            for name, (row, _) in TABLE.items():
                setattr(self, name, torch_inception(torch, row))
            self.fc = nn.Linear(1024, classes)

        def forward(self, x: Any) -> Any:
            pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            x = pool(self.conv3(self.conv2(pool(self.conv1(x)))))
            x = pool(self.inception3b(self.inception3a(x)))
            x = self.inception4e(self.inception4d(self.inception4c(self.inception4b(self.inception4a(x)))))
            x = self.inception5b(self.inception5a(pool(x)))
            return self.fc(x.mean((2, 3)))

    return Twin()


def test_an_inception_module_is_torchs(device: str, torch: Any, equals_torch: Any) -> None:
    row = (6, 4, 3, 5, 2, 3, 7)
    ours = Inception(*row, generator=0)
    equals_torch(ours, lambda: torch_inception(torch, row), 2, 6, 7, 5, device=device)


def test_forward_and_gradients_are_torchs(torch: Any, equals_torch: Any) -> None:
    equals_torch(GoogLeNet(classes=7, generator=0), lambda: torch_googlenet(torch, 7), 2, 3, 80, 64)


def test_options_and_what_is_refused() -> None:
    model = GoogLeNet(classes=3, channels=1, dropout=0.25, generator=0)
    assert model(td.zeros(1, 1, 47, 47)).shape == (1, 3)
    assert model.dropout.p == 0.25
    with pytest.raises(ValueError, match=r"MaxPool2d\(3, stride=2\): a window of"):
        model(td.zeros(1, 1, 46, 47))
    with pytest.raises(ValueError, match=r"Conv2d\(1, 64, .*input has 3 channels, expected 1"):
        model(td.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="Dropout: p must be in"):
        GoogLeNet(dropout=-0.1)


def test_dropout_is_part_of_training_and_its_generator_decides() -> None:
    a, b = (GoogLeNet(classes=3, generator=0) for _ in range(2))
    x = td.randn(1, 3, 47, 47, generator=0)
    first = a(x).numpy()
    assert np.array_equal(first, b(x).numpy())
    assert not np.array_equal(first, a(x).numpy())
    assert np.array_equal(a.eval()(x).numpy(), b.eval()(x).numpy())
