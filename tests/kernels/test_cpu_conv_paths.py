"""Which way convolutions take: results are the same (test_cpu_conv.py), but the wrong way would be slow.

In which blocks they compute is in test_cpu_conv_blocks.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.kernels import cpu_conv, reference

ONE = (1, 1)
NONE = (0, 0)
CONVOLUTIONS = ("conv2d", "conv2d_input_gradient", "conv2d_weight_gradient")


@pytest.fixture(scope="module", autouse=True)
def constants() -> Iterator[None]:
    """The shapes below are chosen for these, whatever the kernels have been tuned to."""
    values = {"_FEW": 12, "_NARROW": 32, "_THIN": 24, "_WORTH": 500_000, "_WORTH_GRADIENT": 180_000}
    values |= {"_STACKED": range(6_000, 200_000), "_DEEP": 800}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(cpu_conv, name, value)
        yield


PLAIN: dict[str, Any] = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1}


def convolve(x: Any, weight: Any, **changed: Any) -> None:
    """A convolution and its two gradients."""
    options = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1} | changed
    g = cpu_conv.conv2d(np, x, weight, **options)
    cpu_conv.conv2d_input_gradient(np, g, weight, x.shape[2:], **options)
    cpu_conv.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options)


@pytest.mark.parametrize(
    ("x", "weight", "options", "textbook"),
    [
        (np.ones((2, 4, 6, 6), np.float32), (4, 4, 3, 3), {}, ()),
        (np.ones((2, 4, 6, 6), np.float64), (4, 4, 3, 3), {"stride": (2, 3), "padding": (1, 4)}, ()),
        (np.ones((2, 4, 6, 6)), (4, 4, 3, 2), {"stride": (3, 2)}, ()),
        (np.ones((2, 4, 6, 6)), (4, 4, 3, 3), {"dilation": (2, 1)}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6)), (4, 4, 3, 3), {"dilation": (1, 2)}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6)), (4, 2, 3, 3), {"groups": 2}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6), np.int64), (4, 4, 3, 3), {}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6), np.complex128), (4, 4, 3, 3), {}, CONVOLUTIONS),
        (np.ones((0, 4, 6, 6)), (4, 4, 3, 3), {}, CONVOLUTIONS),
    ],
    ids=[
        "float32", "float64", "side by side", "dilation, H", "dilation, W", "groups", "integers", "complex",
        "no images",
    ],
)  # fmt: skip
def test_what_is_not_covered_runs_the_textbook(
    x: Any, weight: Any, options: Any, textbook: tuple[str, ...], record: Any
) -> None:
    calls = record(reference, *CONVOLUTIONS)
    convolve(x, np.ones(weight, x.dtype), **options)
    assert tuple(name for name, _ in calls) == textbook


# ---- one window


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "one"),
    [
        ((5, 5), (5, 5), NONE, True),
        ((3, 4), (3, 4), NONE, True),
        ((1, 1), ONE, NONE, True),
        ((5, 4), (5, 5), (0, 1), False),
        ((5, 5), (5, 4), NONE, False),
        ((4, 5), (3, 5), NONE, False),
        ((5, 5), (5, 5), (1, 0), False),
        ((5, 5), (5, 5), (0, 1), False),
    ],
)
def test_a_kernel_that_covers_the_image_is_one_product(
    size: Any, kernel: Any, padding: Any, one: bool, record: Any
) -> None:
    calls = record(cpu_conv, "one_thread", "_windows", "multiply")
    convolve(np.ones((2, 3, *size)), np.ones((4, 3, *kernel)), padding=padding)
    names = [name for name, _ in calls]
    assert names == ["one_thread"] * 3 if one else "one_thread" not in names


# ---- which way


def weight_of(o: int, c: int, kernel: Any) -> Any:
    return np.ones((o, c, *kernel), np.float32)


@pytest.mark.parametrize(
    ("x", "o", "kernel", "options", "way"),
    [
        # Images (N, C, H, W). A row has W N columns; W_v has O kh C numbers.
        ((8, 8, 5, 4), 12, (3, 3), {}, "lowered"),  # 9,216 multiply-adds
        ((8, 8, 5, 4), 11, (3, 3), {}, "stacked"),  # few rows
        ((8, 8, 5, 4), 1, (3, 3), {}, "stacked"),
        ((8, 8, 5, 4), 11, (3, 3), {"padding": (2, 1)}, "stacked"),
        ((8, 8, 5, 4), 11, (3, 3), {"stride": (2, 1)}, "lowered"),
        ((8, 8, 5, 4), 11, (3, 3), {"stride": (1, 2)}, "lowered"),
        ((31, 8, 5, 1), 11, (3, 1), {}, "lowered"),  # 31 columns
        ((8, 7, 5, 4), 11, (3, 3), {}, "lowered"),  # 21 numbers to sum
        ((8, 24, 5, 4), 11, (1, 3), {}, "stacked"),
        ((8, 23, 5, 4), 11, (1, 3), {}, "lowered"),
        ((8, 8, 5, 4), 249, (3, 3), {}, "lowered"),  # 5,976 numbers
        ((8, 8, 5, 4), 250, (3, 3), {}, "stacked"),  # 6,000
        ((8, 100, 5, 4), 666, (3, 3), {}, "stacked"),  # 199,800
        ((8, 100, 5, 4), 667, (3, 3), {}, "apart"),  # 200,100
        ((5, 8, 5, 166), 25, (3, 3), {}, "lowered"),  # 498,000 multiply-adds
        ((5, 8, 5, 167), 25, (3, 3), {}, "apart"),  # 501,000
    ],
)  # fmt: skip
def test_a_convolution_has_three_ways(
    x: Any, o: int, kernel: Any, options: Any, way: str, record: Any
) -> None:
    weight = weight_of(o, x[1], kernel)
    calls = record(cpu_conv, "_lowered", "_shifted", "multiply")
    cpu_conv.conv2d(np, np.ones(x, np.float32), weight, **PLAIN | options)
    names = [name for name, _ in calls]
    matrices = {arguments[0].shape for name, arguments in calls if name == "multiply"}
    if way == "lowered":
        assert set(names) == {"_lowered", "multiply"}
        assert matrices == {(o, kernel[0] * kernel[1] * x[1])}
    else:
        assert set(names) == {"_shifted", "multiply"}
        assert matrices == {(o * (kernel[1] if way == "stacked" else 1), kernel[0] * x[1])}


SCATTER, PRODUCT = ["_scatter"], ["_correlate"]


@pytest.mark.parametrize(
    ("size", "channels", "kernel", "options", "ways"),
    [
        # Windows with a stride, or few: half as many as there are elements.
        ((9, 9), 13, (3, 3), {"stride": (1, 2)}, SCATTER),
        ((9, 9), 1, (3, 3), {"stride": (2, 1)}, SCATTER),
        ((9, 9), 13, (3, 3), {"stride": (1, 2), "padding": (2, 2)}, SCATTER),
        ((9, 9), 13, (3, 3), {"stride": (2, 1), "padding": (2, 2)}, SCATTER),
        ((9, 8), 1, (3, 2), {"stride": (4, 3)}, SCATTER),
        ((6, 6), 1, (4, 1), {}, SCATTER),
        ((6, 6), 13, (4, 1), {}, SCATTER),
        ((6, 6), 1, (4, 1), {"padding": (1, 0)}, PRODUCT),
        ((6, 6), 13, (3, 1), {}, PRODUCT),
        ((6, 6), 13, ONE, {}, PRODUCT),
        ((9, 9), 1, (3, 3), {}, PRODUCT),
        ((9, 9), 1, (3, 3), {"padding": (3, 2)}, PRODUCT),
        ((9, 9), 1, (3, 3), {"padding": (2, 3)}, PRODUCT),
    ],
)
def test_the_gradient_of_the_input_is_scattered_or_a_convolution(
    size: Any, channels: int, kernel: Any, options: Any, ways: list[str], record: Any
) -> None:
    options = PLAIN | options
    weight = np.ones((2, channels, *kernel))
    g = cpu_conv.conv2d(np, np.ones((1, channels, *size)), weight, **options)
    calls = record(cpu_conv, "_scatter", "_correlate")
    cpu_conv.conv2d_input_gradient(np, g, weight, size, **options)
    assert [name for name, _ in calls] == ways


@pytest.mark.parametrize(
    ("size", "kernel", "options", "filled"),
    [
        ((6, 6), (2, 3), {"stride": (2, 3)}, True),
        ((6, 6), (3, 1), {"stride": (3, 1)}, True),
        ((6, 7), (2, 3), {"stride": (2, 3)}, False),  # a rest that no window reads
        ((7, 6), (2, 3), {"stride": (2, 3)}, False),
        ((6, 6), (2, 3), {"stride": (2, 2)}, False),
        ((6, 6), (1, 3), {"stride": (2, 3)}, False),  # gaps
        ((6, 6), (2, 2), {"stride": (2, 2), "padding": (1, 1)}, True),
        ((9, 9), (3, 3), {"stride": (2, 2), "padding": (1, 1)}, True),  # windows that overlap
        ((9, 9), (3, 3), {"stride": (2, 2)}, False),  # the last row is reached by a kernel row that adds
        ((8, 9), (3, 3), {"stride": (2, 2), "padding": (1, 1)}, True),
        ((6, 6), (4, 1), {}, False),
    ],
)
def test_elements_that_are_all_written_first_need_no_zeros(
    size: Any, kernel: Any, options: Any, filled: bool, record: Any
) -> None:
    """Everywhere else they must be there."""
    options = PLAIN | options
    weight, x = np.ones((2, 3, *kernel)), np.ones((2, 3, *size))
    g = cpu_conv.conv2d(np, x, weight, **options)
    want = reference.conv2d_input_gradient(np, g, weight, size, **options)
    calls = record(np, "zeros")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "empty", lambda shape, dtype: np.full(shape, np.nan, dtype))
        assert np.array_equal(cpu_conv.conv2d_input_gradient(np, g, weight, size, **options), want)
    assert len(calls) == (not filled)


@given(
    kernel=st.integers(1, 6),
    stride=st.integers(1, 7),
    padding=st.integers(0, 7),
    places=st.integers(1, 6),
    size=st.integers(1, 12),
)
def test_reached(kernel: int, stride: int, padding: int, places: int, size: int) -> None:
    """All pairs of a place and an element under its window; whose are the first there, and how many."""
    reached = cpu_conv._reached(kernel, stride, padding, places, size)
    found = {u: list(zip(range(places)[from_], range(size)[to], strict=True)) for u, from_, to, _ in reached}
    want = {
        u: [(i, stride * i + u - padding) for i in range(places) if 0 <= stride * i + u - padding < size]
        for u in range(kernel)
    }
    assert found == {u: pairs for u, pairs in want.items() if pairs}
    before: dict[int, int] = {}  # where elements a stride apart were written: how many
    for u, _, _, first in reached:
        at = (u - padding) % stride
        assert first == (0 if at in before else len(found[u]))
        assert len(found[u]) <= before.setdefault(at, first)


@pytest.mark.parametrize(
    ("x", "o", "kernel", "options", "way"),
    [
        # A row of g has OW N columns; dW_v has O kh C numbers.
        ((32, 8, 5, 9), 30, (3, 3), {}, "_lowered"),  # 161,280 multiply-adds
        ((32, 8, 5, 9), 34, (3, 3), {}, "_shifted"),  # 182,784
        ((32, 8, 5, 9), 34, (3, 3), {"padding": (1, 2)}, "_shifted"),
        ((32, 8, 5, 9), 34, (3, 3), {"stride": (2, 1)}, "_lowered"),
        ((32, 8, 5, 19), 34, (3, 3), {"stride": (1, 2)}, "_lowered"),
        ((32, 24, 5, 9), 34, (1, 3), {}, "_shifted"),
        ((32, 23, 5, 9), 80, (1, 3), {}, "_lowered"),  # 23 numbers to sum
        ((8, 24, 5, 6), 80, (3, 3), {}, "_shifted"),  # 32 columns
        ((31, 24, 5, 3), 90, (3, 3), {}, "_lowered"),  # 31
        ((8, 100, 5, 6), 85, (3, 3), {}, "_shifted"),  # 25,500 numbers, 797 for each of 32 columns
        ((8, 100, 5, 6), 86, (3, 3), {}, "_deep"),  # 25,800, 806
    ],
)
def test_the_gradient_of_the_weight_has_three_ways(
    x: Any, o: int, kernel: Any, options: Any, way: str, record: Any
) -> None:
    options = PLAIN | options
    places = [
        reference.output_size(*numbers)
        for numbers in zip(x[2:], kernel, options["stride"], options["padding"], strict=True)
    ]
    calls = record(cpu_conv, *(f"{way}_weight_gradient" for way in ("_lowered", "_shifted", "_deep")))
    g = np.ones((x[0], o, *places), np.float32)
    cpu_conv.conv2d_weight_gradient(np, np.ones(x, np.float32), g, kernel, **options)
    assert [name for name, _ in calls] == [f"{way}_weight_gradient"]


# ---- convolutions without copies


@pytest.mark.parametrize("way", ["stacked, deep", "apart, shifted"])
def test_rows_inside_the_image_are_not_copied(
    way: str, ways: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is a block of its own here; only windows of the first and the last reach into the border."""
    for name, value in (ways[way] | {"_SCRATCH": 1}).items():
        monkeypatch.setattr(cpu_conv, name, value)
    rows = np.ones((6, 4, 5, 3))  # H, C, W, N, as they lie
    x, weight = rows.transpose(3, 1, 0, 2), np.ones((13, 4, 3, 3))
    options = PLAIN | {"padding": (1, 1)}
    calls = record(cpu_conv, "multiply")
    g = cpu_conv.conv2d(np, x, weight, **options)
    read = [np.shares_memory(arguments[1], rows) for _, arguments in calls]
    each = 1 if way.startswith("stacked") else 3  # one product for each kernel column
    assert read == [i not in (0, 5) for i in range(6) for _ in range(each)]
    assert {arguments[1].shape[2] for _, arguments in calls} == ({15} if each == 1 else {15, 12})
    given = g.transpose(2, 1, 3, 0)
    written = [np.shares_memory(arguments[2], given) for _, arguments in calls]
    assert written == [
        each == 3 and i % 3 == 0 for i in range(6 * each)
    ]  # what reaches all columns comes first
    calls.clear()
    cpu_conv.conv2d_input_gradient(np, g, weight, (6, 5), **options)
    read = [np.shares_memory(arguments[1], given) for _, arguments in calls]
    assert read == [i not in (0, 5) for i in range(6) for _ in range(each)]
    calls = record(cpu_conv, "cut" if each == 3 else "side_by_side")
    cpu_conv.conv2d_weight_gradient(np, x, g, (3, 3), **options)
    read = [np.shares_memory(arguments[0], rows) for _, arguments in calls]
    if each == 1:  # g, then x
        read = read[1::2]
    assert read == [i not in (0, 5) for i in range(6) for _ in range(3)]


