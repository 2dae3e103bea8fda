"""Convolution for the CPU: the sums of reference.py, in an order that its caches like.

Images have the shape N, C, H, W, as everywhere, but lie in memory as H, C, W, N: one row of all images after the
other. Then a convolution needs no column matrix. Copy each row kw times, shifted by 0, 1, ... kw - 1 columns:

    rows (H, kw, C, OW, N)         from x (H, C, W, N), padded

The numbers that meet in one row of the output, (u, v, c) from kernel row u, kernel column v and channel c, lie in
`rows` at equal distances of OW N from one another, kernel rows included. So every output row is one product

    out[i]  (O, OW N)   =   W (O, kh kw C)   times   rows[s i : s i + kh]  (kh kw C, OW N)

of a matrix with a *view* of memory: kw copies instead of kh kw ("memory-efficient convolution", Cho and Brand,
2017). The gradient of the input is such a convolution of g with the mirrored kernel; with a stride s, one for each
of the s x s positions that an element can have under the kernel. What is not covered here (dilation, groups,
integers, rows too short to be worth a product) runs the textbook kernels.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinydl.kernels import reference
from tinydl.kernels.reference import max_pool2d_chosen, output_size, window

__all__ = [
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "max_pool2d",
    "max_pool2d_chosen",
    "max_pool2d_gradient",
    "sum_pool2d",
    "sum_pool2d_gradient",
]

Array: TypeAlias = Any
Pair: TypeAlias = tuple[int, int]

# OpenBLAS multiplies without packing its operands first when M N K is at most this; for larger thin products
# packing costs more than it gains, so they are cut into pieces that are not narrower than _NARROWEST.
_UNPACKED = 1_000_000
_NARROWEST = 32
_SHORT = 128  # rows of fewer numbers (OW N) are not worth a product each where the kernel is large
_LARGE = 64 * 576  # K O of such a kernel
_FEW = 12  # channels that leave a product too thin; there it is turned to have more rows


def conv2d(
    xp: ModuleType, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """out[n, o] = sum over c of x[n, c] correlated with weight[o, c]: one product for each row of the output."""
    n, _, h, w = x.shape
    kh, kw = weight.shape[2:]
    oh = output_size(h, kh, stride[0], padding[0], dilation[0])
    ow = output_size(w, kw, stride[1], padding[1], dilation[1])
    if not _covered(x, weight, dilation, groups, ow * n):
        return reference.conv2d(xp, x, weight, stride, padding, dilation, groups)
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
    """The gradient of conv2d's input: for each position under the stride, g correlated with the mirrored kernel.

    Element i of an axis is read by kernel element u at place a where i + p = s a + u. So u = r + s b for the
    remainder r of i + p, and the elements with this remainder are a convolution of g with every s-th element
    of the kernel, backwards.
    """
    n, _, _, ow = g.shape
    c, kh, kw = weight.shape[1:]
    if not _covered(g, weight, dilation, groups, ow * n) or (kh, kw) == stride:
        return reference.conv2d_input_gradient(xp, g, weight, size, stride, padding, dilation, groups)
    g = _rows_first(g)
    if stride == (1, 1) and c < _FEW and kw > 1 and padding[1] < kw:
        return _shown(_spread(g, weight, padding, size))
    out = np.empty((size[0], c, size[1], n), g.dtype)
    for i in range(min(stride[0], size[0])):
        for j in range(min(stride[1], size[1])):
            r, s = (i + padding[0]) % stride[0], (j + padding[1]) % stride[1]
            kernel = weight[:, :, r :: stride[0], s :: stride[1]][:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
            part = out[i :: stride[0], :, j :: stride[1]]
            if 0 in kernel.shape:
                part[...] = 0
                continue
            # The first element is read at place a by the last kernel element: that many places before g begins.
            above = kernel.shape[2] - 1 - (i + padding[0]) // stride[0]
            left = kernel.shape[3] - 1 - (j + padding[1]) // stride[1]
            inner = g[max(0, -above) :, :, max(0, -left) :]
            border, places = (max(0, above), max(0, left)), (part.shape[0], part.shape[2])
            if stride == (1, 1):
                _correlate(inner, kernel, (1, 1), border, places, out)
            else:
                part[...] = _correlate(inner, kernel, (1, 1), border, places)
    return _shown(out)


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
    n, o, oh, ow = g.shape
    c = x.shape[1]
    if not _covered(x, np.empty((o, c, *kernel)), dilation, groups, ow * n):
        return reference.conv2d_weight_gradient(xp, x, g, kernel, stride, padding, dilation, groups)
    windows = _windows(_rows_first(x), kernel, stride, padding, (oh, ow))
    g = _rows_first(g).reshape(oh, o, ow * n)
    if o < _FEW:
        out = np.matmul(g, windows.transpose(0, 2, 1)).sum(axis=0)
    else:  # a product with the transposed g is the faster one when g has more rows than a register block
        k, m = windows.shape[1:]
        pieces = _pieces(m, m * k * o)
        turned = np.ascontiguousarray(g.reshape(oh, o, pieces, m // pieces).transpose(0, 2, 3, 1))
        out = np.matmul(_cut(windows, pieces), turned).reshape(-1, k, o).sum(axis=0).T
    return np.ascontiguousarray(out.reshape(o, *kernel, c).transpose(0, 3, 1, 2))


def _covered(x: Array, weight: Array, dilation: Pair, groups: int, length: int) -> bool:
    if dilation != (1, 1) or groups != 1 or x.dtype.kind != "f" or x.size == 0:
        return False
    return length >= _SHORT or weight.size < _LARGE


def _rows_first(x: Array) -> Array:
    """x (N, C, H, W) as an array (H, C, W, N), copied only where it does not lie like that."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))


