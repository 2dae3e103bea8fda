"""Pooling for the CPU: sums, comparisons and products of whole strided arrays instead of windows one by one."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from tinydl.kernels import reference
from tinydl.kernels.reference import window

Array: TypeAlias = Any
Pair: TypeAlias = tuple[int, int]


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
    return (
        padding == (0, 0)
        and stride[0] * (places[0] - 1) + dilation[0] * (kernel[0] - 1) < size[0]
        and stride[1] * (places[1] - 1) + dilation[1] * (kernel[1] - 1) < size[1]
    )
