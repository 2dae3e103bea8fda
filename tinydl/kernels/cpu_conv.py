"""Convolution for the CPU: the sums of reference.py, in an order that its caches like.

Images have the shape N, C, H, W, as everywhere, but lie in memory as H, C, W, N: one row of all images after the
other. The numbers that meet in one row of the output in kernel column v, (u, c) from kernel row u and channel c, then
lie at equal distances of W N from one another, kernel rows included. So a convolution of stride 1 needs no column
matrix and no copy at all: for each row i of the output and each kernel column v it is a product of a matrix with a
*view* of memory, added where that column belongs (`_shifted`):

    out[i] (O, OW N)  =  sum over v of  W_v (O, kh C)  times  x[i : i + kh] (kh C, W N),  shifted v columns to the left

Where windows are strided, or so few channels meet that a product by kernel columns would be too thin, each row is
copied kw times instead, shifted by 0, 1, ... kw - 1 columns, and all kernel columns are one product (`_lowered`;
"memory-efficient convolution", Cho and Brand, 2017):

    rows (H, kw, C, OW, N)         from x (H, C, W, N), padded
    out[i]  (O, OW N)   =   W (O, kh kw C)   times   rows[s i : s i + kh]  (kh kw C, OW N)

The rows of the output are computed in blocks, whose copies and products stay in the cache; the blocks share the cores
(threads.py). The gradient of the weight is the sum of such products, transposed; the gradient of the input is such a
convolution of g with the mirrored kernel, as long as the windows are not far apart. What is not covered here
(dilation, groups, integers) runs the textbook kernels.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels import reference, threads
from tinydl.kernels.cpu_product import cut, is_wide, multiply, number_of_pieces, one_thread, side_by_side
from tinydl.kernels.reference import output_size

Array: TypeAlias = Any
Pair: TypeAlias = tuple[int, int]
Block: TypeAlias = tuple[int, int]  # the first row of the output, and the one after the last

# Measured limits, each between two ways that are about as fast there.
_FEW = 12  # rows that leave a product too thin; there it is turned, or stacked, to have more
_FLAT = 32  # numbers of a window, in all channels, that make a product with it too thin
_NARROW = 32  # columns of a row; with fewer, several rows are one product
_THIN = 24  # numbers that a product sums; with fewer, all kernel columns are one product
# Multiply-adds that make a product for each kernel column worth its call, forward and for the weight's gradient.
_WORTH, _WORTH_GRADIENT = 500_000, 180_000
_STACKED = range(6_000, 200_000)  # sizes of W_v for which all kernel columns are rather one product
_DEEP = 800  # numbers of W_v for each column of a row that make dW_v too large to be summed row by row
_SCRATCH = 3 << 19  # bytes of copied rows, or of products, that stay in the cache
_SHARED = threads.WORTHWHILE  # multiply-adds that cores share


def conv2d(
    xp: ModuleType, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """out[n, o] = sum over c of x[n, c] correlated with weight[o, c]: one product for each row of the output."""
    if not _covered(x, dilation, groups):
        return reference.conv2d(xp, x, weight, stride, padding, dilation, groups)
    if _is_one_window(x.shape[2:], weight.shape[2:], padding):
        out = one_thread(weight.reshape(len(weight), -1), _one_window(_rows_first(x)))
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
        dx = one_thread(weight.reshape(len(weight), -1).T, g[0, :, 0]).reshape(c, kh, kw, -1)
        return _shown(np.ascontiguousarray(dx.swapaxes(0, 1)))
    if stride != (1, 1) or 2 * oh * ow <= size[0] * size[1]:
        return _shown(_scatter(g, weight, stride, padding, size))
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
    x, g = _rows_first(x), _rows_first(g)
    _, o, ow, n = g.shape
    c = x.shape[1]
    if _is_one_window(x.shape[::2], kernel, padding):
        return one_thread(g[0, :, 0], _one_window(x).T).reshape(o, c, *kernel)
    m, k = ow * n, kernel[0] * c
    if stride != (1, 1) or m < _NARROW or k < _THIN or m * k * o < _WORTH_GRADIENT:
        dw = _lowered_weight_gradient(x, g, kernel, stride, padding)
    elif k * o > _DEEP * m:
        dw = _deep_weight_gradient(x, g, kernel, padding)
    else:
        dw = _shifted_weight_gradient(x, g, kernel, padding)
    return np.ascontiguousarray(dw)


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


# ---- the products of a convolution: as rows lie, or copied, or spread from g


def _correlate(x: Array, weight: Array, stride: Pair, padding: Pair, places: Pair) -> Array:
    """The convolution of x (H, C, W, N) with weight (O, C, kh, kw), as (OH, O, OW, N)."""
    o, c, kh, _ = weight.shape
    m = x.shape[2] * x.shape[3]
    worth = _is_stacked(o, kh * c) or m * o * kh * c >= _WORTH
    if stride == (1, 1) and m >= _NARROW and kh * c >= _THIN and worth:
        return _shifted(x, weight, padding, places)
    return _lowered(x, weight, stride, padding, places)


def _shifted(x: Array, weight: Array, padding: Pair, places: Pair) -> Array:
    """The convolution with stride 1: for each kernel column a product with x as it lies, added where it belongs."""
    o, c, kh, kw = weight.shape
    _, _, w, n = x.shape
    oh, ow = places
    out = np.empty((oh, o, ow, n), x.dtype)
    matrix = np.ascontiguousarray(weight.transpose(3, 0, 2, 1)).reshape(kw, o, kh * c)
    stacked = _is_stacked(o, kh * c)
    shifts = _shifts(kw, padding[1], w, ow)

    def compute(block: Block) -> None:
        windows = _windows(x, (kh, 1), (1, 1), (padding[0], 0), block, w)
        part = out[slice(*block)]
        rows = len(part)
        if stacked:
            products = np.empty((rows, kw, o, w, n), x.dtype)
            multiply(matrix.reshape(kw * o, -1), windows, products.reshape(rows, kw * o, -1))
        for i, (v, read, written) in enumerate(shifts):
            if stacked:
                product = products[:, v, :, read]
            else:
                columns = windows[:, :, read.start * n : read.stop * n]
                direct = i == 0 and written == slice(0, ow)
                product = part if direct else np.empty((rows, o, read.stop - read.start, n), x.dtype)
                multiply(matrix[v], columns, product.reshape(rows, o, -1))
                if direct:
                    continue
            if i > 0:
                part[:, :, written] += product
            else:
                part[:, :, written] = product
                part[:, :, : written.start] = 0
                part[:, :, written.stop :] = 0
        if not shifts:
            part[...] = 0

    work = out.size * kh * kw * c
    threads.each(_blocks(oh, (kw if stacked else 1) * o * w * n * x.itemsize, work), compute, work)
    return out


def _is_stacked(o: int, k: int) -> bool:
    """Whether the products for all kernel columns, each with a matrix W_v (O, K), are one."""
    return o < _FEW or o * k in _STACKED


@cache
def _shifts(kw: int, padding: int, w: int, ow: int) -> list[tuple[int, slice, slice]]:
    """For each kernel column v the columns of x that it reads and those of the output that it adds to.

    Output column j reads column j + v - padding. The one that adds to most is the first.
    """
    shifts = []
    for v in range(kw):
        left, right = max(0, padding - v), min(ow, w + padding - v)
        if right > left:
            shifts.append((v, slice(left + v - padding, right + v - padding), slice(left, right)))
    return sorted(shifts, key=lambda shift: shift[2].start - shift[2].stop)


def _lowered(x: Array, weight: Array, stride: Pair, padding: Pair, places: Pair) -> Array:
    """The convolution by one product for each row of the output, with copies of the rows under it."""
    o, _, kh, kw = weight.shape
    oh, ow = places
    out = np.empty((oh, o, ow, x.shape[3]), x.dtype)
    matrix = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).reshape(o, -1)
    rows = out.reshape(oh, o, -1)

    def compute(block: Block) -> None:
        multiply(matrix, _windows(x, (kh, kw), stride, padding, block, ow), rows[slice(*block)])

    work = rows.size * matrix.shape[1]
    threads.each(_row_blocks(x, (kh, kw), places, work), compute, work)
    return out


def _shifted_weight_gradient(x: Array, g: Array, kernel: Pair, padding: Pair) -> Array:
    """dW (O, C, kh, kw) for stride 1: for each kernel column x as it lies times g, turned once for all of them."""
    _, c, w, n = x.shape
    oh, o, ow, _ = g.shape
    kh, kw = kernel
    shifts = _shifts(kw, padding[1], w, ow)

    def compute(block: Block) -> Array:
        windows = _windows(x, (kh, 1), (1, 1), (padding[0], 0), block, w)
        rows = g[slice(*block)].reshape(len(windows), o, -1)
        turned = np.ascontiguousarray(rows.transpose(0, 2, 1))
        dw = np.zeros((kw, kh * c, o), x.dtype)
        for v, read, written in shifts:
            m = (read.stop - read.start) * n
            pieces = number_of_pieces(m, m * kh * c * o)
            columns = cut(windows[:, :, read.start * n : read.stop * n], pieces)
            others = turned[:, written.start * n : written.stop * n].reshape(len(rows), pieces, -1, o)
            dw[v] = np.matmul(columns, others).sum(axis=(0, 1))
        return dw

    work = g.size * kh * kw * c
    dw = _sum(threads.each(_blocks(oh, o * ow * n * x.itemsize, work), compute, work))
    return dw.reshape(kw, kh, c, o).transpose(3, 2, 1, 0)


def _deep_weight_gradient(x: Array, g: Array, kernel: Pair, padding: Pair) -> Array:
    """dW (O, C, kh, kw) for stride 1 where it is large beside a row: the rows of a block are summed by one product."""
    _, c, w, n = x.shape
    oh, o, ow, _ = g.shape
    kh, kw = kernel
    shifts = _shifts(kw, padding[1], w, ow)

    def compute(block: Block) -> Array:
        windows = _windows(x, (kh, 1), (1, 1), (padding[0], 0), block, w)
        rows = g[slice(*block)].reshape(len(windows), o, -1)
        dw = np.zeros((o, kw, kh * c), x.dtype)
        for v, read, written in shifts:
            given = side_by_side(rows[:, :, written.start * n : written.stop * n])
            np.matmul(given, side_by_side(windows[:, :, read.start * n : read.stop * n]).T, out=dw[:, v])
        return dw

    work = g.size * kh * kw * c
    dw = _sum(threads.each(_blocks(oh, o * ow * n * x.itemsize, work), compute, work))
    return dw.reshape(o, kw, kh, c).transpose(0, 3, 2, 1)


def _lowered_weight_gradient(x: Array, g: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """dW (O, C, kh, kw): the copies of the rows of x times the rows of g."""
    oh, o, ow, n = g.shape
    k, m = kernel[0] * kernel[1] * x.shape[1], ow * n

    def compute(block: Block) -> Array:
        windows = _windows(x, kernel, stride, padding, block, ow)
        rows = g[slice(*block)].reshape(len(windows), o, m)
        if is_wide(m, k * o):
            return side_by_side(rows) @ side_by_side(windows).T
        pieces = number_of_pieces(m, m * k * o)
        rows = rows.reshape(-1, o, pieces, m // pieces)
        if o < _FEW or k <= _FLAT:
            return np.matmul(rows.swapaxes(1, 2), cut(windows, pieces).swapaxes(2, 3)).sum(axis=(0, 1))
        # A product with the transposed g is the faster one when both have more rows than a register block.
        turned = np.ascontiguousarray(rows.transpose(0, 2, 3, 1))
        return np.matmul(cut(windows, pieces), turned).sum(axis=(0, 1)).T

    work = g.size * k
    dw = _sum(threads.each(_row_blocks(x, kernel, (oh, ow), work), compute, work))
    return dw.reshape(o, *kernel, -1).transpose(0, 3, 1, 2)


def _sum(parts: list[Array]) -> Array:
    """The sum of what blocks gave, in their order; it is written into the first."""
    total, *others = parts
    for other in others:
        total += other
    return total


def _scatter(g: Array, weight: Array, stride: Pair, padding: Pair, size: Pair) -> Array:
    """The gradient of the input where windows are few beside the elements: (H, C, W, N).

    What each place of g gives to all elements under its window is one product over output channels alone, and is
    then added where it belongs. Blocks are of input channels, which get nothing from one another.
    """
    oh, o, ow, n = g.shape
    _, c, kh, kw = weight.shape
    matrix = weight.transpose(2, 3, 1, 0)
    rows, columns = (
        _reached(k, *axis) for k, *axis in zip((kh, kw), stride, padding, (oh, ow), size, strict=True)
    )
    # Elements whose first summand is written need no zeros to add to.
    written = sum(a for _, _, _, a in rows) * sum(a for _, _, _, a in columns)
    out = (np.empty if written == size[0] * size[1] else np.zeros)((size[0], c, size[1], n), g.dtype)

    def compute(block: Block) -> None:
        channels = slice(*block)
        part = matrix[:, :, channels].reshape(-1, o)
        given = np.empty((oh, kh, kw, block[1] - block[0], ow, n), g.dtype)
        multiply(part, g.reshape(oh, o, -1), given.reshape(oh, len(part), -1))
        for u, rows_from, rows_to, first_rows in rows:
            for v, from_, to, first_columns in columns:
                if first_rows and first_columns:
                    out[rows_to, channels, to] = given[rows_from, u, v, :, from_]
                else:
                    out[rows_to, channels, to] += given[rows_from, u, v, :, from_]

    work = g.size * weight.size // o
    threads.each(_blocks(c, oh * kh * kw * ow * n * g.itemsize, work), compute, work)
    return out


def _reached(
    k: int, stride: int, padding: int, places: int, size: int
) -> list[tuple[int, slice, slice, int]]:
    """For each element of a kernel which places of g reach an axis of `size` elements, and where.

    Elements that are a stride apart reach the same ones. Of these the one that reaches most comes first, and its
    last number is how many it reaches; that of the others is 0.
    """
    found = []
    for u in range(k):
        first = u - padding
        start = max(0, -(first // stride))
        stop = min(places, (size - 1 - first) // stride + 1)
        if stop > start:
            at = first + stride * start
            found.append((u, slice(start, stop), slice(at, at + stride * (stop - start - 1) + 1, stride)))
    found.sort(key=lambda reached: reached[1].start - reached[1].stop)
    seen, numbered = set(), []
    for u, from_, to in found:
        remainder = to.start % stride
        numbered.append((u, from_, to, 0 if remainder in seen else from_.stop - from_.start))
        seen.add(remainder)
    return numbered


# ---- blocks, windows, products


def _row_blocks(x: Array, kernel: Pair, places: Pair, work: float) -> list[Block]:
    """The rows of the output in blocks, for kernels that copy rows."""
    # kh - 1 rows are copied for two blocks: few beside those of a block.
    size = kernel[1] * x.shape[1] * x.shape[3] * places[1] * x.itemsize
    return _blocks(places[0], size, work, 3 * (kernel[0] - 1))


def _blocks(number: int, size: int, work: float, least: int = 1) -> list[Block]:
    """Equal blocks of a number of things of `size` bytes: they fit in the cache, or have `least` things.

    Where the cores share so much work, the number of blocks is even, so that two are done at the same time.
    """
    fitting = number / max(1, least, _SCRATCH // size)
    blocks = max(1, round(fitting)) if work < _SHARED else 2 * max(1, round(fitting / 2))
    blocks = min(number, blocks)
    return [(number * i // blocks, number * (i + 1) // blocks) for i in range(blocks)]


def _windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, block: Block, ow: int) -> Array:
    """For each row of the output in a block what it is computed from, (rows, kh kw C, OW N): a view."""
    h, c, w, n = x.shape
    (kh, kw), (start, stop), pw, s = kernel, block, padding[1], stride[1]
    first, height = stride[0] * start - padding[0], stride[0] * (stop - start - 1) + kh
    if pw == 0 and first >= 0 and first + height <= h and x.flags.c_contiguous:
        # Nothing but elements of x: one copy of a view, or none where the view is x itself.
        lines, channels, columns, images = x.strides
        strides = (lines, columns, channels, s * columns, images)
        shifted = np.ndarray((height, kw, c, ow, n), x.dtype, x, first * lines, strides)
        return _view(np.ascontiguousarray(shifted), kh, stride[0], stop - start)
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
    windows: Array = np.ndarray((places, kh * kw * c, ow * n), rows.dtype, rows, 0, strides)
    windows.flags.writeable = False
    return windows