def _shown(rows: Array) -> Array:
    """An array (H, C, W, N) as images (N, C, H, W)."""
    return rows.transpose(3, 1, 0, 2)


def _correlate(
    x: Array, weight: Array, stride: Pair, padding: Pair, places: Pair, out: Array | None = None
) -> Array:
    """The convolution of x (H, C, W, N) with weight (O, C, kh, kw), as (OH, O, OW, N)."""
    o, _, kh, kw = weight.shape
    oh, ow = places
    if out is None:
        out = np.empty((oh, o, ow, x.shape[3]), x.dtype)
    windows = _windows(x, (kh, kw), stride, padding, places)
    matrix = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).reshape(o, -1)
    _multiply(matrix, windows, out.reshape(oh, o, -1))
    return out


def _spread(g: Array, weight: Array, padding: Pair, size: Pair) -> Array:
    """The gradient of the input for stride 1 and few channels, in another order: (H, C, W, N).

    A product with few rows is slow. So all columns v of the kernel are rows of one product, over kernel rows
    and output channels alone, and what belongs to column v is then added where it belongs, v to the right.
    """
    oh, o, ow, n = g.shape
    _, c, kh, kw = weight.shape
    (h, w), (ph, pw) = size, padding
    bordered = np.zeros((h + kh - 1, o, ow, n), g.dtype)
    start = kh - 1 - ph
    first = max(0, -start)
    last = min(oh, h + kh - 1 - start)
    bordered[start + first : start + last] = g[first:last]
    windows = _view(bordered.reshape(h + kh - 1, 1, o, ow, n), kh, 1, h)
    matrix = np.ascontiguousarray(weight[:, :, ::-1].transpose(3, 1, 2, 0)).reshape(kw * c, kh * o)
    columns = np.empty((h, kw, c, ow, n), g.dtype)
    _multiply(matrix, windows, columns.reshape(h, kw * c, -1))
    out = np.zeros((h, c, w, n), g.dtype)
    for v in range(kw):
        left, right = max(0, pw - v), min(ow, w + pw - v)
        if right > left:
            out[:, :, left + v - pw : right + v - pw] += columns[:, v, :, left:right]
    return out


