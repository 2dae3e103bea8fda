"""Which way the fast poolings take: results are the same (test_cpu.py), but the wrong way would be slow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.kernels import cpu_pool, reference

ONE = (1, 1)
NONE = (0, 0)
POOLINGS = ("sum_pool2d", "sum_pool2d_gradient", "max_pool2d", "max_pool2d_gradient")


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "places", "textbook"),
    [
        ((4, 6), (2, 3), (2, 3), NONE, (2, 2), ()),
        ((3, 2), (1, 1), (1, 1), NONE, (3, 2), ()),
        ((5, 6), (2, 3), (2, 3), NONE, (2, 2), (1, 3)),  # a rest that no window reads
        ((4, 7), (2, 3), (2, 3), NONE, (2, 2), (1, 3)),
        ((3, 6), (2, 3), (1, 3), NONE, (2, 2), (1, 3)),  # overlapping
        ((4, 5), (2, 3), (2, 2), NONE, (2, 2), (1, 3)),
        ((2, 6), (2, 3), (3, 2), NONE, (1, 2), (1, 3)),
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
    size: Any, kernel: Any, stride: Any, padding: Any, places: Any, textbook: tuple[int, ...], record: Any
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
        ours = getattr(cpu_pool, name)(*a)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    assert [name for name, _ in calls] == [POOLINGS[i] for i in textbook]


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_the_sum_of_one_element_is_a_copy(stride: Any) -> None:
    x = td.Generator(0).normal((2, 2, 3, 4))
    out = cpu_pool.sum_pool2d(np, x, ONE, stride, NONE, (-(-3 // stride[0]), 4))
    assert np.array_equal(out, x[:, :, :: stride[0]])
    assert not np.shares_memory(out, x)


def test_a_dilated_window_is_not_side_by_side(record: Any) -> None:
    """4 x 4 windows of 2 x 2, as many as fill 8 x 8, but with a gap each."""
    random = td.Generator(0)
    x, g = random.normal((1, 1, 8, 8)), random.normal((1, 1, 4, 4))
    options: Any = ((2, 2), (2, 2), NONE, (2, 2))
    _, chosen = reference.max_pool2d(np, x, *options, (4, 4))
    want = reference.max_pool2d_gradient(np, g, chosen, *options, (8, 8))
    calls = record(reference, "max_pool2d_gradient")
    assert np.array_equal(cpu_pool.max_pool2d_gradient(np, g, chosen, *options, (8, 8)), want)
    assert len(calls) == 1


@pytest.mark.parametrize(("kernel", "textbook"), [((15, 17), False), ((16, 16), True)])
def test_the_number_of_an_element_fits_in_a_byte(kernel: Any, textbook: bool, record: Any) -> None:
    """255 elements do, 256 run the textbook: its number for a window of nothing but border is one larger."""
    x = np.arange(17.0 * 17).reshape(1, 1, 17, 17)
    places = tuple(17 - k + 1 for k in kernel)
    calls = record(reference, "max_pool2d")
    out, chosen = cpu_pool.max_pool2d(np, x, kernel, ONE, NONE, ONE, places)
    assert len(calls) == textbook
    assert np.all(chosen == kernel[0] * kernel[1] - 1)  # the last element is the largest
    assert np.array_equal(out[0, 0], x[0, 0, kernel[0] - 1 :, kernel[1] - 1 :])
