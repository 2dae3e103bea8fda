"""From a mask to objects: connected components, and how many of them are the true ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def components(mask: npt.NDArray[np.bool_], smallest: int = 1) -> npt.NDArray[np.int64]:
    """Numbers the connected components of a mask (H, W): int64, 0 where the mask is False, then 1, 2, 3, ...

    Pixels are connected by their sides. Components of fewer than `smallest` pixels are left out. Every pixel
    begins with a number of its own and takes the largest among itself and its neighbours, until none changes.
    """
    height, width = mask.shape
    number = np.arange(1, mask.size + 1).reshape(height, width) * mask
    while True:
        spread = np.pad(number, 1)
        largest = np.maximum.reduce(
            [number, spread[:-2, 1:-1], spread[2:, 1:-1], spread[1:-1, :-2], spread[1:-1, 2:]]
        )
        # What the pixel of that number has taken meanwhile: numbers leap, so that few rounds are enough.
        larger = np.concatenate([[0], number.ravel()])[largest] * mask
        if (larger == number).all():
            break
        number = np.maximum(larger, largest * mask)
    names, place, sizes = np.unique(number, return_inverse=True, return_counts=True)
    kept = (names > 0) & (sizes >= smallest)
    numbers: npt.NDArray[np.int64] = np.where(kept, np.cumsum(kept), 0)
    return numbers[place].reshape(height, width)


def matches(found: npt.NDArray[Any], truth: npt.NDArray[Any]) -> int:
    """How many true objects are found: by an object whose overlap (IoU) with it is more than 0.5.

    Both are labels (H, W), 0 for background. With more than half in common no object can be matched twice.
    """
    columns = int(found.max()) + 1
    both = np.bincount(
        truth.astype(np.int64).ravel() * columns + found.ravel(), minlength=(int(truth.max()) + 1) * columns
    ).reshape(-1, columns)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
    return int((2 * both > union)[1:, 1:].sum())
