"""Grad-CAM against the class activation map that it generalises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import explain


def test_where_means_feed_a_dense_layer_it_is_the_class_activation_map(model: Any, images: Any) -> None:
    """Zhou et al. (2016): there ds/dA_k is W[class, k] / (h w) at every place."""
    classes = [0, 2, 3]
    found = explain.grad_cam(model, model.relu, images, classes).numpy()
    model.eval()
    with td.no_grad():
        maps = model.relu(model.norm(model.conv(images))).numpy()
    weights = model.dense.weight.numpy()[classes] / 48
    expected = np.maximum((weights[:, :, None, None] * maps).sum(axis=1), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert found.max() > 0


def test_maps_are_scaled_up_to_the_image() -> None:
    model = td.models.LeNet5(generator=0)
    images = td.tensor(td.Generator(1).random((2, 1, 32, 32)))
    small = explain.grad_cam(model, model.c3, images, [1, 2])
    assert small.shape == (2, 32, 32)
    grown = td.functional.interpolate(explain_at(model, images), size=(32, 32), mode="bilinear")
    np.testing.assert_allclose(small.numpy(), grown.numpy()[:, 0], rtol=1e-5, atol=1e-7)


def explain_at(model: Any, images: Any) -> Any:
    """The map before it is scaled up, by a hook that hands the layer's output back as a leaf."""
    kept: list[Any] = []

    def leaf(module: Any, inputs: Any, out: Any) -> Any:
        kept.append(td.tensor(out.numpy(), requires_grad=True))
        return kept[0]

    remove = model.c3.register_forward_hook(leaf)
    scores = model.eval()(images)
    remove()
    (scores[0, 1] + scores[1, 2]).backward()
    weights = kept[0].grad.numpy().mean(axis=(2, 3), keepdims=True)
    return td.tensor(np.maximum((weights * kept[0].numpy()).sum(axis=1, keepdims=True), 0))


def test_no_parameter_needs_a_gradient(model: Any, images: Any) -> None:
    expected = explain.grad_cam(model, model.conv, images).numpy()
    for p in model.parameters():
        p.requires_grad = False
    np.testing.assert_allclose(explain.grad_cam(model, model.conv, images).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("layer", ["dense", "unused"])
def test_layers_without_maps_are_refused(layer: str, model: Any, images: Any) -> None:
    seen = r"\[\(3, 4\)\]" if layer == "dense" else r"\[\]"
    with pytest.raises(
        ValueError, match=rf"grad_cam: expected a layer that gives \(N, K, h, w\) once, .*{seen}"
    ):
        explain.grad_cam(model, getattr(model, layer), images)
    assert not vars(getattr(model, layer)).get("_forward_hooks")
