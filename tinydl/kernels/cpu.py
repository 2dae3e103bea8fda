"""Convolution for the CPU: the sums of reference.py, in an order that its caches like.

Images have the shape N, C, H, W, as everywhere, but lie in memory as H, C, W, N: one row of all images after the
other. Then a convolution needs no column matrix. Copy each row kw times, shifted by 0, 1, ... kw - 1 columns:

    rows (H, kw, C, OW, N)         from x (H, C, W, N), padded

The numbers that meet in one row of the output, (u, v, c) from kernel row u, kernel column v and channel c, lie in
`rows` at equal distances of OW N from one another, kernel rows included. So every output row is one product

    out[i]  (O, OW N)   =   W (O, kh kw C)   times   rows[s i : s i + kh]  (kh kw C, OW N)

of a matrix with a *view* of memory: kw copies instead of kh kw ("memory-efficient convolution", Cho and Brand,
2017). The rows of the output are computed in blocks, whose copies stay in the cache and are made once more when the
weight's gradient needs them; the blocks share the cores (threads.py). The gradient of the input is such a
convolution of g with the mirrored kernel, as long as the windows are not far apart. What is not covered here
(dilation, groups, integers) runs the textbook kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinydl.kernels import reference, threads
from tinydl.kernels.cpu_norm import batch_norm, batch_norm_gradient
from tinydl.kernels.cpu_pool import max_pool2d, max_pool2d_gradient, sum_pool2d, sum_pool2d_gradient
from tinydl.kernels.cross_entropy import cross_entropy, cross_entropy_gradient
from tinydl.kernels.reference import add_bias, channel_sums, max_pool2d_chosen, output_size, relu

__all__ = [
    "activation",
    "add_bias",
    "batch_norm",
    "batch_norm_gradient",
    "channel_sums",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "elementwise",
    "matmul",
    "max_pool2d",
    "max_pool2d_chosen",
    "max_pool2d_gradient",
    "relu",
    "sum_pool2d",
    "sum_pool2d_gradient",
]

Array: TypeAlias = Any
Pair: TypeAlias = tuple[int, int]
Block: TypeAlias = tuple[int, int]  # the first row of the output, and the one after the last

# OpenBLAS multiplies without packing its operands first when M N K is at most this; for larger thin products
# packing costs more than it gains, so they are cut into pieces that are not narrower than _NARROWEST.
_UNPACKED = 1_000_000
_NARROWEST = 32
_TINY, _LARGE = 200_000, 10_000_000  # multiply-adds: OpenBLAS itself gives tiny products one thread
_ELEMENTS = 1 << 16  # of a block of an elementwise computation
_ELEMENT_COST = 20  # what one costs, in multiply-adds
_FEW = 12  # channels that leave a product too thin; there it is turned to have more rows
_SCRATCH = 3 << 19  # bytes of copied rows that stay in the cache


def elementwise(xp: ModuleType, compute: Callable[..., None], *arrays: Array) -> None:
    """compute(*arrays), which changes some of the arrays in place, element by element: block by block.

    All that is computed for a block stays in the cache, where for whole arrays each step would have to fetch it.
    """
    size, strides = arrays[0].size, arrays[0].strides
    if size <= _ELEMENTS or any(a.strides != strides for a in arrays):
        return compute(*arrays)
    order = sorted(range(len(strides)), key=strides.__getitem__, reverse=True)
    if not arrays[0].transpose(order).flags.c_contiguous:
        return compute(*arrays)
    flat = [a.transpose(order).reshape(-1) for a in arrays]
    ends = [size * i // (size // _ELEMENTS) for i in range(size // _ELEMENTS + 1)]
    threads.each(
        list(pairwise(ends)), lambda block: compute(*(a[slice(*block)] for a in flat)), _ELEMENT_COST * size
    )
    return None


def activation(xp: ModuleType, name: str, compute: Callable[..., None], *arrays: Array) -> Array:
    """A new array `out` after compute(*arrays, out), block by block."""
    out = xp.empty_like(arrays[-1])
    elementwise(xp, compute, *arrays, out)
    return out


def matmul(xp: ModuleType, a: Array, b: Array) -> Array:
    """The product of matrices, on the threads of BLAS only where it is large: see threads.py."""
    work = a.size * b.shape[-1]
    if _TINY < work < _LARGE:
        with threads.one_blas_thread():
            return np.matmul(a, b)
    return np.matmul(a, b)


def conv2d(
    xp: ModuleType, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """out[n, o] = sum over c of x[n, c] correlated with weight[o, c]: one product for each row of the output."""
    if not _covered(x, dilation, groups):
        return reference.conv2d(xp, x, weight, stride, padding, dilation, groups)
    if _is_one_window(x.shape[2:], weight.shape[2:], padding):
        out = matmul(xp, weight.reshape(len(weight), -1), _one_window(_rows_first(x)))
        return _shown(out.reshape(1, len(out), 1, -1))
    oh = output_size(x.shape[2], weight.shape[2], stride[0], padding[0], 1)
    ow = output_size(x.shape[3], weight.shape[3], stride[1], padding[1], 1)
    return _shown(_correlate(_rows_first(x), weight, stride, padding, (oh, ow)))


def conv2d_input_gradient(
    xp: ModuleType,
    g: Array,
    weight: Array,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """The gradient of conv2d's input: g correlated with the mirrored kernel, or spread from g to where it came from."""
    if not _covered(g, dilation, groups):
        return reference.conv2d_input_gradient(xp, g, weight, size, stride, padding, dilation, groups)
    c, kh, kw = weight.shape[1:]
    oh, ow = g.shape[2:]
    g = _rows_first(g)
    if _is_one_window(size, (kh, kw), padding):
        dx = matmul(xp, weight.reshape(len(weight), -1).T, g[0, :, 0]).reshape(c, kh, kw, -1)
        return _shown(np.ascontiguousarray(dx.swapaxes(0, 1)))
    if stride != (1, 1) or 2 * oh * ow <= size[0] * size[1]:
        return _shown(_scatter(g, weight, stride, padding, size))
    if c < _FEW and kw > 1 and padding[1] < kw:
        return _shown(_spread(g, weight, padding, size))
    mirrored = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    return _shown(_correlate(g, mirrored, (1, 1), (kh - 1 - padding[0], kw - 1 - padding[1]), size))


