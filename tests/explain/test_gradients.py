"""Saliency, SmoothGrad and integrated gradients against what can be written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import explain, nn


@pytest.fixture
def linear() -> Any:
    """Scores that are linear in the pixels: the derivative is the weight."""
    return nn.Sequential(nn.Flatten(), nn.Dense(96, 4, generator=0)).astype("float64")


def test_the_saliency_of_a_linear_model_is_its_weight(linear: Any, images: Any) -> None:
    found = explain.saliency(linear, images, [0, 2, 1]).numpy()
    weight = linear.parameters()[0].numpy().reshape(4, 2, 6, 8)[[0, 2, 1]]
    np.testing.assert_allclose(found, np.abs(weight).max(axis=1), rtol=1e-12)


def test_saliency_is_the_slope_of_the_score(model: Any, images: Any) -> None:
    found = explain.saliency(model, images, [1, 1, 1]).numpy()
    model.eval()
    for place in ((0, 2, 3), (2, 5, 7)):
        slopes = []
        for channel in (0, 1):
            i, y, x = place
            scores = []
            for h in (1e-6, -1e-6):
                moved = images.numpy().copy()
                moved[i, channel, y, x] += h
                with td.no_grad():
                    scores.append(model(td.tensor(moved)).numpy()[i, 1])
            slopes.append((scores[0] - scores[1]) / 2e-6)
        assert found[place] == pytest.approx(np.abs(slopes).max(), rel=1e-5, abs=1e-9)


def test_without_noise_smooth_grad_is_saliency(model: Any, images: Any) -> None:
    smooth = explain.smooth_grad(model, images, noise=0.0, samples=3, generator=0)
    np.testing.assert_allclose(smooth.numpy(), explain.saliency(model, images).numpy(), rtol=1e-12)


def test_smooth_grad_is_the_mean_over_noise_of_the_images_own_range(model: Any, images: Any) -> None:
    classes = [0, 1, 2]
    found = explain.smooth_grad(model, images, classes, samples=2, noise=0.3, generator=7).numpy()
    generator = td.Generator(7)
    x = images.numpy()
    deviation = 0.3 * (x.max((1, 2, 3), keepdims=True) - x.min((1, 2, 3), keepdims=True))
    parts = [
        explain.saliency(
            model, td.tensor(x + deviation * generator.normal(x.shape, "float64")), classes
        ).numpy()
        for _ in range(2)
    ]
    np.testing.assert_allclose(found, (parts[0] + parts[1]) / 2, rtol=1e-12)


def test_integrated_gradients_of_a_linear_model_are_exact_in_one_step(linear: Any, images: Any) -> None:
    found = explain.integrated_gradients(linear, images, [0, 2, 1], baseline=0.25, steps=1).numpy()
    weight = linear.parameters()[0].numpy().reshape(4, 2, 6, 8)[[0, 2, 1]]
    np.testing.assert_allclose(found, weight * (images.numpy() - 0.25), rtol=1e-10)


@pytest.mark.parametrize("given", ["number", "images"])
def test_integrated_gradients_are_complete(given: str) -> None:
    """They sum up to the difference of the scores: for a smooth network to the error of the midpoint rule."""
    model = td.models.LeNet5(generator=0).astype("float64")
    images = td.tensor(td.Generator(1).uniform(0.0, 1.0, (2, 1, 32, 32), "float64"))
    baseline = 0.5 if given == "number" else td.tensor(td.Generator(2).random((2, 1, 32, 32), "float64"))
    found = explain.integrated_gradients(model, images, [3, 8], baseline, steps=50)
    with td.no_grad():
        difference = (model.eval()(images) - model(images * 0.0 + baseline)).numpy()[[0, 1], [3, 8]]
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)).numpy(), difference, rtol=1e-4, atol=1e-7)
    few = explain.integrated_gradients(model, images, [3, 8], baseline, steps=1).sum(axis=(1, 2, 3)).numpy()
    assert np.abs(few - difference).max() > np.abs(found.sum(axis=(1, 2, 3)).numpy() - difference).max()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m, x: explain.smooth_grad(m, x, samples=0), "samples of 1 or more"),
        (lambda m, x: explain.smooth_grad(m, x, noise=-0.1), "noise of 0 or more"),
        (lambda m, x: explain.integrated_gradients(m, x, steps=0), "steps of 1 or more"),
        (
            lambda m, x: explain.integrated_gradients(m, x, baseline=td.zeros(2, 6, 8)),
            r"a baseline of shape \(3, 2, 6, 8\), got \(2, 6, 8\)",
        ),
    ],
)
def test_bad_options(call: Any, match: str, model: Any, images: Any) -> None:
    with pytest.raises(ValueError, match=match):
        call(model, images)
