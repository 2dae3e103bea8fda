"""Upsampling and adaptive average pooling as layers."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.nn import resize as layers
from tinydl.testing.point import host

TESTED = {"Upsample", "AdaptiveAvgPool2d"}


def test_every_layer_is_tested() -> None:
    found = {name for name, value in vars(layers).items() if inspect.isclass(value)}
    assert {name for name in found if vars(layers)[name].__module__ == layers.__name__} == TESTED


CASES: list[tuple[str, dict[str, Any]]] = [
    ("Upsample", {"scale_factor": 2}),
    ("Upsample", {"size": (7, 3)}),
    ("Upsample", {"scale_factor": (1.5, 2.0), "mode": "bilinear"}),
    ("Upsample", {"size": 9, "mode": "bilinear", "align_corners": True}),
    ("AdaptiveAvgPool2d", {"output_size": 1}),
    ("AdaptiveAvgPool2d", {"output_size": (3, None)}),
    ("AdaptiveAvgPool2d", {"output_size": (7, 2)}),
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_values_and_gradients_are_torchs(
    name: str, options: Any, device: str, torch: Any, agrees_with_torch: Any, random: Any
) -> None:
    x = random(2, 3, 5, 4, device=device)
    assert agrees_with_torch(getattr(nn, name)(**options), getattr(torch.nn, name)(**options), [x])


@pytest.mark.parametrize("name", sorted(TESTED))
def test_option_names_and_their_order_are_torchs(name: str, torch: Any) -> None:
    ours = list(inspect.signature(getattr(nn, name)).parameters)
    theirs = list(inspect.signature(getattr(torch.nn, name)).parameters)
    assert ours == theirs[: len(ours)]


def test_errors_name_the_layer(device: str) -> None:
    with pytest.raises(
        ValueError, match=r"^Upsample\(scale_factor=2, mode='nearest'\): expected images \(N, C, H, W\)"
    ):
        nn.Upsample(scale_factor=2)(td.ones(3, 4, 4, device=device))
    with pytest.raises(ValueError, match=r"^AdaptiveAvgPool2d\(2\): expected images"):
        nn.AdaptiveAvgPool2d(2)(td.ones(4, 4, device=device))
    for options, sentence in (
        ({}, "give either size or scale_factor"),
        ({"size": 2, "mode": "cubic"}, "mode must be 'nearest' or 'bilinear', got 'cubic'"),
        ({"size": 2, "align_corners": True}, "align_corners is for mode 'bilinear'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            nn.Upsample(**options)(td.ones(1, 1, 2, 2, device=device))


def test_there_is_nothing_to_train() -> None:
    for layer in (nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(1)):
        assert layer.parameters() == []
        assert layer.state_dict() == {}


def test_repr() -> None:
    assert repr(nn.Upsample(scale_factor=2)) == "Upsample(scale_factor=2, mode='nearest')"
    assert repr(nn.Upsample((2, 3), mode="bilinear")) == "Upsample(size=(2, 3), mode='bilinear')"
    assert repr(nn.AdaptiveAvgPool2d((1, None))) == "AdaptiveAvgPool2d((1, None))"


def test_unchanged_pictures(device: str) -> None:
    x = td.randn(1, 1, 3, 4, generator=0, device=device)
    assert np.array_equal(host(nn.Upsample((3, 4))(x)), host(x))
    assert np.array_equal(host(nn.AdaptiveAvgPool2d(None)(x)), host(x))
