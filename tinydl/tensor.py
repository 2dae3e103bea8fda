"""Tensor: an array that remembers how it was computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinydl.device import Array, Device, cpu, get_device
from tinydl.memory import Memory
from tinydl.operators import Operators

if TYPE_CHECKING:
    from tinydl.op import Op


class Tensor(Operators):
    """An n-dimensional array with a gradient.

    `data` is a plain array of the tensor's `device`. A tensor is a leaf, made by a user, or the output of an
    operation; `requires_grad` says whether gradients flow to it. After `backward()` every leaf that
    requires one has its gradient in `grad`, of its shape and dtype. Dtypes are float32, float64, integers and
    boolean.

    Make one with `td.tensor(...)`. Raises TypeError for `requires_grad` with integers; the array is not copied.
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_memory", "_op", "_wants_grad", "device")
    # NumPy arrays leave `array + tensor` to the tensor, which refuses it with a sentence that says why.
    __array_ufunc__ = None

    _data: Array
    device: Device
    _op: Op | None  # the operation that computed this tensor; None for a leaf
    _wants_grad: bool  # for a leaf
    _grad: Tensor | None
    _memory: Memory | None  # made when a graph first saves this tensor or a view of it

    def __init__(self, data: Array, device: Device = cpu, requires_grad: bool = False) -> None:
        self._data = data
        self.device = device
        self._op = None
        self._wants_grad = False
        self._grad = None
        self._memory = None
        if requires_grad:
            self.requires_grad = True

    # ---- what a tensor is

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis; () for one number."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """How many elements there are: the product of the shape."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements: float32, float64, an integer type or bool."""
        return self._data.dtype

    @property
    def is_leaf(self) -> bool:
        """True for a tensor that no recorded operation computed."""
        return self._op is None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Can be set on floating leaves only.

        Setting raises TypeError for integers, RuntimeError for a tensor that was computed.
        """
        return self._op is not None or self._wants_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._op is not None:
            raise RuntimeError(
                "requires_grad can be set on leaves only; this tensor was computed by "
                f"{self._op.name}: use .detach() for a leaf with the same values"
            )
        if value and self.dtype.kind not in "fc":
            raise TypeError(f"only floating tensors can require gradients, this one is {self.dtype}")
        self._wants_grad = bool(value)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` summed up for this tensor, of its shape, dtype and device, or None.

        Setting raises TypeError for what is no Tensor, ValueError for another shape, dtype or device.
        """
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad must be a Tensor or None, got {type(value).__name__}")
            if (value.shape, value.dtype, value.device) != (self.shape, self.dtype, self.device):
                raise ValueError(
                    f"grad must have the tensor's shape {self.shape}, dtype {self.dtype} and device "
                    f"{self.device}, got {value.shape}, {value.dtype}, {value.device}"
                )
        self._grad = value

    # ---- values in and out

    @property
    def data(self) -> Array:
        """The plain array, not a copy. Assigning copies values into it; shape and dtype must be the same.

        Assigning raises ValueError where they differ, TypeError for what is no array of the tensor's device.
        """
        if self._memory is not None and self.device is cpu:  # elsewhere the comparison would have to wait
            self._memory.fetched(self._data)
        return self._data

    @data.setter
    def data(self, values: Array) -> None:
        array = values._data if isinstance(values, Tensor) else values
        if not isinstance(array, self.device.array_type):
            raise TypeError(
                f"data must be assigned an array of the device {self.device} "
                f"({self.device.array_type.__name__}), got {type(array).__name__}"
            )
        if (array.shape, array.dtype) != (self.shape, self.dtype):  # type: ignore[attr-defined]  # an array
            raise ValueError(
                f"data of shape {self.shape} and dtype {self.dtype} can't be assigned an array of shape "
                f"{array.shape} and dtype {array.dtype}"  # type: ignore[attr-defined]
            )
        self.touch()
        self._data[...] = array

    def touch(self) -> None:
        """Says that this tensor's memory is about to change: graphs that have saved it refuse to go on."""
        if self._memory is not None:
            self._memory.changed()

    def memory(self) -> Memory:
        """The record of this tensor's memory, shared with its views."""
        if self._memory is None:
            self._memory = Memory()
        return self._memory

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array of the same shape and dtype, sharing memory.

        Raises: RuntimeError off the CPU; `.to("cpu")` first.
        """
        if self.device is not cpu:
            raise RuntimeError(f"numpy(): this tensor is on {self.device}; call .to('cpu') first")
        return self.data

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number. Raises ValueError for other shapes."""
        if self.size != 1:
            raise ValueError(f"item(): expected one element, got shape {self.shape}")
        return self.device.to_host(self._data).item()

    def detach(self) -> Tensor:
        """A leaf with the same values, dtype and memory, that no gradient flows to. Never raises."""
        out = Tensor(self._data, self.device)
        out._memory = self.memory()
        return out

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous; reduce it first")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"only integer tensors can be used as an index, this one is {self.dtype}")
        return int(self.item())

    def __repr__(self) -> str:
        values = np.array2string(self.device.to_host(self._data), separator=", ", prefix="tensor(")
        notes = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        notes += "" if self.device is cpu else f", device={self.device.name!r}"
        if self._op is not None:
            notes += f", op={self._op.name}"
        elif self._wants_grad:
            notes += ", requires_grad=True"
        return f"tensor({values}{notes})"

    __hash__ = object.__hash__  # `==` compares elements; as a key of a dictionary a tensor is itself


