"""The dropout layer."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.nn import dropout as layers

TESTED = {"Dropout"}


def test_every_layer_is_tested() -> None:
    found = {name for name, value in vars(layers).items() if inspect.isclass(value)}
    assert {name for name in found if vars(layers)[name].__module__ == layers.__name__} == TESTED


def test_it_is_the_function_with_its_generator() -> None:
    x, layer, generator = td.ones(50), nn.Dropout(0.3, generator=4), td.Generator(4)
    for _ in range(2):
        assert np.array_equal(layer(x).numpy(), td.functional.dropout(x, 0.3, True, generator).numpy())


def test_half_is_the_default() -> None:
    assert set(nn.Dropout(generator=0)(td.ones(100)).numpy().tolist()) == {0.0, 2.0}


def test_it_drops_in_training_only() -> None:
    x, model = td.ones(100), nn.Sequential(nn.Dropout(0.5, generator=0))
    assert (model(x).numpy() == 0).any()
    model.eval()
    assert model(x) is x
    model.train()
    assert (model(x).numpy() == 0).any()


def test_evaluation_draws_nothing() -> None:
    x, a, b = td.ones(100), nn.Dropout(generator=1), nn.Dropout(generator=1)
    a.eval()(x)
    assert np.array_equal(a.train()(x).numpy(), b(x).numpy())


def test_the_default_generator() -> None:
    layer = nn.Dropout()
    td.manual_seed(3)
    first = layer(td.ones(100)).numpy()
    td.manual_seed(3)
    assert np.array_equal(layer(td.ones(100)).numpy(), first)
    assert not np.array_equal(layer(td.ones(100)).numpy(), first)


def test_all_and_nothing() -> None:
    assert not nn.Dropout(1.0, generator=0)(td.ones(5)).numpy().any()
    assert nn.Dropout(0.0, generator=0)(td.ones(5)).numpy().all()


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_is_a_probability(p: float) -> None:
    with pytest.raises(ValueError, match=rf"^Dropout: p must be in \[0, 1\], got {p}"):
        nn.Dropout(p)


def test_there_is_nothing_to_train_or_to_save() -> None:
    assert nn.Dropout().parameters() == []
    assert nn.Dropout().state_dict() == {}
    assert repr(nn.Dropout(0.25)) == "Dropout(0.25)"
