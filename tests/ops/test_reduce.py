"""Reductions: sums, means, extremes, products and running sums over axes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from grid.reduce import REDUCTIONS
from tinydl.ops import reduce as ops
from tinydl.testing import gradgradcheck, memory_order, strategies
from tinydl.testing.point import host


def test_too_few_elements_for_ddof(on: Any) -> None:
    x = on.tensor(np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 9.0]]), requires_grad=True)
    with pytest.raises(
        ValueError, match=r"var: 2 elements are too few for ddof=2 \(axis 0 of shape \(2, 3\)\)"
    ):
        x.var(axis=0, ddof=2)
    with pytest.raises(ValueError, match=r"^std: 2 elements are too few for ddof=2"):
        x.std(axis=0, ddof=2)
    assert host(x.var(axis=())).tolist() == [[0.0] * 3] * 2


# ---- conventions


def gradient(on: Any, fn: Callable[[td.Tensor], td.Tensor], values: Any) -> Any:
    x = on.tensor(values, requires_grad=True)
    out = fn(x)
    return host(td.grad(out, x, td.ones_like(out))[0]).tolist()


def test_ties_share_evenly(on: Any) -> None:
    assert gradient(on, td.max, [1.0, 3.0, 3.0, 2.0]) == [0.0, 0.5, 0.5, 0.0]
    assert gradient(on, td.min, [1.0, 1.0, 1.0, 1.0]) == [0.25] * 4
    rows = [[2.0, 2.0, 0.0], [0.0, 1.0, 5.0]]
    assert gradient(on, lambda x: x.max(axis=1), rows) == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    assert gradient(on, lambda x: x.max(axis=0), rows) == [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert gradient(on, lambda x: x.min(axis=(0, 1), keepdims=True), rows) == [
        [0.0, 0.0, 0.5],
        [0.5, 0.0, 0.0],
    ]


def test_products_of_zeros(on: Any) -> None:
    for values in (
        [0.0, 2.0, 3.0],
        [0.0, 0.0, 3.0, 1.0],
        [0.0, 0.0, 0.0],
        [2.0],
        [1.5, -2.0, 0.0, 3.0, 0.5, 7.0, 0.5],
    ):
        x = on.tensor(np.array(values), requires_grad=True)
        rest = [math.prod(values[:i] + values[i + 1 :]) for i in range(len(values))]
        assert gradient(on, td.prod, np.array(values)) == rest
        assert gradgradcheck(td.prod, x, full=True)


def test_logsumexp_of_large_and_infinite_numbers(on: Any) -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, -1001.0], [-np.inf, 0.0], [np.inf, 0.0]])
    out = host(td.functional.logsumexp(on.tensor(x)))
    want = [1000 + math.log(2), -1000 + math.log1p(math.exp(-1)), 0.0, np.inf]
    np.testing.assert_allclose(out, want, rtol=1e-15)
    with np.errstate(divide="ignore"):
        assert td.functional.logsumexp(on.tensor([-np.inf, -np.inf])).item() == -np.inf


# ---- dtypes, layout, errors


def test_integers_and_booleans(on: Any) -> None:
    i = on.tensor([[1, 2], [3, 5]])
    for name, want in (("sum", 11), ("max", 5), ("min", 1), ("prod", 30)):
        out = getattr(i, name)()
        assert out.dtype == np.int64
        assert out.item() == want
    assert on.tensor([True, True]).sum().item() == 2
    assert on.tensor([True, True]).prod().item() == 1
    assert on.tensor([True, True]).prod().dtype == np.int64
    for name in ("mean", "var", "std", "logsumexp"):
        out = getattr(ops, name)(i, axis=1)
        assert out.dtype == np.float32
    assert i.mean().item() == 2.75
    assert host(i.cumsum(axis=1)).tolist() == [[1, 3], [3, 8]]


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "uint8", "uint32", "uint64"])
def test_integers_are_added_and_multiplied_in_64_bits(dtype: str, on: Any) -> None:
    values = np.full(4, 100).astype(dtype)
    for name in ("sum", "prod", "cumsum"):
        out, want = host(getattr(on.tensor(values), name)()), getattr(values, name)()  # NumPy's rule
        assert out.dtype == want.dtype == ("uint64" if dtype.startswith("u") else "int64")
        assert np.array_equal(out, want)


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reductions_keep_the_layout(name: str, on: Any) -> None:
    values = td.Generator(0).normal((2, 3, 4, 5), np.float64)
    for layout in strategies.IMAGE_LAYOUTS:
        x = on.leaf(strategies.lay_out(values, layout))
        for axis in range(4):
            out = getattr(x, name)(axis=axis, keepdims=True)
            assert memory_order(out) == tuple(i for i in memory_order(x) if i != axis)


@pytest.mark.parametrize("name", [*REDUCTIONS, "argmax", "argmin", "cumsum"])
def test_axes_that_do_not_exist(name: str, on: Any) -> None:
    fn = getattr(ops, name)
    with pytest.raises(ValueError, match=rf"^{name}: axis 2 is out of range for 2 axes"):
        fn(on.ones(2, 3), axis=2)
    with pytest.raises(ValueError, match="axis -3 is out of range for 2 axes"):
        fn(on.ones(2, 3), axis=-3)
    if name in REDUCTIONS:
        with pytest.raises(ValueError, match=r"axis \(0, -2\) names an axis twice"):
            fn(on.ones(2, 3), axis=(0, -2))


@pytest.mark.parametrize("name", [*REDUCTIONS, "argmax", "argmin", "cumsum"])
def test_axes_are_integers(name: str, on: Any) -> None:
    fn, x = getattr(ops, name), on.tensor(np.array([[1.0, 5.0, 2.0], [3.0, 3.0, 9.0]]))
    for wrong, named in ((1.5, "1.5"), (1.0, "1.0"), ("0", "'0'"), ((0, 1.0), None), (np.float64(1), None)):
        got = f"got {re.escape(named)}$" if named else ""
        with pytest.raises(TypeError, match=rf"^{name}: an axis must be an integer, {got}"):
            fn(x, axis=wrong)
    if name not in REDUCTIONS:
        for several in ((0, 1), (0,)):
            with pytest.raises(TypeError, match=rf"^{name}: an axis must be an integer, got \("):
                fn(x, axis=several)
    assert np.array_equal(host(fn(x, axis=np.int64(1))), host(fn(x, axis=1)))


@pytest.mark.parametrize("name", ["mean", "var", "std", "max", "min", "logsumexp", "argmax", "argmin"])
def test_reductions_of_nothing(name: str, on: Any) -> None:
    fn = getattr(ops, name)
    with pytest.raises(ValueError, match=r"(nothing to average|no element|0 elements).*shape \(3, 0\)"):
        fn(on.ones(3, 0), axis=1)
    with pytest.raises(ValueError, match=r"(nothing to average|no element|0 elements).*shape \(3, 0\)"):
        fn(on.ones(3, 0), axis=None)
    assert fn(on.ones(0, 3), axis=1).shape == (0,)  # none of the reductions is of nothing


def test_sums_and_products_of_nothing(on: Any) -> None:
    assert host(on.ones(3, 0).sum(axis=1)).tolist() == [0.0] * 3
    assert host(on.ones(3, 0).prod(axis=1)).tolist() == [1.0] * 3
    assert on.ones(0).prod().item() == 1.0
    assert on.ones(0).cumsum().shape == (0,)


def test_the_gradient_of_std_is_0_where_all_values_are_equal(on: Any) -> None:
    x = on.tensor([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], requires_grad=True, dtype="float64")
    out = td.std(x, axis=1)
    assert host(out)[0] == 0
    out.backward(on.tensor([2.0, 3.0], dtype="float64"))
    assert x.grad is not None
    assert (host(x.grad)[0] == 0).all()
    np.testing.assert_allclose(host(x.grad)[1], 3 * np.array([-1, 0, 1]) / (3 * np.sqrt(2 / 3)))
