"""The image that a neuron would like to see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import explain


def answer(model: Any, x: Any, unit: int) -> float:
    kept: list[Any] = []
    remove = model.conv.register_forward_hook(lambda m, i, out: kept.append(out))
    with td.no_grad():
        model.eval()(x)
    remove()
    return float(kept[0].numpy()[:, unit].mean())


@pytest.mark.parametrize("unit", [0, 4])
def test_the_answer_grows_and_the_image_stays_an_image(unit: int, model: Any) -> None:
    model.astype("float32")
    start = explain.maximise_activation(model, model.conv, unit, (2, 6, 8), steps=0, generator=1)
    end = explain.maximise_activation(model, model.conv, unit, (2, 6, 8), steps=200, decay=0.0, generator=1)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert end.shape == start.shape == (1, 2, 6, 8)
    assert (end.dtype, end.requires_grad) == (np.float32, False)
    assert 0.0 <= end.min().item() <= end.max().item() <= 1.0
    assert answer(model, end, unit) > answer(model, start, unit) + 0.1
    assert answer(model, end, unit) > 0.95 * best_by_hand(model, unit)


def best_by_hand(model: Any, unit: int) -> float:
    """The mean of a linear layer is largest where pixels are 1 under positive slopes and 0 under negative ones."""
    x = td.zeros(1, 2, 6, 8, requires_grad=True)
    model.conv(x)[:, unit].mean().backward()
    assert x.grad is not None
    return answer(model, td.tensor((x.grad.numpy() > 0).astype(np.float32)), unit)


def test_what_does_not_matter_stays_grey(model: Any) -> None:
    model.astype("float32")
    model.conv.weight.data[:, 1] = 0.0  # the second channel is not looked at
    end = explain.maximise_activation(model, model.conv, 0, (2, 6, 8), steps=300, generator=1).numpy()
    assert np.abs(end[0, 1] - 0.5).max() < 0.01
    assert np.abs(end[0, 0] - 0.5).max() > 0.4


@pytest.mark.parametrize(
    ("layer", "unit", "shape", "match"),
    [
        ("unused", 0, (2, 6, 8), "the model does not use the layer"),
        ("conv", 5, (2, 6, 8), "has units 0 to 4, got 5"),
        ("conv", -1, (2, 6, 8), "has units 0 to 4, got -1"),
        ("conv", 0, (1, 2, 6, 8), r"expected a shape \(C, H, W\)"),
    ],
)
def test_what_there_is_not(layer: str, unit: int, shape: Any, match: str, model: Any) -> None:
    model.astype("float32")
    with pytest.raises(ValueError, match=match):
        explain.maximise_activation(model, getattr(model, layer), unit, shape)
    assert not any(vars(m).get("_forward_hooks") for m in model.modules())
