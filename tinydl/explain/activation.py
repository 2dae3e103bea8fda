"""The image that excites a neuron most: gradient ascent in the image (Erhan et al., 2009)."""

from __future__ import annotations

from typing import Any

from tinydl.autograd import grad
from tinydl.errors import ShapeError
from tinydl.explain.score import evaluating
from tinydl.nn import Module
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor, tensor


def maximise_activation(
    model: Module,
    layer: Module,
    unit: int,
    shape: tuple[int, ...],
    steps: int = 100,
    lr: float = 0.1,
    decay: float = 0.01,
    generator: GeneratorLike = None,
) -> Tensor:
    """An image (1, C, H, W) in [0, 1], float32, that makes channel or neuron `unit` of `layer` answer strongly.

    From noise around 1/2, x <- clip(x + lr g / |g| sqrt(size) / 10 - decay (x - 1/2)), where g is the gradient of the
    unit's mean answer and |g| its length: steps of one size, whatever the layer. `shape` is (C, H, W). The decay
    keeps pixels grey that do not matter. Raises ValueError for a layer that is not used in the model, a unit that it
    does not have, and another kind of shape.
    """
    who = "maximise_activation"
    if len(shape) != 3:
        raise ShapeError(who, f"expected a shape (C, H, W), got {shape}")
    drawn = as_generator(generator).uniform(0.45, 0.55, (1, *shape))
    device = model.parameters()[0].device
    x = tensor(drawn, device=device)
    outputs: list[Any] = []
    remove = layer.register_forward_hook(lambda module, inputs, out: outputs.append(out))
    try:
        with evaluating(model):
            for _ in range(steps):
                outputs.clear()
                x = x.detach()
                x.requires_grad = True
                model(x)
                if not outputs:
                    raise ValueError(f"{who}: the model does not use the layer {layer!r}")
                answer = outputs[0]
                if not 0 <= unit < answer.shape[1]:
                    raise ValueError(f"{who}: {layer!r} has units 0 to {answer.shape[1] - 1}, got {unit}")
                (g,) = grad(answer[:, unit].mean(), x)
                assert g is not None
                length = (g * g).sum().sqrt() + 1e-12
                step = g * (lr * 0.1 * x.size**0.5) / length
                x = (x.detach() + step - decay * (x.detach() - 0.5)).clip(0.0, 1.0)
    finally:
        remove()
    return x.detach()
