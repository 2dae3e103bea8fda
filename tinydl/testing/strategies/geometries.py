"""Shapes and options of convolutions and poolings that fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tinydl.testing.strategies.shapes import Shape

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """The shapes and the options of a convolution or of a pooling.

    `conv2d(x, weight, **g.options)` takes an x of `g.input_shape` and a weight of `g.weight_shape`. All options
    are given, for both axes: {"stride": (1, 2), ...}.
    """

    input_shape: Shape
    weight_shape: Shape  # () for a pooling
    options: dict[str, Any]


@st.composite
def conv_geometries(draw: DrawFn, transposed: bool = False) -> Geometry:
    """Arguments that `conv2d`, or with `transposed` `conv_transpose2d`, accepts, and PyTorch's as well.

    One image or a batch (of 0, too). Kernels, strides and dilations of 1 to 3, paddings of 0 to 2, groups of 1
    to 3, each along H and W for itself. Edges on purpose: kernels of 1 x 1 and as large as the padded image,
    strides larger than the kernel, images that the last window does not reach the end of, windows in the
    border alone, one channel, as many groups as channels (depthwise), an `output_padding` up to its limit,
    which is the larger of stride and dilation. Never an empty image or result (but for a batch of 0), no
    channels, or a kernel larger than the padded image.

    Shrinks to one image, one channel, 1 x 1 everywhere, and to the functions' defaults.
    """
    kernel, stride, dilation = (_pair(draw, 1, 3) for _ in range(3))
    padding, size, extra = [], [], []
    for k, s, d in zip(kernel, stride, dilation, strict=True):
        reach = d * (k - 1) + 1
        if transposed:
            n = draw(st.integers(1, 3))
            extra.append(draw(st.integers(0, max(s, d) - 1)))
            out = (n - 1) * s + reach + extra[-1]
            padding.append(draw(st.integers(0, min(2, (out - 1) // 2))))
        else:
            padding.append(draw(st.integers(0, 2)))
            n = max(1, reach - 2 * padding[-1]) + draw(st.integers(0, 3))
        size.append(n)
    groups = draw(st.integers(1, 3))
    inside, outside = _pair(draw, 1, 2)  # channels of a group
    channels = groups * inside
    weight = (channels, outside, *kernel) if transposed else (groups * outside, inside, *kernel)
    options: dict[str, Any] = {
        "stride": stride,
        "padding": tuple(padding),
        "dilation": dilation,
        "groups": groups,
    }
    if transposed:
        options["output_padding"] = tuple(extra)
    return Geometry((*_batch(draw), channels, *size), weight, options)


@st.composite
def pool_geometries(draw: DrawFn, dilated: bool = False) -> Geometry:
    """Arguments that `avg_pool2d`, or with `dilated` `max_pool2d`, accepts, and PyTorch's as well.

    One image or a batch (of 0, too), one or two channels. Kernels, strides and dilations of 1 to 3, each along
    H and W for itself, a stride of None, paddings up to half the kernel, `ceil_mode` on and off. Edges on
    purpose: kernels of 1 x 1 and as large as the padded image, strides larger than the kernel, images that the
    last window does not reach the end of or, in ceil mode, reaches beyond. Never a window without an element of
    the image in it, so the largest one is always finite.

    Shrinks to one image, one channel, 1 x 1 everywhere, and to the functions' defaults.
    """
    kernel = _pair(draw, 1, 3)
    given = draw(st.booleans())
    stride = _pair(draw, 1, 3) if given else kernel
    dilation = _pair(draw, 1, 3) if dilated else (1, 1)
    ceil = draw(st.booleans())
    padding, size = [], []
    for k, d in zip(kernel, dilation, strict=True):
        padding.append(draw(st.integers(0, k // 2)))
        reach = d * (k - 1) + 1
        # An element in the border has its neighbour d further on inside the image, when that is long enough.
        n = max(1, reach - 2 * padding[-1], d if padding[-1] else 1) + draw(st.integers(0, 3))
        size.append(n)
    options: dict[str, Any] = {"kernel_size": kernel, "stride": stride if given else None}
    options |= {"padding": tuple(padding), "ceil_mode": ceil}
    options |= {"dilation": dilation} if dilated else {"count_include_pad": not draw(st.booleans())}
    return Geometry((*_batch(draw), draw(st.integers(1, 2)), *size), (), options)


def _pair(draw: DrawFn, low: int, high: int) -> Pair:
    return draw(st.integers(low, high)), draw(st.integers(low, high))


def _batch(draw: DrawFn) -> Shape:
    return draw(
        st.sampled_from(((1,), (2,), (3,), (2,), (), (0,)))
    )  # a batch of 0 tests little: not too often
