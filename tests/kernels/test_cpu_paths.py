"""Which way the fast kernels take: results are the same (test_cpu.py), but the wrong way would be slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.kernels import cpu, reference

Record = Callable[..., list[tuple[str, tuple[Any, ...]]]]

ONE = (1, 1)
NONE = (0, 0)
CONVOLUTIONS = ("conv2d", "conv2d_input_gradient", "conv2d_weight_gradient")
POOLINGS = ("sum_pool2d", "sum_pool2d_gradient", "max_pool2d", "max_pool2d_gradient")


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    """record(module, *names) gives a list that every call of these functions joins, with its arguments."""

    def record(module: Any, *names: str) -> list[tuple[str, tuple[Any, ...]]]:
        calls: list[tuple[str, tuple[Any, ...]]] = []

        def recorded(name: str, original: Any) -> Any:
            def call(*arguments: Any) -> Any:
                calls.append((name, arguments))
                return original(*arguments)

            return call

        for name in names:
            monkeypatch.setattr(module, name, recorded(name, getattr(module, name)))
        return calls

    return record


def convolve(x: Any, weight: Any, **changed: Any) -> None:
    """A convolution and its two gradients."""
    options = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1} | changed
    g = cpu.conv2d(np, x, weight, **options)
    cpu.conv2d_input_gradient(np, g, weight, x.shape[2:], **options)
    cpu.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options)


# ---- convolution


@pytest.mark.parametrize(
    ("x", "weight", "options", "textbook"),
    [
        (np.ones((2, 4, 6, 6), np.float32), (4, 4, 3, 3), {}, ()),
        (np.ones((2, 4, 6, 6), np.float64), (4, 4, 3, 3), {"stride": (2, 3), "padding": (1, 4)}, ()),
        (np.ones((2, 4, 6, 6)), (4, 4, 3, 3), {"dilation": (2, 1)}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6)), (4, 4, 3, 3), {"dilation": (1, 2)}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6)), (4, 2, 3, 3), {"groups": 2}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6), np.int64), (4, 4, 3, 3), {}, CONVOLUTIONS),
        (np.ones((0, 4, 6, 6)), (4, 4, 3, 3), {}, CONVOLUTIONS),
        (np.ones((2, 4, 6, 6)), (4, 4, 3, 2), {"stride": (3, 2)}, CONVOLUTIONS[1:2]),  # no windows overlap
        (np.ones((2, 4, 6, 6)), (4, 4, 3, 2), {"stride": (2, 3)}, ()),
    ],
    ids=[
        "float32", "float64", "dilation, H", "dilation, W", "groups", "integers", "no images", "side by side",
        "overlapping",
    ],
)  # fmt: skip
def test_what_is_not_covered_runs_the_textbook(
    x: Any, weight: Any, options: Any, textbook: tuple[str, ...], record: Record
) -> None:
    calls = record(reference, *CONVOLUTIONS)
    convolve(x, np.ones(weight, x.dtype), **options)
    assert tuple(name for name, _ in calls) == textbook


@pytest.mark.parametrize(
    ("n", "places", "channels", "textbook"),
    [(2, 64, 64, ()), (2, 63, 64, CONVOLUTIONS), (2, 63, 63, ())],
    ids=["128 numbers", "fewer", "fewer, smaller kernel"],
)
def test_short_rows_run_the_textbook_where_the_kernel_is_large(
    n: int, places: int, channels: int, textbook: tuple[str, ...], record: Record
) -> None:
    """A kernel of 3 x 3 between 64 channels is large, and a row of fewer than 128 numbers, all images', short."""
    calls = record(reference, *CONVOLUTIONS)
    convolve(np.ones((n, 64, 3, places + 2), np.float32), np.ones((channels, 64, 3, 3), np.float32))
    assert tuple(name for name, _ in calls) == textbook


@pytest.mark.parametrize(
    ("channels", "kernel", "options", "spread"),
    [
        (1, (3, 3), {}, True),
        (11, (3, 3), {}, True),
        (12, (3, 3), {}, False),
        (13, (3, 3), {}, False),
        (1, (1, 2), {}, True),
        (1, (2, 1), {}, False),
        (1, (3, 3), {"padding": (3, 2)}, True),
        (1, (3, 3), {"padding": (2, 3)}, False),
        (1, (3, 3), {"stride": (1, 2)}, False),
        (1, (3, 3), {"stride": (2, 1)}, False),
    ],
)
def test_the_gradient_of_few_channels_is_spread(
    channels: int, kernel: Any, options: Any, spread: bool, record: Record
) -> None:
    """Fewer than 12 rows are too few for a product, if the kernel has columns that could be more of them."""
    calls = record(cpu, "_spread")
    convolve(np.ones((1, channels, 5, 5)), np.ones((2, channels, *kernel)), **options)
    assert len(calls) == spread


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "copied"),
    [
        ((1, 1), ONE, NONE, False),
        ((3, 1), ONE, NONE, False),
        ((3, 1), (2, 1), NONE, False),
        ((1, 2), ONE, NONE, True),
        ((1, 1), (1, 2), NONE, True),
        ((1, 1), ONE, (1, 0), True),
        ((1, 1), ONE, (0, 1), True),
    ],
)
def test_a_kernel_of_one_column_needs_no_copy(kernel: Any, stride: Any, padding: Any, copied: bool) -> None:
    x = np.ones((6, 2, 5, 3))
    sizes = zip((6, 5), kernel, stride, padding, strict=True)
    windows = cpu._windows(x, kernel, stride, padding, tuple(reference.output_size(*s) for s in sizes))
    assert np.shares_memory(windows, x) != copied


