"""Matrix products in the sizes that OpenBLAS, which NumPy brings along, multiplies fastest.

It has two ways. Large matrices are first packed into an order that its kernel likes, which costs as much as several
rows of a product; when M N K is small it multiplies them as they lie. A thin product gains nothing from packing, so
it is cut into pieces that are multiplied as they lie.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels import threads

Array: TypeAlias = Any

# OpenBLAS multiplies without packing its operands first when M N K is at most this. Pieces are not narrower than
# _NARROWEST: below that its kernel loses more than packing costs.
_UNPACKED = 1_000_000
_NARROWEST = 32
_TINY, _LARGE = 200_000, 10_000_000  # multiply-adds: OpenBLAS itself gives tiny products one thread


def matmul(xp: ModuleType, a: Array, b: Array) -> Array:
    """The product of matrices, on the threads of BLAS only where it is large: see threads.py."""
    if a.ndim > 1 and a.shape[-1] == 1:
        return _outer(a, b)
    work = a.size * b.shape[-1]
    if _TINY < work < _LARGE:
        return one_thread(a, b)
    if work >= _LARGE:
        threads.products_begin()
    return np.matmul(a, b)


def one_thread(a: Array, b: Array) -> Array:
    """The product of matrices on one thread: BLAS's others would stay awake where helpers are to compute next."""
    if a.shape[-1] == 1:
        return _outer(a, b)
    with threads.one_blas_thread():
        return np.matmul(a, b)


def _outer(a: Array, b: Array) -> Array:
    """a (..., M, 1) times b (..., 1, N): there is nothing to sum. NumPy asks no BLAS for it, and its loop is slow."""
    return np.multiply(a, b, order="C")


def multiply(matrix: Array, windows: Array, out: Array) -> None:
    """out[i] (O, M) = matrix (O, K) times windows[i] (K, M)."""
    m, work = windows.shape[2], windows.shape[2] * matrix.size
    if matrix.shape[1] == 1:  # BLAS is slow where there is nothing to sum
        np.multiply(matrix, windows, out=out)
    elif m < _NARROWEST and work > _UNPACKED:
        out[...] = (matrix @ side_by_side(windows)).reshape(len(matrix), -1, m).transpose(1, 0, 2)
    else:
        pieces = number_of_pieces(m, work)
        np.matmul(matrix, cut(windows, pieces), out=cut(out, pieces))


def side_by_side(windows: Array) -> Array:
    """Windows (B, K, M) as one matrix (K, B M)."""
    return np.ascontiguousarray(windows.transpose(1, 0, 2)).reshape(windows.shape[1], -1)


def is_wide(m: int, size: int) -> bool:
    """Whether a matrix of that size times m columns is too large to remain unpacked, even in pieces."""
    return m * size > _UNPACKED and number_of_pieces(m, m * size) == 1


def number_of_pieces(m: int, work: int) -> int:
    """Into how many equal parts m columns are cut; 1 where no number of parts is right."""
    least = -(-work // _UNPACKED)
    most = min(2 * least, m // _NARROWEST)
    return next((pieces for pieces in range(max(1, least), most + 1) if m % pieces == 0), 1)


def cut(a: Array, pieces: int) -> Array:
    """a (B, K, M) as (B, pieces, K, M / pieces), a view."""
    b, k, m = a.shape
    return a.reshape(b, k, pieces, m // pieces).swapaxes(1, 2)
