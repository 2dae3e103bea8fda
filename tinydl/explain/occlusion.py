"""Occlusion: cover a part of the image and see what the answer loses (Zeiler and Fergus, 2014)."""

from __future__ import annotations

import numpy as np

from tinydl.autograd import no_grad
from tinydl.explain.score import Classes, checked, chosen_classes, evaluating
from tinydl.nn import Module
from tinydl.ops.activation import softmax
from tinydl.ops.index import take_along_axis
from tinydl.tensor import Tensor, tensor


def occlusion(
    model: Module, images: Tensor, classes: Classes = None, size: int = 4, stride: int = 2, value: float = 0.0
) -> Tensor:
    """How much of the class's probability is lost where a square of `size` pixels is painted with `value`.

    Images (N, C, H, W) give (N, H, W) in [-1, 1]: each pixel has the mean over the squares that cover it. Squares
    stand every `stride` pixels and at the far borders. Raises ValueError for a size that is larger than the images or
    below 1 and a stride outside [1, size], and what `saliency` raises.
    """
    images = checked("occlusion", images)
    n, _, h, w = images.shape
    if not 1 <= size <= min(h, w) or not 1 <= stride <= size:
        raise ValueError(
            f"occlusion: expected 1 <= stride <= size <= {min(h, w)}, got size={size} and stride={stride}"
        )
    pixels = images.device.to_host(images.data)
    lost, covered = np.zeros((n, h, w), pixels.dtype), np.zeros((h, w), pixels.dtype)
    with evaluating(model), no_grad():
        labels = chosen_classes("occlusion", model, images, classes)

        def probability(x: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
            chosen = take_along_axis(softmax(model(x)), labels, axis=1)
            return np.asarray(images.device.to_host(chosen.data))

        whole = probability(images)
        for top in _places(h, size, stride):
            for left in _places(w, size, stride):
                square = slice(top, top + size), slice(left, left + size)
                painted = pixels.copy()
                painted[:, :, *square] = value
                lost[:, *square] += (whole - probability(tensor(painted, device=images.device)))[:, :, None]
                covered[square] += 1
    return tensor(lost / covered, device=images.device)


def _places(length: int, size: int, stride: int) -> list[int]:
    """Where squares begin: every `stride` pixels, and so that the last one ends with the image."""
    return sorted({*range(0, length - size, stride), length - size})
