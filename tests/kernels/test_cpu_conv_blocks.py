"""Convolutions in blocks: how many, what they read and copy, and the products of what was copied."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.kernels import cpu_conv, cpu_product, reference, threads

ONE = (1, 1)
NONE = (0, 0)
PLAIN: dict[str, Any] = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1}


@pytest.fixture(scope="module", autouse=True)
def constants() -> Iterator[None]:
    """The shapes below are chosen for these, whatever the kernels have been tuned to."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "_FEW": 12,
            "_FLAT": 32,
            "_SCRATCH": 3 << 19,
            "_SHARED": 2.5e7,
            "_NARROW": 1 << 30,
        }.items():
            patch.setattr(cpu_conv, name, value)
        patch.setattr(cpu_product, "_UNPACKED", 1_000_000)
        patch.setattr(cpu_product, "_NARROWEST", 32)
        yield


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    ("channels", "blocks"), [(1, [(0, 1)]), (3, [(0, 1), (1, 3)]), (4, [(0, 2), (2, 4)])]
)
def test_blocks_of_scattered_gradients_are_channels(
    channels: int, blocks: Any, shared: bool, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of rows would write to the same rows where windows overlap."""
    weight, size = np.ones((2, channels, 3, 3)), (9, 9)
    work = 2 * channels * 9 * 16
    monkeypatch.setattr(cpu_conv, "_SHARED", work if shared else work + 1)
    calls = record(threads, "each")
    cpu_conv.conv2d_input_gradient(np, np.ones((1, 2, 4, 4)), weight, size, **PLAIN | {"stride": (2, 2)})
    assert [arguments[0] for _, arguments in calls] == [blocks if shared else [(0, channels)]]


@pytest.mark.parametrize("way", ["lowered", "stacked, deep", "apart, shifted"])
@pytest.mark.parametrize("stride", [1, 3])
def test_the_work_of_a_kernel_is_all_its_multiplications(
    stride: int, way: str, ways: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decides whether the cores share them."""
    for name, value in ways[way].items():
        monkeypatch.setattr(cpu_conv, name, value)
    calls = record(threads, "each")
    made = record(cpu_conv, "_blocks")
    x, weight = np.ones((2, 13, 12, 12)), np.ones((5, 13, 3, 3))
    options = PLAIN | {"stride": (stride, stride)}
    g = cpu_conv.conv2d(np, x, weight, **options)
    cpu_conv.conv2d_input_gradient(np, g, weight, (12, 12), **options)
    cpu_conv.conv2d_weight_gradient(np, x, g, (3, 3), **options)
    places = {1: 10, 3: 4}[stride]
    # With stride 1 the gradient of the input is a convolution with as many places as the input has.
    given = places if stride == 3 else 12
    want = [2 * 13 * 9 * 5 * n**2 for n in (places, given, places)]
    assert [work for _, (_, _, work) in calls] == want
    assert [arguments[2] for _, arguments in made] == want


@pytest.mark.parametrize(
    ("way", "sizes"),
    [
        # Bytes for each row of the output: what is copied, or the products of all kernel columns, or one product.
        ("lowered", (3 * 4 * 13 * 10 * 2, 3 * 4 * 5 * 12 * 2, 3 * 4 * 13 * 10 * 2)),
        ("stacked, deep", (3 * 4 * 5 * 12 * 2, 3 * 4 * 13 * 10 * 2, 4 * 5 * 10 * 2)),
        ("apart, shifted", (4 * 5 * 12 * 2, 4 * 13 * 10 * 2, 4 * 5 * 10 * 2)),
    ],
)
def test_the_size_of_a_block_is_what_a_row_brings_into_the_cache(
    way: str, sizes: Any, ways: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ways[way].items():
        monkeypatch.setattr(cpu_conv, name, value)
    calls = record(cpu_conv, "_blocks")
    x, weight = np.ones((2, 13, 12, 12), np.float32), np.ones((5, 13, 3, 3), np.float32)
    g = cpu_conv.conv2d(np, x, weight, **PLAIN)
    cpu_conv.conv2d_input_gradient(np, g, weight, (12, 12), **PLAIN)
    cpu_conv.conv2d_weight_gradient(np, x, g, (3, 3), **PLAIN)
    assert [arguments[:2] for _, arguments in calls] == list(zip((10, 12, 10), sizes, strict=True))
    assert {arguments[3:] for _, arguments in calls} == ({(6,)} if way == "lowered" else {()})


@given(
    number=st.integers(1, 300),
    size=st.integers(1, 1 << 24),
    least=st.integers(0, 12),
    shared=st.booleans(),
)
def test_blocks_cover_all_rows_once_and_fit_in_the_cache(
    number: int, size: int, least: int, shared: bool
) -> None:
    blocks = cpu_conv._blocks(number, size, cpu_conv._SHARED if shared else cpu_conv._SHARED - 1, least)
    assert (blocks[0][0], blocks[-1][1]) == (0, number)
    assert all(a[1] == b[0] for a, b in pairwise(blocks))
    lengths = {stop - start for start, stop in blocks}
    assert min(lengths) > 0
    assert max(lengths) - min(lengths) <= 1
    # But a block has several times the kh - 1 rows that the next one copies again.
    most = max(cpu_conv._SCRATCH, size, least * size)
    assert (max(lengths) - 1) * size <= 1.5 * most
    if len(blocks) > (2 if shared else 1):
        assert 2 * max(lengths) * size > most  # and no smaller than they must
    if shared:
        assert len(blocks) % 2 == 0 or len(blocks) == number  # for two cores
    elif number * size <= most:
        assert len(blocks) == 1


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
    assert np.shares_memory(cpu_conv._windows(x, kernel, stride, padding, block, ow), x) != copied
    apart = np.ones((6, 2, 5, 6))[..., ::2]
    assert not np.shares_memory(cpu_conv._windows(apart, kernel, stride, padding, block, ow), apart)


def test_windows_cannot_be_written_to() -> None:
    """They overlap, and may be the input."""
    with pytest.raises(ValueError, match="read-only"):
        cpu_conv._windows(np.ones((6, 2, 5, 3)), (3, 1), ONE, NONE, (0, 4), 5)[0] = 0


# ---- products of copied rows


@pytest.mark.parametrize(("unpacked", "wide"), [(8 * 27 * 5, False), (8 * 27 * 5 - 1, True)])
def test_wide_products_are_one_for_a_block(
    unpacked: int, wide: bool, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its windows are copied side by side. A product has 2 x 4 columns and 27 x 5 numbers in its matrix."""
    monkeypatch.setattr(cpu_product, "_UNPACKED", unpacked)
    monkeypatch.setattr(cpu_conv, "_SHARED", 0)  # two blocks
    x, weight = np.ones((2, 3, 6, 6)), np.ones((5, 3, 3, 3))
    calls = record(cpu_product, "side_by_side")
    g = cpu_conv.conv2d(np, x, weight, **PLAIN)
    assert [windows.shape for _, (windows,) in calls] == ([(2, 27, 8)] * 2 if wide else [])
    calls = record(cpu_conv, "side_by_side")
    cpu_conv.conv2d_weight_gradient(np, x, g, (3, 3), **PLAIN)
    assert [a.shape for _, (a,) in calls] == ([(2, 5, 8), (2, 27, 8)] * 2 if wide else [])


@pytest.mark.parametrize(("unpacked", "pieces"), [(10**6, 1), (64 * 36 * 13 - 1, 2), (64 * 36 * 13 // 2, 2)])
def test_other_products_are_cut_into_pieces(
    unpacked: int, pieces: int, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 columns: no more than two pieces are 32 wide. The product of the weight's gradient is cut along them."""
    monkeypatch.setattr(cpu_product, "_UNPACKED", unpacked)
    monkeypatch.setattr(cpu_conv, "_SHARED", 0)  # two blocks
    x, weight = np.ones((16, 4, 6, 6)), np.ones((13, 4, 3, 3))
    calls = record(np, "matmul")
    g = cpu_conv.conv2d(np, x, weight, **PLAIN)
    assert [b.shape for _, (_, b) in calls] == [(2, pieces, 36, 64 // pieces)] * 2
    calls.clear()
    cpu_conv.conv2d_weight_gradient(np, x, g, (3, 3), **PLAIN)
    assert [a.shape for _, (a, _) in calls] == [(2, pieces, 36, 64 // pieces)] * 2


@pytest.mark.parametrize(
    ("c", "o", "kernel", "turned"),
    [
        (4, 11, (3, 3), False),  # few rows
        (4, 12, (3, 3), True),
        (8, 12, (2, 2), False),  # 32 numbers of a window
        (11, 12, (3, 1), True),  # 33
    ],
)
def test_the_product_of_the_weights_gradient_is_turned_unless_it_is_thin(
    c: int, o: int, kernel: Any, turned: bool, record: Any
) -> None:
    x, g = np.ones((2, c, 6, 6)), np.ones((2, o, 7 - kernel[0], 7 - kernel[1]))
    calls = record(np, "matmul")
    cpu_conv.conv2d_weight_gradient(np, x, g, kernel, **PLAIN)
    assert {a.shape[2] for _, (a, _) in calls} == {kernel[0] * kernel[1] * c if turned else o}
