"""AlexNet: the published sizes, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import AlexNet, SmallAlexNet

# channels in, out, kernel size, and the side of the output for 224x224 and 227x227
CONVOLUTIONS = [(3, 64, 11, 55, 56), (64, 192, 5, 27, 27), (192, 384, 3, 13, 13), (384, 256, 3, 13, 13),
                (256, 256, 3, 13, 13)]  # fmt: skip
DENSE = [(256 * 6 * 6, 4096), (4096, 4096), (4096, 1000)]


@pytest.fixture(scope="module")
def published() -> AlexNet:
    return AlexNet(generator=0)


def test_61_100_840_parameters_and_714_million_multiply_adds(published: AlexNet, totals: Any) -> None:
    parameters = sum(o * (i * k * k + 1) for i, o, k, _, _ in CONVOLUTIONS) + sum(
        o * (i + 1) for i, o in DENSE
    )
    assert parameters == 61_100_840
    dense = sum(i * o for i, o in DENSE)
    at_224 = sum(i * o * k * k * side * side for i, o, k, side, _ in CONVOLUTIONS) + dense
    at_227 = sum(i * o * k * k * side * side for i, o, k, _, side in CONVOLUTIONS) + dense
    assert totals(published, 3, 224, 224) == (parameters, at_224)
    assert totals(published, 3, 227, 227) == (parameters, at_227)
    assert at_224 == 714_188_480


def test_every_layer_has_the_parameters_of_the_table(published: AlexNet) -> None:
    layers = [(m.weight.size + m.bias.size) for m in published.modules() if hasattr(m, "weight")]
    assert layers == [23_296, 307_392, 663_936, 884_992, 590_080, 37_752_832, 16_781_312, 4_097_000]
    for layer in layers:
        assert f"{layer:,}" in (AlexNet.__doc__ or "")


@pytest.mark.parametrize("side", [224, 227])
def test_the_first_dense_layer_gets_6x6x256(published: AlexNet, seen_shapes: Any, side: int) -> None:
    inputs: list[tuple[int, ...]] = []
    remove = published.classifier[1].register_forward_hook(lambda m, i, out: inputs.append(i[0].shape))
    seen = seen_shapes(published, 3, side, side)
    remove()
    assert seen == {"features": (256, 6, 6), "avgpool": (256, 6, 6), "classifier": (1000,)}
    assert inputs == [(1, 6 * 6 * 256)]


def torch_alexnet(torch: Any, hidden: int = 4096, classes: int = 1000) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
                nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
                nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
                nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
                nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
            )  # fmt: skip
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
            self.classifier = nn.Sequential(
                nn.Dropout(), nn.Linear(9216, hidden), nn.ReLU(),
                nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    return Twin()


def test_forward_and_gradients_are_torchs(torch: Any, equals_torch: Any) -> None:
    ours = AlexNet(classes=10, hidden=256, generator=0)
    equals_torch(ours, lambda: torch_alexnet(torch, 256, 10), 2, 3, 100, 90)


def test_the_published_network_gives_torchs_scores(published: AlexNet, torch: Any, twin_of: Any) -> None:
    """With the names that everyone's weights have."""
    names = list(published.state_dict())
    assert names[:2] == ["features.0.weight", "features.0.bias"]
    assert names[-6::2] == ["classifier.1.weight", "classifier.4.weight", "classifier.6.weight"]
    images = np.random.default_rng(0).normal(size=(1, 3, 63, 63)).astype(np.float32)
    theirs = twin_of(published, lambda: torch_alexnet(torch)).eval()
    with td.no_grad(), torch.no_grad():
        ours = published.eval()(td.tensor(images)).numpy()
        np.testing.assert_allclose(ours, theirs(torch.tensor(images)).numpy(), rtol=1e-4, atol=1e-4)


def test_weights_go_both_ways(torch: Any, goes_both_ways: Any) -> None:
    make = lambda seed: AlexNet(classes=7, hidden=16, generator=seed)
    goes_both_ways(make, lambda: torch_alexnet(torch, 16, 7), 2, 3, 63, 63)


