"""Convolution, pooling and batch normalisation as a textbook writes them.

Every function takes the array module `xp` first. Shapes are N, C, H, W; a pair is (along H, along W). These
kernels run on every device and are the oracle that faster ones are held against.

im2col turns images into a matrix with one column for each place of the window in each image, so that a
convolution is one matrix product (Chellapilla, Puri and Simard, 2006):

    x (N, C, H, W)  ->  columns (C kh kw, OH OW N)        out = W columns,   W (O, C kh kw)

Images have the shape N, C, H, W throughout, but results lie in memory as the product leaves them: C, H, W, N.
With the image number innermost, the pieces that im2col copies are rows of W N numbers, not of W.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels.cross_entropy import cross_entropy as cross_entropy
from tinydl.kernels.cross_entropy import cross_entropy_gradient as cross_entropy_gradient

Array: TypeAlias = Any
Pair: TypeAlias = tuple[int, int]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """How many places a window of `kernel` elements has along an axis of length `size`."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def window(i: int, places: int, stride: int, dilation: int) -> slice:
    """Where element i of the window lies, for each of its places along one (padded) axis."""
    start = i * dilation
    return slice(start, start + stride * (places - 1) + 1, stride)


def padded(xp: ModuleType, x: Array, padding: Pair, value: float = 0.0) -> Array:
    """x (N, C, H, W) with a border of `value`."""
    ph, pw = padding
    if ph == pw == 0:
        return x
    n, c, h, w = x.shape
    out = xp.full_like(x, value, shape=(n, c, h + 2 * ph, w + 2 * pw))
    out[:, :, ph : ph + h, pw : pw + w] = x
    return out


