"""Convolution for a GPU: im2col, gathered by a kernel, and products of two matrices.

    columns (N OH OW, kh kw C)  from x,       out (N OH OW, O)    =  columns W^T,     W (O, kh kw C)
    dcolumns  =  g W,  gathered to dx,        dW (O, kh kw C)     =  g^T columns

Rows are places and columns channels throughout, so nothing is transposed in memory: what a product leaves is an image
in N, H, W, C. Images are taken a few at a time where columns would be large. What is no float, and what is empty, goes
to reference.py.
"""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels import reference
from tinydl.kernels.cuda.launch import launcher
from tinydl.kernels.cuda.layout import channels_last, channels_second, covered
from tinydl.kernels.reference import output_size

Array: TypeAlias = Any
Pair: TypeAlias = tuple[int, int]

_COLUMNS = 1 << 27  # numbers of columns that are in memory at a time, unless one image has more


class Windows:
    """Where the windows of a convolution lie in images (N, H, W, C)."""

    def __init__(
        self, channels: int, size: Pair, places: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair,
        groups: int,
    ) -> None:  # fmt: skip
        self.places, self.groups = places, groups
        self.width = kernel[0] * kernel[1] * channels // groups  # of the columns of a group
        self.numbers = (channels, *size, *places, *kernel, *stride, *padding, *dilation)
        # Every place of the image is a window, or the image is one: then columns are the image as it lies.
        whole = tuple(kernel) == tuple(size) and places == (1, 1)
        every = kernel == stride == (1, 1) and tuple(places) == tuple(size)
        self.are_the_image = (whole or every) and padding == (0, 0) and groups == 1

    def columns(self, xp: ModuleType, x: Array) -> Array:
        """The windows of x (N, H, W, C): (groups, N OH OW, kh kw C / groups)."""
        rows = len(x) * self.places[0] * self.places[1]
        shape = (self.groups, rows, self.width)
        if self.are_the_image:
            return x.reshape(shape)
        out = xp.empty(shape, dtype=x.dtype)
        launcher(xp).launch(
            f"im2col_{x.dtype}", out.size, x, out, out.size, *self.numbers, len(x), self.groups
        )
        return out

    def images(self, xp: ModuleType, columns: Array, out: Array) -> None:
        """Sets `out` (N, H, W, C) to the sums of what belongs to each place."""
        numbers = (out.size, *self.numbers, len(out), self.groups)
        launcher(xp).launch(f"col2im_{out.dtype}", out.size, columns, out, *numbers)

    def blocks(self, images: int) -> list[slice]:
        """The images in parts whose columns are not too large."""
        if self.are_the_image:
            return [slice(0, images)]
        each = self.groups * self.width * self.places[0] * self.places[1]
        number = min(images, -(-images * each // _COLUMNS))
        ends = (images * i // number for i in range(number + 1))
        return [slice(start, stop) for start, stop in pairwise(ends)]


def conv2d(
    xp: ModuleType, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """out = columns W^T, for each group: x (N, C, H, W), weight (O, C / groups, kh, kw), out (N, O, OH, OW)."""
    size, kernel = x.shape[2:], weight.shape[2:]
    places = tuple(output_size(size[i], kernel[i], stride[i], padding[i], dilation[i]) for i in (0, 1))
    if not covered(x, weight) or min(places) < 1:
        return reference.conv2d(xp, x, weight, stride, padding, dilation, groups)
    windows = Windows(x.shape[1], size, (places[0], places[1]), kernel, stride, padding, dilation, groups)
    x, w = channels_last(xp, x), _matrices(xp, weight, groups)
    blocks = windows.blocks(len(x))

    def convolved(block: slice) -> Array:
        out = _joined(xp, _product(xp, windows.columns(xp, x[block]), w.transpose(0, 2, 1)))
        return out.reshape(-1, *places, len(weight))

    if len(blocks) == 1:
        return channels_second(convolved(blocks[0]))
    out = xp.empty((len(x), *places, len(weight)), dtype=x.dtype)
    for block in blocks:
        out[block] = convolved(block)
    return channels_second(out)


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
    """dcolumns = g W, gathered by col2im: g (N, O, OH, OW), weight (O, C / groups, kh, kw), result (N, C, *size)."""
    if not covered(g, weight):
        return reference.conv2d_input_gradient(xp, g, weight, size, stride, padding, dilation, groups)
    channels = weight.shape[1] * groups
    windows = Windows(channels, size, g.shape[2:], weight.shape[2:], stride, padding, dilation, groups)
    g, w = channels_last(xp, g), _matrices(xp, weight, groups)
    if windows.are_the_image:
        columns = _product(xp, _by_group(xp, g, groups), w)
        return channels_second(columns.reshape(len(g), *size, channels))
    out = xp.empty((len(g), *size, channels), dtype=g.dtype)
    for block in windows.blocks(len(g)):
        windows.images(xp, _product(xp, _by_group(xp, g[block], groups), w), out[block])
    return channels_second(out)


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
    """dW = g^T columns: x (N, C, H, W), g (N, O, OH, OW), result (O, C / groups, *kernel)."""
    if not covered(x, g):
        return reference.conv2d_weight_gradient(xp, x, g, kernel, stride, padding, dilation, groups)
    windows = Windows(x.shape[1], x.shape[2:], g.shape[2:], kernel, stride, padding, dilation, groups)
    x, g = channels_last(xp, x), channels_last(xp, g)
    total: Array = None
    for block in windows.blocks(len(x)):
        gs = _by_group(xp, g[block], groups)
        part = _product(xp, gs.transpose(0, 2, 1), windows.columns(xp, x[block]))
        total = part if total is None else xp.add(total, part, out=total)
    return channels_second(total.reshape(g.shape[3], *kernel, x.shape[3] // groups))


def _matrices(xp: ModuleType, weight: Array, groups: int) -> Array:
    """A weight (O, C, kh, kw) as matrices (groups, O / groups, kh kw C)."""
    return channels_last(xp, weight).reshape(groups, len(weight) // groups, -1)


def _by_group(xp: ModuleType, g: Array, groups: int) -> Array:
    """Images (N, OH, OW, O) as matrices (groups, N OH OW, O / groups)."""
    rows = g.reshape(-1, groups, g.shape[3] // groups)
    return xp.ascontiguousarray(rows.transpose(1, 0, 2))


def _joined(xp: ModuleType, matrices: Array) -> Array:
    """Matrices (groups, rows, O / groups) side by side: (rows, O)."""
    return xp.ascontiguousarray(matrices.transpose(1, 0, 2)).reshape(matrices.shape[1], -1)


def _product(xp: ModuleType, a: Array, b: Array) -> Array:
    """The product of each pair in two stacks of matrices; nearly always there is one pair, one group."""
    product = launcher(xp).product
    return product(a[0], b[0])[None] if len(a) == 1 else product(a, b)
