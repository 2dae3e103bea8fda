"""Products in the sizes that OpenBLAS likes: their values, into how many pieces they are cut, and who computes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.kernels import cpu_product, threads
from tinydl.testing import strategies


@pytest.fixture(scope="module", autouse=True)
def constants() -> Iterator[None]:
    """The shapes below are chosen for these, whatever the kernels have been tuned to."""
    values = {"_UNPACKED": 1_000_000, "_NARROWEST": 32, "_TINY": 200_000, "_LARGE": 10_000_000}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(cpu_product, name, value)
        yield


# ---- multiply


@pytest.mark.parametrize("unpacked", [10**6, 1000, 1])
@pytest.mark.parametrize("narrowest", [32, 4, 1])
@given(data=st.data())
def test_multiply(unpacked: int, narrowest: int, data: Any) -> None:
    """Windows that overlap, or columns of them, by a matrix; with one number to sum there is no product of BLAS."""
    b, o, k, m = (
        data.draw(st.sampled_from(sizes)) for sizes in ((1, 3), (1, 2, 13), (1, 2, 9), (1, 8, 12, 24, 25))
    )
    dtype = data.draw(st.sampled_from((np.float32, np.float64)))
    matrix = data.draw(strategies.arrays((o, k), dtype, layout="contiguous"))
    wider = data.draw(strategies.arrays((b, k, m + 3), dtype, layout="contiguous"))
    windows = wider[:, :, 2 : m + 2]
    out = np.full((b, o, m), np.nan, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_product, "_UNPACKED", unpacked)
        patch.setattr(cpu_product, "_NARROWEST", narrowest)
        cpu_product.multiply(matrix, windows, out)
    want = np.einsum("ok,bkm->bom", matrix.astype(np.float64), windows.astype(np.float64))
    tol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(out, want, rtol=tol, atol=tol * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize(
    ("m", "unpacked", "product"),
    [
        (31, 31 * 10, (2, 1, 2, 31)),
        (31, 31 * 10 - 1, (2, 62)),  # too narrow to be cut: side by side
        (32, 32 * 10 - 1, (2, 1, 2, 32)),
        (64, 64 * 10, (2, 1, 2, 64)),
        (64, 64 * 10 - 1, (2, 2, 2, 32)),
        (96, 96 * 10 // 2 - 1, (2, 3, 2, 32)),
        (96, 96 * 10 // 4, (2, 1, 2, 96)),
        (65, 65 * 10 - 1, (2, 1, 2, 65)),
    ],
)
def test_a_product_is_cut_or_side_by_side(
    m: int, unpacked: int, product: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matrix of 5 x 2 numbers by two windows of m columns: the shape of what it is multiplied with."""
    monkeypatch.setattr(cpu_product, "_UNPACKED", unpacked)
    calls = record(cpu_product, "cut", "side_by_side")
    out = np.empty((2, 5, m))
    cpu_product.multiply(np.ones((5, 2)), np.ones((2, 2, m)), out)
    assert (out == 2.0).all()
    if len(product) == 2:
        assert [name for name, _ in calls] == ["side_by_side"]
    else:
        assert [name for name, _ in calls] == ["cut", "cut"]
        assert {arguments[1] for _, arguments in calls} == {product[1]}


def test_windows_side_by_side_are_one_matrix() -> None:
    windows = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(cpu_product.side_by_side(windows), np.concatenate(windows, axis=1))


def test_pieces_are_views_that_lie_side_by_side_in_their_rows() -> None:
    wider = np.arange(60.0).reshape(2, 3, 10)
    a = wider[:, :, 1:9]
    pieces = cpu_product.cut(a, 4)
    assert pieces.shape == (2, 4, 3, 2)
    assert np.shares_memory(pieces, wider)
    assert np.array_equal(np.concatenate(pieces.swapaxes(0, 1), axis=2), a)


# ---- how many pieces


