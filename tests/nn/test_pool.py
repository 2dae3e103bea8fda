"""Pooling layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host

MAX: list[Any] = [
    (2,), (3, 2), (3, 1, 1), ((2, 3), (1, 2), (1, 0)), (2, 2, 0, 2), (3, 2, 1, 1, True), (2, 3, 0, 1, True),
]  # fmt: skip
AVG: list[Any] = [
    (2,), (3, 2), (3, 1, 1), ((2, 3), (1, 2), (1, 0)), (3, 2, 1, True), (3, 2, 1, False, False), (3, 2, 1, True, False),
]  # fmt: skip


def _torch_options(kind: str, options: Any) -> Any:
    names = ["kernel_size", "stride", "padding"]
    names += ["dilation", "ceil_mode"] if kind != "avg" else ["ceil_mode", "count_include_pad"]
    return dict(zip(names, options, strict=False))


@pytest.mark.parametrize(
    ("kind", "options"),
    [*(("max", o) for o in MAX), *(("min", o) for o in MAX), *(("avg", o) for o in AVG)],
    ids=str,
)
def test_values_and_gradients_are_torchs(
    kind: str, options: Any, device: str, torch: Any, agrees_with_torch: Any, random: Any
) -> None:
    layer = {"max": nn.MaxPool2d, "min": nn.MinPool2d, "avg": nn.AvgPool2d}[kind](*options)
    twin = (torch.nn.AvgPool2d if kind == "avg" else torch.nn.MaxPool2d)(**_torch_options(kind, options))
    sign = -1.0 if kind == "min" else 1.0
    x = random(2, 3, 7, 8, device=device)
    assert agrees_with_torch(layer, lambda a: sign * twin(sign * a), [x], tol=1e-15)


@pytest.mark.parametrize("layer", [nn.MaxPool2d(3, 1, 1), nn.MinPool2d(3, 1, 1)])
def test_the_border_never_wins(layer: Any, device: str) -> None:
    sign = 1.0 if type(layer) is nn.MinPool2d else -1.0  # all above, or all below, a border of zeros
    x = td.full((1, 1, 3, 3), sign, device=device)
    assert (host(layer(x)) == sign).all()


def test_indices_may_be_changed_without_changing_the_gradient(device: str) -> None:
    x = td.tensor(np.arange(16.0).reshape(1, 1, 4, 4), requires_grad=True, device=device)
    out, indices = td.functional.max_pool2d(x, 2, return_indices=True)
    indices.data[...] = 0
    out.sum().backward()
    assert x.grad is not None
    assert host(x.grad).sum() == 4.0
    assert host(x.grad)[0, 0, 3, 3] == 1.0


def test_errors_name_the_layer(device: str) -> None:
    for layer in (nn.MaxPool2d(5), nn.MinPool2d(5), nn.AvgPool2d(5)):
        with pytest.raises(ValueError, match=rf"^{type(layer).__name__}\(5\): "):
            layer(td.zeros(1, 1, 3, 3, device=device))
    with pytest.raises(ValueError, match=r"^MaxPool2d\(2, padding=2\): "):
        nn.MaxPool2d(2, padding=2)(td.zeros(1, 1, 5, 5, device=device))


def test_repr() -> None:
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(2)"
    assert repr(nn.AvgPool2d(3, stride=2, padding=1)) == "AvgPool2d(3, stride=2, padding=1)"


def test_pooling_has_nothing_to_train() -> None:
    assert nn.MaxPool2d(2).parameters() == []
    assert nn.MaxPool2d(2).state_dict() == {}
