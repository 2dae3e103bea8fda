"""Hypothesis strategies for everything that operations take. They shrink to small shapes and round numbers.

    @given(strategies.tensors(strategies.shapes(max_dims=3)))
    def test_my_operation(x): ...

Where an argument is a shape, a strategy for shapes will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tinydl.device import cpu
from tinydl.random import Generator
from tinydl.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]

LAYOUTS = ("contiguous", "transposed", "strided", "reversed", "broadcast")
IMAGE_LAYOUTS = ("nchw", "nhwc", "hcwn")
_IMAGE_ORDER = {"nchw": (0, 1, 2, 3), "nhwc": (0, 2, 3, 1), "hcwn": (2, 1, 3, 0)}


def shapes(
    min_dims: int = 0, max_dims: int = 4, min_side: int = 0, max_side: int = 4
) -> SearchStrategy[Shape]:
    """Shapes, 0-d and of size 0 included; shrinks to few axes, of length 1 where that is allowed."""
    lengths = [*range(min_side, max_side + 1)]
    sides = st.sampled_from([*(n for n in lengths if n > 0), *(n for n in lengths if n == 0)])
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(
    draw: DrawFn, n: int = 2, min_dims: int = 0, max_dims: int = 4, min_side: int = 0, max_side: int = 4
) -> tuple[Shape, ...]:
    """n shapes that broadcast together: leading axes left out, lengths replaced by 1, in any of them."""
    full = draw(shapes(min_dims, max_dims, min_side, max_side))
    found = []
    for _ in range(n):
        start = draw(st.integers(0, len(full) - min_dims))
        found.append(tuple(1 if draw(st.booleans()) else side for side in full[start:]))
    return tuple(found)


def lay_out(values: Array, layout: str) -> Array:
    """The same values, lying in memory in another way; `broadcast` repeats the first ones instead.

    contiguous: C order. transposed: the axes in reverse order. strided: every other element of a larger array.
    reversed: last to first. broadcast: stride 0 along the longest axis, read-only. nchw, nhwc, hcwn: images in
    that order. Raises ValueError for others, and for images that have not four axes.
    """
    if layout == "contiguous":
        return np.array(values, order="C")
    if layout == "transposed":
        return np.array(values, order="F")
    if layout == "strided":
        room = np.full([2 * n for n in values.shape], np.array(99).astype(values.dtype))
        room[(slice(None, None, 2),) * values.ndim] = values
        return room[(slice(None, None, 2),) * values.ndim] if values.ndim else room
    if layout == "reversed":
        flip = (slice(None, None, -1),) * values.ndim
        return np.array(values[flip], order="C")[flip] if values.ndim else values.copy()
    if layout == "broadcast":
        if values.size == 0 or values.ndim == 0:
            return values.copy()
        axis = int(np.argmax(values.shape))
        first = values[(slice(None),) * axis + (slice(0, 1),)]
        return np.broadcast_to(first.copy(), values.shape)
    if layout not in _IMAGE_ORDER or values.ndim != 4:
        raise ValueError(f"lay_out: no layout {layout!r} for shape {values.shape}")
    order = _IMAGE_ORDER[layout]
    return np.array(values.transpose(order), order="C").transpose(np.argsort(order))


@st.composite
def arrays(
    draw: DrawFn,
    shape: Shape | SearchStrategy[Shape],
    dtype: npt.DTypeLike = np.float64,
    low: float = -2.0,
    high: float = 2.0,
    layout: str | None = None,
) -> Array:
    """NumPy arrays of random numbers in [low, high], with three decimals, in a drawn or given layout.

    Booleans and integers for those dtypes. Four axes may lie in memory as N, H, W, C and H, C, W, N, too.
    One integer is drawn for all the numbers, so a failing example names and repeats them.
    """
    sides = shape if isinstance(shape, tuple) else draw(shape)
    dtype = np.dtype(dtype)
    uniform = Generator(draw(st.integers(0, 999))).random(sides, np.float64)
    if dtype.kind == "b":
        values = uniform < 0.5
    elif dtype.kind in "iu":
        values = np.floor(low + uniform * (high - low + 1)).astype(dtype)
    else:
        values = np.clip(np.round(low + uniform * (high - low), 3), low, high).astype(dtype)
    if layout is None:
        choices = LAYOUTS + (IMAGE_LAYOUTS[1:] if len(sides) == 4 else ())
        layout = draw(st.sampled_from(choices))
    return lay_out(values, layout)


@st.composite
def tensors(
    draw: DrawFn,
    shape: Shape | SearchStrategy[Shape],
    dtype: npt.DTypeLike = np.float64,
    low: float = -2.0,
    high: float = 2.0,
    layout: str | None = None,
    requires_grad: bool = True,
) -> Tensor:
    """Tensors of such `arrays`, in their memory; float ones require gradients unless told otherwise."""
    values = draw(arrays(shape, dtype, low, high, layout))
    return Tensor(values, cpu, requires_grad and values.dtype.kind == "f")


def axis(ndim: int) -> SearchStrategy[int]:
    """One axis of `ndim` (1 or more), counted from the front or from the back."""
    return st.integers(0, ndim - 1) | st.integers(-ndim, -1)


@st.composite
def axes(draw: DrawFn, ndim: int) -> int | tuple[int, ...] | None:
    """What `axis=` takes: None, one axis, or a tuple of different axes in any order (an empty one, too)."""
    several = st.permutations(range(ndim)).flatmap(lambda p: st.integers(0, ndim).map(lambda k: tuple(p[:k])))
    signed = several.map(lambda t: tuple(i - ndim if i % 2 else i for i in t))
    return draw(st.none() | (axis(ndim) if ndim else st.none()) | signed)


@st.composite
def indices(draw: DrawFn, shape: Shape) -> Any:
    """Keys for an array of that shape: basic, integer arrays with repeats, boolean arrays, and tuples of them."""
    kind = draw(st.sampled_from(("basic", "integers", "mask")))
    if kind == "mask":
        cut = draw(st.integers(0, len(shape)))
        return draw(arrays(shape[:cut], np.bool_, layout="contiguous"))
    parts: list[Any] = []
    length = draw(st.integers(0, 3))  # of integer arrays, which must broadcast together
    for n in shape[: draw(st.integers(0, len(shape)))]:
        choices: list[SearchStrategy[Any]] = [st.slices(n)]
        if n > 0:
            choices.append(st.integers(-n, n - 1))
            if kind == "integers":
                listed = st.lists(st.integers(-n, n - 1), min_size=length, max_size=length)
                choices.append(listed.map(lambda places: np.array(places, np.int64)))
        parts.append(draw(st.one_of(choices)))
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        parts.append(Ellipsis)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def labels(shape: Shape, classes: int) -> SearchStrategy[Tensor]:
    """Integer class numbers in [0, classes)."""
    return tensors(shape, np.int64, 0, classes - 1, "contiguous", requires_grad=False)


@dataclass(frozen=True)
class Geometry:
    """The shapes and the options of a convolution or of a pooling."""

    input_shape: Shape
    weight_shape: Shape  # () for a pooling
    options: dict[str, Any]


@st.composite
def conv_geometries(draw: DrawFn, transposed: bool = False) -> Geometry:
    """Valid arguments of `conv2d`, or of `conv_transpose2d`: all options, one image or a batch (of 0, too).

    Edge cases on purpose: kernels as large as the padded image, strides larger than the kernel, images that
    the last window does not reach the end of.
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
    groups, inside, outside = (draw(st.integers(1, 2)) for _ in range(3))
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
    """Valid arguments of `avg_pool2d`, or with `dilated` of `max_pool2d`: all options, one image or a batch.

    Every window has an element of the image in it.
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
    options |= {"dilation": dilation} if dilated else {"count_include_pad": draw(st.booleans())}
    return Geometry((*_batch(draw), draw(st.integers(1, 2)), *size), (), options)


def _pair(draw: DrawFn, low: int, high: int) -> Pair:
    return draw(st.integers(low, high)), draw(st.integers(low, high))


def _batch(draw: DrawFn) -> Shape:
    return draw(st.sampled_from(((1,), (2,), (), (0,))))
