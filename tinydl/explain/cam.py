"""Grad-CAM: where a convolutional layer saw a class (Selvaraju et al., 2017).

With A_k the maps of a layer and s the score of a class:

    a_k = mean over places of ds/dA_k           how much the class wants map k
    map = relu(sum over k of a_k A_k)           scaled up to the size of the image
"""

from __future__ import annotations

from typing import Any

from tinydl.autograd import grad
from tinydl.errors import ShapeError
from tinydl.explain.score import Classes, checked, chosen_classes, evaluating, score
from tinydl.nn import Module
from tinydl.ops.activation import relu
from tinydl.ops.resize import interpolate
from tinydl.tensor import Tensor


def grad_cam(model: Module, layer: Module, images: Tensor, classes: Classes = None) -> Tensor:
    """The Grad-CAM of `layer`, a module of the model whose output is (N, K, h, w): (N, H, W), 0 and above.

    `classes` are N integers; without them the model's own answers are explained. Maps are scaled up bilinearly.
    Raises ValueError for a layer that is not used in the model, or once only, or has another output; and what
    `saliency` raises.
    """
    images = checked("grad_cam", images)
    outputs: list[Any] = []
    with evaluating(model):
        labels = chosen_classes("grad_cam", model, images, classes)
        x = images.detach()
        x.requires_grad = True  # so that a graph is recorded though no parameter may want a gradient
        remove = layer.register_forward_hook(lambda module, inputs, out: outputs.append(out))
        try:
            s = score(model, x, labels).sum()
        finally:
            remove()
    if len(outputs) != 1 or not isinstance(outputs[0], Tensor) or outputs[0].ndim != 4:
        seen = [tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__ for out in outputs]
        raise ShapeError("grad_cam", f"expected a layer that gives (N, K, h, w) once, {layer!r} gave {seen}")
    maps = outputs[0]
    (g,) = grad(s, maps)
    assert g is not None
    weights = g.mean(axis=(2, 3), keepdims=True)
    cam = relu((weights * maps.detach()).sum(axis=1, keepdims=True))
    return interpolate(cam, size=images.shape[2:], mode="bilinear").detach()[:, 0]
