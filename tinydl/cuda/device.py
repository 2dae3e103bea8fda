"""The device "cuda": CuPy's arrays, kernels of our own, one stream, products through a cuBLAS handle of our own."""

from __future__ import annotations

import math
import weakref
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.capture import current, refuse
from tinydl.cuda.blas import WORKSPACE, Blas, load
from tinydl.cuda.graph import CudaGraph
from tinydl.cuda.why import find_cupy
from tinydl.device import Array, Device
from tinydl.errors import DeviceError
from tinydl.kernels import cuda as kernels
from tinydl.kernels.cuda import random
from tinydl.kernels.cuda.launch import CupyLauncher, launchers
from tinydl.random import Generator

Host = np.ndarray[Any, Any]


class CudaDevice(Device):
    """The first GPU that the process sees. It equals "cuda:0" and "cuda".

    Everything runs on one stream, in the order in which it is asked for. `blas.tf32 = True` makes products of
    float32 faster and less precise.
    """

    def __init__(self, cupy: ModuleType, library: Any) -> None:
        super().__init__("cuda:0", cupy, cupy.ndarray, kernels)
        # Not the default stream: that one can't be captured.
        self.stream: Any = cupy.cuda.Stream(non_blocking=True)
        self.stream.use()
        self.blas = Blas(library, self.stream.ptr, cupy.empty(WORKSPACE, dtype="uint8"))
        self._graphs: weakref.WeakSet[CudaGraph] = weakref.WeakSet()
        launchers[cupy.__name__] = CudaLauncher(cupy, self.blas)

    def __eq__(self, other: object) -> bool:
        return other == "cuda" or super().__eq__(other)

    __hash__ = Device.__hash__

    def asarray(self, host: Host) -> Array:
        """A new array on this device with the values and dtype of `host`, and its axes in the same order in memory."""
        refuse("an upload")
        self.stream.use()  # CuPy's current stream is that of a thread
        if not isinstance(host, np.ndarray | np.generic):
            raise TypeError(f"asarray: expected a NumPy array, got {type(host).__name__}")
        if host.flags.c_contiguous:
            return self.xp.array(host)
        dense = np.array(host, order="K")
        axes = sorted(range(dense.ndim), key=lambda axis: -dense.strides[axis])
        back = sorted(range(dense.ndim), key=axes.__getitem__)
        return self.xp.array(dense.transpose(axes)).transpose(back)

    def to_host(self, array: Array) -> Host:
        """The values of a device array as a new NumPy array."""
        refuse("a download")
        self.stream.use()
        host: Host = self.xp.asnumpy(array)
        return host

    @property
    def checks_values(self) -> bool:
        """True outside a captured step: the host waits for the answer."""
        return current() is None

    def fill(self, array: Array, host: Host) -> None:
        """Copies host values into a C-contiguous array, without waiting."""
        array.set(host, stream=self.stream)

    def graph(self) -> CudaGraph:
        """A new CUDA graph, to capture a step in."""
        made = CudaGraph(self.xp.cuda, self.stream)
        self._graphs.add(made)
        return made

    def memory(self) -> int:
        """Bytes that are taken for arrays, in use or not: of all graphs, too."""
        shared: int = self.xp.get_default_memory_pool().total_bytes()
        return shared + sum(graph.memory_taken() for graph in self._graphs)

    def synchronize(self) -> None:
        """Waits until all that was asked for is done."""
        self.stream.synchronize()

    # ---- random numbers, drawn where they are used

    def uniform(self, generator: Generator, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """`generator.random(shape, dtype)`, the same bits."""
        return random.uniform(
            self.xp, self._place(generator, math.prod(shape), dtype), shape, np.dtype(dtype)
        )

    def normal(self, generator: Generator, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """`generator.normal(shape, dtype)`, to rounding."""
        state = self._place(
            generator, math.prod(shape), dtype
        )  # of an odd number the pair is in the same block
        return random.normal(self.xp, state, shape, np.dtype(dtype))

    def _place(self, generator: Generator, numbers: int, dtype: npt.DTypeLike) -> Array:
        """Where in the generator's stream a draw of so many numbers begins: six words, which kernels read."""

        def words() -> npt.NDArray[np.uint64]:
            place = generator.leave(numbers, dtype)
            return random.state_words(place["seed"], place["counter"])

        capture = current()
        return self.asarray(words()) if capture is None else capture.each(words)


class CudaLauncher(CupyLauncher):
    """Kernels through CuPy, products through cuBLAS's own functions."""

    def __init__(self, cupy: ModuleType, blas: Blas) -> None:
        super().__init__(cupy)
        self._blas = blas

    def product(self, a: Array, b: Array) -> Array:
        """a b for matrices or stacks of them; it may be captured."""
        return self._blas.matmul(self._cupy, a, b)


def open_cuda() -> CudaDevice:
    """The device, made once for the process. Raises RuntimeError with a sentence that says why there is none."""
    try:
        return CudaDevice(find_cupy(), load())
    except Exception as error:  # whatever CuPy, the driver or a library raises: never another device instead
        raise DeviceError("device 'cuda'", str(error)) from error
