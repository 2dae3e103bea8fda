"""Turning, scaling, shifting and shearing, by a 2 x 2 matrix and a shift for each image. Masks follow.

Where several are wanted, `RandomAffine` does them at once: every resampling blurs a little.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tinydl.data.augment.amounts import Amount, interval
from tinydl.data.augment.resample import FillMode, Interpolation, affine, check_filling
from tinydl.data.transform import Array, Augmentation
from tinydl.random import Generator

Draws: TypeAlias = tuple[Array, Array]  # matrices (N, 2, 2) and shifts (N, 2) of `affine`


class Resampling(Augmentation):
    """A change that moves pixels: `draw` returns the matrices (N, 2, 2) and shifts (N, 2) of `affine`.

    What comes in from outside is what `fill_mode` says: "constant" (`fill_value`, in masks 0), "nearest" (the pixel
    at the edge), "reflect" (the mirror image) or "wrap" (the other side). Raises ValueError for other modes and
    interpolations than "bilinear" and "nearest".
    """

    def __init__(
        self,
        fill_mode: FillMode = "constant",
        fill_value: float = 0.0,
        interpolation: Interpolation = "bilinear",
    ) -> None:
        check_filling(type(self).__name__, fill_mode, interpolation)
        self.fill_mode, self.fill_value, self.interpolation = fill_mode, fill_value, interpolation

    def change(self, images: Array, drawn: Draws) -> Array:
        return affine(images, *drawn, self.fill_mode, self.fill_value, self.interpolation)

    def move_masks(self, masks: Array, drawn: Draws) -> Array:
        return affine(masks, *drawn, self.fill_mode, 0, "nearest")


class RandomAffine(Resampling):
    """Turns, shifts, scales and shears each image of a batch (N, C, H, W) by amounts of its own.

    Angles are uniform in +- `degrees`, shifts in +- `translate` pixels along both axes, the scale in
    1 +- `scale` and the shear angle in +- `shear` degrees. Bilinear interpolation, black outside, unless `filling`
    says otherwise: it goes to `Resampling`. Raises ValueError for negative amounts and a scale of 1 or more, and as
    `Resampling` does.
    """

    def __init__(
        self,
        degrees: float = 0.0,
        translate: float = 0.0,
        scale: float = 0.0,
        shear: float = 0.0,
        **filling: Any,
    ) -> None:
        super().__init__(**filling)
        if not (min(degrees, translate, scale, shear) >= 0 and scale < 1):
            raise ValueError(
                "RandomAffine: expected amounts of 0 or more and scale < 1, "
                f"got degrees={degrees}, translate={translate}, scale={scale}, shear={shear}"
            )
        self.given = (degrees, translate, scale, shear)
        self.amounts = np.array(
            [np.deg2rad(degrees), np.deg2rad(shear), scale, translate, translate], np.float32
        )

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Draws:
        drawn = generator.uniform(-1.0, 1.0, (shape[0], 5)) * self.amounts
        angle, shear, scale = drawn[:, 0], drawn[:, 1], 1.0 + drawn[:, 2]
        # Row and column of the source for a step down and a step right in the result.
        matrices = np.empty((len(drawn), 2, 2), np.float32)
        matrices[:, 0, 0], matrices[:, 0, 1] = np.cos(angle), np.sin(angle + shear)
        matrices[:, 1, 0], matrices[:, 1, 1] = -np.sin(angle), np.cos(angle + shear)
        return matrices / scale[:, None, None], drawn[:, 3:]


class RandomRotation(Resampling):
    """Turns each image (N, C, H, W) about its centre, counterclockwise.

    By an angle uniform in +- `degrees`, or between a pair of angles; `filling` goes to `Resampling`. Raises
    ValueError for a negative number, a pair in the wrong order, and as `Resampling` does.
    """

    def __init__(self, degrees: Amount, **filling: Any) -> None:
        super().__init__(**filling)
        self.degrees = interval("RandomRotation", degrees)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Draws:
        degrees = generator.uniform(*self.degrees, (shape[0],))
        angle = np.deg2rad(degrees.astype(np.float64))  # float32 would miss right angles by 4e-8
        matrices = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return _one_for_each(matrices)


class RandomZoom(Resampling):
    """Scales each image (N, C, H, W) about its centre: 2 shows everything twice as large.

    By a factor uniform in 1 +- `zoom`, or between a pair of factors; `filling` goes to `Resampling`. Raises
    ValueError for a number below 0 or of 1 and more, a pair that is not positive or in the wrong order, and as
    `Resampling` does.
    """

    def __init__(self, zoom: Amount, **filling: Any) -> None:
        super().__init__(**filling)
        self.factors = interval("RandomZoom", zoom, centre=1.0)
        if self.factors[0] <= 0:
            raise ValueError(
                f"RandomZoom: expected factors above 0, got {zoom}, which reaches {self.factors[0]:g}"
            )

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Draws:
        step = 1 / generator.uniform(*self.factors, (shape[0],))
        zero = np.zeros_like(step)
        return _one_for_each(np.array([[step, zero], [zero, step]]))


class RandomShift(Resampling):
    """Moves each image (N, C, H, W) down by `rows` and right by `columns` pixels.

    Uniform in +- the number, or between a pair of numbers; parts of a pixel are interpolated. `filling` goes to
    `Resampling`. Raises ValueError for
    negative numbers, pairs in the wrong order, and as `Resampling` does.
    """

    def __init__(self, rows: Amount = 0.0, columns: Amount = 0.0, **filling: Any) -> None:
        super().__init__(**filling)
        self.ranges = (interval("RandomShift", rows), interval("RandomShift", columns))

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Draws:
        moved = np.stack([generator.uniform(*pixels, (shape[0],)) for pixels in self.ranges], axis=1)
        return np.broadcast_to(np.eye(2, dtype=np.float32), (shape[0], 2, 2)), -moved


class RandomShear(Resampling):
    """Slides the rows of each image (N, C, H, W) over one another: what stood upright leans, counterclockwise.

    By an angle uniform in +- `degrees`, or between a pair of angles; `filling` goes to `Resampling`. Raises
    ValueError for a negative number, a pair in the wrong order, angles above 89 degrees, and as `Resampling` does.
    """

    def __init__(self, degrees: Amount, **filling: Any) -> None:
        super().__init__(**filling)
        self.degrees = interval("RandomShear", degrees, lowest=-89.0, highest=89.0)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Draws:
        slope = np.tan(np.deg2rad(generator.uniform(*self.degrees, (shape[0],))))
        zero, one = np.zeros_like(slope), np.ones_like(slope)
        return _one_for_each(np.array([[one, zero], [-slope, one]]))


def _one_for_each(matrices: Array) -> Draws:
    """Matrices (2, 2, N) as (N, 2, 2), and no shifts."""
    return matrices.transpose(2, 0, 1).astype(np.float32), np.zeros((matrices.shape[2], 2), np.float32)
