"""The convolutions of the CPU against the textbook's, over drawn geometries and memory layouts, in all their ways."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import tinydl as td
from tinydl.kernels import cpu_conv, cpu_product, reference, threads
from tinydl.testing import memory_order, strategies

Ways: TypeAlias = dict[str, dict[str, Any]]

ONE = (1, 1)
NONE = (0, 0)
CHOSEN = "chosen"
WAYS = ("lowered", "stacked, deep", "apart, shifted")
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, Any, Any, tuple[int, int], dict[str, Any]]:
    """Images, a weight, a cotangent, the size that a transposed convolution gives it, and options.

    Among them paddings larger than the kernel, sizes the stride does not divide, windows that do not overlap,
    few windows, and fewer than fit.
    """
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(st.integers(0, 5), st.integers(0, 5)))
    kind = draw(st.sampled_from(("any", "one", "apart", "few")))
    stride = draw(pairs) if kind in ("any", "apart") else ONE
    if kind == "apart":
        stride = (kernel[0] + stride[0] - 1, kernel[1] + stride[1] - 1)
    if kind == "few":
        padding = NONE
    more = st.integers(0, 1 if kind == "few" else 6)
    size = [max(1, k - 2 * p) + draw(more) for k, p in zip(kernel, padding, strict=True)]
    # Channels on both sides of the numbers where another path begins.
    n, c, o = draw(st.integers(1, 4)), *(draw(st.sampled_from((1, 2, 3, 11, 12, 13))) for _ in range(2))
    options = {"stride": stride, "padding": padding, "dilation": ONE, "groups": 1}
    if draw(st.integers(0, 4)) == 0:  # not covered: the textbook runs
        options |= {"dilation": (2, 1)} if draw(st.booleans()) else {"groups": c}
        size = [n + k for n, k in zip(size, kernel, strict=True)]
        o = c if options["groups"] > 1 else o
    dtype = draw(st.sampled_from((np.float32, np.float64)))
    x = draw(strategies.arrays((n, c, *size), dtype))
    weight = draw(strategies.arrays((o, c // options["groups"], *kernel), dtype))
    places = [
        reference.output_size(*numbers)
        for numbers in zip(size, kernel, stride, padding, options["dilation"], strict=True)
    ]
    if draw(st.booleans()):
        places = [draw(st.integers(1, most)) for most in places]
    # As with the padding of the output: rests that no window reads.
    back = tuple(
        max(1, s * (places[i] - 1) - 2 * padding[i] + options["dilation"][i] * (kernel[i] - 1) + 1)
        + draw(st.integers(0, s - 1))
        for i, s in enumerate(stride)
    )
    return x, weight, draw(strategies.arrays((n, o, *places), dtype)), back, options


def empty(shape: Any, dtype: Any, original: Any = np.empty) -> Any:
    """New memory, where a number that nobody wrote is seen."""
    out = original(shape, dtype)
    out.fill(np.nan)
    return out


@contextmanager
def taking(way: str, ways: Ways) -> Iterator[pytest.MonkeyPatch]:
    """Inside it convolutions go one way, and each row of the output is a block; new memory holds NaN."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "empty", empty)
        patch.setattr(cpu_conv, "_SCRATCH", 1)
        for name, value in ways[way].items():
            patch.setattr(cpu_conv, name, value)
        yield patch


@contextmanager
def tuned(way: str, data: Any, ways: Ways) -> Iterator[None]:
    """The same, but each limit that the way leaves open is drawn: the kernels' own, or one that small arrays meet."""
    small = {"_SCRATCH": 1, "_SHARED": 0, "_FEW": 1, "_FLAT": 0, "_STACKED": range(0)}
    small |= {"_NARROW": 1, "_THIN": 1, "_WORTH": 0, "_WORTH_GRADIENT": 0, "_DEEP": 0}
    limits = [(cpu_product, "_UNPACKED", 1000), (cpu_product, "_UNPACKED", 1), (cpu_product, "_NARROWEST", 1)]
    limits += [(cpu_conv, name, value) for name, value in small.items() if name not in ways[way]]
    own = {(module, name): getattr(module, name) for module, name, _ in limits}
    with taking(way, ways) as patch:
        for (module, name), value in own.items():
            patch.setattr(module, name, value)
        for limit in limits:
            if data.draw(st.booleans()):
                patch.setattr(*limit)
        yield


def convolved(kernels: Any, drawn: Any) -> list[Any]:
    """The convolution, and both of its gradients for the cotangent; that of the input also for another size."""
    x, weight, g, back, options = drawn
    out = kernels.conv2d(np, x, weight, **options)
    return [
        out,
        kernels.conv2d_input_gradient(np, out, weight, x.shape[2:], **options),
        kernels.conv2d_input_gradient(np, g, weight, back, **options),
        kernels.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options),
    ]


def bits(arrays: list[Any]) -> list[tuple[Any, Any, bytes]]:
    return [(a.shape, a.dtype, a.tobytes()) for a in arrays]


