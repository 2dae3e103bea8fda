"""Augmentation with the names of Keras's ImageDataGenerator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from tinydl.data.augment.amounts import Amount, interval, per_image
from tinydl.data.augment.resample import FillMode, affine, check_filling
from tinydl.data.augment.tones import check_light
from tinydl.data.loader import DataLoader
from tinydl.data.transform import Array, Augmentation
from tinydl.random import Generator, GeneratorLike
from tinydl.tensor import Tensor

Shift: TypeAlias = float | Sequence[float]
Draws: TypeAlias = tuple[Array, Array, Array]  # matrices and shifts of `affine`, brightness


class ImageDataGenerator(Augmentation):
    """Random changes of training images by the names and meanings of Keras, but for images (N, C, H, W).

        changes = ImageDataGenerator(rotation_range=10, width_shift_range=0.1, zoom_range=0.1)
        for x, y in changes.flow(images, labels, batch_size=32): ...          # endless, as in Keras
        loader = DataLoader((images, labels), 32, shuffle=True, transform=changes)   # for td.train.Trainer

    `rotation_range` and `shear_range` are in degrees, to both sides. The shifts are a fraction of the height or width
    below 1, and pixels from 1 on; an integer k means whole pixels below k, a list the shifts to choose from.
    `zoom_range` z means 1 - z to 1 + z, or is a pair; rows and columns are zoomed by factors of their own, and more
    than 1 makes things smaller. `brightness_range` is a pair of factors, for results within 0 to 1. `fill_mode` is
    "nearest", "constant" (`cval`), "reflect" or "wrap". `rescale` multiplies the changed images: 1 / 255 for bytes.
    Any dtype comes in, float32 goes out.

    Raises: ValueError for negative amounts, pairs that are not positive or in the wrong order, and other modes; when
    called, for images that are brightened and not within 0 to 1.
    """

    any_dtype = True

    def __init__(
        self,
        *,
        rotation_range: float = 0.0,
        width_shift_range: Shift = 0.0,
        height_shift_range: Shift = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: Amount = 0.0,
        fill_mode: FillMode = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
    ) -> None:
        who = type(self).__name__
        check_filling(who, fill_mode)
        self.rotation = interval(f"{who}, rotation_range", rotation_range)
        self.shear = interval(f"{who}, shear_range", shear_range)
        self.zoom = interval(f"{who}, zoom_range", zoom_range, centre=1.0, lowest=0.0)
        self.shifts = (height_shift_range, width_shift_range)
        for name, shift in zip(("height_shift_range", "width_shift_range"), self.shifts, strict=True):
            if np.size(shift) == 0 or (np.ndim(shift) == 0 and not np.min(shift) >= 0):
                raise ValueError(f"{who}: expected {name} of 0 or more, or a list of shifts, got {shift}")
        self.brightness = None
        if brightness_range is not None:
            self.brightness = interval(f"{who}, brightness_range", brightness_range, lowest=0.0)
        self.flips = np.array([vertical_flip, horizontal_flip])
        self.fill_mode, self.cval, self.rescale = fill_mode, cval, rescale

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Draws:
        n = shape[0]
        turn, shear = (np.deg2rad(generator.uniform(*r, (n,))) for r in (self.rotation, self.shear))
        shifts = [_shift(*pair, n, generator) for pair in zip(self.shifts, shape[2:], strict=True)]
        zoom = generator.uniform(*self.zoom, (n, 2))
        flipped = (generator.random((n, 2)) < 0.5) & self.flips
        factors = generator.uniform(*(self.brightness or (1.0, 1.0)), (n,))
        matrices, moved = keras_affine(turn, np.stack(shifts, axis=1), shear, zoom)
        return matrices * np.where(flipped, -1, 1)[:, None], moved, factors

    def change(self, images: Array, drawn: Draws) -> Array:
        matrices, shifts, factors = drawn
        changed = affine(images.astype(np.float32), matrices, shifts, self.fill_mode, self.cval)
        if self.rescale is not None:
            changed *= np.float32(self.rescale)
        if self.brightness is not None:
            check_light("ImageDataGenerator, brightness_range", changed)
            changed = np.clip(changed * per_image(factors, changed), 0, 1)
        return changed

    def move_masks(self, masks: Array, drawn: Draws) -> Array:
        return affine(masks, *drawn[:2], self.fill_mode, 0, "nearest")

    def flow(
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        generator: GeneratorLike = None,
    ) -> Iterator[tuple[Tensor, ...]] | Iterator[Tensor]:
        """Changed batches (x, y) without end, of x alone when there is no y; every pass shows each image once.

        Images (N, C, H, W) of any dtype, and what belongs to them (N, ...): masks follow. The same generator gives
        the same batches. Raises ValueError for images of other axes or with channels last, no images, arrays of
        different lengths, and a batch_size that is no positive integer.
        """
        if x.ndim != 4 or 0 in x.shape:
            raise ValueError(f"ImageDataGenerator.flow: expected images (N, C, H, W), got {x.shape}")
        if x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4):
            raise ValueError(
                f"ImageDataGenerator.flow: images {x.shape} seem to have their channels last; "
                "x.transpose(0, 3, 1, 2) makes them (N, C, H, W)"
            )
        arrays = (x,) if y is None else (x, y)
        loader = DataLoader(arrays, batch_size, shuffle, generator, transform=self)
        return _alone(loader) if y is None else _endless(loader)


def keras_affine(turn: Array, shift: Array, shear: Array, zoom: Array) -> tuple[Array, Array]:
    """Keras's matrices, turning (N,) after shifting (N, 2), shearing (N,) and zooming (N, 2), for `affine`.

    source = R (S Z p + t) = (R S Z) p + R t, float32. Raises ValueError for lengths that differ.
    """
    one, zero = np.ones_like(turn), np.zeros_like(turn)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1)
    shearing = np.array([[one, -np.sin(shear)], [zero, np.cos(shear)]]).transpose(2, 0, 1)
    matrices = rotation @ shearing * zoom[:, None]
    moved = (rotation @ shift[:, :, None])[:, :, 0]
    return matrices.astype(np.float32), moved.astype(np.float32)


def _shift(given: Shift, size: int, n: int, generator: Generator) -> Array:
    """n shifts in pixels along an axis of `size` pixels."""
    if isinstance(given, Sequence):
        pixels = np.array(given, np.float32)[generator.integers(0, len(given), (n,))]
    elif isinstance(given, int) and given > 0:
        pixels = generator.integers(1 - given, given, (n,)).astype(np.float32)
    else:
        pixels = generator.uniform(-given, given, (n,))
    return pixels * size if np.max(given) < 1 else pixels


def _endless(loader: DataLoader) -> Iterator[tuple[Tensor, ...]]:
    while True:
        yield from loader


def _alone(loader: DataLoader) -> Iterator[Tensor]:
    for (images,) in _endless(loader):
        yield images
