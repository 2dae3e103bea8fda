"""ResNet-18 to ResNet-152, and plain networks: the published sizes, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import ResNet18, ResNet34, ResNet50, ResNet101, ResNet152

BASIC, BOTTLENECK = 1, 4
TABLE: dict[Any, tuple[int, tuple[int, ...], int]] = {  # Table 1 of the paper, and the parameters
    ResNet18: (BASIC, (2, 2, 2, 2), 11_689_512),
    ResNet34: (BASIC, (3, 4, 6, 3), 21_797_672),
    ResNet50: (BOTTLENECK, (3, 4, 6, 3), 25_557_032),
    ResNet101: (BOTTLENECK, (3, 4, 23, 3), 44_549_160),
    ResNet152: (BOTTLENECK, (3, 8, 36, 3), 60_192_808),
}


def by_hand(expansion: int, blocks: tuple[int, ...], side: int, residual: bool = True) -> tuple[int, int]:
    """Parameters and multiply-adds for images of side x side, convolution by convolution, from Table 1."""
    side //= 2
    layers = [(3, 64, 7, side)]  # channels in and out, kernel size, side of the output
    side //= 2
    channels = 64
    for width, count, stride in zip((64, 128, 256, 512), blocks, (1, 2, 2, 2), strict=True):
        for block in range(count):
            before = side
            side //= stride if block == 0 else 1
            if expansion == BASIC:
                layers += [(channels, width, 3, side), (width, width, 3, side)]
            else:
                layers += [(channels, width, 1, before), (width, width, 3, side), (width, 4 * width, 1, side)]
            if residual and channels != width * expansion:
                layers.append((channels, width * expansion, 1, side))
            channels = width * expansion
    parameters = sum(i * o * k * k + 2 * o for i, o, k, _ in layers)  # batch norm has two for each channel
    made = sum(i * o * k * k * s * s for i, o, k, s in layers)
    return parameters + 1000 * (channels + 1), made + 1000 * channels


@pytest.mark.parametrize(("model", "made"), [(ResNet18, 1_814_073_344), (ResNet50, 4_089_184_256)])
def test_multiply_adds_for_224x224(model: Any, made: int, totals: Any) -> None:
    expansion, blocks, parameters = TABLE[model]
    assert by_hand(expansion, blocks, 224) == (parameters, made)
    assert totals(model(generator=0), 3, 224, 224) == (parameters, made)


@pytest.mark.parametrize("model", [ResNet34, ResNet101, ResNet152])
def test_parameters(model: Any, totals: Any) -> None:
    expansion, blocks, parameters = TABLE[model]
    assert by_hand(expansion, blocks, 64)[0] == parameters
    assert f"{parameters:,}" in model.__doc__
    assert totals(model(generator=0), 3, 64, 64) == by_hand(expansion, blocks, 64)


def test_plain_34_has_the_same_layers_without_shortcuts(totals: Any) -> None:
    parameters, made = by_hand(BASIC, (3, 4, 6, 3), 64, residual=False)
    assert parameters == 21_623_848
    assert f"{parameters:,}" in (ResNet34.__doc__ or "")
    plain = ResNet34(residual=False, generator=0)
    assert totals(plain, 3, 64, 64) == (parameters, made)
    kept = [name for name in ResNet34(generator=0).state_dict() if "downsample" not in name]
    assert list(plain.state_dict()) == kept


def test_shapes_of_table_1(seen_shapes: Any) -> None:
    seen = seen_shapes(ResNet18(generator=0), 3, 224, 224)
    assert seen == {
        "conv1": (64, 112, 112),
        "bn1": (64, 112, 112),
        "relu": (64, 112, 112),
        "maxpool": (64, 56, 56),
        "layer1": (64, 56, 56),
        "layer2": (128, 28, 28),
        "layer3": (256, 14, 14),
        "layer4": (512, 7, 7),
        "avgpool": (512, 1, 1),
        "fc": (1000,),
    }


def torch_resnet(
    torch: Any, expansion: int, blocks: tuple[int, ...], classes: int = 1000, residual: bool = True
) -> Any:
    nn = torch.nn
    relu = torch.nn.functional.relu

    def conv(i: int, o: int, k: int, stride: int = 1) -> Any:
        return nn.Conv2d(i, o, k, stride=stride, padding=k // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.bottleneck = expansion == BOTTLENECK
            if self.bottleneck:
                sizes = [(channels, width, 1, 1), (width, width, 3, stride), (width, 4 * width, 1, 1)]
            else:
                sizes = [(channels, width, 3, stride), (width, width, 3, 1)]
            for place, size in enumerate(sizes, start=1):
                setattr(self, f"conv{place}", conv(*size))
                setattr(self, f"bn{place}", nn.BatchNorm2d(size[1]))
            outputs = width * expansion
            if residual and (stride > 1 or channels != outputs):
                self.downsample = nn.Sequential(conv(channels, outputs, 1, stride), nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            out = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
            if self.bottleneck:
                out = self.bn3(self.conv3(relu(out)))
            if residual:
                out = out + (self.downsample(x) if hasattr(self, "downsample") else x)
            return relu(out)

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1, self.maxpool = conv(3, 64, 7, 2), nn.BatchNorm2d(64), nn.MaxPool2d(3, 2, 1)
            channels = 64
            for place, (width, count) in enumerate(zip((64, 128, 256, 512), blocks, strict=True), start=1):
                layer = []
                for block in range(count):
                    layer.append(Block(channels, width, 2 if place > 1 and block == 0 else 1))
                    channels = width * expansion
                setattr(self, f"layer{place}", nn.Sequential(*layer))
            self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(channels, classes)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(torch.flatten(self.avgpool(x), 1))

    return Twin()


@pytest.mark.parametrize(
    ("model", "residual"), [(ResNet18, True), (ResNet34, True), (ResNet34, False), (ResNet50, True)]
)
def test_forward_and_gradients_are_torchs(model: Any, residual: bool, torch: Any, equals_torch: Any) -> None:
    expansion, blocks, _ = TABLE[model]
    ours = model(residual=residual, generator=0)
    equals_torch(ours, lambda: torch_resnet(torch, expansion, blocks, residual=residual), 1, 3, 64, 48)


def test_forward_gradients_and_running_values_in_training_are_torchs(torch: Any, equals_torch: Any) -> None:
    ours = ResNet18(classes=5, generator=0)
    equals_torch(ours, lambda: torch_resnet(torch, BASIC, (2, 2, 2, 2), classes=5), 4, 3, 64, 64, train=True)


@pytest.mark.parametrize("model", [ResNet101, ResNet152])
def test_the_deepest_have_torchs_names_and_scores(model: Any, torch: Any, twin_of: Any) -> None:
    expansion, blocks, _ = TABLE[model]
    ours = model(generator=0).eval()
    theirs = twin_of(ours, lambda: torch_resnet(torch, expansion, blocks)).eval()
    images = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    with td.no_grad(), torch.no_grad():
        a, b = ours(td.tensor(images)).numpy(), theirs(torch.tensor(images)).numpy()
    assert np.abs(a - b).max() < 1e-4 * np.abs(b).max()


@pytest.mark.parametrize("model", [ResNet18, ResNet50])
def test_weights_go_both_ways(model: Any, torch: Any, goes_both_ways: Any) -> None:
    expansion, blocks, _ = TABLE[model]
    make = lambda seed: model(classes=7, generator=seed)
    goes_both_ways(make, lambda: torch_resnet(torch, expansion, blocks, 7), 2, 3, 48, 48)


def test_names_are_those_that_everyones_weights_have() -> None:
    names = list(ResNet18(generator=0).state_dict())
    block = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert names[:6] == ["conv1.weight", *(f"bn1.{part}" for part in block)]
    assert names[6] == "layer1.0.conv1.weight"
    assert [n for n in names if n.startswith("layer2.0.downsample")] == [
        "layer2.0.downsample.0.weight",
        *(f"layer2.0.downsample.1.{part}" for part in block),
    ]
    assert names[-2:] == ["fc.weight", "fc.bias"]


def test_options_and_what_is_refused() -> None:
    model = ResNet18(classes=3, channels=1, generator=0)
    assert model(td.zeros(2, 1, 33, 45)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"Conv2d\(1, 64, .*input has 3 channels, expected 1"):
        model(td.zeros(1, 3, 64, 64))
    for wrong in ({"classes": 0}, {"channels": 0}):
        with pytest.raises(ValueError, match=r"^(Dense|Conv2d)"):
            ResNet18(**wrong)


def test_the_generator_decides_the_weights() -> None:
    a, b, c = (ResNet18(generator=seed).state_dict() for seed in (0, 0, 1))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not any(np.array_equal(a[k], c[k]) for k in a if a[k].ndim > 1)