def _windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, places: Pair) -> Array:
    """For each row of the output what it is computed from, (OH, kh kw C, OW N): a view of `rows`."""
    h, c, w, n = x.shape
    (kh, kw), (oh, ow), (ph, pw), s = kernel, places, padding, stride[1]
    height = stride[0] * (oh - 1) + kh
    if kw == s == 1 and padding == (0, 0) and height <= h and ow == w and x.flags.c_contiguous:
        return _view(x[:height, None], kh, stride[0], oh)  # nothing to shift
    rows = np.empty((height, kw, c, ow, n), x.dtype)
    top, bottom = min(ph, height), min(ph + h, height)
    rows[:top] = 0
    rows[bottom:] = 0
    for v in range(kw):  # output column j reads column s j + v - pw
        left = min(ow, max(0, -((v - pw) // s)))
        right = max(left, min(ow, (w - 1 + pw - v) // s + 1))
        rows[top:bottom, v, :, :left] = 0
        rows[top:bottom, v, :, right:] = 0
        if right > left:
            start = s * left + v - pw
            rows[top:bottom, v, :, left:right] = x[
                : bottom - top, :, start : start + s * (right - left - 1) + 1 : s
            ]
    return _view(rows, kh, stride[0], oh)


def _view(rows: Array, kh: int, stride: int, places: int) -> Array:
    """The overlapping windows of kh rows (H, kw, C, OW, N), each as a matrix (kh kw C, OW N)."""
    _, kw, c, ow, n = rows.shape
    distance = ow * n * rows.itemsize
    strides = (stride * kw * c * distance, distance, rows.itemsize)
    return as_strided(rows, (places, kh * kw * c, ow * n), strides, writeable=False)


def _multiply(matrix: Array, windows: Array, out: Array) -> None:
    """out[i] = matrix times windows[i], in pieces that OpenBLAS need not pack."""
    k, m = windows.shape[1:]
    pieces = _pieces(m, m * k * len(matrix))
    np.matmul(matrix, _cut(windows, pieces), out=_cut(out, pieces) if pieces > 1 else out[:, None])


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


# ---- pooling


def sum_pool2d(xp: ModuleType, x: Array, kernel: Pair, stride: Pair, padding: Pair, places: Pair) -> Array:
    """The sum over each window, first of its rows, then of its columns."""
    if not _inside(x.shape[2:], kernel, stride, padding, (1, 1), places):
        return reference.sum_pool2d(xp, x, kernel, stride, padding, places)
    for axis in (2, 3):
        k, s, n = kernel[axis - 2], stride[axis - 2], places[axis - 2]
        lead = (slice(None),) * axis
        total = x[(*lead, window(0, n, s, 1))]
        for i in range(1, k):
            total = np.add(total, x[(*lead, window(i, n, s, 1))], out=total if i > 1 else None)
        x = total
    return x if kernel != (1, 1) else x.copy(order="K")


def sum_pool2d_gradient(
    xp: ModuleType, g: Array, kernel: Pair, stride: Pair, padding: Pair, size: Pair
) -> Array:
    """Every element of a window gets the window's g: where windows do not overlap, each is written once."""
    n, c, oh, ow = g.shape
    if kernel != stride or padding != (0, 0) or (oh * kernel[0], ow * kernel[1]) != size:
        return reference.sum_pool2d_gradient(xp, g, kernel, stride, padding, size)
    out = np.empty_like(g, shape=(n, c, *size))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            out[:, :, i :: stride[0], j :: stride[1]] = g
    return out


def max_pool2d(
    xp: ModuleType, x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, places: Pair
) -> tuple[Array, Array]:
    """The largest element of each window and its number: comparisons of whole arrays, numbers in one byte each."""
    kh, kw = kernel
    if kh * kw > 255 or not _inside(x.shape[2:], kernel, stride, padding, dilation, places):
        return reference.max_pool2d(xp, x, kernel, stride, padding, dilation, places)
    values = [
        x[:, :, window(i, places[0], stride[0], dilation[0]), window(j, places[1], stride[1], dilation[1])]
        for i in range(kh)
        for j in range(kw)
    ]
    out = values[0].copy(order="K")
    chosen = np.zeros_like(out, dtype=np.uint8)
    for number, value in enumerate(values[1:], start=1):
        better = (value > out).view(np.uint8)
        better *= np.uint8(number)
        np.maximum(chosen, better, out=chosen)  # the number of a later element is larger
        np.maximum(out, value, out=out)
    if np.isnan(np.sum(out)):  # which no comparison finds
        return reference.max_pool2d(xp, x, kernel, stride, padding, dilation, places)
    return out, chosen


def max_pool2d_gradient(
    xp: ModuleType,
    g: Array,
    chosen: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    size: Pair,
) -> Array:
    """The chosen element of each window gets the window's g: where windows do not overlap, each is written once."""
    n, c, oh, ow = g.shape
    covered = (oh * kernel[0], ow * kernel[1]) == size and padding == (0, 0)
    if kernel != stride or dilation != (1, 1) or not covered:
        return reference.max_pool2d_gradient(xp, g, chosen, kernel, stride, padding, dilation, size)
    out = np.empty_like(g, shape=(n, c, *size))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            np.multiply(g, chosen == i * kernel[1] + j, out=out[:, :, i :: stride[0], j :: stride[1]])
    return out


def _inside(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, places: Pair) -> bool:
    """Whether all windows lie within the image."""
    return padding == (0, 0) and all(
        stride[i] * (places[i] - 1) + dilation[i] * (kernel[i] - 1) < size[i] for i in (0, 1)
    )