@given(
    kernel=st.integers(1, 8), padding=st.integers(-3, 9), width=st.integers(1, 6), places=st.integers(1, 9)
)
def test_shifts(kernel: int, padding: int, width: int, places: int) -> None:
    """All pairs of a column of the output and one of x that kernel column v lets meet; the most first."""
    shifts = cpu_conv._shifts(kernel, padding, width, places)
    found = {
        v: list(zip(range(width)[read], range(places)[written], strict=True)) for v, read, written in shifts
    }
    want = {
        v: [(j + v - padding, j) for j in range(places) if 0 <= j + v - padding < width]
        for v in range(kernel)
    }
    assert found == {v: pairs for v, pairs in want.items() if pairs}
    lengths = [len(pairs) for pairs in found.values()]
    assert lengths == sorted(lengths, reverse=True)


def test_a_kernel_column_that_reaches_no_column_has_no_product(
    ways: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ways["apart, shifted"].items():
        monkeypatch.setattr(cpu_conv, name, value)
    calls = record(cpu_conv, "multiply")
    cpu_conv.conv2d(np, np.ones((2, 3, 7, 1)), np.ones((4, 3, 7, 7)), **PLAIN | {"padding": (0, 4)})
    assert len(calls) == 3
    calls.clear()
    # For one place only, all of whose columns are in the border: the gradient of the input is zero there.
    g, weight = np.ones((2, 4, 5, 1)), np.ones((4, 3, 3, 2))
    dx = cpu_conv.conv2d_input_gradient(np, g, weight, (7, 1), **PLAIN | {"padding": (0, 3)})
    assert not calls
    assert dx.shape == (2, 3, 7, 1)
    assert not dx.any()
