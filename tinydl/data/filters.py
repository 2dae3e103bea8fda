"""Classical filters: what cleans and enlarges pictures without learning, and so what a network must beat.

They take float images (N, C, H, W), every channel by itself, and return float32. At the border the image is
mirrored (`reflect`: the pixel at the edge is not repeated).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.float32]


def gaussian_filter(images: Images, sigma: float) -> Pixels:
    """Each pixel as the mean of its neighbours, weighted by exp(-distance^2 / (2 sigma^2)).

    Floating images (N, C, H, W), the result float32. The weights end at 3 sigma and add up to 1; rows and columns are
    filtered one after the other, which is the same. Raises ValueError for other images, those no larger than the
    reach of the weights, and sigma that is not positive.
    """
    if not sigma > 0:
        raise ValueError(f"gaussian_filter: sigma must be positive, got {sigma}")
    reach = math.ceil(3 * sigma)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    blurred = _mirrored("gaussian_filter", images, reach)
    for axis in (2, 3):
        blurred = np.lib.stride_tricks.sliding_window_view(blurred, 2 * reach + 1, axis) @ weights
    return blurred


def median_filter(images: Images, size: int) -> Pixels:
    """Each pixel as the median of the `size` x `size` pixels around it.

    Floating images (N, C, H, W), the result float32. Raises ValueError for other images, those no larger than half
    the window, and a size that is not odd and positive.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"median_filter: size must be odd and positive, got {size}")
    around = _mirrored("median_filter", images, size // 2)
    windows = np.lib.stride_tricks.sliding_window_view(around, (size, size), (2, 3))
    middle: Pixels = np.median(windows.reshape(*images.shape, size * size), axis=-1)
    return middle.astype(np.float32)


def bicubic(images: Images, size: tuple[int, int]) -> Pixels:
    """The images at another size (height, width) by bicubic interpolation (Keys, 1981), as Pillow computes it.

    Floating images (N, C, H, W) from 0 to 1, the result float32 (N, C, *size), clipped to [0, 1]. A smaller image is
    filtered as it is sampled. Raises ValueError for other images and for sizes below 1.
    """
    from PIL import Image  # here, so that who uses no pictures does not wait for it

    _check("bicubic", images)
    height, width = size
    n, c = images.shape[:2]
    channels = images.reshape(n * c, *images.shape[2:]).astype(np.float32)
    resized = [
        np.asarray(Image.fromarray(x).resize((width, height), Image.Resampling.BICUBIC)) for x in channels
    ]
    return np.clip(np.stack(resized), 0, 1, dtype=np.float32).reshape(n, c, height, width)


def _check(who: str, images: Images) -> None:
    if images.ndim != 4 or images.dtype.kind != "f" or images.size == 0:
        raise ValueError(
            f"{who}: expected floating images (N, C, H, W), at least one, got {images.shape}, {images.dtype}"
        )


def _mirrored(who: str, images: Images, reach: int) -> Pixels:
    _check(who, images)
    if min(images.shape[2:]) <= reach:
        raise ValueError(
            f"{who}: images {images.shape} are too small for a window that reaches {reach} pixels"
        )
    pairs = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    return np.pad(images.astype(np.float32), pairs, mode="reflect")
