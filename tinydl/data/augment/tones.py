"""Light, colour and noise: every pixel stays at its place.

Brightness, contrast, hue and saturation are those of images from 0 to 1: they refuse images that were standardised
before, and cut off what leaves [0, 1].
"""

from __future__ import annotations

import math

import numpy as np

from tinydl.data.augment.amounts import Amount, interval, per_image
from tinydl.data.colour import hsv_to_rgb, rgb_to_hsv
from tinydl.data.transform import Array, Augmentation
from tinydl.random import Generator


class RandomBrightness(Augmentation):
    """x + a: makes each image (N, C, H, W) lighter or darker, a uniform in +- `amount` or between a pair.

    Raises: ValueError for a negative number and a pair in the wrong order; when called, for images not within 0 to 1.
    """

    def __init__(self, amount: Amount) -> None:
        self.amounts = interval("RandomBrightness", amount)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Array:
        return generator.uniform(*self.amounts, (shape[0],))

    def change(self, images: Array, drawn: Array) -> Array:
        check_light("RandomBrightness", images)
        return np.clip(images + per_image(drawn, images), 0, 1)


class RandomContrast(Augmentation):
    """m + f (x - m), m the mean of an image (N, C, H, W): f uniform in 1 +- `amount`, or between a pair of factors.

    Raises: ValueError for factors below 0 and a pair in the wrong order; when called, for images not within 0 to 1.
    """

    def __init__(self, amount: Amount) -> None:
        self.factors = interval("RandomContrast", amount, centre=1.0, lowest=0.0)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Array:
        return generator.uniform(*self.factors, (shape[0],))

    def change(self, images: Array, drawn: Array) -> Array:
        check_light("RandomContrast", images)
        factor = per_image(drawn, images)
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        return np.clip(factor * images + (1 - factor) * mean, 0, 1)


class ColourJitter(Augmentation):
    """Turns the hue of each image (N, 3, H, W), in red, green and blue, and changes how strong its colours are.

    The hue turns by an angle uniform in +- `hue` degrees, of 360 around the circle of colours; saturation is
    multiplied by a factor uniform in 1 +- `saturation`. Either may be a pair instead. Raises ValueError for negative
    numbers, factors below 0 and pairs in the wrong order; when called, for images without three channels or not
    within 0 to 1.
    """

    def __init__(self, hue: Amount = 0.0, saturation: Amount = 0.0) -> None:
        self.hue = interval("ColourJitter", hue)
        self.saturation = interval("ColourJitter", saturation, centre=1.0, lowest=0.0)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> tuple[Array, Array]:
        return generator.uniform(*self.hue, (shape[0],)), generator.uniform(*self.saturation, (shape[0],))

    def change(self, images: Array, drawn: tuple[Array, Array]) -> Array:
        check_light("ColourJitter", images)
        degrees, factors = drawn
        hsv = rgb_to_hsv(images)
        hsv[:, 0] += degrees[:, None, None] / 360
        hsv[:, 1] = np.minimum(hsv[:, 1] * factors[:, None, None], 1)
        return hsv_to_rgb(hsv)


class GaussianNoise(Augmentation):
    """x + s z: adds to each value of images (N, C, H, W) a normal number of standard deviation `deviation`.

    The result is not cut off at 0 and 1, so that the mean stays. Raises ValueError for a deviation that is negative
    or not finite.
    """

    def __init__(self, deviation: float) -> None:
        if not (deviation >= 0 and math.isfinite(deviation)):
            raise ValueError(f"GaussianNoise: expected a deviation of 0 or more, got {deviation}")
        self.deviation = deviation

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Array:
        return generator.normal(shape)

    def change(self, images: Array, drawn: Array) -> Array:
        noise = drawn.astype(images.dtype, copy=False) * images.dtype.type(self.deviation)
        changed: Array = images + noise
        return changed


def check_light(who: str, images: Array) -> None:
    """Raises ValueError for images that are not within 0 to 1, but for rounding."""
    low, high = (images.min(), images.max()) if images.size else (0, 1)
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(
            f"{who}: expected images from 0 to 1, got {low:g} to {high:g}; "
            "divide bytes by 255, and standardise afterwards"
        )
