"""`Module.summary`: sizes, parameters and multiply-adds, and that it leaves no trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.models import LeNet5
from tinydl.nn import module

TESTED = {"summary"}


def test_every_public_function_is_tested(public_functions: Any) -> None:
    assert public_functions(module) == TESTED


def rows(text: str) -> list[list[str]]:
    """The cells of the lines between the rules."""
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "output", "parameters", "multiply-adds"]
    assert set(lines[1]) == set(lines[-2]) == {"-"}
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[2:-2]]


def together(text: str) -> tuple[int, int]:
    word, parameters, made = text.splitlines()[-1].split()
    assert word == "together"
    return int(parameters.replace(",", "")), int(made.replace(",", ""))


def test_lenet5() -> None:
    text = LeNet5().summary((1, 32, 32))
    assert together(text) == (61_706, 416_520)
    found = [(r[0], r[2], r[3], r[4]) for r in rows(text)]
    assert found == [
        ("c1", "(6, 28, 28)", "156", "117,600"),
        ("activation", "(6, 28, 28)", "0", "0"),
        ("s2", "(6, 14, 14)", "0", "0"),
        ("c3", "(16, 10, 10)", "2,416", "240,000"),
        ("activation", "(16, 10, 10)", "0", "0"),
        ("s4", "(16, 5, 5)", "0", "0"),
        ("c5", "(120, 1, 1)", "48,120", "48,000"),
        ("activation", "(120, 1, 1)", "0", "0"),
        ("f6", "(84,)", "10,164", "10,080"),
        ("activation", "(84,)", "0", "0"),
        ("output", "(10,)", "850", "840"),
    ]
    assert "Conv2d(1, 6, kernel_size=5)" in text


def test_it_prints_what_it_returns(capsys: Any) -> None:
    text = nn.Dense(3, 2).summary((3,))
    assert capsys.readouterr().out == text + "\n"
    assert module.summary(nn.Dense(3, 2), (3,)) == text
    assert capsys.readouterr().out == ""


CASES: list[tuple[Any, tuple[int, ...], int, int]] = [
    (nn.Dense(3, 2), (3,), 8, 6),
    (nn.Dense(3, 2, bias=False), (5, 3), 6, 30),
    (nn.Conv2d(2, 4, (3, 2), stride=2, padding=1), (2, 6, 7), 52, 4 * 3 * 4 * 2 * 6),
    (nn.Conv2d(4, 6, 3, groups=2, dilation=2), (4, 8, 8), 114, 6 * 4 * 4 * 2 * 9),
    (nn.ConvTranspose2d(2, 4, 3, stride=2), (2, 5, 5), 76, 2 * 5 * 5 * 4 * 9),
    (nn.ConvTranspose2d(4, 6, 2, groups=2), (4, 3, 3), 54, 4 * 3 * 3 * 3 * 4),
    (nn.BatchNorm2d(3), (3, 4, 4), 6, 0),
    (nn.Sequential(), (3,), 0, 0),
    (nn.ReLU(), (3,), 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape", "parameters", "made"), CASES, ids=str)
def test_counts_of_layers(layer: Any, shape: Any, parameters: int, made: int, device: str) -> None:
    assert together(layer.to(device).summary(shape)) == (parameters, made)


def test_products_of_a_convolution_counted_one_by_one(device: str) -> None:
    """Border zeros count: each output takes one product for every weight of its kernel."""
    layer = nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2).to(device)
    x = td.zeros(1, 4, 6, 7, device=device)
    out = layer(x)
    per_output = layer.weight.size // 6
    assert layer.multiply_adds(x, out) == sum(per_output for _ in np.ndindex(out.shape))
    assert nn.ReLU().multiply_adds(out, out) == 0


class Twice(nn.Module):
    """One layer used twice, a layer under two names, and two layers with one weight."""

    def __init__(self) -> None:
        self.scale = nn.Parameter(td.ones(4))
        self.first = nn.Dense(4, 4)
        self.again = self.first
        self.other = nn.Dense(4, 4, bias=False)
        self.other.weight = self.first.weight

    def forward(self, x: td.Tensor) -> td.Tensor:
        return self.other(self.again(self.first(x))) * self.scale


def test_shared_layers_and_weights_count_once_and_every_use_has_a_line(device: str) -> None:
    text = Twice().to(device).summary((4,))
    assert [(r[0], r[3], r[4]) for r in rows(text)] == [
        ("first", "20", "16"),
        ("first", "0", "16"),
        ("other", "0", "16"),
    ]
    assert together(text) == (24, 48)  # the scale belongs to no layer


def test_nested_names() -> None:
    model = nn.Sequential(nn.Sequential(nn.Dense(3, 2), nn.ReLU()), nn.ModuleList([]), nn.Dense(2, 1))
    model.forward = lambda x: model[2](model[0](x))
    assert [r[0] for r in rows(model.summary((3,)))] == ["0.0", "0.1", "2"]


def net(device: str) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5, generator=0), nn.Flatten(), nn.Dense(8, 2)
    ).to(device)


def test_it_leaves_no_trace(device: str) -> None:
    model = net(device)
    model[1].eval()
    before, modes = model.state_dict(), [m.training for m in model.modules()]
    place = model[2].generator.get_state()
    model.summary((1, 4, 4))
    assert [m.training for m in model.modules()] == modes == [True, True, False, True, True, True]
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model[2].generator.get_state() == place
    assert not any(vars(m).get("_forward_hooks") for m in model.modules())


def test_it_leaves_no_trace_when_it_fails(device: str) -> None:
    model = net(device)
    with pytest.raises(ValueError, match=r"^Dense\(8, 2\): "):
        model.summary((1, 5, 5))
    assert all(m.training for m in model.modules())
    assert not any(vars(m).get("_forward_hooks") for m in model.modules())


def test_other_hooks_stay(device: str) -> None:
    model, calls = net(device), []
    model[0].register_forward_hook(lambda m, inputs, out: calls.append(out.shape))
    model.summary((1, 4, 4))
    model(td.zeros(2, 1, 4, 4, device=device))
    assert calls == [(1, 2, 2, 2), (2, 2, 2, 2)]


def test_float64_models(device: str) -> None:
    assert together(nn.Dense(3, 2).astype("float64").to(device).summary((3,))) == (8, 6)


def test_own_layers_say_what_they_cost() -> None:
    class Square(nn.Module):
        def forward(self, x: td.Tensor) -> td.Tensor:
            return x * x

        def multiply_adds(self, x: td.Tensor, out: td.Tensor) -> int:
            return out.size

    assert together(Square().summary((3, 5))) == (0, 15)
