"""Data in batches: a set of rows, and a loader that shuffles and cuts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.data.balance import BalancedSampler
from tinydl.data.transform import Transform as Transform
from tinydl.data.transform import transformed
from tinydl.device import Device, get_device
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]


class TensorDataset:
    """Arrays of the same length whose rows belong together: images and their labels, for example.

    Takes NumPy arrays or Tensors (N, ...) of any dtype and keeps them on the host; an index gives those rows of each.
    Raises ValueError for lengths that differ, no arrays, or arrays without axes.
    """

    def __init__(self, *arrays: Array | Tensor) -> None:
        self.arrays = [a.device.to_host(a._data) if isinstance(a, Tensor) else np.asarray(a) for a in arrays]
        lengths = [len(a) if a.ndim else None for a in self.arrays]
        if not lengths or None in lengths or len(set(lengths)) > 1:
            raise ValueError(f"TensorDataset: expected arrays of one length, got lengths {lengths}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        """The rows of every array; a boolean or integer array, a slice or an integer chooses them."""
        return tuple(a[rows] for a in self.arrays)


class DataLoader:
    """Yields the rows of a data set in batches, as tuples of Tensors on `device`.

    With `shuffle` every pass draws a new order from `generator`; a `sampler` chooses the rows instead. The generator
    also feeds `transform`, which augments training images: one of td.data.augment, whose masks follow, or a function
    (inputs, generator) that changes the first array of each batch. The last batch may be smaller unless `drop_last`.
    The same seed gives the same batches. Shapes are (batch, ...), dtypes as in the data set. Raises ValueError for a
    batch_size that is no positive integer, arrays of different lengths, a sampler of other data or beside `shuffle`,
    or a device of no such name; TypeError for another kind of `generator`.
    """

    def __init__(
        self,
        dataset: TensorDataset | tuple[Array | Tensor, ...],
        batch_size: int,
        shuffle: bool = False,
        generator: GeneratorLike = None,
        transform: Transform | None = None,
        drop_last: bool = False,
        device: str | Device | None = None,
        sampler: BalancedSampler | None = None,
    ) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be an integer of 1 or more, got {batch_size!r}")
        self.dataset = TensorDataset(*dataset) if isinstance(dataset, tuple) else dataset
        if sampler is not None and (shuffle or sampler.rows != len(self.dataset)):
            raise ValueError(
                f"DataLoader: expected a sampler of {len(self.dataset)} rows and shuffle=False, "
                f"got one of {sampler.rows} rows, shuffle={shuffle}"
            )
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = as_generator(generator)
        self.transform = transform
        self.drop_last = drop_last
        self.device = get_device(device)
        self.sampler = sampler

    def __len__(self) -> int:
        """The number of batches."""
        whole, rest = divmod(self._rows(), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        if self.sampler is not None:
            order = self.sampler(self.generator)
        else:
            n = self._rows()
            order = self.generator.permutation(n) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            batch = self.dataset[order[i * self.batch_size : (i + 1) * self.batch_size]]
            if self.transform is not None:
                batch = transformed(self.transform, batch, self.generator)
            yield tuple(Tensor(self.device.asarray(a), self.device) for a in batch)

    def _rows(self) -> int:
        return len(self.dataset) if self.sampler is None else len(self.sampler)
