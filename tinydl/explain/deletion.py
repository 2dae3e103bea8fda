"""Deletion: does the answer depend on the pixels that an explanation names? (Samek et al., 2017)

The share s of the pixels that a map calls most important is painted over. The better the map, the sooner the answer is
lost; beside it belong pixels drawn at random, and whatever needs no network to be found. What pixels are painted with
matters: black takes ink away and adds none, so that it can't tell whether a map is right about the black ground.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinydl.autograd import no_grad
from tinydl.errors import ShapeError
from tinydl.explain.score import checked, chosen_classes, evaluating
from tinydl.nn import Module
from tinydl.tensor import Tensor, tensor


def deletion(
    model: Module, images: Tensor, maps: Tensor, shares: Sequence[float], value: float | Tensor = 0.0
) -> Tensor:
    """What the model answers without the most important pixels: classes, int64 (shares, N).

    Images (N, C, H, W) and maps (N, H, W), or (N, C, H, W) whose channels are summed: for each share, that part of the
    pixels where the map is largest gets `value` in all channels; of equal ones the first. `value` is a number, or a
    tensor like the images: 1 - images inverts pixels instead of painting them. Raises ValueError for another shape of
    the maps or of `value` and shares outside [0, 1], and what `saliency` raises.
    """
    images = checked("deletion", images)
    n, _, h, w = images.shape
    importance = maps.device.to_host(maps.data)
    importance = importance.sum(axis=1) if importance.ndim == 4 else importance
    if importance.shape != (n, h, w):
        raise ShapeError("deletion", f"expected maps of shape ({n}, {h}, {w}), got {tuple(maps.shape)}")
    if not all(0.0 <= share <= 1.0 for share in shares):
        raise ValueError(f"deletion: shares must be in [0, 1], got {list(shares)}")
    if isinstance(value, Tensor) and value.shape != images.shape:
        raise ShapeError("deletion", f"expected a value of shape {images.shape}, got {value.shape}")
    pixels = images.device.to_host(images.data)
    paint = value.device.to_host(value.data) if isinstance(value, Tensor) else value
    order = np.argsort(-importance.reshape(n, h * w), axis=1, kind="stable")
    answers = []
    with evaluating(model), no_grad():
        for share in shares:
            gone = np.zeros((n, h * w), bool)
            np.put_along_axis(gone, order[:, : round(share * h * w)], True, axis=1)
            painted = np.where(gone.reshape(n, 1, h, w), paint, pixels)
            left = tensor(painted.astype(images.dtype), device=images.device)
            answers.append(chosen_classes("deletion", model, left, None).to("cpu").numpy()[:, 0])
    return tensor(np.stack(answers) if answers else np.zeros((0, n), np.int64), device=images.device)
