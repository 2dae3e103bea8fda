"""Colour spaces: the same colour as red, green and blue, as hue, saturation and value, or as light and two differences.

Images (..., 3, H, W), floating, from 0 to 1, in and out; the dtype is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# How light red, green and blue look (ITU-R BT.601), as in JPEG.
LIGHT = (0.299, 0.587, 0.114)


def rgb_to_hsv(images: Array) -> Array:
    """Hue (0 red, 1/3 green, 2/3 blue, below 1), saturation and value of floating RGB images (..., 3, H, W).

    value = the greatest of r, g, b;  saturation = (greatest - least) / greatest, 0 for black; the hue is 0 where
    there is none (Smith, 1978). Raises ValueError for images that are not floating or have no three channels.
    """
    r, g, b = _channels("rgb_to_hsv", images)
    value = np.maximum(np.maximum(r, g), b)
    chroma = value - np.minimum(np.minimum(r, g), b)
    divisor = np.where(chroma > 0, chroma, 1)
    sixth = np.where(
        value == r, (g - b) / divisor, np.where(value == g, (b - r) / divisor + 2, (r - g) / divisor + 4)
    )
    hue = sixth / 6
    hue -= np.floor(hue)
    hue[hue == 1] = 0  # of a tiny negative number
    saturation = chroma / np.where(value > 0, value, 1)
    return np.stack([hue, saturation, value], axis=-3)


def hsv_to_rgb(images: Array) -> Array:
    """Floating HSV images (..., 3, H, W) as RGB; hues any number of circles away from 0 to 1 are the same.

    f(k) = v - v s max(0, min(k, 4 - k, 1)),  k = (n + 6 h) mod 6,  n = 5, 3, 1 for red, green, blue.
    Raises: ValueError for images that are not floating or have no three channels.
    """
    hue, saturation, value = _channels("hsv_to_rgb", images)
    rgb = np.empty_like(images)
    chroma = value * saturation
    for channel, n in enumerate((5, 3, 1)):
        k = hue + n / 6
        k -= np.floor(k)  # quicker than numpy.mod
        k *= 6
        rgb[..., channel, :, :] = value - chroma * np.clip(np.minimum(k, 4 - k), 0, 1)
    return rgb


def rgb_to_ycbcr(images: Array) -> Array:
    """Light Y and the differences Cb, Cr from it, of floating RGB images (..., 3, H, W), as JPEG holds them.

    y = 0.299 r + 0.587 g + 0.114 b,  cb = 1/2 + (b - y) / 1.772,  cr = 1/2 + (r - y) / 1.402; grey has 1/2 twice.
    Raises: ValueError for images that are not floating or have no three channels.
    """
    r, _, b = _channels("rgb_to_ycbcr", images)
    y = rgb_to_grey(images)[..., 0, :, :]
    return np.stack([y, 0.5 + (b - y) / 1.772, 0.5 + (r - y) / 1.402], axis=-3)


def ycbcr_to_rgb(images: Array) -> Array:
    """Floating YCbCr images (..., 3, H, W) as RGB; some are no colours, and leave 0 to 1.

    r = y + 1.402 (cr - 1/2),  b = y + 1.772 (cb - 1/2),  g from y. Raises ValueError as `rgb_to_ycbcr` does.
    """
    y, cb, cr = _channels("ycbcr_to_rgb", images)
    r, b = y + 1.402 * (cr - 0.5), y + 1.772 * (cb - 0.5)
    return np.stack([r, (y - LIGHT[0] * r - LIGHT[2] * b) / LIGHT[1], b], axis=-3)


def rgb_to_grey(images: Array) -> Array:
    """How light floating RGB images (..., 3, H, W) are: (..., 1, H, W), 0.299 r + 0.587 g + 0.114 b.

    Raises: ValueError for images that are not floating or have no three channels.
    """
    r, g, b = _channels("rgb_to_grey", images)
    grey: Array = LIGHT[0] * r + LIGHT[1] * g + LIGHT[2] * b
    return grey[..., None, :, :]


def grey_to_rgb(images: Array) -> Array:
    """Grey images (..., 1, H, W) of any dtype with three equal channels. Raises ValueError for other shapes."""
    if images.ndim < 3 or images.shape[-3] != 1:
        raise ValueError(f"grey_to_rgb: expected images (..., 1, H, W), got {images.shape}")
    return images.repeat(3, axis=-3)


def _channels(who: str, images: Array) -> tuple[Array, Array, Array]:
    if images.ndim < 3 or images.shape[-3] != 3 or images.dtype.kind != "f":
        raise ValueError(
            f"{who}: expected floating images (..., 3, H, W), got {images.shape}, {images.dtype}"
        )
    return images[..., 0, :, :], images[..., 1, :, :], images[..., 2, :, :]
