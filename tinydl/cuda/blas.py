"""Matrix products through a cuBLAS handle of our own.

CuPy refuses to call cuBLAS while a CUDA graph is being captured, though cuBLAS itself allows it. So the library's C
functions are called directly, with a workspace of our own, as a graph wants it: without one each product would make
and free memory inside the graph.

cuBLAS thinks in columns: a matrix of ours, rows one after the other in memory, is to it the transposed one. So

    out = a b   is asked for as   out^T = b^T a^T,

and the transposed operands are there already, wherever a row or a column of theirs is contiguous in memory.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, NamedTuple

import numpy as np

from tinydl.device import Array

WORKSPACE = 32 << 20  # bytes; what NVIDIA recommends for an H100
NORMAL, TRANSPOSED = 0, 1  # cublasOperation_t
ANY_ALGORITHM = -1  # CUBLAS_GEMM_DEFAULT


class Kind(NamedTuple):
    """How a dtype is multiplied: cudaDataType, cublasComputeType_t, the same in TF32, and the C type of alpha."""

    data: int
    compute: int
    compute_tf32: int
    scalar: Any


KINDS = {
    np.dtype(np.float32): Kind(0, 68, 77, ctypes.c_float),
    np.dtype(np.float64): Kind(1, 70, 70, ctypes.c_double),
}


class Stored(NamedTuple):
    """How a matrix lies in memory: by rows, or transposed by columns; `leading` elements from one to the next."""

    transposed: bool
    leading: int


def stored(shape: tuple[int, int], strides: tuple[int, int]) -> Stored | None:
    """How a matrix with these strides, in elements, lies in memory; None where neither rows nor columns are contiguous.

    Of an axis of length 1 the stride means nothing.
    """
    (rows, columns), (down, across) = shape, strides
    if (across == 1 or columns == 1) and (down >= columns or rows == 1):
        return Stored(False, down if rows > 1 else columns)
    if (down == 1 or rows == 1) and (across >= rows or columns == 1):
        return Stored(True, across if columns > 1 else rows)
    return None


def address(array: Array) -> int:
    """Where the first element of a CuPy array is."""
    found: int = array.data.ptr
    return found


class Blas:
    """One handle of cuBLAS for one stream. `library` has its C functions, as `ctypes.CDLL` gives them.

    `stream` is an address, `workspace` an array of `WORKSPACE` bytes. With `tf32`
    float32 operands are rounded to 10 bits of mantissa on the way into a product, and sums are float32: faster, and
    PyTorch's default for convolutions. Raises RuntimeError when cuBLAS refuses a call.
    """

    def __init__(self, library: Any, stream: int, workspace: Array) -> None:
        self.tf32 = False
        self._library = library
        self._workspace = workspace
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))  # it forgets the workspace
        self._call(
            "cublasSetWorkspace_v2",
            self._handle,
            ctypes.c_void_p(address(workspace)),
            ctypes.c_size_t(WORKSPACE),
        )

    def matmul(self, xp: Any, a: Array, b: Array) -> Array:
        """a @ b for matrices, or each pair in two stacks of them: (..., m, k) and (..., k, n), both of one dtype.

        Other dtypes than float32 and float64 go to CuPy.
        """
        if a.dtype not in KINDS or a.dtype != b.dtype:
            return xp.matmul(a, b)
        if a.ndim == b.ndim == 2:
            out = xp.empty((a.shape[0], b.shape[1]), dtype=a.dtype)
            self._product(xp, a[None], b[None], out[None])
            return out
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        count = math.prod(lead)
        out = xp.empty((*lead, a.shape[-2], b.shape[-1]), dtype=a.dtype)
        a, b = (xp.broadcast_to(x, (*lead, *x.shape[-2:])).reshape(count, *x.shape[-2:]) for x in (a, b))
        self._product(xp, a, b, out.reshape(count, *out.shape[-2:]))
        return out

    def _product(self, xp: Any, a: Array, b: Array, out: Array) -> None:
        """out = a b for stacks (count, m, k), (count, k, n) and a C-contiguous (count, m, n)."""
        count, m, n = out.shape
        k = a.shape[2]
        if out.size == 0:
            return
        if k == 0:
            out.fill(0)
            return
        kind = KINDS[out.dtype]
        a, of_a = _readable(xp, a)
        b, of_b = _readable(xp, b)
        one, zero = kind.scalar(1), kind.scalar(0)
        stacked = count > 1

        def operand(x: Array, leading: int) -> tuple[Any, ...]:
            where = ctypes.c_void_p(address(x)), ctypes.c_int(kind.data), ctypes.c_int(leading)
            return (*where, ctypes.c_longlong(x.strides[0] // x.itemsize)) if stacked else where

        self._call(
            "cublasGemmStridedBatchedEx" if stacked else "cublasGemmEx",
            self._handle,
            ctypes.c_int(TRANSPOSED if of_b.transposed else NORMAL),
            ctypes.c_int(TRANSPOSED if of_a.transposed else NORMAL),
            *(ctypes.c_int(length) for length in (n, m, k)),
            ctypes.byref(one),
            *operand(b, of_b.leading),
            *operand(a, of_a.leading),
            ctypes.byref(zero),
            *operand(out, n),
            *((ctypes.c_int(count),) if stacked else ()),
            ctypes.c_int(kind.compute_tf32 if self.tf32 else kind.compute),
            ctypes.c_int(ANY_ALGORITHM),
        )

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name}: cuBLAS answers with status {status}")


def _readable(xp: Any, x: Array) -> tuple[Array, Stored]:
    """A stack of matrices that cuBLAS can read, x or a copy, and how each lies in memory."""
    if all(stride % x.itemsize == 0 for stride in x.strides) and x.strides[0] >= 0:
        found = stored(x.shape[1:], (x.strides[1] // x.itemsize, x.strides[2] // x.itemsize))
        if found is not None:
            return x, found
    x = xp.ascontiguousarray(x)
    return x, Stored(False, x.shape[2])


def load() -> Any:
    """The cuBLAS library of this machine, as CuPy finds it. Raises RuntimeError where there is none."""
    from cuda import pathfinder

    return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)
