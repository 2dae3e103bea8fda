"""The dropout layer."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.nn import dropout as layers
from tinydl.testing.point import host

TESTED = {"Dropout"}


def test_every_layer_is_tested() -> None:
    found = {name for name, value in vars(layers).items() if inspect.isclass(value)}
    assert {name for name in found if vars(layers)[name].__module__ == layers.__name__} == TESTED


def test_it_is_the_function_with_its_generator(device: str) -> None:
    x, layer, generator = td.ones(50, device=device), nn.Dropout(0.3, generator=4), td.Generator(4)
    for _ in range(2):
        assert np.array_equal(host(layer(x)), host(td.functional.dropout(x, 0.3, True, generator)))


def test_half_is_the_default(device: str) -> None:
    assert set(host(nn.Dropout(generator=0)(td.ones(100, device=device))).tolist()) == {0.0, 2.0}


def test_it_drops_in_training_only(device: str) -> None:
    x, model = td.ones(100, device=device), nn.Sequential(nn.Dropout(0.5, generator=0))
    assert (host(model(x)) == 0).any()
    model.eval()
    assert model(x) is x
    model.train()
    assert (host(model(x)) == 0).any()


def test_evaluation_draws_nothing(device: str) -> None:
    x, a, b = td.ones(100, device=device), nn.Dropout(generator=1), nn.Dropout(generator=1)
    a.eval()(x)
    assert np.array_equal(host(a.train()(x)), host(b(x)))


def test_the_default_generator(device: str) -> None:
    x, layer = td.ones(100, device=device), nn.Dropout()
    td.manual_seed(3)
    first = host(layer(x))
    td.manual_seed(3)
    assert np.array_equal(host(layer(x)), first)
    assert not np.array_equal(host(layer(x)), first)


def test_all_and_nothing(device: str) -> None:
    x = td.ones(5, device=device)
    assert not host(nn.Dropout(1.0, generator=0)(x)).any()
    assert host(nn.Dropout(0.0, generator=0)(x)).all()


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_is_a_probability(p: float) -> None:
    with pytest.raises(ValueError, match=rf"^Dropout: p must be in \[0, 1\], got {p}"):
        nn.Dropout(p)


def test_there_is_nothing_to_train_or_to_save() -> None:
    assert nn.Dropout().parameters() == []
    assert nn.Dropout().state_dict() == {}
    assert repr(nn.Dropout(0.25)) == "Dropout(0.25)"
