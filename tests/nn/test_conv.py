"""Convolutional layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host

CONV: list[Any] = [
    {},
    {"stride": 2},
    {"padding": 1},
    {"stride": (2, 1), "padding": (0, 2)},
    {"dilation": 2},
    {"groups": 2},
    {"bias": False},
    {"stride": 3, "padding": 2, "dilation": (1, 2), "groups": 2},
]
TRANSPOSE: list[Any] = [
    {},
    {"stride": 2},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": (3, 2), "padding": (1, 0), "output_padding": (2, 0)},
    {"dilation": 2},
    {"groups": 2},
    {"bias": False},
    {"stride": 3, "padding": 1, "output_padding": 1, "groups": 2, "dilation": 2},
]


@pytest.mark.parametrize("options", CONV, ids=str)
@pytest.mark.parametrize("kernel", [3, (1, 2)])
def test_conv2d_is_torchs(
    options: Any, kernel: Any, device: str, torch: Any, agrees_with_torch: Any, random: Any
) -> None:
    ours = nn.Conv2d(4, 6, kernel, generator=0, **options).astype("float64").to(device)
    theirs = torch.nn.Conv2d(4, 6, kernel, **options).double()
    assert agrees_with_torch(ours, theirs, [random(2, 4, 9, 8, device=device)], tol=1e-13)


@pytest.mark.parametrize("options", TRANSPOSE, ids=str)
@pytest.mark.parametrize("kernel", [3, (2, 4)])
def test_conv_transpose2d_is_torchs(
    options: Any, kernel: Any, device: str, torch: Any, agrees_with_torch: Any, random: Any
) -> None:
    ours = nn.ConvTranspose2d(4, 6, kernel, generator=0, **options).astype("float64").to(device)
    theirs = torch.nn.ConvTranspose2d(4, 6, kernel, **options).double()
    assert agrees_with_torch(ours, theirs, [random(2, 4, 5, 4, device=device)], tol=1e-13)


@pytest.mark.parametrize("layer", ["Conv2d", "ConvTranspose2d"])
def test_one_image_without_a_batch(layer: str, device: str) -> None:
    conv = getattr(nn, layer)(2, 3, 3, generator=0).to(device)
    x = td.randn(2, 6, 6, generator=1, device=device)
    alone, batch = conv(x), conv(td.unsqueeze(x, 0))
    assert alone.shape == batch.shape[1:]
    np.testing.assert_allclose(host(alone), host(batch)[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "fan_in"), [(nn.Conv2d(8, 30, 5, generator=0), 200), (nn.ConvTranspose2d(30, 8, 5, generator=0), 200)]
)  # fmt: skip
def test_weights_start_uniform_within_one_over_the_root_of_fan_in(layer: Any, fan_in: int) -> None:
    bound = 1 / math.sqrt(fan_in)
    assert 0.99 * bound < np.abs(layer.weight.numpy()).max() <= bound * (1 + 1e-6)
    assert layer.weight.numpy().std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert np.abs(layer.bias.numpy()).max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize("options", [{}, {"groups": 2}])
@pytest.mark.parametrize("layer", ["Conv2d", "ConvTranspose2d"])
def test_the_first_weights_are_as_large_as_torchs(layer: str, options: Any) -> None:
    torch = pytest.importorskip("torch")
    ours = getattr(nn, layer)(16, 24, 3, generator=0, **options)
    theirs = getattr(torch.nn, layer)(16, 24, 3, **options)
    assert ours.weight.shape == tuple(theirs.weight.shape)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        largest = float(q.detach().abs().max())
        assert np.abs(p.numpy()).max() == pytest.approx(largest, rel=0.1 if p.ndim > 1 else 0.3)


@pytest.mark.parametrize("layer", ["Conv2d", "ConvTranspose2d"])
@pytest.mark.parametrize("sizes", [(0, 1, 3), (1, 0, 3), (3, 4, 3, {"groups": 2}), (4, 3, 3, {"groups": 2}),
                                   (2, 2, 3, {"groups": 0})])  # fmt: skip
def test_channels_must_be_positive_multiples_of_the_groups(layer: str, sizes: Any) -> None:
    options = sizes[3] if len(sizes) > 3 else {}
    with pytest.raises(ValueError, match=layer):
        getattr(nn, layer)(*sizes[:3], **options)


@pytest.mark.parametrize("options", [{"kernel_size": 0}, {"kernel_size": (3, 3, 3)}, {"kernel_size": 3, "stride": 0},
                                     {"kernel_size": 3, "padding": -1}, {"kernel_size": 3, "dilation": 0}])  # fmt: skip
def test_impossible_geometries_are_refused_when_the_layer_is_made(options: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^Conv2d\(1, 1, kernel_size"):
        nn.Conv2d(1, 1, **options)


def test_errors_name_the_layer(device: str) -> None:
    conv, transpose = nn.Conv2d(1, 2, 5).to(device), nn.ConvTranspose2d(3, 2, 2).to(device)
    with pytest.raises(ValueError, match=r"^Conv2d\(1, 2, kernel_size=5\): .*\(1, 1, 4, 4\)"):
        conv(td.zeros(1, 1, 4, 4, device=device))
    with pytest.raises(ValueError, match=r"^ConvTranspose2d\(3, 2, kernel_size=2\): .*1 channel"):
        transpose(td.zeros(1, 1, 4, 4, device=device))
    with pytest.raises(ValueError, match=r"^Conv2d\(1, 2, kernel_size=5\): "):
        conv(td.zeros(4, 4, device=device))


def test_repr_shows_what_is_not_the_default() -> None:
    assert repr(nn.Conv2d(1, 2, 3)) == "Conv2d(1, 2, kernel_size=3)"
    assert repr(nn.Conv2d(2, 4, (3, 5), stride=2, padding=1, dilation=2, groups=2, bias=False)) == (
        "Conv2d(2, 4, kernel_size=(3, 5), stride=2, padding=1, dilation=2, groups=2, bias=False)"
    )
    assert repr(nn.ConvTranspose2d(1, 2, 3, stride=2, output_padding=1)) == (
        "ConvTranspose2d(1, 2, kernel_size=3, stride=2, output_padding=1)"
    )


def test_option_names_and_their_order_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    import inspect

    for name in ("Conv2d", "ConvTranspose2d"):
        ours = [p for p in inspect.signature(getattr(nn, name)).parameters if p != "generator"]
        theirs = [
            p
            for p in inspect.signature(getattr(torch.nn, name)).parameters
            if p not in ("padding_mode", "device", "dtype")
        ]
        assert ours == theirs
