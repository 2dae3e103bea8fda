"""Dividing data into the part to learn from, the part to choose by and the part to report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.random import GeneratorLike, as_generator

Array = npt.NDArray[Any]


def train_validation_test_split(
    *arrays: Array,
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
    stratify: Array | None = None,
    generator: GeneratorLike = None,
) -> tuple[Any, Any, Any]:
    """The rows of all arrays, shuffled alike and divided into three parts; every row lands in exactly one.

        (x_train, y_train), (x_val, y_val), (x_test, y_test) = train_validation_test_split(x, y)

    A part is a tuple of copies (rows, ...) in their dtypes, one for each array; of a single array just the copy.
    Counts are rounded by largest remainder, so that they add up. `stratify`, integers (N,), divides the rows
    of each value by the fractions, so that every part has the classes in the same proportions.

    Raises: ValueError for no array, arrays or `stratify` of different lengths, or fractions that are not
    three numbers of 0 or more with sum 1; TypeError for `stratify` that does not hold integers.
    """
    if not arrays:
        raise ValueError("train_validation_test_split: expected one array or more, got none")
    shapes = [np.shape(array) for array in arrays]
    if any(shape == () for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(f"train_validation_test_split: expected arrays of one length, got shapes {shapes}")
    fractions = _checked(fractions)
    n = shapes[0][0]
    groups = [np.arange(n)] if stratify is None else _groups(stratify, n)
    generator = as_generator(generator)

    rows: list[list[Array]] = [[], [], []]
    for group in groups:
        order = group[generator.permutation(len(group))]
        ends = np.cumsum(_counts(len(group), fractions))
        for part, piece in zip(rows, np.split(order, ends[:-1]), strict=True):
            part.append(piece)
    parts = []
    for pieces in rows:
        # shuffled once more, or a stratified part would hold its classes one after the other
        chosen = np.concatenate([np.empty(0, np.int64), *pieces])
        chosen = chosen[generator.permutation(len(chosen))]
        taken = tuple(np.asarray(array)[chosen] for array in arrays)
        parts.append(taken if len(taken) > 1 else taken[0])
    return parts[0], parts[1], parts[2]


def _checked(fractions: Sequence[float]) -> Sequence[float]:
    numbers = [float(fraction) for fraction in fractions]
    # not (f >= 0) instead of f < 0: NaN must not pass
    if len(numbers) != 3 or not all(f >= 0 for f in numbers) or abs(math.fsum(numbers) - 1) > 1e-9:
        raise ValueError(
            "train_validation_test_split: expected three fractions of 0 or more with sum 1 "
            f"(train, validation, test), got {tuple(fractions)} with sum {math.fsum(numbers)}"
        )
    return [f / math.fsum(numbers) for f in numbers]


def _groups(stratify: Array, n: int) -> list[Array]:
    """The rows of each class."""
    labels = np.asarray(stratify)
    if labels.dtype.kind not in "iub":
        raise TypeError(f"train_validation_test_split: expected stratify of integers, got {labels.dtype}")
    if labels.shape != (n,):
        raise ValueError(
            f"train_validation_test_split: expected stratify of shape ({n},), one label a row, "
            f"got {labels.shape}"
        )
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _counts(n: int, fractions: Sequence[float]) -> list[int]:
    """`n` rows divided by largest remainder: round all down, then give what is left to whoever lost most."""
    shares = [n * fraction for fraction in fractions]
    counts = [math.floor(share) for share in shares]
    # 0.73 * 2 and 0.23 * 2 lose the same 0.46; rounding says so, and of equals the earlier part wins
    by_loss = sorted(range(len(shares)), key=lambda i: round(counts[i] - shares[i], 6))
    for i in by_loss[: n - sum(counts)]:
        counts[i] += 1
    return counts
