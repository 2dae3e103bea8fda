"""Images made larger and smaller: interpolation, adaptive pooling, unpooling.

Interpolating and averaging along an axis are linear, so each is a matrix: with A for the rows and B for the
columns,  out = A x B^T  for every image and channel, and the derivative takes the transposed matrices. A matrix is
made on the host and uploaded once: the steps of a training after the first upload nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.device import Array, Device
from tinydl.errors import DeviceError, DTypeError, ShapeError
from tinydl.op import Op, check_tensors
from tinydl.ops.conv import pair
from tinydl.ops.index import AddAt
from tinydl.ops.shape import reshape
from tinydl.tensor import Tensor

Matrix: TypeAlias = npt.NDArray[np.float64]
Recipe: TypeAlias = tuple[Any, ...]  # a function that makes a matrix, and its arguments


class Resample(Op):
    """out = A x B^T for the last two axes of x,  dx = A^T g B."""

    __slots__ = ("columns", "rows", "transposed")
    promotes = "always"

    def __init__(self, rows: Recipe, columns: Recipe, transposed: bool = False) -> None:
        self.rows, self.columns, self.transposed = rows, columns, transposed

    def forward(self, x: Array) -> Array:
        a, b = (_on_device(self.device, x.dtype, *recipe) for recipe in (self.rows, self.columns))
        if self.transposed:
            a, b = a.T, b.T
        xp = self.device.xp
        out = xp.empty_like(x, shape=(*x.shape[:-2], len(a), len(b)))  # in the layout of x
        out[...] = xp.matmul(xp.matmul(a, x), b.T)
        return out

    def backward(self, g: Any) -> Any:
        return Resample(self.rows, self.columns, not self.transposed)(g)


@functools.lru_cache(32)
def _on_device(device: Device, dtype: np.dtype[Any], make: Callable[..., Matrix], *arguments: Any) -> Array:
    return device.asarray(make(*arguments).astype(dtype))


# ---- the functions


def interpolate(
    x: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Images x (N, C, H, W) at another size, or at `scale_factor` times their size, rounded down.

    Mode "nearest" repeats pixels, "bilinear" mixes the four nearest; with `align_corners` the corner pixels of
    both images coincide, without it the corners of the corner pixels do (as PyTorch). float32 gives float32, and
    so do integers. Raises ValueError for other shapes and modes, for a size below 1, and unless exactly one of
    size and scale_factor is given; TypeError for a size that is not an integer.
    """
    who = "interpolate"
    check_tensors(who, x)
    if x.ndim != 4 or 0 in x.shape[2:]:
        raise ShapeError(who, f"expected images (N, C, H, W) with pixels, got shape {x.shape}")
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"{who}: mode must be 'nearest' or 'bilinear', got {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{who}: give either size or scale_factor, got {size} and {scale_factor}")
    if align_corners and mode != "bilinear":
        raise ValueError(f"{who}: align_corners is for mode 'bilinear'")
    recipes: list[Recipe] = []
    if size is not None:
        sizes = pair(who, "size", size, 1)
        steps = [n / m for n, m in zip(x.shape[2:], sizes, strict=True)]
    else:
        assert scale_factor is not None
        factors = (
            (scale_factor, scale_factor) if isinstance(scale_factor, int | float) else tuple(scale_factor)
        )
        if len(factors) != 2 or min(factors) <= 0:
            raise ValueError(f"{who}: scale_factor must be positive, one or two of them, got {scale_factor}")
        sizes = (int(x.shape[2] * factors[0]), int(x.shape[3] * factors[1]))
        steps = [1.0 / f for f in factors]
        if min(sizes) < 1:
            raise ShapeError(who, f"scale_factor {scale_factor} leaves nothing of images {x.shape}")
    for n, m, step in zip(x.shape[2:], sizes, steps, strict=True):
        if m == n:  # whatever the factor was
            recipes.append((np.eye, n))
        elif mode == "nearest":
            recipes.append((_nearest, n, m, step))
        else:
            recipes.append((_linear, n, m, step, align_corners))
    rows, columns = recipes
    out: Tensor = Resample(rows, columns)(x)
    return out


