"""The array module switch: where a tensor's memory lives and what computes on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from tinydl.allocator import keep_freed_memory
from tinydl.kernels import cpu as cpu_kernels
from tinydl.kernels import reference

# A NumPy array, or the array type of another device: their common methods are what ops are written in.
Array: TypeAlias = Any


class _Choice(threading.local):
    textbook = False


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
        """What convolutions and poolings compute with: reference.py everywhere inside `textbook()`."""
        return reference if _choice.textbook else self._kernels

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


cpu = Device("cpu", np, np.ndarray, cpu_kernels)
keep_freed_memory(1024)
_devices: dict[str, Device] = {"cpu": cpu}


def get_device(device: str | Device | None) -> Device:
    """The `Device` of that name, "cpu" or "strict" (`tinydl.strict`); None is the CPU.

    Raises: RuntimeError when the device can't be used here, ValueError when there is none of that name.
    """
    if device is None:
        return cpu
    if isinstance(device, Device):
        return device
    if device == "strict" and device not in _devices:
        from tinydl.strict.device import strict  # it derives from Device, and only tests need it

        _devices[device] = strict
    if device not in _devices:
        raise ValueError(
            f"device {device!r}: expected 'cpu' or 'strict', the test device; others are to come"
        )
    return _devices[device]


def device_of(array: Array) -> Device | None:
    """The device whose plain array `array` is, or None when it is no array."""
    if isinstance(array, np.ndarray | np.generic):
        return cpu
    return next((d for d in _devices.values() if type(array) is d.array_type), None)
