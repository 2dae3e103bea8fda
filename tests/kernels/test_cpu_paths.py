"""Which way the fast kernels take: results are the same (test_cpu.py), but the wrong way would be slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.kernels import cpu, reference, threads
from tinydl.testing import strategies

ONE = (1, 1)
NONE = (0, 0)
CONVOLUTIONS = ("conv2d", "conv2d_input_gradient", "conv2d_weight_gradient")


@pytest.fixture(scope="module", autouse=True)
def constants() -> Iterator[None]:
    """The shapes below are chosen for these, whatever the kernels have been tuned to."""
    values = {"_UNPACKED": 1_000_000, "_NARROWEST": 32, "_TINY": 200_000, "_LARGE": 10_000_000, "_FEW": 12}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(cpu, name, value)
        yield


def convolve(x: Any, weight: Any, **changed: Any) -> None:
    """A convolution and its two gradients."""
    options = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1} | changed
    g = cpu.conv2d(np, x, weight, **options)
    cpu.conv2d_input_gradient(np, g, weight, x.shape[2:], **options)
    cpu.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options)


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
    calls = record(cpu, "matmul", "_windows", "_multiply")
    convolve(np.ones((2, 3, *size)), np.ones((4, 3, *kernel)), padding=padding)
    names = [name for name, _ in calls]
    assert names == ["matmul"] * 3 if one else "matmul" not in names


# ---- the gradient of the input


SCATTER, SPREAD, ONE_PRODUCT = ["_scatter"], ["_spread"], ["_correlate"]


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
        ((6, 6), 1, (4, 1), {"padding": (1, 0)}, ONE_PRODUCT),
        ((6, 6), 13, (3, 1), {}, ONE_PRODUCT),
        ((6, 6), 13, ONE, {}, ONE_PRODUCT),
        # Few channels, if the kernel has columns that could be more rows of a product.
        ((9, 9), 1, (3, 3), {}, SPREAD),
        ((9, 9), 11, (3, 3), {}, SPREAD),
        ((9, 9), 12, (3, 3), {}, ONE_PRODUCT),
        ((9, 9), 1, (1, 2), {}, SPREAD),
        ((9, 9), 1, (2, 1), {}, ONE_PRODUCT),
        ((9, 9), 1, (3, 3), {"padding": (3, 2)}, SPREAD),
        ((9, 9), 1, (3, 3), {"padding": (2, 3)}, ONE_PRODUCT),
    ],
)
def test_the_gradient_of_the_input_has_three_ways(
    size: Any, channels: int, kernel: Any, options: Any, ways: list[str], record: Any
) -> None:
    options = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1} | options
    weight = np.ones((2, channels, *kernel))
    g = cpu.conv2d(np, np.ones((1, channels, *size)), weight, **options)
    calls = record(cpu, "_scatter", "_spread", "_correlate")
    cpu.conv2d_input_gradient(np, g, weight, size, **options)
    assert [name for name, _ in calls] == ways


@pytest.mark.parametrize(
    ("channels", "blocks"), [(1, [(0, 1)]), (3, [(0, 1), (1, 3)]), (4, [(0, 2), (2, 4)])]
)
def test_blocks_of_scattered_gradients_are_channels(channels: int, blocks: Any, record: Any) -> None:
    """Blocks of rows would write to the same rows where windows overlap."""
    weight, size = np.ones((2, channels, 3, 3)), (9, 9)
    options: Any = {"stride": (2, 2), "padding": NONE, "dilation": ONE, "groups": 1}
    calls = record(threads, "each")
    cpu.conv2d_input_gradient(np, np.ones((1, 2, 4, 4)), weight, size, **options)
    assert [arguments[0] for _, arguments in calls] == [blocks]


@pytest.mark.parametrize("stride", [1, 3])
def test_the_work_of_a_kernel_is_all_its_multiplications(stride: int, record: Any) -> None:
    calls = record(threads, "each")
    convolve(np.ones((2, 13, 12, 12)), np.ones((5, 13, 3, 3)), stride=(stride, stride))
    places = {1: 10, 3: 4}[stride]
    # With stride 1 the gradient of the input is a convolution with as many places as the input has.
    given = places if stride == 3 else 12
    assert [work for _, (_, _, work) in calls] == [2 * 13 * 9 * 5 * n**2 for n in (places, given, places)]


# ---- blocks and windows


@given(data=st.data())
def test_blocks_cover_all_rows_once_and_fit_in_the_cache(data: Any) -> None:
    kernel, places = (data.draw(st.tuples(*[st.integers(1, most)] * 2)) for most in (5, 300))
    x = np.broadcast_to(np.float32(0), (9, data.draw(st.integers(1, 128)), 9, data.draw(st.integers(1, 64))))
    blocks = cpu._row_blocks(x, kernel, places)
    assert (blocks[0][0], blocks[-1][1]) == (0, places[0])
    assert all(a[1] == b[0] for a, b in pairwise(blocks))
    lengths = {stop - start for start, stop in blocks}
    assert min(lengths) > 0
    assert max(lengths) - min(lengths) <= 1
    assert len(blocks) % 2 == 0 or len(blocks) == places[0]  # for two cores
    row = 4 * kernel[1] * x.shape[1] * places[1] * x.shape[3]
    # But a block has several times the kh - 1 rows that the next one copies again.
    most = max(cpu._SCRATCH, row, 3 * (kernel[0] - 1) * row)
    assert (max(lengths) - 1) * row <= 1.5 * most
    if len(blocks) > 2:
        assert 2 * max(lengths) * row > most  # and no smaller than they must


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "block", "copied"),
    [
        (ONE, ONE, NONE, (0, 6), False),
        ((3, 1), ONE, NONE, (0, 4), False),
        ((3, 1), (2, 1), NONE, (0, 2), False),
        ((3, 1), ONE, (1, 0), (1, 5), False),
        ((3, 1), ONE, (1, 0), (0, 5), True),
        ((3, 1), ONE, (1, 0), (1, 6), True),
        ((1, 2), ONE, NONE, (0, 6), True),
        (ONE, (1, 2), NONE, (0, 6), True),
        (ONE, ONE, (0, 1), (0, 6), True),
    ],
)
def test_a_kernel_of_one_column_needs_no_copy(
    kernel: Any, stride: Any, padding: Any, block: Any, copied: bool
) -> None:
    """Where all rows that the block reads lie in the image, side by side."""
    x = np.ones((6, 2, 5, 3))
    ow = reference.output_size(5, kernel[1], stride[1], padding[1])
    assert np.shares_memory(cpu._windows(x, kernel, stride, padding, block, ow), x) != copied
    apart = np.ones((6, 2, 5, 6))[..., ::2]
    assert not np.shares_memory(cpu._windows(apart, kernel, stride, padding, block, ow), apart)


def test_windows_cannot_be_written_to() -> None:
    """They overlap, and may be the input."""
    with pytest.raises(ValueError, match="read-only"):
        cpu._windows(np.ones((6, 2, 5, 3)), (3, 1), ONE, NONE, (0, 4), 5)[0] = 0


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


@pytest.mark.parametrize(
    ("m", "size", "wide"),
    [(50, 20_000, False), (50, 20_001, True), (64, 20_000, False), (63, 20_000, True), (64, 40_000, True)],
)
def test_a_product_that_can_be_neither_unpacked_nor_cut_is_wide(m: int, size: int, wide: bool) -> None:
    assert cpu._is_wide(m, size) == wide


@pytest.mark.parametrize(("unpacked", "wide"), [(8 * 27 * 5, False), (8 * 27 * 5 - 1, True)])
def test_wide_products_are_one_for_a_block(
    unpacked: int, wide: bool, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its windows are copied side by side. A product has 2 x 4 columns and 27 x 5 numbers in its matrix."""
    monkeypatch.setattr(cpu, "_UNPACKED", unpacked)
    x, weight = np.ones((2, 3, 6, 6)), np.ones((5, 3, 3, 3))
    options: Any = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1}
    calls = record(cpu, "_columns")
    g = cpu.conv2d(np, x, weight, **options)
    assert len(calls) == (2 if wide else 0)
    cpu.conv2d_weight_gradient(np, x, g, (3, 3), **options)
    assert len(calls) == (4 if wide else 0)