def adaptive_avg_pool2d(x: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """The means over output_size windows of x (N, C, H, W) or (C, H, W) that cover it; None keeps a length.

    Window i of m along an axis of length n goes from floor(i n / m) to ceil((i + 1) n / m), as PyTorch's. float32
    gives float32, and so do integers. Raises ValueError for other shapes and sizes below 1, TypeError for sizes
    that are not integers.
    """
    who = "adaptive_avg_pool2d"
    check_tensors(who, x)
    if x.ndim not in (3, 4) or 0 in x.shape[-2:]:
        raise ShapeError(who, f"expected images (N, C, H, W) or (C, H, W) with pixels, got shape {x.shape}")
    wanted = (
        (output_size, output_size)
        if isinstance(output_size, int) or output_size is None
        else tuple(output_size)
    )
    if len(wanted) != 2:
        raise ShapeError(who, f"expected one output size or two, got {output_size}")
    sizes = pair(
        who, "output_size", [n if m is None else m for n, m in zip(x.shape[-2:], wanted, strict=True)], 1
    )
    rows, columns = ((_means, n, m) for n, m in zip(x.shape[-2:], sizes, strict=True))
    out: Tensor = Resample(rows, columns)(x)
    return out


def max_unpool2d(
    x: Tensor,
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Puts the maxima x (N, C, H, W) or (C, H, W) back to where max_pool2d found them, zeros elsewhere.

    `indices` come from `max_pool2d(..., return_indices=True)`. The result has the size that the windows cover,
    (H - 1) stride - 2 padding + kernel, or `output_size` (its last two numbers). Where windows overlapped and
    chose the same element, the values are added (Zeiler and Fergus, 2014). The dtype is that of x. Raises
    ValueError for shapes or indices that do not fit, TypeError for indices that are not integers, RuntimeError for
    two devices.
    """
    who = "max_unpool2d"
    check_tensors(who, x)
    kernel = pair(who, "kernel_size", kernel_size, 1)
    steps = kernel if stride is None else pair(who, "stride", stride, 1)
    border = pair(who, "padding", padding, 0)
    if not isinstance(indices, Tensor) or indices.dtype.kind not in "iu":
        got = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise DTypeError(who, f"expected an integer tensor of indices, got {got}")
    if indices.device is not x.device:
        raise DeviceError(
            who, f"x is on {x.device}, the indices on {indices.device}; move one with .to('{x.device}')"
        )
    if x.ndim not in (3, 4) or indices.shape != x.shape:
        raise ShapeError(
            who, f"expected (N, C, H, W) and indices of that shape, got {x.shape}, {indices.shape}"
        )
    if output_size is None:
        h, w = ((x.shape[i - 2] - 1) * steps[i] - 2 * border[i] + kernel[i] for i in (0, 1))
    else:
        h, w = pair(who, "output_size", tuple(output_size)[-2:], 1)
    n = math.prod(x.shape[:-2])
    places = indices._data.reshape(n, math.prod(x.shape[-2:]))
    if places.size and x.device.checks_values and not 0 <= int(places.min()) <= int(places.max()) < h * w:
        raise ShapeError(who, f"indices reach beyond an output of {h} x {w}")
    flat = (places + x.device.xp.arange(n)[:, None] * (h * w)).reshape(-1)
    return reshape(AddAt(flat, (n * h * w,))(reshape(x, -1)), (*x.shape[:-2], h, w))


def _nearest(n: int, m: int, step: float) -> Matrix:
    """Row i has a 1 where output i comes from. In float32, as PyTorch: the same pixels, rounding included."""
    if m == 2 * n:
        step = 0.5
    source = np.minimum((np.arange(m, dtype=np.float32) * np.float32(step)).astype(np.int64), n - 1)
    matrix: Matrix = np.eye(n)[source]
    return matrix


def _linear(n: int, m: int, step: float, align_corners: bool) -> Matrix:
    """Row i mixes the two neighbours of the place that output i comes from."""
    if align_corners:
        place = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        place = np.maximum((np.arange(m) + 0.5) * step - 0.5, 0.0)
    left = np.minimum(np.floor(place).astype(np.int64), n - 1)
    share = np.minimum(place - left, 1.0)[:, None]
    right = np.minimum(left + 1, n - 1)
    matrix: Matrix = np.eye(n)[left] * (1.0 - share) + np.eye(n)[right] * share
    return matrix


def _means(n: int, m: int) -> Matrix:
    """Row i averages window i."""
    matrix = np.zeros((m, n))
    for i in range(m):
        start, stop = i * n // m, -(-(i + 1) * n // m)
        matrix[i, start:stop] = 1.0 / (stop - start)
    return matrix
