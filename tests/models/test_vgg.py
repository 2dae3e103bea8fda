"""VGG16 and VGG19: the published sizes, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import VGG16, VGG19, SmallVGG

# columns D and E of Table 1: the channels of each convolution, M is max pooling
COLUMNS: dict[Any, list[Any]] = {
    VGG16: [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    VGG19: [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512,
            "M"],
}  # fmt: skip
DENSE = [(512 * 7 * 7, 4096), (4096, 4096), (4096, 1000)]


def by_hand(column: list[Any], side: int) -> tuple[int, int]:
    """Parameters and multiply-adds, layer by layer."""
    parameters = sum(o * (i + 1) for i, o in DENSE)
    made = sum(o * i for i, o in DENSE)
    channels = 3
    for entry in column:
        if entry == "M":
            side //= 2
        else:
            parameters += entry * (9 * channels + 1)
            made += 9 * channels * entry * side * side
            channels = entry
    return parameters, made


def test_vgg16_has_138_357_544_parameters_and_makes_15_billion_multiply_adds(totals: Any) -> None:
    parameters, made = by_hand(COLUMNS[VGG16], 224)
    assert parameters == 138_357_544
    assert made == 15_470_264_320
    model = VGG16(generator=0)
    assert totals(model, 3, 224, 224) == (parameters, made)
    assert model.avgpool(model.features(td.zeros(1, 3, 64, 64))).shape == (1, 512, 7, 7)


def test_vgg19_has_143_667_240_parameters(totals: Any) -> None:
    parameters, made = by_hand(COLUMNS[VGG19], 32)
    assert parameters == 143_667_240
    assert totals(VGG19(generator=0), 3, 32, 32) == (parameters, made)


def torch_vgg(
    torch: Any, column: list[Any], hidden: int, classes: int, channels: int = 3, side: int = 7
) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            before = channels
            for entry in column:
                if entry == "M":
                    layers.append(nn.MaxPool2d(2, 2))
                else:
                    layers += [nn.Conv2d(before, entry, 3, padding=1), nn.ReLU()]
                    before = entry
            self.features = nn.Sequential(*layers)
            self.avgpool = nn.AdaptiveAvgPool2d((side, side))
            self.classifier = nn.Sequential(
                nn.Linear(before * side * side, hidden), nn.ReLU(), nn.Dropout(),
                nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, classes),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    return Twin()


@pytest.mark.parametrize("model", [VGG16, VGG19])
def test_forward_and_gradients_are_torchs(model: Any, torch: Any, equals_torch: Any) -> None:
    ours = model(classes=5, hidden=32, generator=0)
    names = list(ours.state_dict())
    last = {VGG16: "features.28.weight", VGG19: "features.34.weight"}[model]
    assert [names[0], names[-8]] == ["features.0.weight", last]
    assert names[-6::2] == ["classifier.0.weight", "classifier.3.weight", "classifier.6.weight"]
    equals_torch(ours, lambda: torch_vgg(torch, COLUMNS[model], 32, 5), 1, 3, 64, 32)


def test_weights_go_both_ways(torch: Any, goes_both_ways: Any) -> None:
    make = lambda seed: VGG16(classes=7, hidden=16, generator=seed)
    goes_both_ways(make, lambda: torch_vgg(torch, COLUMNS[VGG16], 16, 7), 2, 3, 32, 32)


def test_options_and_what_is_refused() -> None:
    model = VGG16(classes=3, channels=1, hidden=8, dropout=0.25, generator=0)
    assert model(td.zeros(1, 1, 32, 32)).shape == (1, 3)
    assert [m.p for m in model.modules() if isinstance(m, td.nn.Dropout)] == [0.25, 0.25]
    with pytest.raises(ValueError, match=r"MaxPool2d\(2\)"):
        model(td.zeros(1, 1, 31, 32))
    with pytest.raises(ValueError, match=r"Conv2d\(1, 64, .*input has 3 channels, expected 1"):
        model(td.zeros(1, 3, 32, 32))


def test_a_signal_keeps_its_size_on_its_way() -> None:
    model = VGG16(classes=10, hidden=64, generator=0)
    sizes: list[float] = []
    for m in model.features:
        if isinstance(m, td.nn.ReLU):
            m.register_forward_hook(lambda m, i, out: sizes.append(float(np.sqrt((out.numpy() ** 2).mean()))))
    model.features(td.randn(1, 3, 32, 32, generator=0))
    assert len(sizes) == 13
    assert min(sizes) > 0.2
    assert max(sizes) < 5.0


SMALL = [16, 16, "M", 32, 32, "M", 64, 64, "M"]


def test_the_small_one_has_the_parameters_of_its_table(totals: Any, seen_shapes: Any) -> None:
    blocks, dense = [2_480, 13_888, 55_424], [73_856, 16_512, 1_290]
    pairs = [(1, 16), (16, 32), (32, 64)]
    assert blocks == [o * (9 * i + 1) + o * (9 * o + 1) for i, o in pairs]
    assert dense == [o * (i + 1) for i, o in ((64 * 9, 128), (128, 128), (128, 10))]
    for number in (*blocks, *dense, sum(blocks + dense)):
        assert f" {number:,}\n" in (SmallVGG.__doc__ or "")
    made = sum(9 * (i * o + o * o) * side**2 for (i, o), side in zip(pairs, (28, 14, 7), strict=True))
    made += 64 * 9 * 128 + 128 * 128 + 128 * 10
    model = SmallVGG(generator=0)
    assert totals(model, 1, 28, 28) == (sum(blocks + dense), made)
    # pooling leaves 3x3 already, so that averaging changes nothing
    assert seen_shapes(model, 1, 28, 28)["features"] == (64, 3, 3)


def test_the_small_ones_forward_and_gradients_are_torchs(torch: Any, equals_torch: Any) -> None:
    equals_torch(SmallVGG(generator=0), lambda: torch_vgg(torch, SMALL, 128, 10, 1, 3), 3, 1, 28, 28)


def test_options_of_the_small_one_and_what_it_refuses() -> None:
    model = SmallVGG(classes=3, channels=2, hidden=8, dropout=0.25, generator=0)
    assert model(td.zeros(2, 2, 8, 8)).shape == (2, 3)
    assert [m.p for m in model.modules() if isinstance(m, td.nn.Dropout)] == [0.25, 0.25]
    with pytest.raises(ValueError, match=r"MaxPool2d\(2\)"):
        model(td.zeros(1, 2, 7, 8))
    with pytest.raises(ValueError, match=r"Conv2d\(2, 16, .*input has 1 channel, expected 2"):
        model(td.zeros(1, 1, 28, 28))
