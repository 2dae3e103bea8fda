"""The strict device: registered as "strict", and imported only when somebody asks for it by that name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.device import Array, Device
from tinydl.random import Generator
from tinydl.strict import kernels
from tinydl.strict.array import StrictArray
from tinydl.strict.module import xp
from tinydl.strict.sync import LeakError, crossing, syncing_is_forbidden

_DTYPES = "?bBhHiIlLqQefdFD"  # what CuPy's arrays hold, in NumPy's letters: no text, objects, dates, 80 bits


class StrictDevice(Device):
    """The test device: arrays that refuse what CuPy refuses, or lets through at a price."""

    def asarray(self, host: np.ndarray[Any, Any]) -> Array:
        """A new device array with the values, dtype and strides of `host`."""
        if not isinstance(host, np.ndarray | np.generic):
            raise LeakError(f"asarray: expected a NumPy array, got {type(host).__name__}")
        if host.dtype.char not in _DTYPES:
            raise TypeError(f"asarray: CuPy has no arrays of {host.dtype}")
        crossing("an upload, Device.asarray")
        return StrictArray(np.array(host, order="K"))

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """The values of a device array as a new NumPy array."""
        if not isinstance(array, StrictArray):
            raise LeakError(f"to_host: expected an array of the strict device, got {type(array).__name__}")
        return array.get()

    def uniform(self, generator: Generator, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """`generator.random(shape, dtype)`, drawn where it is used, as kernels do: no upload."""
        return StrictArray(generator.random(shape, dtype))

    def normal(self, generator: Generator, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """`generator.normal(shape, dtype)`, drawn where it is used, as kernels do: no upload."""
        return StrictArray(generator.normal(shape, dtype))

    @property
    def checks_values(self) -> bool:
        """True outside `no_sync()`."""
        return not syncing_is_forbidden()


strict = StrictDevice("strict", xp, StrictArray, kernels)
