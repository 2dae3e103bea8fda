"""The fast gradient sign method: a change that nobody sees and that deceives (Goodfellow et al., 2015)."""

from __future__ import annotations

from tinydl.autograd import grad
from tinydl.explain.score import Classes, checked, chosen_classes, evaluating
from tinydl.losses import cross_entropy
from tinydl.nn import Module
from tinydl.tensor import Tensor


def fgsm(model: Module, images: Tensor, classes: Classes = None, epsilon: float = 0.1) -> Tensor:
    """x + epsilon sign(d loss / dx), clipped to [0, 1]: images (N, C, H, W) of the same dtype.

    Every pixel moves by epsilon in the direction that makes the cross-entropy of the true `classes` grow: the loss
    is nearly linear, so that many small changes add up. Without `classes` it moves away from the model's own answers.
    Raises ValueError for a negative epsilon and images outside [0, 1], and what `saliency` raises.
    """
    images = checked("fgsm", images)
    if epsilon < 0:
        raise ValueError(f"fgsm: epsilon must be 0 or more, got {epsilon}")
    if not 0.0 <= images.min().item() <= images.max().item() <= 1.0:
        raise ValueError(
            f"fgsm: expected images in [0, 1], got [{images.min().item():g}, {images.max().item():g}]"
        )
    with evaluating(model):
        labels = chosen_classes("fgsm", model, images, classes)
        x = images.detach()
        x.requires_grad = True
        (g,) = grad(cross_entropy(model(x), labels.reshape(-1), reduction="sum"), x)
    assert g is not None
    return (images + epsilon * g.sign()).clip(0.0, 1.0).detach()
