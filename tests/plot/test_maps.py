from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinydl as td
from tinydl import nn
from tinydl.plot import feature_maps, style

Texts = Callable[[Figure], list[str]]
Digits = tuple[np.ndarray, np.ndarray]


def net(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


def small() -> nn.Sequential:
    return net(
        nn.Conv2d(1, 20, kernel_size=3, generator=0),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(80, 4, generator=0),
    )


def x(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, np.float32)


def test_rows_of_lenet_in_order_from_input_to_scores(digits: Digits, texts: Texts) -> None:
    model = td.models.LeNet5(generator=0)
    figure = feature_maps(model, digits[0][0], title="One digit")
    named = [t.get_text() for t in figure.texts if t.get_fontweight() == "bold"]
    assert named == [
        "One digit", "input", "c1", "activation", "s2", "c3", "activation", "s4", "c5", "activation", "f6",
        "activation", "output",
    ]  # fmt: skip
    tops = [t.get_position()[1] for t in figure.texts if t.get_fontweight() == "bold"]
    assert tops == sorted(tops, reverse=True)
    said = "\n".join(texts(figure))
    for line in ("Conv2d(1, 6, kernel_size=5)", "Tanh()", "(6, 28, 28), ", "(16, 5, 5), ", "Dense(84, 10)"):
        assert line in said
    assert len(figure.axes) == len(named) - 1


def test_draws_what_the_layers_give(digits: Digits) -> None:
    model = td.models.LeNet5(generator=0)
    digit = digits[0][0]
    axes = feature_maps(model, td.tensor(digit)).axes
    with td.no_grad():
        c1 = model.c1(td.tensor(digit[None]))
        scores = model(td.tensor(digit[None])).numpy()[0]
    np.testing.assert_allclose(axes[0].images[0].get_array(), digit[0])
    image = axes[1].images[0]
    np.testing.assert_allclose(image.get_array()[:, :28], c1.numpy()[0, 0], rtol=1e-6)
    low, high = image.get_clim()
    assert low == -high == pytest.approx(-np.abs(c1.numpy()).max())
    bars = axes[-1].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], scores, rtol=1e-5)
    best = int(scores.argmax())
    assert axes[-1].get_xlabel() == f"Output (highest: {best})"
    tall = [bar.get_facecolor()[:3] for bar in bars]
    assert [i for i, colour in enumerate(tall) if tall.count(colour) == 1] == [best]


def test_first_sixteen_maps_and_strips(texts: Texts) -> None:
    figure = feature_maps(small(), x(1, 6, 6))
    axes = figure.axes
    assert len(axes) == 6  # the input, four layers and the scores
    assert axes[1].images[0].get_array().shape == (4, 16 * 4 + 15)
    assert any("(20, 4, 4), " in text and "first 16 shown" in text for text in texts(figure))
    up, down = axes[4].patches
    assert len(up.get_data().values) == 80
    np.testing.assert_array_equal(np.minimum(down.get_data().values, 0), down.get_data().values)
    assert not axes[4].images


def test_colour_input_several_channels_and_maps_as_output() -> None:
    colour = feature_maps(net(nn.Conv2d(3, 2, kernel_size=3)), x(3, 5, 7))
    assert len(colour.axes) == 2
    assert colour.axes[0].images[0].get_array().shape == (5, 7, 3)
    two = feature_maps(net(nn.Conv2d(2, 2, kernel_size=3)), x(2, 5, 7))
    assert two.axes[0].images[0].get_array().shape == (5, 7 + 1 + 7)


def test_the_scores_may_come_from_no_module() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.flatten = nn.Flatten()
            self.dense = nn.Dense(4, 3)

        def forward(self, x: td.Tensor) -> td.Tensor:
            return self.dense(self.flatten(x)).sigmoid()

    figure = feature_maps(Net(), x(1, 2, 2))
    named = [t.get_text() for t in figure.texts if t.get_fontweight() == "bold"]
    assert named[1:] == ["input", "flatten", "dense", "output"]


def test_a_single_module_and_outputs_that_are_no_maps() -> None:
    class Pair(nn.Module):
        def forward(self, x: td.Tensor) -> Any:
            return x, x

    assert len(feature_maps(Pair(), x(1, 2, 2)).axes) == 1
    figure = feature_maps(nn.Tanh(), x(1, 2, 2))
    assert [t.get_text() for t in figure.texts if t.get_fontweight() == "bold"][1:] == ["input", "Tanh"]


def test_takes_the_dtype_of_the_model() -> None:
    feature_maps(small().astype("float64"), x(1, 6, 6))
    feature_maps(small(), x(1, 6, 6).astype(np.float64))


def test_a_network_that_gives_nan_can_still_be_looked_at(texts: Texts) -> None:
    model = small()
    model[4].weight.data = td.full(model[4].weight.shape, float("nan"))
    figure = feature_maps(model, x(1, 6, 6))
    assert any("nan" in text for text in texts(figure))
    assert figure.axes[-1].get_xlabel() == "Output"


class Failing(nn.Module):
    def forward(self, x: td.Tensor) -> td.Tensor:
        raise ZeroDivisionError


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(fails: bool) -> None:
    seen: list[tuple[bool, bool]] = []

    class Spy(nn.Module):
        def forward(self, x: td.Tensor) -> td.Tensor:
            seen.append((self.training, x.requires_grad))
            return x

    frozen = nn.Tanh().eval()
    model = net(nn.Conv2d(1, 2, kernel_size=3), frozen, Spy(), *([Failing()] if fails else []))
    calls: list[int] = []
    model[1].register_forward_hook(lambda *_: calls.append(1))
    modes = [module.training for module in model.modules()]
    if fails:
        with pytest.raises(ZeroDivisionError):
            feature_maps(model, x(1, 4, 4))
    else:
        feature_maps(model, x(1, 4, 4))
    assert seen == [(False, False)]
    assert [module.training for module in model.modules()] == modes == [True, True, False, True, *modes[4:]]
    hooks = [len(vars(module).get("_forward_hooks", {})) for module in model.modules()]
    assert hooks == [0, 0, 1, 0, *([0] if fails else [])]  # the user's own hook stays
    assert calls == [1]
    assert all(p.grad is None for p in model.parameters())
    (td.tensor([1.0], requires_grad=True) * 2).backward()  # recording is on again


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"feature_maps: expected one image \(C, H, W\), got \(1, 1, 6, 6\)"):
        feature_maps(small(), x(1, 1, 6, 6))
    with pytest.raises(ValueError, match=r"expected one image \(C, H, W\), got \(0, 6, 6\)"):
        feature_maps(small(), x(0, 6, 6))
    with pytest.raises(TypeError, match=r"feature_maps: expected a floating image, .*, got uint8"):
        feature_maps(small(), np.zeros((1, 6, 6), np.uint8))
    with pytest.raises(ValueError, match="feature_maps: expected at most 80 rows, got 81"):
        feature_maps(net(*[nn.Tanh() for _ in range(81)]), x(1, 2, 2))


def test_everything_lies_within_the_picture_and_apart(digits: Digits) -> None:
    figure = feature_maps(td.models.LeNet5(generator=0), digits[0][0])
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(0 <= b.x0 < b.x1 <= 1 and 0 <= b.y0 < b.y1 <= 1 for b in boxes)
    assert all(a.y0 >= b.y1 for a, b in itertools.pairwise(boxes))
    figure.draw_without_rendering()
    left = min(b.x0 for b in boxes) * figure.bbox.width
    assert all(t.get_window_extent().x1 < left for t in figure.texts if t.get_fontsize() < 8)
    assert figure.dpi == style.DPI
