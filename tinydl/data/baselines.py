"""What a network must beat to have learned anything."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pair: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]

_ROWS = 500  # at once: 500 x 60,000 distances are 240 MB


def nearest_neighbour_accuracy(train: Pair, test: Pair) -> float:
    """The share of test images whose nearest training image, by Euclidean distance, has the same label.

    `train` and `test`: images, uint8 (N, ...), and labels (N,). Nothing is chosen and nothing is trained, so
    this is an honest lower bound. Squared distances are  |t|^2 - 2 x.t + |x|^2 , of which the last does not
    matter.

    Raises: ValueError when the images of the two parts differ in size or a part is empty.
    """
    if not len(train[0]) or not len(test[0]) or train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            "nearest_neighbour_accuracy: expected images of one size in both parts, "
            f"got {train[0].shape} and {test[0].shape}"
        )
    # exact whole numbers in float64, so every machine gives the same answer; float32 would round them
    known = train[0].reshape(len(train[0]), -1).astype(np.float64)
    lengths = np.square(known).sum(axis=1)
    hits = 0
    for start in range(0, len(test[0]), _ROWS):
        images, labels = (part[start : start + _ROWS] for part in test)
        asked = images.reshape(len(images), -1).astype(np.float64)
        nearest = np.argmin(lengths - 2 * (asked @ known.T), axis=1)
        hits += int(np.count_nonzero(train[1][nearest] == labels))
    return hits / len(test[0])
