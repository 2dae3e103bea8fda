"""What a sweep tries: values from text, and networks that get them."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

import tinydl as td
from tinydl import nn
from tinydl.recipes import RECIPES
from tinydl.recipes.classify import DATA
from tinydl.sweep import DEFAULT_GRID, DEFAULT_NETWORKS, NETWORKS, Plan, parse_values
from tinydl.sweep.plan import said


def test_values_from_text() -> None:
    assert parse_values("lr=0.001,1e-2") == ("lr", (0.001, 0.01))
    assert parse_values("batch-size=32, 64") == ("batch-size", (32, 64))
    assert parse_values("dropout=0,0.5") == ("dropout", (0.0, 0.5))
    assert isinstance(parse_values("width=64")[1][0], int)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"expected NAME=VALUE,VALUE,\.\.\., with a NAME among lr, batch-size, epochs, .*, got ''"),
        ("lr", "expected NAME=VALUE"),
        ("speed=1", "expected NAME=VALUE.*got 'speed=1'"),
        ("lr=", "expected a number as a value of lr, got ''"),
        ("lr=0.1,", "expected a number as a value of lr, got ''"),
        ("lr=fast", "expected a number as a value of lr, got 'fast'"),
        ("lr=0", "expected values of lr above 0, got '0'"),
        ("lr=-1", "expected values of lr above 0, got '-1'"),
        ("lr=nan", "expected values of lr above 0, got 'nan'"),
        ("lr=inf", "expected values of lr above 0, got 'inf'"),
        ("lr=0.1,0.10", "expected every value of lr once"),
        ("epochs=2.5", "expected an integer as a value of epochs, got '2.5'"),
        ("epochs=0", "expected values of epochs above 0, got '0'"),
        ("dropout=1", "expected a dropout of 0 or more and below 1, got '1'"),
        ("dropout=nan", "expected a dropout of 0 or more and below 1, got 'nan'"),
    ],
)
def test_what_is_no_such_text(text: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        parse_values(text)


@pytest.mark.parametrize(
    ("plan", "match"),
    [
        ({"networks": ()}, "expected one network or more"),
        ({"grid": {}}, "a grid with one value or more"),
        ({"grid": {"lr": ()}}, "a grid with one value or more"),
        ({"networks": ("lenet", "oracle")}, "unknown network 'oracle'; there are mlp, lenet, lenet-relu"),
        ({"networks": ("mlp", "mlp")}, "expected every network once, got mlp mlp"),
        ({"grid": {"width": (8,)}}, "lenet has no width; mlp, alexnet, vgg have one"),
        ({"networks": ("mlp",), "grid": {"dropout": (0.1,)}}, "mlp has no dropout; alexnet, vgg have one"),
    ],
)
def test_plans_that_can_not_be(plan: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Plan(**plan)


def test_values_that_are_nearly_the_same_have_different_names() -> None:
    _, values = parse_values("lr=0.001,0.00100000001,1e-7")
    names = [said({"lr": value}) for value in values]
    assert names == ["lr=0.001", "lr=0.00100000001", "lr=1e-07"]


def test_the_cells_are_all_choices() -> None:
    plan = Plan(("mlp",), {"lr": (0.1, 0.2), "batch-size": (8, 16)})
    assert [said(values) for values in plan.cells()] == [
        "lr=0.1 batch-size=8", "lr=0.1 batch-size=16", "lr=0.2 batch-size=8", "lr=0.2 batch-size=16",
    ]  # fmt: skip
    assert plan.command() == (
        "tinydl sweep mlp --grid lr=0.1,0.2 --grid batch-size=8,16 --epochs 10 --batch-size 64 --seed 0 "
        "--data mnist --source embedded"
    )


def test_at_least_three_networks_and_three_values_unless_others_are_asked_for() -> None:
    plan = Plan()
    assert plan.networks == DEFAULT_NETWORKS
    assert len(set(plan.networks)) >= 3
    assert plan.grid == DEFAULT_GRID
    assert len(plan.cells()) >= 3


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_that_of_its_recipe_but_for_the_values(name: str, data: str) -> None:
    network = NETWORKS[name]
    chosen = network.settings(data, {})
    assert chosen == (network.clothes if data == "fashion_mnist" else network.digits)
    varied = network.settings(data, {"lr": 0.25, "batch-size": 8})
    assert varied == dataclasses.replace(chosen, max_lr=0.25)
    assert name in RECIPES or name == "lenet-relu"


@pytest.mark.parametrize(
    ("name", "usual", "narrow"),
    [("mlp", [256, 128, 10], [24, 12, 10]), ("alexnet", [256, 256, 10], [24, 24, 10]),
     ("vgg", [128, 128, 10], [24, 24, 10])],
)  # fmt: skip
def test_the_width_is_that_of_the_first_dense_layer(name: str, usual: list[int], narrow: list[int]) -> None:
    network = NETWORKS[name]
    for values, expected in (({}, usual), ({"width": usual[0]}, usual), ({"width": 24}, narrow)):
        model = network.settings("mnist", values).build(td.Generator(0))
        dense = [m.weight.shape[0] for m in model.modules() if isinstance(m, nn.Dense)]
        assert dense == expected


@pytest.mark.parametrize("name", ["alexnet", "vgg"])
def test_dropout_is_that_of_every_dropout_layer(name: str) -> None:
    for values, expected in (({}, 0.5), ({"dropout": 0.25}, 0.25), ({"dropout": 0.0, "width": 24}, 0.0)):
        model = NETWORKS[name].settings("mnist", values).build(td.Generator(0))
        assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {expected}


def test_all_own_hyperparameters_are_tested_here() -> None:
    owners = {
        own: [n for n, network in NETWORKS.items() if own in network.own] for own in ("width", "dropout")
    }
    assert owners == {"width": ["mlp", "alexnet", "vgg"], "dropout": ["alexnet", "vgg"]}


def test_a_plan_goes_through_json_and_back() -> None:
    facts = Plan(("mlp",), {"width": (8, 16)}, seed=3).facts()
    assert facts["grid"] == {"width": [8, 16]}
    assert re.match(r"\['mlp'\]", str(facts["networks"]))
