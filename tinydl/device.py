"""The array module switch: where a tensor's memory lives and what computes on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.allocator import keep_freed_memory
from tinydl.capture import Graph
from tinydl.kernels import cpu as cpu_kernels
from tinydl.kernels import reference
from tinydl.random import Generator

# A NumPy array, or the array type of another device: their common methods are what ops are written in.
Array: TypeAlias = Any


class _Choice(threading.local):
    textbook = False
    compiled: ModuleType | None = None


_choice = _Choice()


@contextmanager
def textbook() -> Iterator[None]:
    """Inside it, in this thread, convolutions and poolings run the kernels that read like the textbook.

    They are what the fast kernels are held against (`tinydl/kernels/reference.py`), and give the same values but
    for rounding.

        with td.textbook():
            loss = model(x)
    """
    before, _choice.textbook = _choice.textbook, True
    try:
        yield
    finally:
        _choice.textbook = before


@contextmanager
def numba_kernels() -> Iterator[None]:
    """Inside it, in this thread, the CPU runs kernels that Numba compiled where there are any, else NumPy's.

    They are for steps of SGD, Adam and AdamW, batch normalisation and the gradient of ReLU (tinydl/kernels/numba_cpu.py
    says why), and give the same values but for the rounding of sums. The first use of each compiles it: seconds, once a
    machine. Inside `textbook()` the textbook's run. Raises RuntimeError where Numba is missing.

        with td.numba_kernels():
            trainer.fit(data)
    """
    try:
        compiled = import_module("tinydl.kernels.numba_cpu")  # it loads Numba
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        raise RuntimeError(
            'numba_kernels: Numba is not installed; pip install "tinydl[numba]", or leave NumPy to compute'
        ) from None
    before, _choice.compiled = _choice.compiled, compiled
    try:
        yield
    finally:
        _choice.compiled = before


class Device:
    """One place to compute: its array module `xp`, its array type and its kernels.

    `asarray` and `to_host` are the only way in and out. Devices are compared by name, and equal the string
    that names them: `tensor.device == "cpu"`.
    """

    def __init__(self, name: str, xp: ModuleType, array_type: type, kernels: ModuleType) -> None:
        self.name = name
        self.xp = xp
        self.array_type = array_type
        self._kernels = kernels

    @property
    def kernels(self) -> ModuleType:
        """What operations compute with: reference.py everywhere inside `textbook()`."""
        if _choice.textbook:
            return reference
        if self._kernels is cpu_kernels and _choice.compiled is not None:
            return _choice.compiled
        return self._kernels

    def __repr__(self) -> str:
        return f"Device({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return self.name == (other.name if isinstance(other, Device) else other)

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return get_device, (self.name,)  # a copied tensor is on the same device, not on a copy of it

    def asarray(self, host: np.ndarray[Any, Any]) -> Array:
        """A new array on this device with the values, dtype and strides of `host`."""
        return self.xp.array(host, order="K")

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """The values of `array` as a NumPy array; on the CPU the array itself."""
        return np.asarray(array)

    @property
    def checks_values(self) -> bool:
        """Whether values are checked here (labels in range, probabilities in [0, 1]): the host has to wait for it."""
        return True

    def fill(self, array: Array, host: np.ndarray[Any, Any]) -> None:
        """Copies host values into an array of this device, of the same shape and dtype and in C order.

        Raises ValueError for another shape.
        """
        array[...] = self.asarray(host)

    def uniform(self, generator: Generator, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """`generator.random(shape, dtype)` as an array of this device; raises what that raises."""
        return self._taken(generator.random(shape, dtype))

    def normal(self, generator: Generator, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """`generator.normal(shape, dtype)` as an array of this device; raises what that raises."""
        return self._taken(generator.normal(shape, dtype))

    def _taken(self, host: np.ndarray[Any, Any]) -> Array:
        return host if self.array_type is np.ndarray else self.asarray(host)  # nobody else has it

    def graph(self) -> Graph | None:
        """Something new to capture a step in; None where steps can't be captured."""
        return None

    def synchronize(self) -> None:
        """Waits until all that was asked for is computed; on the CPU it is."""


cpu = Device("cpu", np, np.ndarray, cpu_kernels)
keep_freed_memory(1024)
_ON_THE_HOST = np.ndarray, np.generic
_EXPECTED = (
    "'cpu', 'cuda' (the first GPU; CUDA_VISIBLE_DEVICES chooses another), or 'strict', the test device"
)
_devices: dict[str | None, Device] = {"cpu": cpu, None: cpu}


def get_device(device: str | Device | None) -> Device:
    """The `Device` of that name, "cpu", "cuda" or "strict" (`tinydl.strict`); None is the CPU.

    "cuda" is the first GPU that the process sees, "cuda:0" another name for it.

    Raises: RuntimeError when the device can't be used here, ValueError when there is none of that name.
    """
    if isinstance(device, Device):
        return device
    if device == "strict" and device not in _devices:
        from tinydl.strict.device import strict  # it derives from Device, and only tests need it

        _devices[device] = strict
    if device in ("cuda", "cuda:0") and device not in _devices:
        from tinydl.cuda.device import open_cuda  # it loads CuPy

        _devices["cuda"] = _devices["cuda:0"] = open_cuda()
    if device not in _devices:
        raise ValueError(f"device {device!r}: expected {_EXPECTED}")
    return _devices[device]


def device_of(array: Array) -> Device | None:
    """The device whose plain array `array` is, or None when it is no array."""
    if isinstance(array, _ON_THE_HOST):
        return cpu
    return next((d for d in _devices.values() if type(array) is d.array_type), None)
