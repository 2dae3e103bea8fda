"""`tinydl train vanishing-gradients`: gradients by layer, on shallow networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl import nn
from tinydl.recipes import RECIPES, Options
from tinydl.recipes import vanishing_gradients as recipe

NAMES = ["sigmoid", "tanh", "relu", "batch_norm", "sigmoid_scaled", "tanh_scaled", "relu_scaled", "residual"]


def test_its_files_and_figures(few_digits: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recipe, "mnist", few_digits)
    monkeypatch.setattr(recipe, "DEPTHS", (3, 9))
    monkeypatch.setattr(recipe, "WIDTH", 30)
    options = Options(tmp_path, epochs=1, batch_size=180, progress=False)
    metrics = RECIPES["vanishing-gradients"].run(options)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["gradients.png", "learning.png", *NAMES])
    for name in ("gradients.png", "learning.png"):
        with Image.open(tmp_path / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    assert metrics["baseline_chance_accuracy"] == 0.1
    for name in NAMES:
        assert 0 <= metrics[f"test_accuracy_{name}"] <= 1
    # a quarter and less for each sigmoid, six more of them
    assert metrics["ratio_sigmoid_9"] < 0.25**6 * metrics["ratio_sigmoid_3"]
    assert metrics["ratio_sigmoid_9"] < metrics["ratio_sigmoid_scaled_9"] < 1e-3
    assert metrics["ratio_relu_9"] < 0.1 * metrics["ratio_relu_scaled_9"]
    assert 0.1 < metrics["ratio_residual_9"] < 20


def test_depth_counts_dense_layers() -> None:
    for name in NAMES:
        for depth in (2, 5):
            model = recipe.build(name, depth, td.Generator(0))
            assert sum(isinstance(layer, nn.Dense) for layer in model.modules()) == depth
            assert model(td.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_norms_are_those_of_finite_differences() -> None:
    """The gradient of the first layer along its own direction is its norm."""
    rng = np.random.default_rng(0)
    x, y = td.tensor(rng.normal(size=(8, 1, 28, 28)).astype(np.float32)), td.tensor(np.arange(8))
    model = recipe.build("tanh_scaled", 4, td.Generator(0))
    norms = recipe.gradient_norms(model, x, y)
    assert len(norms) == 4
    for norm, layer in zip(norms, [m for m in model.modules() if isinstance(m, nn.Dense)], strict=True):
        before, step = layer.weight.numpy().copy(), 1e-6 * layer.weight.grad.numpy() / norm
        losses = []
        for sign in (1, -1):
            layer.weight.data = td.tensor(before + sign * step)
            losses.append(td.losses.cross_entropy(model(x.astype("float64")), y).item())
        layer.weight.data = td.tensor(before)
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(norm, rel=1e-4)


def test_a_residual_layer_adds() -> None:
    layer = recipe.Residual(td.Generator(0)).eval()
    x = td.randn(4, recipe.WIDTH, generator=0)
    dense = next(m for m in layer.modules() if isinstance(m, nn.Dense))
    assert dense.bias is not None
    f = (x.numpy() @ dense.weight.numpy().T + dense.bias.numpy()) / np.sqrt(
        1 + 1e-5
    )  # batch norm saw no batch yet
    np.testing.assert_allclose(layer(x).numpy(), x.numpy() + np.maximum(f, 0), rtol=1e-5, atol=1e-6)


def test_scaled_weights_have_the_published_variances() -> None:
    for name, variance in (("sigmoid_scaled", 1 / 100), ("tanh_scaled", 1 / 100), ("relu_scaled", 2 / 100)):
        layer = recipe.LAYERS[name](recipe.WIDTH, td.Generator(0))[0]
        assert layer.weight.numpy().var() == pytest.approx(variance, rel=0.05)
        assert not layer.bias.numpy().any()
