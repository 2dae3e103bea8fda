"""Conversions to another dtype and to another device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tinydl as td
from tinydl.ops import cast as ops
from tinydl.testing import strategies
from tinydl.testing.point import host


@given(x=strategies.tensors(strategies.shapes()))
def test_float32_and_back(x: td.Tensor, on: Any) -> None:
    x = on.leaf(x.numpy())
    single = x.astype("float32")
    assert single.dtype == np.float32
    assert np.array_equal(host(single), host(x).astype(np.float32))
    (g,) = td.grad(single * 3.0, x, on.ones(x.shape))
    assert g.dtype == np.float64
    assert g.shape == x.shape
    assert np.all(host(g) == 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_the_dtype_that_it_has_already_shares_memory(dtype: str, on: Any) -> None:
    x = on.ones(2, 3, dtype=dtype)
    assert on.share_memory(x.astype(dtype), x)
    assert not on.share_memory(x.astype("uint8"), x)


def test_integers_have_no_gradient(on: Any) -> None:
    x = on.tensor([1.7, -1.7, 0.0], requires_grad=True)
    for dtype, want in (("int64", [1, -1, 0]), ("bool", [True, True, False]), (np.int8, [1, -1, 0])):
        out = x.astype(dtype)
        assert host(out).tolist() == want
        assert out.dtype == np.dtype(dtype)
        assert not out.requires_grad
    assert host(on.tensor([1, 2]).astype("float64")).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", ["float16", "str", "object", "datetime64[s]"])
def test_dtypes_that_are_not_supported(dtype: str, on: Any) -> None:
    with pytest.raises(
        TypeError, match=r"astype: dtype .* is not supported; use bool, an integer type, float32 or"
    ):
        on.ones(2).astype(dtype)


def test_to(on: Any) -> None:
    x = on.ones(2, requires_grad=True)
    assert x.to(on.device) is x
    assert x.to(x.device) is x
    with pytest.raises(ValueError, match="device 'tpu'"):
        x.to("tpu")


def test_what_is_no_tensor(on: Any) -> None:
    with pytest.raises(TypeError, match="astype: expected tensors, got a plain array"):
        ops.astype(on.ones(2).data, "float32")
