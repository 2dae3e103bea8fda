"""Mixup: training on mixtures of two images, with mixtures of their classes as targets."""

from __future__ import annotations

import math

import numpy as np

from tinydl.data.transform import Array, Augmentation, Batch
from tinydl.random import Generator, GeneratorLike, as_generator


class Mixup(Augmentation):
    """x = t x_i + (1 - t) x_j,  y = t y_i + (1 - t) y_j,  t from Beta(alpha, alpha) (Zhang et al., 2018).

    Changes inputs (N, ...) and targets together, so it is given to a DataLoader, or called as `batch((x, y),
    generator)`. Labels (N,) of `classes` classes become probabilities (N, classes), float32, which
    `td.losses.cross_entropy` takes; targets (N, classes) that are probabilities already are mixed as they are. The
    second image of each pair comes from the same batch. With a small alpha, mixtures are mostly one of both. Raises
    ValueError for fewer than 2 classes and an alpha that is not positive; for batches of other than two arrays and
    labels that are no class; TypeError for inputs that are not floating.
    """

    def __init__(self, classes: int, alpha: float = 0.2) -> None:
        if classes < 2 or not (alpha > 0 and math.isfinite(alpha)):
            raise ValueError(
                f"Mixup: expected 2 or more classes and a positive alpha, got {classes}, alpha={alpha}"
            )
        self.classes, self.alpha = classes, alpha

    def batch(self, batch: Batch, generator: GeneratorLike = None) -> Batch:
        if len(batch) != 2:
            raise ValueError(
                f"Mixup: expected inputs and targets, got {len(batch)} arrays; give it to a DataLoader of pairs, "
                "or call batch((x, y), generator)"
            )
        inputs, targets = batch
        if inputs.dtype.kind != "f":
            raise TypeError(f"Mixup: expected floating inputs, got {inputs.dtype}")
        probabilities = self._probabilities(targets)
        generator = as_generator(generator)
        other = generator.permutation(len(inputs))
        share = symmetric_beta(self.alpha, len(inputs), generator)

        def mixed(x: Array) -> Array:
            t = share.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
            mixture: Array = t * x + (1 - t) * x[other]
            return mixture

        return mixed(inputs), mixed(probabilities)

    def _probabilities(self, targets: Array) -> Array:
        if targets.ndim == 2 and targets.shape[1] == self.classes and targets.dtype.kind == "f":
            return targets
        if targets.ndim != 1 or targets.dtype.kind not in "iu":
            raise ValueError(
                f"Mixup: expected integer labels (N,) or probabilities (N, {self.classes}), "
                f"got {targets.shape}, {targets.dtype}"
            )
        if targets.size and not 0 <= targets.min() <= targets.max() < self.classes:
            raise ValueError(
                f"Mixup: expected labels 0 to {self.classes - 1}, got {targets.min()} to {targets.max()}"
            )
        return np.eye(self.classes, dtype=np.float32)[targets]


def symmetric_beta(alpha: float, n: int, generator: Generator) -> Array:
    """n numbers of the distribution Beta(alpha, alpha), float64 (n,), without rejecting any (Devroye, 1996).

    From uniform u and v:  w = u^(1 / alpha),  c = cos(2 pi v),  1/2 + c sqrt(1 - w) / (2 sqrt(w + (1 - w) c^2)).
    Raises ValueError for an n below 0.
    """
    u, v = generator.random((2, n), np.float64)
    w, c = (1 - u) ** (1 / alpha), np.cos(2 * math.pi * v)
    share: Array = 0.5 + 0.5 * c * np.sqrt(1 - w) / np.sqrt(w + (1 - w) * c * c)
    return share
