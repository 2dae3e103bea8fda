"""Augmentation: small changes of the training images that do not change what they show.

A transform is called with NumPy images and a `td.Generator` and returns images of the same shape and dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.random import Generator

Array: TypeAlias = npt.NDArray[Any]


class RandomAffine:
    """Turns, shifts, scales and shears each image of a batch (N, C, H, W) by amounts of its own.

    Angles are uniform in +- `degrees`, shifts in +- `translate` pixels along both axes, the scale in
    1 +- `scale` and the shear angle in +- `shear` degrees. Bilinear interpolation, black outside. Raises ValueError
    for negative amounts and a scale of 1 or more; when called, for images that are not floating or have other axes.
    """

    def __init__(
        self, degrees: float = 0.0, translate: float = 0.0, scale: float = 0.0, shear: float = 0.0
    ) -> None:
        if min(degrees, translate, scale, shear) < 0 or scale >= 1:
            raise ValueError(
                "RandomAffine: expected amounts of 0 or more and scale < 1, "
                f"got degrees={degrees}, translate={translate}, scale={scale}, shear={shear}"
            )
        self.given = (degrees, translate, scale, shear)
        self.amounts = np.array(
            [np.deg2rad(degrees), np.deg2rad(shear), scale, translate, translate], np.float32
        )

    def __call__(self, images: Array, generator: Generator) -> Array:
        drawn = generator.uniform(-1.0, 1.0, (len(images), 5)) * self.amounts
        angle, shear, scale = drawn[:, 0], drawn[:, 1], 1.0 + drawn[:, 2]
        # Row and column of the source for a step down and a step right in the result.
        matrices = np.empty((len(images), 2, 2), np.float32)
        matrices[:, 0, 0], matrices[:, 0, 1] = np.cos(angle), np.sin(angle + shear)
        matrices[:, 1, 0], matrices[:, 1, 1] = -np.sin(angle), np.cos(angle + shear)
        return affine(images, matrices / scale[:, None, None], drawn[:, 3:])


class RandomHorizontalFlip:
    """Mirrors each image of a batch (N, C, H, W), any dtype, left to right with probability `p`.

    Raises: ValueError for p outside [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be in [0, 1], got {p}")
        self.p = p

    def __call__(self, images: Array, generator: Generator) -> Array:
        chosen = generator.random((len(images),)) < self.p
        flipped = images.copy()
        flipped[chosen] = images[chosen, ..., ::-1]
        return flipped


class Compose:
    """Several transforms of images (N, C, H, W), one after the other; raises what they raise."""

    def __init__(self, *transforms: Callable[[Array, Generator], Array]) -> None:
        self.transforms = transforms

    def __call__(self, images: Array, generator: Generator) -> Array:
        for transform in self.transforms:
            images = transform(images, generator)
        return images


def affine(images: Array, matrices: Array, shifts: Array) -> Array:
    """Resamples each image (N, C, H, W): result[p] = image[M (p - c) + c + s], c the centre of the image.

    M is `matrices` (N, 2, 2) and s is `shifts` (N, 2), in rows and columns. Bilinear between the four
    neighbours, 0 outside the image. The dtype must be floating and is kept. Raises ValueError for other images, and
    for as many matrices or shifts as do not fit.
    """
    if images.ndim != 4 or images.dtype.kind != "f":
        raise ValueError(f"affine: expected floating images (N, C, H, W), got {images.shape}, {images.dtype}")
    n, c, h, w = images.shape
    centre = np.array([(h - 1) / 2, (w - 1) / 2], images.dtype)
    grid = (
        np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"))
        .reshape(2, h * w)
        .astype(images.dtype)
    )
    places = matrices.astype(images.dtype) @ (grid - centre[:, None])
    places += (centre + shifts.astype(images.dtype))[:, :, None]
    # One black pixel all around: whatever lies outside reads it.
    bordered = np.zeros((n, c, h + 2, w + 2), images.dtype)
    bordered[:, :, 1:-1, 1:-1] = images
    flat = bordered.reshape(n, c, -1)
    row = np.clip(places[:, 0] + 1, 0, h + 1)
    col = np.clip(places[:, 1] + 1, 0, w + 1)
    top, left = np.minimum(np.floor(row), h), np.minimum(np.floor(col), w)
    down, right = (row - top)[:, None], (col - left)[:, None]
    first = (top * (w + 2) + left).astype(np.int64)[:, None]

    def pixels(offset: int) -> Array:
        read: Array = np.take_along_axis(flat, first + offset, axis=2)
        return read

    upper = pixels(0) * (1 - right) + pixels(1) * right
    lower = pixels(w + 2) * (1 - right) + pixels(w + 3) * right
    result: Array = (upper * (1 - down) + lower * down).reshape(n, c, h, w)
    return result
