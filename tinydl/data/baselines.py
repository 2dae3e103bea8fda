"""What a network must beat to have learned anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Pair: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]

_ROWS = 500  # at once: 500 x 60,000 distances are 240 MB


def nearest_neighbour_accuracy(train: Pair, test: Pair) -> float:
    """The share of test images whose nearest training image, by Euclidean distance, has the same label.

    `train` and `test`: images, uint8 (N, ...), or codes of them, and labels (N,). Nothing is chosen and nothing is
    trained, so this is an honest lower bound. Squared distances are  |t|^2 - 2 x.t + |x|^2 , of which the last does
    not matter.

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


@dataclass(frozen=True)
class PrincipalComponents:
    """Principal component analysis: the plane, or flat space of more dimensions, that lies closest to the data.

        encode   (x - mean) components^T        decode   codes components + mean

    No other linear code of as many numbers rebuilds the training data with a smaller squared error. `mean` has shape
    (D,), `components` (count, D): orthonormal, the direction of the greatest variance first. Made by
    `principal_components`; its methods raise ValueError for shapes that do not fit.
    """

    mean: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]

    def encode(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Rows (N, ...) of D values each to their coordinates, float32 (N, count). Raises ValueError for other rows."""
        return np.asarray((self._rows(x) - self.mean) @ self.components.T, np.float32)

    def decode(self, codes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Coordinates (N, count) to rows, float32 (N, D). Raises ValueError for another number of coordinates."""
        return codes @ self.components + self.mean

    def _rows(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        rows = x.reshape(len(x), -1)
        if rows.shape[1] != len(self.mean):
            raise ValueError(
                f"PrincipalComponents: expected rows of {len(self.mean)} values, got shape {x.shape}"
            )
        return rows


def principal_components(x: npt.NDArray[np.float32], count: int) -> PrincipalComponents:
    """The first `count` principal components of the rows of x, float32 (N, ...), by singular value decomposition.

    Each points to where its largest entry is positive, so that every machine gives the same. Raises ValueError for a
    count below 1 or above what rows and columns allow.
    """
    rows = x.reshape(len(x), -1)
    if not 1 <= count <= min(rows.shape):
        raise ValueError(
            f"principal_components: expected a count from 1 to {min(rows.shape)} for shape {x.shape}, got {count}"
        )
    mean = rows.mean(axis=0, dtype=np.float64)
    components = np.linalg.svd(rows - mean, full_matrices=False)[2][:count]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return PrincipalComponents(mean.astype(np.float32), (components * np.sign(largest)).astype(np.float32))
