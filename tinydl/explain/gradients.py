"""The derivative of a class's score with respect to every pixel, plain, averaged over noise, and along a path.

With s the score of a class and x the image:

    saliency               |ds/dx|                                                  Simonyan et al. (2014)
    SmoothGrad             mean of |ds/dx| at x + noise                             Smilkov et al. (2017)
    integrated gradients   (x - x0) mean of ds/dx along the way from x0 to x        Sundararajan et al. (2017)

Integrated gradients are complete: they sum up to s(x) - s(x0), for the integral of a derivative is the difference.
"""

from __future__ import annotations

from tinydl.explain.score import Classes, checked, chosen_classes, evaluating, score_gradient
from tinydl.nn import Module
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


def saliency(model: Module, images: Tensor, classes: Classes = None) -> Tensor:
    """|ds/dx| of each pixel, the largest of its channels: images (N, C, H, W) give (N, H, W), of their dtype.

    `classes` are N integers; without them the model's own answers are explained. Raises TypeError for images that
    are not floating, ValueError for other shapes and for classes that there are not.
    """
    images = checked("saliency", images)
    with evaluating(model):
        labels = chosen_classes("saliency", model, images, classes)
        return score_gradient(model, images, labels).abs().max(axis=1).detach()


def smooth_grad(
    model: Module,
    images: Tensor,
    classes: Classes = None,
    samples: int = 25,
    noise: float = 0.15,
    generator: GeneratorLike = None,
) -> Tensor:
    """The mean saliency of noisy copies of the images: (N, H, W). What depends on single pixels averages out.

    Noise is normal, with `noise` times the range of each image as its deviation. Raises ValueError for `samples`
    below 1 and negative `noise`, and what `saliency` raises.
    """
    images = checked("smooth_grad", images)
    if samples < 1 or noise < 0:
        raise ValueError(
            f"smooth_grad: expected samples of 1 or more and noise of 0 or more, got {samples} and {noise}"
        )
    generator = as_generator(generator)
    axes = (1, 2, 3)
    deviation = noise * (images.max(axes, keepdims=True) - images.min(axes, keepdims=True))
    with evaluating(model):
        labels = chosen_classes("smooth_grad", model, images, classes)
        total: Tensor | None = None
        for _ in range(samples):
            drawn = images.device.normal(generator, images.shape, images.dtype)
            noisy = images + deviation * Tensor(drawn, images.device)
            part = score_gradient(model, noisy, labels).abs().max(axis=1).detach()
            total = part if total is None else total + part
    assert total is not None
    return total / samples


def integrated_gradients(
    model: Module, images: Tensor, classes: Classes = None, baseline: float | Tensor = 0.0, steps: int = 64
) -> Tensor:
    """What each pixel adds to s(x) - s(x0): (N, C, H, W), positive for the class and negative against it.

    x0 is `baseline`: a number for all pixels, or a tensor like the images. The mean along the way is taken at the
    middles of `steps` equal parts. Raises ValueError for `steps` below 1 and another shape of `baseline`, and what
    `saliency` raises.
    """
    images = checked("integrated_gradients", images)
    if steps < 1:
        raise ValueError(f"integrated_gradients: expected steps of 1 or more, got {steps}")
    if isinstance(baseline, Tensor) and baseline.shape != images.shape:
        raise ValueError(
            f"integrated_gradients: expected a baseline of shape {images.shape}, got {baseline.shape}"
        )
    way = images - baseline
    with evaluating(model):
        labels = chosen_classes("integrated_gradients", model, images, classes)
        total: Tensor | None = None
        for i in range(steps):
            part = score_gradient(model, images - way * ((i + 0.5) / steps), labels).detach()
            total = part if total is None else total + part
    assert total is not None
    return (way * total / steps).detach()
