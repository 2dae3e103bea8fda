"""Mirroring, cropping and cutting out: pixels change their places or go, none is computed anew. Masks follow."""

from __future__ import annotations

import numpy as np

from tinydl.data.augment.resample import FillMode, check_filling, padded
from tinydl.data.transform import Array, Augmentation
from tinydl.random import Generator


class RandomFlip(Augmentation):
    """Mirrors each image along one axis with probability `p`. Raises ValueError for p outside [0, 1]."""

    any_dtype = True
    axis: int

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be in [0, 1], got {p}")
        self.p = p

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Array:
        return generator.random((shape[0],)) < self.p

    def change(self, images: Array, drawn: Array) -> Array:
        flipped = images.copy()
        flipped[drawn] = np.flip(images[drawn], self.axis)
        return flipped

    def move_masks(self, masks: Array, drawn: Array) -> Array:
        return self.change(masks, drawn)


class RandomHorizontalFlip(RandomFlip):
    """Mirrors each image of a batch (N, C, H, W), any dtype, left to right with probability `p`.

    Raises: ValueError for p outside [0, 1].
    """

    axis = 3


class RandomVerticalFlip(RandomFlip):
    """Turns each image of a batch (N, C, H, W), any dtype, upside down with probability `p`, mirrored.

    Raises: ValueError for p outside [0, 1].
    """

    axis = 2


class RandomCrop(Augmentation):
    """Cuts a piece of `size` (a number or height and width) from a random place of each image (N, C, H, W).

    Before that `padding` pixels are added on each side, as `fill_mode` says ("constant": `fill_value`, in masks 0);
    without a `size` the pieces are as large as the images were. Any dtype. Raises ValueError for sizes below 1,
    negative padding and another mode; when called, for images that are smaller than the piece.
    """

    any_dtype = True

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        padding: int = 0,
        fill_mode: FillMode = "constant",
        fill_value: float = 0.0,
    ) -> None:
        check_filling("RandomCrop", fill_mode)
        self.size = (size, size) if isinstance(size, int) else size
        self.padding, self.fill_mode, self.fill_value = padding, fill_mode, fill_value
        if padding < 0 or (self.size is not None and min(self.size) < 1):
            raise ValueError(
                f"RandomCrop: expected a size of 1 or more and padding of 0 or more, got {size}, padding={padding}"
            )

    def draw(self, shape: tuple[int, ...], generator: Generator) -> tuple[Array, Array]:
        room = [n + 2 * self.padding - k for n, k in zip(shape[2:], self.size or shape[2:], strict=True)]
        if min(room) < 0:
            raise ValueError(
                f"RandomCrop: images {shape} with padding {self.padding} are smaller than {self.size}"
            )
        top, left = (generator.integers(0, free + 1, (shape[0],)) for free in room)
        return top, left

    def change(self, images: Array, drawn: tuple[Array, Array]) -> Array:
        return self._cut(images, drawn, self.fill_value)

    def move_masks(self, masks: Array, drawn: tuple[Array, Array]) -> Array:
        return self._cut(masks, drawn, 0)

    def _cut(self, images: Array, drawn: tuple[Array, Array], fill_value: float) -> Array:
        top, left = drawn
        whole = padded(images, self.padding, self.fill_mode, fill_value)
        windows = np.lib.stride_tricks.sliding_window_view(whole, self.size or images.shape[2:], (2, 3))
        return windows[np.arange(len(images)), :, top, left]


class Cutout(Augmentation):
    """Covers a square of `size` pixels at a random place of each image (N, C, H, W) (DeVries and Taylor, 2017).

    The square lies within the image and gets `fill_value`; masks keep what it hides. Raises ValueError for sizes
    below 1; when called, for images that are smaller than the square.
    """

    def __init__(self, size: int, fill_value: float = 0.0) -> None:
        if size < 1:
            raise ValueError(f"Cutout: expected a size of 1 or more, got {size}")
        self.size, self.fill_value = size, fill_value

    def draw(self, shape: tuple[int, ...], generator: Generator) -> tuple[Array, Array]:
        if min(shape[2:]) < self.size:
            raise ValueError(f"Cutout: images {shape} are smaller than a square of {self.size}")
        top, left = (generator.integers(0, n - self.size + 1, (shape[0],)) for n in shape[2:])
        return top, left

    def change(self, images: Array, drawn: tuple[Array, Array]) -> Array:
        covered = images.copy()
        windows = np.lib.stride_tricks.sliding_window_view(
            covered, (self.size, self.size), (2, 3), writeable=True
        )
        windows[np.arange(len(images)), :, *drawn] = self.fill_value
        return covered