def test_pieces() -> None:
    """As few equal ones as may be multiplied unpacked, or a little more, and none narrower than 32."""
    most = cpu_product._UNPACKED
    for work, pieces in (
        (0, 1),
        (1, 1),
        (most, 1),
        (most + 1, 2),
        (2 * most, 2),
        (2 * most + 1, 4),  # 3 parts of 1024 are not equal
        (4 * most + 1, 8),
    ):
        assert cpu_product.number_of_pieces(1024, work) == pieces
    assert cpu_product.number_of_pieces(1023, 2 * most + 1) == 3
    assert cpu_product.number_of_pieces(1025, 2 * most + 1) == 5
    assert cpu_product.number_of_pieces(7 * 64, 3 * most + 1) == 4
    assert cpu_product.number_of_pieces(7 * 63, 3 * most + 1) == 7
    assert cpu_product.number_of_pieces(7 * 63, 2 * most + 1) == 3
    assert cpu_product.number_of_pieces(7 * 65, 2 * most + 1) == 5
    assert cpu_product.number_of_pieces(11 * 65, 2 * most + 1) == 5
    assert cpu_product.number_of_pieces(7 * 121, 2 * most + 1) == 1  # 7 are more than twice the least
    assert cpu_product.number_of_pieces(7 * 121, 3 * most + 1) == 7
    assert [cpu_product.number_of_pieces(m, most + 1) for m in (62, 63, 64, 65, 66)] == [1, 1, 2, 1, 2]
    assert [cpu_product.number_of_pieces(m, 2 * most + 1) for m in (64, 93, 95, 96, 99)] == [1, 1, 1, 3, 3]


@given(m=st.integers(1, 3000), work=st.integers(0, 10**8))
def test_the_number_of_pieces_is_the_least_that_is_right(m: int, work: int) -> None:
    most, narrowest = cpu_product._UNPACKED, cpu_product._NARROWEST
    equal = [p for p in range(1, m + 1) if m % p == 0 and m // p >= narrowest]
    least = next(p for p in range(1, 102) if work <= p * most)
    right = [p for p in equal if least <= p <= 2 * least]
    assert cpu_product.number_of_pieces(m, work) == min(right, default=1)


@pytest.mark.parametrize(
    ("m", "size", "wide"),
    [(50, 20_000, False), (50, 20_001, True), (64, 20_000, False), (63, 20_000, True), (64, 40_000, True)],
)
def test_a_product_that_can_be_neither_unpacked_nor_cut_is_wide(m: int, size: int, wide: bool) -> None:
    assert cpu_product.is_wide(m, size) == wide


# ---- matmul


@pytest.mark.parametrize(
    ("a", "b", "limited"),
    [
        ((100, 100), (100, 20), False),
        ((100, 100), (100, 21), True),
        ((7, 100, 10), (10, 40), True),  # a stack of products: all of them count
        ((1, 100, 10), (10, 40), False),
        ((1000, 100), (100, 99), True),
        ((1000, 100), (100, 100), False),
        ((1000, 1), (1, 1000), False),  # nothing to sum
    ],
)
def test_products_between_tiny_and_large_have_one_thread(
    a: Any, b: Any, limited: bool, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []
    original = threads.one_blas_thread

    @contextmanager
    def one_blas_thread() -> Any:
        entered.append(True)
        with original():
            yield

    monkeypatch.setattr(threads, "one_blas_thread", one_blas_thread)
    announced = record(threads, "products_begin")
    out = cpu_product.matmul(np, np.ones(a), np.ones(b))
    assert (out == a[-1]).all()
    assert bool(entered) == limited
    assert bool(announced) == (out.size * a[-1] >= 10_000_000)


@given(data=st.data())
def test_products_without_a_sum(data: Any) -> None:
    """Columns times rows, or stacks of them, however they lie: the values and the memory layout of any product."""
    batch, m, n = (data.draw(st.sampled_from(sizes)) for sizes in (((), (3,), (1, 2)), (0, 1, 7), (0, 1, 5)))
    dtype = data.draw(st.sampled_from((np.float32, np.float64, np.int64, np.bool_)))
    a = data.draw(strategies.arrays((*batch, 1, m), dtype)).swapaxes(-1, -2)
    b = data.draw(strategies.arrays((1, n), dtype))
    want = np.matmul(a, b)
    row = a[(0,) * a.ndim][None] if a.size else np.ones(1, dtype)
    np.testing.assert_array_equal(cpu_product.matmul(np, row, b), np.matmul(row, b))
    for product in (cpu_product.matmul(np, a, b), cpu_product.one_thread(a, b)):
        assert (product.shape, product.dtype) == (want.shape, want.dtype)
        assert product.flags.c_contiguous
        np.testing.assert_array_equal(product, want)
