"""Pooling for a GPU, in kernels of one thread for each number of the result (pool.cu)."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels import reference
from tinydl.kernels.cuda.launch import launcher
from tinydl.kernels.cuda.layout import channels_last, channels_second, covered

Array: TypeAlias = Any
Pair: TypeAlias = tuple[int, int]


def sum_pool2d(xp: ModuleType, x: Array, kernel: Pair, stride: Pair, padding: Pair, places: Pair) -> Array:
    """The sum over each window of x (N, C, H, W), at `places`."""
    if not covered(x):
        return reference.sum_pool2d(xp, x, kernel, stride, padding, places)
    x = channels_last(xp, x)
    out = xp.empty((len(x), *places, x.shape[3]), dtype=x.dtype)
    numbers = (out.size, x.shape[3], *x.shape[1:3], *places, *kernel, *stride, *padding)
    launcher(xp).launch(f"sum_pool_{x.dtype}", out.size, x, out, *numbers)
    return channels_second(out)


def sum_pool2d_gradient(
    xp: ModuleType, g: Array, kernel: Pair, stride: Pair, padding: Pair, size: Pair
) -> Array:
    """Every element of a window gets the window's g: g (N, C, OH, OW), result (N, C, *size)."""
    if not covered(g):
        return reference.sum_pool2d_gradient(xp, g, kernel, stride, padding, size)
    g = channels_last(xp, g)
    dx = xp.empty((len(g), *size, g.shape[3]), dtype=g.dtype)
    numbers = (dx.size, g.shape[3], *size, *g.shape[1:3], *kernel, *stride, *padding)
    launcher(xp).launch(f"sum_pool_gradient_{g.dtype}", dx.size, g, dx, *numbers)
    return channels_second(dx)


def max_pool2d(
    xp: ModuleType, x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, places: Pair
) -> tuple[Array, Array]:
    """The largest element of each window, at `places`, and its number, int32."""
    if not covered(x):
        return reference.max_pool2d(xp, x, kernel, stride, padding, dilation, places)
    x = channels_last(xp, x)
    shape = (len(x), *places, x.shape[3])
    out, chosen = xp.empty(shape, dtype=x.dtype), xp.empty(shape, dtype="int32")
    numbers = (out.size, x.shape[3], *x.shape[1:3], *places, *kernel, *stride, *padding, *dilation)
    launcher(xp).launch(f"max_pool_{x.dtype}", out.size, x, out, chosen, *numbers)
    return channels_second(out), channels_second(chosen)


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
    """The chosen element of each window gets the window's g: g (N, C, OH, OW), result (N, C, *size)."""
    if not covered(g):
        return reference.max_pool2d_gradient(xp, g, chosen, kernel, stride, padding, dilation, size)
    g, chosen = channels_last(xp, g), channels_last(xp, chosen.astype("int32", copy=False))
    dx = xp.empty((len(g), *size, g.shape[3]), dtype=g.dtype)
    numbers = (dx.size, g.shape[3], *size, *g.shape[1:3], *kernel, *stride, *padding, *dilation)
    launcher(xp).launch(f"max_pool_gradient_{g.dtype}", dx.size, g, chosen, dx, *numbers)
    return channels_second(dx)


def max_pool2d_chosen(
    xp: ModuleType, x: Array, chosen: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """The element of each window of x that max_pool2d chose in another image: (N, C, OH, OW)."""
    if not covered(x):
        return reference.max_pool2d_chosen(xp, x, chosen, kernel, stride, padding, dilation)
    x, chosen = channels_last(xp, x), channels_last(xp, chosen.astype("int32", copy=False))
    out = xp.empty(chosen.shape, dtype=x.dtype)
    numbers = (out.size, *(x.shape[i] for i in (3, 1, 2)), *chosen.shape[1:3])
    numbers += (*kernel, *stride, *padding, *dilation)
    launcher(xp).launch(f"max_pool_chosen_{x.dtype}", out.size, x, chosen, out, *numbers)
    return channels_second(out)