@pytest.mark.parametrize(("unpacked", "pieces"), [(10**6, 1), (64 * 27 * 13 - 1, 2), (64 * 27 * 13 // 2, 2)])
def test_other_products_are_cut_into_pieces(
    unpacked: int, pieces: int, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 columns: no more than two pieces are 32 wide. The product of the weight's gradient is cut along them."""
    monkeypatch.setattr(cpu, "_UNPACKED", unpacked)
    x, weight = np.ones((16, 3, 6, 6)), np.ones((13, 3, 3, 3))
    options: Any = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1}
    calls = record(np, "matmul")
    g = cpu.conv2d(np, x, weight, **options)
    assert [b.shape for _, (_, b) in calls] == [(2, pieces, 27, 64 // pieces)] * 2
    calls.clear()
    cpu.conv2d_weight_gradient(np, x, g, (3, 3), **options)
    assert [a.shape for _, (a, _) in calls] == [(2, pieces, 27, 64 // pieces)] * 2


@pytest.mark.parametrize("channels", [11, 12, 13])
def test_the_product_of_the_weights_gradient_is_turned_unless_it_has_few_rows(
    channels: int, record: Any
) -> None:
    x, g = np.ones((2, 3, 6, 6)), np.ones((2, channels, 4, 4))
    calls = record(np, "matmul")
    cpu.conv2d_weight_gradient(np, x, g, (3, 3), ONE, NONE, ONE, 1)
    assert {a.shape[2] for _, (a, _) in calls} == {channels if channels < 12 else 27}


# ---- elementwise, matmul


def shapes_computed(*arrays: Any) -> list[tuple[int, ...]]:
    """The shapes of the blocks in which the first array gets the second one added."""
    seen = []

    def compute(x: Any, y: Any) -> None:
        assert x.shape == y.shape
        seen.append(x.shape)
        x += y

    cpu.elementwise(np, compute, *arrays)
    assert np.array_equal(*arrays)  # each element once, and written through
    return seen


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [((100,), 0), ((4, 25), 0), ((199,), 1), ((2, 100), 2), ((1, 299), 2), ((3, 2, 50), 3), ((7, 41), 2)],
)
@pytest.mark.parametrize("order", ["C", "F", "middle"])
def test_large_arrays_are_computed_in_blocks(
    shape: Any, blocks: int, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order their axes lie in memory, if it is the same; 0 is for whole arrays."""
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    axes = {"C": range(len(shape)), "F": range(len(shape))[::-1], "middle": (*range(1, len(shape)), 0)}[order]
    values = np.ascontiguousarray(values.transpose(axes)).transpose(np.argsort(axes))
    seen = shapes_computed(np.zeros_like(values), values)
    if blocks == 0:
        assert seen == [shape]
    else:
        assert [len(s) for s in seen] == [1] * blocks
        assert sum(n for (n,) in seen) == values.size
        assert all(100 <= n < 200 for (n,) in seen)


def test_the_work_of_an_elementwise_computation_grows_with_its_elements(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    monkeypatch.setattr(cpu, "_ELEMENT_COST", 7)
    calls = record(threads, "each")
    for n in (300, 600):
        shapes_computed(np.zeros(n), np.arange(1.0, n + 1.0))
    assert [work for _, (_, _, work) in calls] == [2100, 4200]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("layout", ["transposed", "strided", "reversed"])
def test_arrays_that_do_not_lie_alike_are_computed_whole(
    which: int, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    arrays = [np.zeros((30, 20)), np.arange(600.0).reshape(30, 20)]
    arrays[which] = strategies.lay_out(arrays[which], layout)
    assert shapes_computed(*arrays) == [(30, 20)]


@pytest.mark.parametrize("layout", ["strided", "reversed"])
def test_arrays_with_gaps_are_computed_whole(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_ELEMENTS", 100)
    arrays = [np.zeros((30, 20)), np.arange(600.0).reshape(30, 20)]
    assert shapes_computed(*(strategies.lay_out(a, layout) for a in arrays)) == [(30, 20)]


@pytest.mark.parametrize(
    ("a", "b", "limited"),
    [
        ((100, 100), (100, 20), False),
        ((100, 100), (100, 21), True),
        ((7, 100, 10), (10, 40), True),  # a stack of products: all of them count
        ((1, 100, 10), (10, 40), False),
        ((1000, 100), (100, 99), True),
        ((1000, 100), (100, 100), False),
    ],
)
def test_products_between_tiny_and_large_have_one_thread(
    a: Any, b: Any, limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []
    original = threads.one_blas_thread

    @contextmanager
    def one_blas_thread() -> Any:
        entered.append(True)
        with original():
            yield

    monkeypatch.setattr(threads, "one_blas_thread", one_blas_thread)
    out = cpu.matmul(np, np.ones(a), np.ones(b))
    assert (out == a[-1]).all()
    assert bool(entered) == limited