def conv2d_weight_gradient(
    xp: ModuleType,
    x: Array,
    g: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """The gradient of conv2d's weight: dW = sum over the output's rows of g's row times the rows under it."""
    if not _covered(x, dilation, groups):
        return reference.conv2d_weight_gradient(xp, x, g, kernel, stride, padding, dilation, groups)
    n, o, oh, ow = g.shape
    c = x.shape[1]
    x, g = _rows_first(x), _rows_first(g).reshape(oh, o, ow * n)
    if _is_one_window((x.shape[0], x.shape[2]), kernel, padding):
        return matmul(xp, g[0], _one_window(x).T).reshape(o, c, *kernel)
    k, m = kernel[0] * kernel[1] * c, ow * n

    def compute(block: Block) -> Array:
        windows = _windows(x, kernel, stride, padding, block, ow)
        rows = g[slice(*block)]
        if _is_wide(m, k * o):
            return (_columns(windows) @ rows.transpose(1, 0, 2).reshape(o, -1).T).T
        pieces = _pieces(m, m * k * o)
        rows = rows.reshape(-1, o, pieces, m // pieces)
        if o < _FEW:
            return np.matmul(rows.swapaxes(1, 2), _cut(windows, pieces).swapaxes(2, 3)).sum(axis=(0, 1))
        # A product with the transposed g is the faster one when g has more rows than a register block.
        turned = np.ascontiguousarray(rows.transpose(0, 2, 3, 1))
        return np.matmul(_cut(windows, pieces), turned).sum(axis=(0, 1)).T

    out, *others = threads.each(_row_blocks(x, kernel, (oh, ow)), compute, oh * m * k * o)
    for other in others:
        out += other
    return np.ascontiguousarray(out.reshape(o, *kernel, c).transpose(0, 3, 1, 2))


def _covered(x: Array, dilation: Pair, groups: int) -> bool:
    return dilation == (1, 1) and groups == 1 and x.dtype.kind == "f" and x.size > 0


def _is_one_window(size: Pair, kernel: Pair, padding: Pair) -> bool:
    """Whether the kernel covers the image and has one place there: then the layer is a dense one."""
    return tuple(size) == tuple(kernel) and padding == (0, 0)


def _one_window(x: Array) -> Array:
    """An image (H, C, W, N) as columns (C H W, N), in the order of a kernel's weights."""
    return x.swapaxes(0, 1).reshape(-1, x.shape[3])


def _rows_first(x: Array) -> Array:
    """x (N, C, H, W) as an array (H, C, W, N), copied only where it does not lie like that."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))


def _shown(rows: Array) -> Array:
    """An array (H, C, W, N) as images (N, C, H, W)."""
    return rows.transpose(3, 1, 0, 2)


# ---- three orders of the same sum


def _correlate(
    x: Array, weight: Array, stride: Pair, padding: Pair, places: Pair, out: Array | None = None
) -> Array:
    """The convolution of x (H, C, W, N) with weight (O, C, kh, kw), as (OH, O, OW, N)."""
    o, _, kh, kw = weight.shape
    oh, ow = places
    if out is None:
        out = np.empty((oh, o, ow, x.shape[3]), x.dtype)
    matrix = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).reshape(o, -1)
    rows = out.reshape(oh, o, -1)

    def compute(block: Block) -> None:
        _multiply(matrix, _windows(x, (kh, kw), stride, padding, block, ow), rows[slice(*block)])

    threads.each(_row_blocks(x, (kh, kw), places), compute, rows.size * matrix.shape[1])
    return out


def _spread(g: Array, weight: Array, padding: Pair, size: Pair) -> Array:
    """The gradient of the input for stride 1 and few channels: (H, C, W, N).

    A product with few rows is slow. So all columns v of the kernel are rows of one product, over kernel rows
    and output channels alone, and what belongs to column v is then added where it belongs, v to the right.
    """
    _, o, ow, n = g.shape
    _, c, kh, kw = weight.shape
    (h, w), (ph, pw) = size, padding
    matrix = np.ascontiguousarray(weight[:, :, ::-1].transpose(3, 1, 2, 0)).reshape(kw * c, kh * o)
    out = np.zeros((h, c, w, n), g.dtype)

    def compute(block: Block) -> None:
        part = out[slice(*block)]
        columns = np.empty((len(part), kw, c, ow, n), g.dtype)
        windows = _windows(g, (kh, 1), (1, 1), (kh - 1 - ph, 0), block, ow)
        _multiply(matrix, windows, columns.reshape(len(part), kw * c, -1))
        for v in range(kw):
            left, right = max(0, pw - v), min(ow, w + pw - v)
            if right > left:
                part[:, :, left + v - pw : right + v - pw] += columns[:, v, :, left:right]

    threads.each(_row_blocks(g, (kh, kw), (h, ow)), compute, h * ow * n * matrix.size)
    return out


def _scatter(g: Array, weight: Array, stride: Pair, padding: Pair, size: Pair) -> Array:
    """The gradient of the input where windows are few beside the elements: (H, C, W, N).

    What each place of g gives to all elements under its window is one product over output channels alone, and is
    then added where it belongs. Blocks are of input channels, which get nothing from one another.
    """
    oh, o, ow, n = g.shape
    _, c, kh, kw = weight.shape
    matrix = weight.transpose(2, 3, 1, 0)
    out = np.zeros((size[0], c, size[1], n), g.dtype)

    def compute(block: Block) -> None:
        channels = slice(*block)
        part = matrix[:, :, channels].reshape(-1, o)
        given = np.empty((oh, kh, kw, block[1] - block[0], ow, n), g.dtype)
        _multiply(part, g.reshape(oh, o, -1), given.reshape(oh, len(part), -1))
        for u in range(kh):
            rows_from, rows_to = _reached(u - padding[0], stride[0], oh, size[0])
            for v in range(kw):
                from_, to = _reached(v - padding[1], stride[1], ow, size[1])
                out[rows_to, channels, to] += given[rows_from, u, v, :, from_]

    blocks = _blocks(c, oh * kh * kw * ow * n * g.itemsize)
    threads.each(blocks, compute, g.size * weight.size // o)
    return out


def _reached(first: int, stride: int, places: int, size: int) -> tuple[slice, slice]:
    """Which of the places first, first + stride, ... lie in an axis of `size` elements, and where."""
    start = max(0, -(first // stride))
    stop = max(start, min(places, (size - 1 - first) // stride + 1))
    at = first + stride * start
    return slice(start, stop), slice(at, at + stride * (stop - start - 1) + 1 if stop > start else at, stride)


# ---- blocks, windows, products


def _row_blocks(x: Array, kernel: Pair, places: Pair) -> list[Block]:
    """The rows of the output in blocks."""
    # kh - 1 rows are copied for two blocks: few beside those of a block.
    return _blocks(places[0], kernel[1] * x[0, :, 0].size * places[1] * x.itemsize, 3 * (kernel[0] - 1))


def _blocks(number: int, size: int, least: int = 1) -> list[Block]:
    """Equal blocks of a number of things of `size` bytes: they fit in the cache, or have `least` things.

    Their number is even where it can be, so that two cores are done at the same time.
    """
    blocks = min(number, 2 * max(1, round(number / max(1, least, _SCRATCH // size) / 2)))
    return list(pairwise(number * i // blocks for i in range(blocks + 1)))


def _windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, block: Block, ow: int) -> Array:
    """For each row of the output in a block what it is computed from, (rows, kh kw C, OW N): a view."""
    h, c, w, n = x.shape
    (kh, kw), (start, stop), pw, s = kernel, block, padding[1], stride[1]
    first, height = stride[0] * start - padding[0], stride[0] * (stop - start - 1) + kh
    inside = first >= 0 and first + height <= h
    if kw == s == 1 and pw == 0 and ow == w and inside and x.flags.c_contiguous:
        return _view(x[first : first + height, None], kh, stride[0], stop - start)  # nothing to shift
    rows = np.empty((height, kw, c, ow, n), x.dtype)
    top, bottom = min(height, max(0, -first)), max(0, min(height, h - first))
    rows[:top] = 0
    rows[max(top, bottom) :] = 0
    for v in range(kw):  # output column j reads column s j + v - pw
        left = min(ow, max(0, -((v - pw) // s)))
        right = max(left, min(ow, (w - 1 + pw - v) // s + 1))
        rows[top:bottom, v, :, :left] = 0
        rows[top:bottom, v, :, right:] = 0
        if right > left and bottom > top:
            at = s * left + v - pw
            read = x[first + top : first + bottom, :, at : at + s * (right - left - 1) + 1 : s]
            rows[top:bottom, v, :, left:right] = read
    return _view(rows, kh, stride[0], stop - start)


def _view(rows: Array, kh: int, stride: int, places: int) -> Array:
    """The overlapping windows of kh rows (H, kw, C, OW, N), each as a matrix (kh kw C, OW N)."""
    _, kw, c, ow, n = rows.shape
    distance = ow * n * rows.itemsize
    strides = (stride * kw * c * distance, distance, rows.itemsize)
    return as_strided(rows, (places, kh * kw * c, ow * n), strides, writeable=False)


def _multiply(matrix: Array, windows: Array, out: Array) -> None:
    """out[i] = matrix times windows[i]: pieces that OpenBLAS need not pack, or one product that is worth packing."""
    m = windows.shape[2]
    if _is_wide(m, matrix.size):
        out[...] = (matrix @ _columns(windows)).reshape(len(matrix), -1, m).transpose(1, 0, 2)
        return
    pieces = _pieces(m, m * matrix.size)
    np.matmul(matrix, _cut(windows, pieces), out=_cut(out, pieces) if pieces > 1 else out[:, None])


def _is_wide(m: int, size: int) -> bool:
    """Whether a matrix of that size times m columns is too large to remain unpacked, even in pieces."""
    return m * size > _UNPACKED and _pieces(m, m * size) == 1


def _columns(windows: Array) -> Array:
    """Windows (B, K, M) side by side, as one matrix (K, B M)."""
    return np.ascontiguousarray(windows.transpose(1, 0, 2)).reshape(windows.shape[1], -1)


def _pieces(m: int, work: int) -> int:
    """Into how many equal parts m columns are cut; 1 where the parts would be too narrow."""
    pieces = 1
    while work > _UNPACKED * pieces:
        pieces *= 2
        if m % pieces or m // pieces < _NARROWEST:
            return 1
    return pieces


def _cut(a: Array, pieces: int) -> Array:
    """a (B, K, M) as (B, pieces, K, M / pieces), a view."""
    b, k, m = a.shape
    part = m // pieces
    strides = (a.strides[0], part * a.itemsize, a.strides[1], a.itemsize)
    return as_strided(a, (b, pieces, k, part), strides)
