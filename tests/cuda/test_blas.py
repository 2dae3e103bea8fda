"""Products through cuBLAS: what it is asked for gives a b, whatever the layout of the operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinydl.cuda import blas
from tinydl.cuda.blas import Blas, Stored, stored

SIZES = st.integers(0, 5)
LAYOUTS = ("C", "F", "columns apart", "rows apart", "reversed", "stack reversed", "broadcast", "every second")


def laid_out(values: Any, layout: str) -> Any:
    """The same values, matrices on the last two axes, with other strides."""
    lead, (rows, columns) = values.shape[:-2], values.shape[-2:]
    if layout == "F":
        return np.swapaxes(np.ascontiguousarray(np.swapaxes(values, -1, -2)), -1, -2)
    if layout == "reversed":
        return np.ascontiguousarray(values[..., ::-1, ::-1])[..., ::-1, ::-1]
    if layout == "stack reversed":
        return np.ascontiguousarray(values[::-1])[::-1]
    if layout == "broadcast":
        return np.broadcast_to(values[..., :1, :], values.shape)
    wide = {
        "columns apart": (rows, columns + 3),
        "rows apart": (rows + 2, columns),
        "every second": (2 * rows, 2 * columns),
    }
    if layout in wide:
        room = np.full((*lead, *wide[layout]), np.nan, values.dtype)
        if layout == "rows apart":
            room = np.swapaxes(np.full((*lead, columns, rows + 2), np.nan, values.dtype), -1, -2)
        step = 2 if layout == "every second" else 1
        inside = room[..., : step * rows : step, : step * columns : step]
        inside[...] = values
        return inside
    return np.ascontiguousarray(values)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_product_is_the_product(library: Any, data: Any) -> None:
    m, k, n = (data.draw(SIZES) for _ in range(3))
    lead = data.draw(st.sampled_from([(), (1,), (3,), (2, 2), (0,)]))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    a = laid_out(random.standard_normal((*lead, m, k)).astype(dtype), data.draw(st.sampled_from(LAYOUTS)))
    b = laid_out(random.standard_normal((*lead, k, n)).astype(dtype), data.draw(st.sampled_from(LAYOUTS)))
    if lead and data.draw(st.booleans()):
        b = b[0] if len(b) else b
    out = Blas(library, 1, np.zeros(64, np.uint8)).matmul(np, a, b)
    want = a @ b
    assert (out.shape, out.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(out, want, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "strides", "found"),
    [
        ((3, 4), (4, 1), Stored(False, 4)),
        ((3, 4), (9, 1), Stored(False, 9)),
        ((3, 4), (1, 3), Stored(True, 3)),
        ((3, 4), (1, 7), Stored(True, 7)),
        ((1, 4), (0, 1), Stored(False, 4)),
        ((1, 4), (1, 6), Stored(True, 6)),  # a row of a matrix by columns
        ((3, 1), (5, 9), Stored(False, 5)),
        ((3, 4), (0, 1), None),
        ((3, 4), (1, 0), None),
        ((3, 4), (-4, 1), None),
        ((3, 4), (8, 2), None),
    ],
)
def test_how_a_matrix_lies(shape: Any, strides: Any, found: Any) -> None:
    assert stored(shape, strides) == found


def test_no_copy_is_made_of_a_transposed_operand(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Xp:
        empty = staticmethod(np.empty)

    a, b = np.ones((3, 4), np.float32), np.ones((5, 4), np.float32)
    products = Blas(library, 1, np.zeros(64, np.uint8))
    assert (products.matmul(Xp, a, b.T) == 4).all()
    assert (products.matmul(Xp, a.T, a) == 3).all()


def test_the_precision_is_said(library: Any) -> None:
    products = Blas(library, 1, np.zeros(64, np.uint8))
    single, double = np.ones((2, 2), np.float32), np.ones((2, 2))
    products.matmul(np, single, single)
    products.matmul(np, double, double)
    products.tf32 = True
    products.matmul(np, single, single)
    products.matmul(np, double, double)
    assert [compute for _, compute in library.calls] == [68, 70, 77, 70]


def test_stream_before_workspace(library: Any) -> None:
    """Setting the stream forgets the workspace."""
    Blas(library, 99, np.zeros(64, np.uint8))
    assert library.setup == ["create", "stream 99", f"workspace {blas.WORKSPACE}"]


def test_other_dtypes_go_to_the_module(library: Any) -> None:
    integers = np.ones((2, 2), np.int64)
    assert (Blas(library, 1, np.zeros(64, np.uint8)).matmul(np, integers, integers) == 2).all()
    assert not library.calls


def test_a_refusal_is_an_error(library: Any) -> None:
    library.status = 1
    with pytest.raises(RuntimeError, match="cublasCreate_v2: cuBLAS answers with status 1"):
        Blas(library, 1, np.zeros(64, np.uint8))