# ---- cutting products


def test_pieces() -> None:
    """As few as may be multiplied unpacked: a power of two, equal, and none narrower than 32."""
    most = cpu._UNPACKED
    for work, pieces in (
        (1, 1),
        (most, 1),
        (most + 1, 2),
        (2 * most, 2),
        (2 * most + 1, 4),
        (4 * most + 1, 8),
    ):
        assert cpu._pieces(1024, work) == pieces
    assert [cpu._pieces(m, most + 1) for m in (62, 63, 64, 65, 66)] == [1, 1, 2, 1, 2]
    assert [cpu._pieces(m, 2 * most + 1) for m in (64, 126, 128, 130, 132)] == [1, 1, 4, 1, 4]


@pytest.mark.parametrize(("channels", "products"), [(11, 1), (12, 2), (13, 2)])
def test_the_work_of_a_product_is_all_its_multiplications(
    channels: int, products: int, record: Record
) -> None:
    """M K O of the forward pass; the weight's gradient is turned and cut as well unless it has few rows."""
    calls = record(cpu, "_pieces")
    x, weight = np.ones((2, 3, 6, 6)), np.ones((channels, 3, 3, 3))
    options: Any = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1}
    g = cpu.conv2d(np, x, weight, **options)
    cpu.conv2d_weight_gradient(np, x, g, (3, 3), **options)
    assert [arguments for _, arguments in calls] == [(8, 8 * 27 * channels)] * products


# ---- pooling


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "places", "textbook"),
    [
        ((4, 6), (2, 3), (2, 3), NONE, (2, 2), ()),
        ((3, 2), (1, 1), (1, 1), NONE, (3, 2), ()),
        ((5, 6), (2, 3), (2, 3), NONE, (2, 2), (1, 3)),  # a rest that no window reads
        ((4, 7), (2, 3), (2, 3), NONE, (2, 2), (1, 3)),
        ((3, 6), (2, 3), (1, 3), NONE, (2, 2), (1, 3)),  # overlapping
        ((4, 5), (2, 3), (2, 2), NONE, (2, 2), (1, 3)),
        (
            (6, 6),
            (3, 2),
            (3, 2),
            (1, 0),
            (2, 3),
            (0, 1, 2, 3),
        ),  # as many windows, but they begin in the border
        ((6, 6), (2, 3), (2, 3), (0, 1), (3, 2), (0, 1, 2, 3)),
        ((3, 6), (2, 3), (2, 3), NONE, (2, 2), (0, 1, 2, 3)),  # beyond the image, as `ceil_mode` does
        ((4, 5), (2, 3), (2, 3), NONE, (2, 2), (0, 1, 2, 3)),
    ],
)
def test_pooling_side_by_side_runs_no_textbook(
    size: Any, kernel: Any, stride: Any, padding: Any, places: Any, textbook: tuple[int, ...], record: Record
) -> None:
    """Nor does the forward pass while all windows lie within the image; the numbers are the textbook's."""
    random = td.Generator(0)
    x, g = random.normal((2, 2, *size), np.float64), random.normal((2, 2, *places), np.float64)
    where: Any = (kernel, stride, padding)
    _, chosen = reference.max_pool2d(np, x, *where, ONE, places)
    arguments: Any = (
        (np, x, *where, places),
        (np, g, *where, size),
        (np, x, *where, ONE, places),
        (np, g, chosen, *where, ONE, size),
    )
    want = [getattr(reference, name)(*a) for name, a in zip(POOLINGS, arguments, strict=True)]
    calls = record(reference, *POOLINGS)
    for name, a, theirs in zip(POOLINGS, arguments, want, strict=True):
        ours = getattr(cpu, name)(*a)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    assert [name for name, _ in calls] == [POOLINGS[i] for i in textbook]


def test_a_dilated_window_is_not_side_by_side(record: Record) -> None:
    """4 x 4 windows of 2 x 2, as many as fill 8 x 8, but with a gap each."""
    random = td.Generator(0)
    x, g = random.normal((1, 1, 8, 8)), random.normal((1, 1, 4, 4))
    options: Any = ((2, 2), (2, 2), NONE, (2, 2))
    _, chosen = reference.max_pool2d(np, x, *options, (4, 4))
    want = reference.max_pool2d_gradient(np, g, chosen, *options, (8, 8))
    calls = record(reference, "max_pool2d_gradient")
    assert np.array_equal(cpu.max_pool2d_gradient(np, g, chosen, *options, (8, 8)), want)
    assert len(calls) == 1


@pytest.mark.parametrize(("kernel", "textbook"), [((15, 17), False), ((16, 16), True)])
def test_the_number_of_an_element_fits_in_a_byte(kernel: Any, textbook: bool, record: Record) -> None:
    """255 elements do, 256 run the textbook: its number for a window of nothing but border is one larger."""
    x = np.arange(17.0 * 17).reshape(1, 1, 17, 17)
    places = tuple(17 - k + 1 for k in kernel)
    calls = record(reference, "max_pool2d")
    out, chosen = cpu.max_pool2d(np, x, kernel, ONE, NONE, ONE, places)
    assert len(calls) == textbook
    assert np.all(chosen == kernel[0] * kernel[1] - 1)  # the last element is the largest
    assert np.array_equal(out[0, 0], x[0, 0, kernel[0] - 1 :, kernel[1] - 1 :])
