"""Crops: many small training images from a few large ones, each with the same piece of its mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.data.loader import TensorDataset
from tinydl.random import Generator
from tinydl.tensor import Tensor

Array = npt.NDArray[Any]


class RandomCrops(TensorDataset):
    """Squares of `size` pixels cut from images and their masks, drawn anew whenever they are asked for.

    Takes arrays or Tensors (N, ..., H, W) of any dtype: images, masks, whatever lies on the same pixels. A crop
    is the same place of the same image in each of them, turned by a multiple of 90 degrees and perhaps
    mirrored: all eight ways are equally likely. An epoch has `count` of them.

    Places and turns are drawn from `generator`. Give the DataLoader the same one: a checkpoint keeps its place,
    and a resumed run sees the crops that it would have seen.

        generator = td.Generator(0)
        crops = RandomCrops(images, masks, size=64, count=160, generator=generator)
        loader = DataLoader(crops, batch_size=8, generator=generator)

    Raises: ValueError for arrays that do not have the same N, H and W, a size that does not fit in them, and a
    count below 1; TypeError for a generator that is none.
    """

    def __init__(self, *arrays: Array | Tensor, size: int, count: int, generator: Generator) -> None:
        super().__init__(*arrays)
        planes = {a.shape[-2:] for a in self.arrays}
        if min(a.ndim for a in self.arrays) < 3 or len(planes) > 1:
            raise ValueError(
                "RandomCrops: expected arrays (N, ..., H, W) with the same H and W, "
                f"got {', '.join(str(a.shape) for a in self.arrays)}"
            )
        self.height, self.width = planes.pop()
        if not 1 <= size <= min(self.height, self.width) or count < 1 or super().__len__() < 1:
            raise ValueError(
                f"RandomCrops: expected one image or more, a size from 1 to {min(self.height, self.width)} and a "
                f"count of 1 or more, got {super().__len__()} images, size={size}, count={count}"
            )
        if not isinstance(generator, Generator):
            raise TypeError(f"RandomCrops: generator must be a td.Generator, got {type(generator).__name__}")
        self.size, self.count, self.generator = size, count, generator

    def __len__(self) -> int:
        """How many crops make an epoch."""
        return self.count

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        """New crops, as many as `rows` ask for: (n, ..., size, size) of each array; one row gives one crop."""
        asked = np.arange(self.count)[rows]
        places = [self._draw() for _ in range(asked.size)]
        crops = tuple(np.stack([self._cut(a, *place) for place in places]) for a in self.arrays)
        return crops if asked.ndim else tuple(crop[0] for crop in crops)

    def _draw(self) -> tuple[int, int, int, int]:
        """The number of an image, the row and column of the top left corner, and one of eight ways to lie."""
        draw = self.generator.integers
        return (
            int(draw(0, super().__len__())),
            int(draw(0, self.height - self.size + 1)),
            int(draw(0, self.width - self.size + 1)),
            int(draw(0, 8)),
        )

    def _cut(self, array: Array, number: int, top: int, left: int, way: int) -> Array:
        return turned(array[number, ..., top : top + self.size, left : left + self.size], way)


def turned(array: Array, way: int) -> Array:
    """One of the eight ways that a square can lie: mirrored left to right if `way` >= 4, then `way` % 4 quarter turns.

    A view of the array (..., H, W), any dtype. Raises ValueError for fewer than two axes.
    """
    mirrored = array[..., ::-1] if way >= 4 else array
    return np.rot90(mirrored, way % 4, axes=(-2, -1))


def turned_back(array: Array, way: int) -> Array:
    """What `turned` got: a view of the array (..., H, W), any dtype. Raises ValueError for fewer than two axes."""
    upright = np.rot90(array, -(way % 4), axes=(-2, -1))
    return upright[..., ::-1] if way >= 4 else upright
