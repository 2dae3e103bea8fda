"""Classes of different sizes: rare ones are shown as often as the others, so that a network learns them, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.data.transform import Transform, transformed
from tinydl.random import Generator, GeneratorLike, as_generator

Array = npt.NDArray[Any]


class BalancedSampler:
    """The rows that a DataLoader shows in an epoch: as many of each class, however many the data have.

        loader = DataLoader((x, y), 64, sampler=BalancedSampler(y), generator=0)

    `labels` are integers (N,), those of all rows; an epoch has `count` rows, N unless it is given. Rows of a rare
    class come several times, but none once more before all of its class have come; with a random transform they
    look different each time. `sampler(generator)` gives the rows, int64 (count,). Raises TypeError for labels that
    are not integers, ValueError for other shapes, no labels, and a count below 1.
    """

    def __init__(self, labels: Array, count: int | None = None) -> None:
        self.classes = _rows_of_classes("BalancedSampler", labels)
        self.rows = len(labels)
        self.count = self.rows if count is None else count
        if self.count < 1:
            raise ValueError(f"BalancedSampler: expected a count of 1 or more, got {count}")

    def __len__(self) -> int:
        """How many rows an epoch has."""
        return self.count

    def __call__(self, generator: Generator) -> npt.NDArray[np.int64]:
        share, over = divmod(self.count, len(self.classes))
        lucky = generator.permutation(len(self.classes)) < over  # one row more, so that the counts add up
        chosen = [
            _evenly(rows, share + more, generator) for rows, more in zip(self.classes, lucky, strict=True)
        ]
        return np.concatenate(chosen)[generator.permutation(self.count)]


def oversample(
    x: Array, y: Array, transform: Transform | None = None, generator: GeneratorLike = None
) -> tuple[Array, Array]:
    """Adds rows to the smaller classes until all are as large as the largest: copies, changed by `transform`.

    x (N, ...) and integer labels y (N,); what was there stands first, unchanged. Only for the training part: a copy
    in the validation part would be a question whose answer is known. Raises TypeError for labels that are not
    integers, ValueError for lengths that differ and no labels; what the transform raises.
    """
    classes = _rows_of_classes("oversample", y)
    if len(x) != len(y):
        raise ValueError(f"oversample: expected as many rows as labels, got {len(x)} and {len(y)}")
    generator = as_generator(generator)
    largest = max(len(rows) for rows in classes)
    added = np.concatenate([_evenly(rows, largest - len(rows), generator) for rows in classes])
    copies, labels = x[added], y[added]
    if transform is not None and len(added):
        copies, labels = transformed(transform, (copies, labels), generator)
    return np.concatenate([x, copies]), np.concatenate([y, labels])


def _rows_of_classes(who: str, labels: Array) -> list[Array]:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{who}: expected integer labels, got {labels.dtype}")
    if labels.ndim != 1 or labels.size == 0:
        raise ValueError(f"{who}: expected labels (N,), at least one, got {labels.shape}")
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _evenly(rows: Array, count: int, generator: Generator) -> Array:
    """`count` of these rows: each as often as any other, or once more."""
    whole, rest = divmod(int(count), len(rows))
    chosen: Array = np.concatenate([np.tile(rows, whole), rows[generator.permutation(len(rows))[:rest]]])
    return chosen
