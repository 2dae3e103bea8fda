"""The multilayer perceptron: its layers, its numbers, and that it learns what one neuron can't."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.data import DataLoader, xor
from tinydl.models import MLP
from tinydl.testing.point import host
from tinydl.train import Trainer


def test_layers_and_parameters() -> None:
    model = MLP()
    assert [type(layer).__name__ for layer in model] == [
        "Flatten", "Dense", "ReLU", "Dense", "ReLU", "Dense",
    ]  # fmt: skip
    assert sum(p.size for p in model.parameters()) == 784 * 512 + 512 + 512 * 256 + 256 + 256 * 10 + 10
    assert [type(layer).__name__ for layer in MLP((3, 2), nn.Tanh)] == ["Flatten", "Dense"]


def test_images_are_flattened_and_scores_are_the_formula(device: str) -> None:
    model = MLP((12, 5, 3), nn.Tanh, generator=0).to(device)
    x = td.Generator(1).normal((4, 3, 2, 2))
    (w1, b1), (w2, b2) = (
        (model.state_dict()[f"{i}.weight"], model.state_dict()[f"{i}.bias"]) for i in (1, 3)
    )
    want = np.tanh(x.reshape(4, 12) @ w1.T + b1) @ w2.T + b2
    np.testing.assert_allclose(host(model(td.tensor(x, device=device))), want, rtol=1e-5, atol=1e-6)


def test_the_seed_decides_the_weights() -> None:
    one, same, other = (MLP((4, 3, 2), generator=seed).state_dict() for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert (one["1.weight"] != other["1.weight"]).any()


def test_each_activation_is_a_module_of_its_own() -> None:
    first, second = (layer for layer in MLP((4, 3, 2, 1)) if isinstance(layer, nn.ReLU))
    assert first is not second


@pytest.mark.parametrize("sizes", [(), (5,)])
def test_too_few_sizes(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"MLP: expected two sizes or more, got \("):
        MLP(sizes)


def test_inputs_of_another_size_are_refused(device: str) -> None:
    with pytest.raises(ValueError, match="Dense"):
        MLP((4, 2), generator=0).to(device)(td.ones(3, 5, device=device))


@pytest.mark.parametrize(("seed", "device"), [(0, "cpu"), (1, "cpu"), (2, "cpu"), (3, "cpu"), (0, "strict")])
def test_it_solves_xor(seed: int, device: str) -> None:
    table = xor.load()
    generator = td.Generator(seed)
    model = MLP((2, 4, 1), nn.Tanh, generator).to(device)
    rows = table.x, table.y[:, None].astype(np.float32)
    loader = DataLoader(rows, 4, generator=generator, device=device)
    loss = td.losses.binary_cross_entropy_with_logits
    history = Trainer(model, loss, td.optim.Adam(model.parameters(), lr=0.05), progress=False).fit(
        loader, epochs=200
    )
    scores = host(model(td.tensor(table.x, device=device)))[:, 0]
    assert ((scores > 0) == table.y).all()
    last = history["loss"][-1]
    assert last is not None
    assert last < 0.05
