"""Pooling: one number for each window of an image.

A window that is averaged shares its gradient among its elements; one that is reduced to its largest element
gives the whole gradient to that element:

    average:  dx = g / n at every place of the window      maximum:  dx = g at the place of the maximum
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from tinydl.device import Array
from tinydl.errors import ShapeError
from tinydl.op import Op, check_tensors
from tinydl.ops.conv import pair
from tinydl.ops.shape import reshape
from tinydl.tensor import Tensor

Pair: TypeAlias = tuple[int, int]


class SumPool2d(Op):
    """out = share times the sum of each window of x,  dx = share g, added at every element of its window."""

    __slots__ = ("kernel", "padding", "places", "share", "size", "stride")
    promotes = "always"

    def __init__(self, kernel: Pair, stride: Pair, padding: Pair, places: Pair, share: float = 1.0) -> None:
        self.kernel, self.stride, self.padding, self.places = kernel, stride, padding, places
        self.share = share

    def forward(self, x: Array) -> Array:
        self.size = x.shape[2:]
        out = self.device.kernels.sum_pool2d(
            self.device.xp, x, self.kernel, self.stride, self.padding, self.places
        )
        out *= self.share  # in place: it is new
        return out

    def backward(self, g: Any) -> Any:
        return SumPool2dGradient(self, self.size)(g)


class SumPool2dGradient(Op):
    """out = share x, added at every element of each window,  dx = share times the sum of g over each window."""

    __slots__ = ("pool", "size")

    def __init__(self, pool: SumPool2d, size: Pair) -> None:
        self.pool, self.size = pool, size

    def forward(self, x: Array) -> Array:
        p = self.pool
        return self.device.kernels.sum_pool2d_gradient(
            self.device.xp, x * p.share, p.kernel, p.stride, p.padding, self.size
        )

    def backward(self, g: Any) -> Any:
        p = self.pool
        return SumPool2d(p.kernel, p.stride, p.padding, p.places, p.share)(g)


class MaxPool2d(Op):
    """out = the largest element of each window, the first of equal ones;  dx = g at the places chosen."""

    __slots__ = ("chosen", "dilation", "kernel", "padding", "places", "size", "stride")
    promotes = "always"

    def __init__(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, places: Pair) -> None:
        self.kernel, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.places = places

    def forward(self, x: Array) -> Array:
        self.size = x.shape[2:]
        out, self.chosen = self.device.kernels.max_pool2d(
            self.device.xp, x, self.kernel, self.stride, self.padding, self.dilation, self.places
        )
        return out

    def backward(self, g: Any) -> Any:
        return MaxPool2dGradient(self)(g)

    def indices(self) -> Array:
        """Where the chosen elements are, flat in the H x W image, int64 (N, C, OH, OW)."""
        xp, (oh, ow), (_, kw), (_, w) = self.device.xp, self.places, self.kernel, self.size
        number = self.chosen.astype("int64")
        row = (xp.arange(oh) * self.stride[0] - self.padding[0])[:, None] + number // kw * self.dilation[0]
        col = xp.arange(ow) * self.stride[1] - self.padding[1] + number % kw * self.dilation[1]
        return xp.where(number == self.kernel[0] * kw, -1, row * w + col)


class MaxPool2dGradient(Op):
    """out = each x at the place that its window chose,  dx = g at the places chosen: linear, as choosing is."""

    __slots__ = ("pool",)

    def __init__(self, pool: MaxPool2d) -> None:
        self.pool = pool

    def forward(self, x: Array) -> Array:
        p = self.pool
        return self.device.kernels.max_pool2d_gradient(
            self.device.xp, x, p.chosen, p.kernel, p.stride, p.padding, p.dilation, p.size
        )

    def backward(self, g: Any) -> Any:
        return MaxPool2dChosen(self.pool)(g)


class MaxPool2dChosen(Op):
    """out = the element of each window that was chosen,  dx = g at the places chosen."""

    __slots__ = ("pool",)

    def __init__(self, pool: MaxPool2d) -> None:
        self.pool = pool

    def forward(self, x: Array) -> Array:
        p = self.pool
        return self.device.kernels.max_pool2d_chosen(
            self.device.xp, x, p.chosen, p.kernel, p.stride, p.padding, p.dilation
        )

    def backward(self, g: Any) -> Any:
        return MaxPool2dGradient(self.pool)(g)


# ---- the functions


def max_pool2d(
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each window of x (N, C, H, W) or (C, H, W); the first of equal ones.

    `stride` is the kernel size unless given. The border counts as -inf; integers give float32. With
    `ceil_mode` a last window may reach over the edge. With `return_indices` also the places, int64, flat in
    the H x W image. Raises ValueError for windows larger than the image and for a padding larger than half
    the window, TypeError for sizes that are not integers.
    """
    out, op = _max_pool2d("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    return (out, Tensor(op.indices().reshape(out.shape), out.device)) if return_indices else out


def min_pool2d(
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The smallest element of each window: -max_pool2d(-x); the border counts as +inf.

    Shapes and dtypes as in `max_pool2d`: integers give float32. Raises ValueError for windows larger than the
    image and for a padding larger than half the window, TypeError for sizes that are not integers.
    """
    check_tensors("min_pool2d", x)
    negative = -x if x.dtype.kind in "fc" else -x.astype("float32")  # -x of unsigned integers would wrap
    out, _ = _max_pool2d("min_pool2d", negative, kernel_size, stride, padding, dilation, ceil_mode)
    return -out


def avg_pool2d(
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of x (N, C, H, W) or (C, H, W).

    `stride` is the kernel size unless given. The border counts as zeros, or not at all without
    `count_include_pad`; what `ceil_mode` reaches beyond it never counts. Integers give float32. Raises ValueError
    and TypeError as `max_pool2d` does.
    """
    who = "avg_pool2d"
    kernel, steps, border, images, single = _options(who, x, kernel_size, stride, padding)
    places = _places(who, images, kernel, steps, border, (1, 1), ceil_mode)
    alike = not ceil_mode and (count_include_pad or border == (0, 0))  # every window counts whole
    share = 1.0 / (kernel[0] * kernel[1]) if alike else 1.0
    out: Tensor = SumPool2d(kernel, steps, border, places, share)(images)
    if not alike:
        rows, cols = (
            _overlaps(x, places[i], kernel[i], steps[i], border[i], images.shape[2 + i], count_include_pad)
            for i in (0, 1)
        )
        out = out / Tensor((rows[:, None] * cols[None, :]).astype(out.dtype), x.device)
    return reshape(out, out.shape[1:]) if single else out


def _max_pool2d(
    who: str,
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> tuple[Tensor, MaxPool2d]:
    kernel, steps, border, images, single = _options(who, x, kernel_size, stride, padding)
    spread = pair(who, "dilation", dilation, 1)
    places = _places(who, images, kernel, steps, border, spread, ceil_mode)
    op = MaxPool2d(kernel, steps, border, spread, places)
    out: Tensor = op(images)
    return reshape(out, out.shape[1:]) if single else out, op


def _overlaps(
    x: Tensor, places: int, kernel: int, stride: int, padding: int, size: int, include_padding: bool
) -> Array:
    """How many elements of each window count along one axis."""
    xp = x.device.xp
    start = xp.arange(places) * stride - padding
    stop = xp.minimum(start + kernel, size + padding)
    return stop - start if include_padding else xp.minimum(stop, size) - xp.maximum(start, 0)


def _options(
    who: str,
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
) -> tuple[Pair, Pair, Pair, Tensor, bool]:
    check_tensors(who, x)
    kernel = pair(who, "kernel_size", kernel_size, 1)
    steps = kernel if stride is None else pair(who, "stride", stride, 1)
    border = pair(who, "padding", padding, 0)
    if 2 * border[0] > kernel[0] or 2 * border[1] > kernel[1]:
        raise ShapeError(who, f"padding {border} must be at most half the kernel size {kernel}")
    if x.ndim not in (3, 4):
        raise ShapeError(who, f"expected images (N, C, H, W) or one image (C, H, W), got shape {x.shape}")
    return kernel, steps, border, reshape(x, (1, *x.shape)) if x.ndim == 3 else x, x.ndim == 3


def _places(
    who: str, x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Pair:
    """How many places the window has along H and along W."""
    places = []
    for i in (0, 1):
        room = x.shape[2 + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1
        if room < 0:
            raise ShapeError(
                who,
                f"a window of {kernel} with dilation {dilation} is larger than the padded image "
                f"(input shape {x.shape}, layout N, C, H, W; padding {padding})",
            )
        n = (-(-room // stride[i]) if ceil_mode else room // stride[i]) + 1
        if ceil_mode and (n - 1) * stride[i] >= x.shape[2 + i] + padding[i]:
            n -= 1  # a window that starts beyond the image and its left border is left out
        places.append(n)
    return places[0], places[1]