@pytest.mark.parametrize("way", [CHOSEN, *WAYS])
@given(drawn=convolutions(), data=st.data())
def test_convolutions(way: str, drawn: Any, data: Any, ways: Ways) -> None:
    before = bits(drawn[:3])
    with tuned(way, data, ways):
        found = convolved(cpu_conv, drawn)
    assert bits(drawn[:3]) == before
    tol = 1e-12 if drawn[0].dtype == np.float64 else 1e-5
    for ours, theirs in zip(found, convolved(reference, drawn), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol * max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("width", "kernel", "padding", "places", "back"),
    [
        (1, 7, 4, 3, 1),  # kernel columns 0, 1, 5 and 6 are beyond the image for all places
        (1, 2, 3, 1, 1),  # all of them are, for the first place
        (2, 3, 4, 2, 3),
        (2, 3, 3, 2, 3),  # only the last one is not, for the last place
        (4, 5, 2, 4, 4),  # each adds to other columns of the output, none to all of them but the middle one
        (4, 2, 0, 3, 4),
        (4, 2, 1, 5, 4),
        (4, 2, 1, 4, 5),  # columns that no window reads: a convolution
        (4, 2, 1, 2, 6),  # and, with few windows, scattered
        (3, 1, 2, 7, 3),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_columns_beyond_the_image(
    width: int,
    kernel: int,
    padding: int,
    places: int,
    back: int,
    turned: bool,
    way: str,
    dtype: Any,
    ways: Ways,
) -> None:
    """What they would read is zero; new memory is not."""
    shapes = [(2, 3, 7, width), (4, 3, 3, kernel), (2, 4, 5, places)]
    both, size = (0, padding), (7, back)
    if turned:
        shapes = [(*s[:2], s[3], s[2]) for s in shapes]
        both, size = both[::-1], size[::-1]
    x, weight, g = (td.Generator(i).normal(shape, dtype) for i, shape in enumerate(shapes))
    options: Any = {"stride": ONE, "padding": both, "dilation": ONE, "groups": 1}
    tol = 1e-12 if dtype == np.float64 else 1e-5
    drawn = (x, weight, g, size, options)
    with taking(way, ways):
        found = convolved(cpu_conv, drawn)
    for ours, theirs in zip(found, convolved(reference, drawn), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol * 10)


@pytest.mark.parametrize("way", WAYS)
def test_results_lie_rows_first(way: str, ways: Ways) -> None:
    """H, C, W, N in memory, so that the next convolution copies no more than it must; weights as they are shown."""
    x, weight = np.ones((3, 4, 8, 8), np.float32), np.ones((5, 4, 3, 3), np.float32)
    for stride in (ONE, (3, 3)):
        options: Any = {"stride": stride, "padding": ONE, "dilation": ONE, "groups": 1}
        with taking(way, ways):
            out = cpu_conv.conv2d(np, x, weight, **options)
            dx = cpu_conv.conv2d_input_gradient(np, out, weight, (8, 8), **options)
            dw = cpu_conv.conv2d_weight_gradient(np, x, out, (3, 3), **options)
        assert memory_order(out) == memory_order(dx) == (2, 1, 3, 0)
        assert dw.flags.c_contiguous


@pytest.mark.parametrize("way", [CHOSEN, *WAYS])
@given(drawn=convolutions(), data=st.data())
def test_helpers_change_no_bit_of_a_convolution(
    way: str, drawn: Any, data: Any, ways: Ways, helpers: int
) -> None:
    with tuned(way, data, ways):
        found = bits(convolved(cpu_conv, drawn))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threads, "WORTHWHILE", math.inf)
            assert bits(convolved(cpu_conv, drawn)) == found


@given(
    way=st.sampled_from((CHOSEN, *WAYS)),
    several=st.lists(convolutions(), min_size=2, max_size=3),
    data=st.data(),
)
def test_threads_of_the_user_change_no_bit_of_a_convolution(
    way: str, several: Any, data: Any, ways: Ways, helpers: int
) -> None:
    """Whoever comes first has the helpers."""
    with tuned(way, data, ways), ThreadPoolExecutor(len(several)) as users:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threads, "WORTHWHILE", math.inf)
            want = [bits(convolved(cpu_conv, drawn)) for drawn in several]
        for found in users.map(lambda drawn: [bits(convolved(cpu_conv, drawn)) for _ in range(5)], several):
            assert found == [want.pop(0)] * 5


def test_helpers_change_no_bit_of_a_large_convolution(helpers: int) -> None:
    """As large as those of networks, with BLAS of more than one thread around them."""
    random = td.Generator(0)
    x, weight = random.normal((16, 32, 24, 24)), random.normal((64, 32, 3, 3))
    for stride in (ONE, (2, 2), (3, 3)):
        options: Any = {"stride": stride, "padding": ONE, "dilation": ONE, "groups": 1}
        g = random.normal(cpu_conv.conv2d(np, x, weight, **options).shape)
        drawn = (x, weight, g, (24, 24), options)
        found = bits(convolved(cpu_conv, drawn))
        with pytest.MonkeyPatch.context() as patch, threadpool_limits(2, "blas"):
            patch.setattr(threads, "WORTHWHILE", math.inf)
            assert bits(convolved(cpu_conv, drawn)) == found


def test_a_product_is_cut_into_pieces_and_a_large_one_is_not() -> None:
    """Sizes beyond what OpenBLAS multiplies unpacked, and kernels so large that short rows are one product."""
    random = td.Generator(0)
    for n, c, o, h in ((64, 6, 16, 14), (8, 16, 16, 64), (4, 64, 64, 16), (2, 128, 128, 6)):
        x, weight = random.normal((n, c, h, h)), random.normal((o, c, 3, 3))
        options: Any = {"stride": ONE, "padding": ONE, "dilation": ONE, "groups": 1}
        want = reference.conv2d(np, x, weight, **options)
        scale = np.abs(want).max()
        assert np.abs(cpu_conv.conv2d(np, x, weight, **options) - want).max() < 1e-5 * scale
        for name, arguments in {
            "conv2d_input_gradient": (want, weight, (h, h)),
            "conv2d_weight_gradient": (x, want, (3, 3)),
        }.items():
            theirs = getattr(reference, name)(np, *arguments, **options)
            ours = getattr(cpu_conv, name)(np, *arguments, **options)
            assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()