def test_options_and_what_is_refused() -> None:
    model = AlexNet(classes=3, channels=1, hidden=8, dropout=0.25, generator=0)
    assert model(td.zeros(2, 1, 63, 63)).shape == (2, 3)
    assert [m.p for m in model.modules() if isinstance(m, td.nn.Dropout)] == [0.25, 0.25]
    with pytest.raises(ValueError, match=r"MaxPool2d\(3, stride=2\)"):
        model(td.zeros(1, 1, 62, 63))
    with pytest.raises(ValueError, match=r"Conv2d\(1, 64, .*input has 3 channels, expected 1"):
        model(td.zeros(1, 3, 63, 63))
    for wrong in ({"classes": 0}, {"channels": 0}, {"hidden": 0}, {"dropout": 1.5}):
        with pytest.raises(ValueError, match=r"^(Dense|Conv2d|Dropout)"):
            AlexNet(**{"hidden": 8, **wrong})


def test_the_generator_decides_the_weights_and_the_dropout() -> None:
    a, b, c = (AlexNet(hidden=8, generator=seed) for seed in (0, 0, 1))
    x = td.randn(1, 3, 63, 63, generator=0)
    assert np.array_equal(a(x).numpy(), b(x).numpy())
    assert not np.array_equal(a.features[0].weight.numpy(), c.features[0].weight.numpy())


# the small one: channels in, out, kernel size, and the side of the output for 28x28
SMALL = [(1, 16, 5, 28), (16, 48, 5, 13), (48, 96, 3, 6), (96, 64, 3, 6), (64, 64, 3, 6)]
SMALL_DENSE = [(64 * 2 * 2, 256), (256, 256), (256, 10)]


def test_the_small_one_has_a_quarter_of_the_widths_and_the_parameters_of_its_table(totals: Any) -> None:
    assert [4 * small[1] for small in SMALL] == [large[1] for large in CONVOLUTIONS]
    model = SmallAlexNet(generator=0)
    layers = [(m.weight.size + m.bias.size) for m in model.modules() if hasattr(m, "weight")]
    assert layers == [o * (i * k * k + 1) for i, o, k, _ in SMALL] + [o * (i + 1) for i, o in SMALL_DENSE]
    for number in (*layers, sum(layers)):
        assert f" {number:,}\n" in (SmallAlexNet.__doc__ or "")
    made = sum(i * o * k * k * side * side for i, o, k, side in SMALL) + sum(i * o for i, o in SMALL_DENSE)
    assert totals(model, 1, 28, 28) == (sum(layers), made)


def test_the_small_one_has_the_layers_of_the_large_one_in_the_same_order(published: AlexNet) -> None:
    kinds = [
        [type(m) for m in model.modules() if not list(m.children())] for model in (published, SmallAlexNet())
    ]
    assert [kind for kind in kinds[0] if kind is not td.nn.AdaptiveAvgPool2d] == kinds[1]


def torch_small_alexnet(torch: Any, hidden: int) -> Any:
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
                nn.Conv2d(16, 48, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
                nn.Conv2d(48, 96, 3, padding=1), nn.ReLU(),
                nn.Conv2d(96, 64, 3, padding=1), nn.ReLU(),
                nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
            )  # fmt: skip
            self.classifier = nn.Sequential(
                nn.Dropout(), nn.Linear(256, hidden), nn.ReLU(),
                nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 10),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return self.classifier(torch.flatten(self.features(x), 1))

    return Twin()


def test_the_small_ones_forward_and_gradients_are_torchs(torch: Any, equals_torch: Any) -> None:
    ours = SmallAlexNet(generator=0)
    equals_torch(ours, lambda: torch_small_alexnet(torch, 256), 3, 1, 28, 28)


def test_options_of_the_small_one_and_what_it_refuses() -> None:
    model = SmallAlexNet(classes=3, channels=2, hidden=8, dropout=0.25, generator=0)
    assert model(td.zeros(2, 2, 28, 28)).shape == (2, 3)
    assert [m.p for m in model.modules() if isinstance(m, td.nn.Dropout)] == [0.25, 0.25]
    with pytest.raises(ValueError, match=r"Conv2d\(2, 16, .*input has 1 channel, expected 2"):
        model(td.zeros(1, 1, 28, 28))
    with pytest.raises(ValueError, match=r"Dense\(256, 8\)"):
        model(td.zeros(1, 2, 36, 36))