def im2col(xp: ModuleType, x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """The windows of x (N, C, H, W) as an array (C, kh, kw, OH, OW, N)."""
    n, c, h, w = x.shape
    kh, kw = kernel
    oh = output_size(h, kh, stride[0], padding[0], dilation[0])
    ow = output_size(w, kw, stride[1], padding[1], dilation[1])
    x = xp.ascontiguousarray(padded(xp, x, padding).transpose(1, 2, 3, 0))
    columns = xp.empty((c, kh, kw, oh, ow, n), dtype=x.dtype)
    for i in range(kh):
        for j in range(kw):
            rows = window(i, oh, stride[0], dilation[0])
            cols = window(j, ow, stride[1], dilation[1])
            columns[:, i, j] = x[:, rows, cols]
    return columns


def col2im(xp: ModuleType, columns: Array, size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Adds windows (C, kh, kw, OH, OW, N) back to where im2col read them, in images (N, C, *size)."""
    c, kh, kw, oh, ow, n = columns.shape
    (h, w), (ph, pw) = size, padding
    x = xp.zeros((c, h + 2 * ph, w + 2 * pw, n), dtype=columns.dtype)
    for i in range(kh):
        for j in range(kw):
            rows = window(i, oh, stride[0], dilation[0])
            cols = window(j, ow, stride[1], dilation[1])
            x[:, rows, cols] += columns[:, i, j]
    return x[:, ph : ph + h, pw : pw + w].transpose(3, 0, 1, 2)


def updates(xp: ModuleType, jobs: Sequence[tuple[Callable[..., None], Sequence[Array]]]) -> None:
    """compute(*arrays) for each job, which changes some of the arrays in place, each element by itself."""
    for compute, arrays in jobs:
        compute(*arrays)


def relu(xp: ModuleType, x: Array) -> Array:
    """max(x, 0), in the memory layout of x."""
    return xp.maximum(x, x.dtype.type(0))


def activation(xp: ModuleType, name: str, compute: Callable[..., None], *arrays: Array) -> Array:
    """A new array `out` after compute(*arrays, out): the operation `name`, for which a device may have a kernel."""
    out = xp.empty_like(arrays[-1])
    compute(*arrays, out)
    return out


def matmul(xp: ModuleType, a: Array, b: Array) -> Array:
    """The product of matrices, or of each pair in two stacks of them."""
    return xp.matmul(a, b)


def add_bias(xp: ModuleType, x: Array, bias: Array) -> None:
    """x + bias for each channel of images x (N, C, H, W), in place; bias (C,)."""
    x += bias.reshape(-1, 1, 1)


def channel_sums(xp: ModuleType, g: Array) -> Array:
    """The sum of each channel of g (N, C, H, W), (C,): the gradient of a bias."""
    return g.sum(axis=(0, 2, 3))


def conv2d(
    xp: ModuleType, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """out[n, o] = sum over c of x[n, c] correlated with weight[o, c]:  out = W columns, for each group.

    x (N, C, H, W), weight (O, C / groups, kh, kw), out (N, O, OH, OW).
    """
    o, c, kh, kw = weight.shape
    columns = im2col(xp, x, (kh, kw), stride, padding, dilation)
    oh, ow, n = columns.shape[3:]
    w = weight.reshape(groups, o // groups, c * kh * kw)
    out = xp.matmul(w, columns.reshape(groups, c * kh * kw, oh * ow * n))
    return out.reshape(o, oh, ow, n).transpose(3, 0, 1, 2)


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
    """The gradient of conv2d's input:  columns = W^T g, added back by col2im. A transposed convolution.

    g (N, O, OH, OW), weight (O, C / groups, kh, kw), result (N, C, *size).
    """
    n, o, oh, ow = g.shape
    c, kh, kw = weight.shape[1:]
    w = weight.reshape(groups, o // groups, c * kh * kw)
    g = g.transpose(1, 2, 3, 0).reshape(groups, o // groups, oh * ow * n)
    columns = xp.matmul(w.transpose(0, 2, 1), g)
    return col2im(xp, columns.reshape(groups * c, kh, kw, oh, ow, n), size, stride, padding, dilation)


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
    """The gradient of conv2d's weight:  dW = g columns^T.

    x (N, C, H, W), g (N, O, OH, OW), result (O, C / groups, *kernel).
    """
    n, o, oh, ow = g.shape
    c = x.shape[1] // groups
    # Windows of x that no output place reaches, because H is not a multiple of the stride, do not count.
    columns = im2col(xp, x, kernel, stride, padding, dilation)[:, :, :, :oh, :ow]
    columns = columns.reshape(groups, c * kernel[0] * kernel[1], oh * ow * n)
    g = g.transpose(1, 2, 3, 0).reshape(groups, o // groups, oh * ow * n)
    return xp.matmul(g, columns.transpose(0, 2, 1)).reshape(o, c, *kernel)


def sum_pool2d(xp: ModuleType, x: Array, kernel: Pair, stride: Pair, padding: Pair, places: Pair) -> Array:
    """The sum over each window of x (N, C, H, W), at `places` (OH, OW); beyond the border there is 0."""
    (oh, ow), (kh, kw) = places, kernel
    x = _reaching(xp, x, kernel, stride, padding, (1, 1), places, 0.0)
    out = xp.zeros_like(x, shape=(*x.shape[:2], oh, ow))
    for i in range(kh):
        for j in range(kw):
            out += x[:, :, window(i, oh, stride[0], 1), window(j, ow, stride[1], 1)]
    return out


def sum_pool2d_gradient(
    xp: ModuleType, g: Array, kernel: Pair, stride: Pair, padding: Pair, size: Pair
) -> Array:
    """The gradient of sum_pool2d's input (N, C, *size): every element of a window gets the window's g."""
    n, c, oh, ow = g.shape
    (h, w), (ph, pw), (kh, kw) = size, padding, kernel
    bottom = max(h + 2 * ph, stride[0] * (oh - 1) + kh)
    right = max(w + 2 * pw, stride[1] * (ow - 1) + kw)
    x = xp.zeros_like(g, shape=(n, c, bottom, right))
    for i in range(kh):
        for j in range(kw):
            x[:, :, window(i, oh, stride[0], 1), window(j, ow, stride[1], 1)] += g
    return x[:, :, ph : ph + h, pw : pw + w]


def max_pool2d(
    xp: ModuleType, x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, places: Pair
) -> tuple[Array, Array]:
    """The largest element of each window of x (N, C, H, W), at `places` (OH, OW), and which one it is.

    Element (i, j) of the window has the number i kw + j; of equal ones the first wins. Beyond the border there
    is -inf, and a window that has nothing but border chooses number kh kw.
    """
    n, c, h, w = x.shape
    (oh, ow), (kh, kw), (ph, pw) = places, kernel, padding
    x = _reaching(xp, x, kernel, stride, padding, dilation, places, -float("inf"))
    out = xp.full_like(x, -float("inf"), shape=(n, c, oh, ow))
    chosen = xp.full_like(x, kh * kw, shape=(n, c, oh, ow), dtype="int64")
    for i in range(kh):
        for j in range(kw):
            value = x[:, :, window(i, oh, stride[0], dilation[0]), window(j, ow, stride[1], dilation[1])]
            row = xp.arange(oh) * stride[0] + i * dilation[0] - ph
            col = xp.arange(ow) * stride[1] + j * dilation[1] - pw
            inside = ((row >= 0) & (row < h))[:, None] & ((col >= 0) & (col < w))[None, :]
            better = inside & ((value > out) | (chosen == kh * kw) | xp.isnan(value))
            out = xp.where(better, value, out)
            chosen = xp.where(better, i * kw + j, chosen)
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
    """The gradient of max_pool2d's input (N, C, *size): the chosen element of each window gets the window's g."""
    n, c, oh, ow = g.shape
    (h, w), (ph, pw), (kh, kw) = size, padding, kernel
    bottom = max(h + 2 * ph, stride[0] * (oh - 1) + dilation[0] * (kh - 1) + 1)
    right = max(w + 2 * pw, stride[1] * (ow - 1) + dilation[1] * (kw - 1) + 1)
    x = xp.zeros_like(g, shape=(n, c, bottom, right))
    for i in range(kh):
        for j in range(kw):
            rows, cols = window(i, oh, stride[0], dilation[0]), window(j, ow, stride[1], dilation[1])
            x[:, :, rows, cols] += g * (chosen == i * kw + j)
    return x[:, :, ph : ph + h, pw : pw + w]


def max_pool2d_chosen(
    xp: ModuleType, x: Array, chosen: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """The element of each window of x (N, C, H, W) that max_pool2d chose in another image: (N, C, OH, OW)."""
    (oh, ow), (kh, kw) = chosen.shape[2:], kernel
    x = _reaching(xp, x, kernel, stride, padding, dilation, (oh, ow), 0.0)
    out = xp.zeros_like(x, shape=chosen.shape)
    for i in range(kh):
        for j in range(kw):
            rows, cols = window(i, oh, stride[0], dilation[0]), window(j, ow, stride[1], dilation[1])
            out += x[:, :, rows, cols] * (chosen == i * kw + j)
    return out


def _reaching(
    xp: ModuleType,
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    places: Pair,
    value: float,
) -> Array:
    """x with its border, continued to the right and below until the last window fits (`ceil_mode`)."""
    n, c, h, w = x.shape
    bottom = stride[0] * (places[0] - 1) + dilation[0] * (kernel[0] - 1) + 1
    right = stride[1] * (places[1] - 1) + dilation[1] * (kernel[1] - 1) + 1
    ph, pw = padding
    if ph == pw == 0 and bottom <= h and right <= w:
        return x
    out = xp.full_like(x, value, shape=(n, c, max(bottom, h + 2 * ph), max(right, w + 2 * pw)))
    out[:, :, ph : ph + h, pw : pw + w] = x
    return out


def batch_norm(
    xp: ModuleType, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """weight x^ + bias with x^ = (x - m) / sqrt(v + eps), and mean m and variance v of each channel.

    x (N, C, ...), all others (C,).
    """
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    out = x - mean
    var = (out * out).mean(axis=axes, keepdims=True)
    out /= xp.sqrt(var + eps)
    if weight is not None:
        out *= weight.reshape(mean.shape)
    if bias is not None:
        out += bias.reshape(mean.shape)
    return out, mean.reshape(-1), var.reshape(-1)


def batch_norm_gradient(
    xp: ModuleType, g: Array, x: Array, weight: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """dx = weight r (g - mean(g) - x^ mean(g x^)),  dweight = sum of g x^,  dbias = sum of g;  r = 1 / sqrt(v + eps).

    g and x (N, C, ...), all others (C,).
    """
    axes, along = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    r = 1.0 / xp.sqrt(var.reshape(along) + eps)
    x_hat = (x - mean.reshape(along)) * r
    dw, db = (g * x_hat).sum(axis=axes), g.sum(axis=axes)
    count = x.size // x.shape[1]
    dx = g - db.reshape(along) / count - x_hat * (dw.reshape(along) / count)
    dx *= r if weight is None else r * weight.reshape(along)
    return dx, dw, db
