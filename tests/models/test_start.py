"""He's initial weights: their variance, and what becomes of a signal without them."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.models.start import he_start


def tower(layers: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for seed in range(layers):
        parts += [nn.Dense(256, 256, bias=False, generator=seed), nn.ReLU()]
    return nn.Sequential(*parts, nn.Dense(256, 1, generator=0))


def what_is_left(model: nn.Sequential) -> float:
    """The size of the signal before the last layer, relative to that of the input."""
    x = td.randn(64, 256, generator=0)
    sizes = [float(np.sqrt((x.numpy() ** 2).mean()))]
    model[len(model) - 2].register_forward_hook(
        lambda m, i, out: sizes.append(float(np.sqrt((out.numpy() ** 2).mean())))
    )
    model(x)
    return sizes[1] / sizes[0]


def test_sixteen_layers_leave_a_millionth_of_a_signal_and_all_of_it_with_he() -> None:
    model = tower(16)
    assert 1e-7 < what_is_left(model) < 1e-6
    he_start(model)
    assert 0.3 < what_is_left(model) < 3.0


def test_variances_and_biases() -> None:
    model = nn.Sequential(
        nn.Conv2d(64, 128, 3, generator=0), nn.ReLU(), nn.Dense(300, 200, generator=0), nn.Dense(9, 4)
    )
    before = model.state_dict()
    he_start(model)
    state = model.state_dict()
    assert state["0.weight"].std() == pytest.approx(np.sqrt(2 / (64 * 9)), rel=0.02)
    assert state["2.weight"].std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert not state["0.bias"].any()
    assert not state["2.bias"].any()
    for name in ("3.weight", "3.bias"):
        assert np.array_equal(state[name], before[name])