def tensor(
    data: Any,
    requires_grad: bool = False,
    dtype: npt.DTypeLike | None = None,
    device: str | Device | None = None,
) -> Tensor:
    """A new tensor with a copy of `data`: a number, nested lists of numbers, a NumPy array or a Tensor.

    Without `dtype`, Python floats become float32 and Python integers int64; arrays, NumPy scalars and tensors
    keep their dtype, and their strides. In a list only what is float64 already makes it float64.

    Raises: TypeError for data that is not numeric or a dtype that is not boolean, integer, float32 or
    float64; ValueError for ragged lists or a device of no such name.
    """
    home = get_device(device)
    if isinstance(data, Tensor):
        host = data.device.to_host(data._data)
    elif isinstance(data, np.ndarray | np.generic):
        host = np.asarray(data)
    else:
        host = np.asarray(_on_the_host(data))
        if dtype is None and host.dtype == np.float64 and not _holds_float64(data):
            host = host.astype(np.float32)
    wanted = supported("tensor", host.dtype if dtype is None else dtype)
    if host.dtype.kind not in "biufc":
        raise TypeError(f"tensor: expected numbers, got {type(data).__name__} of {host.dtype}")
    # astype may leave a dtype that is equal to `wanted` but another object; the view has `wanted` itself.
    values = host.astype(wanted, order="K", copy=False).view(wanted)
    return Tensor(home.asarray(values), home, requires_grad)


def _on_the_host(data: Any) -> Any:
    """`data`; in nested lists the values of tensors instead of the tensors, wherever they are."""
    if isinstance(data, Tensor):
        return data.device.to_host(data._data)
    if isinstance(data, list | tuple):
        return [_on_the_host(x) if isinstance(x, list | tuple | Tensor) else x for x in data]
    return data


def _holds_float64(data: Any) -> bool:
    """Whether nested lists hold NumPy values or tensors in float64."""
    if isinstance(data, list | tuple):
        return any(_holds_float64(x) for x in data)
    return isinstance(data, np.ndarray | np.generic | Tensor) and data.dtype == np.float64


def supported(who: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    """`dtype`, in the byte order of the machine; raises TypeError for one that tensors can't have."""
    wanted = np.dtype(dtype)
    if wanted.kind not in "biu" and wanted.type not in (np.float32, np.float64, np.complex128):
        raise TypeError(
            f"{who}: dtype {wanted} is not supported; use bool, an integer type, float32 or float64"
        )
    return np.dtype(wanted.type)  # NumPy's one object for it, which the gate of operations knows
