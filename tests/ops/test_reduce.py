"""Reductions: sums, means, extremes, products and running sums over axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinydl as td
from tinydl.ops import reduce as ops
from tinydl.testing import check_function, gradgradcheck, memory_order, strategies


def over(x: Any, axis: Any, keepdims: bool, number: Callable[[list[float]], Any]) -> Any:
    """`number` of each list of elements over the axes: a reduction as a plain loop."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = sorted(i % x.ndim for i in axes)
    rest = [i for i in range(x.ndim) if i not in axes]
    out = np.empty([x.shape[i] for i in rest])
    for place in np.ndindex(*out.shape):
        key: list[Any] = [slice(None)] * x.ndim
        for i, k in zip(rest, place, strict=True):
            key[i] = k
        out[place] = number([float(v) for v in x[tuple(key)].ravel()])
    return out.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else out


def variance(values: list[float], ddof: int = 0) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - ddof)


@dataclass(frozen=True)
class Row:
    """What it is of a list of numbers; PyTorch's name; the fewest elements it takes."""

    number: Callable[[list[float]], Any]
    torch: str
    least: int = 1


ROWS = {
    "sum": Row(math.fsum, "sum", 0),
    "mean": Row(lambda v: math.fsum(v) / len(v), "mean"),
    "var": Row(variance, "var"),
    "std": Row(lambda v: math.sqrt(variance(v)), "std", 2),
    "max": Row(max, "amax"),
    "min": Row(min, "amin"),
    "prod": Row(math.prod, "prod", 0),
    "logsumexp": Row(lambda v: math.log(math.fsum(map(math.exp, v))), "logsumexp"),
}
ELSEWHERE = {"argmax", "argmin", "cumsum"}  # have tests of their own below


def test_every_public_function_has_a_row(public_functions: Any) -> None:
    assert public_functions(ops) == set(ROWS) | ELSEWHERE


def draw(data: Any, name: str) -> tuple[td.Tensor, dict[str, Any]]:
    shape = data.draw(strategies.shapes(max_dims=4, max_side=3))
    axis = data.draw(strategies.axes(len(shape)))
    x = data.draw(strategies.tensors(shape))
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    assume(math.prod(shape[i] for i in axes) >= ROWS[name].least)
    if name == "std":  # its derivative needs some variance
        assume(np.all(np.std(x.numpy(), axis=axis) > 0.2))
    return x, {"axis": axis, "keepdims": data.draw(st.booleans())}


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data())
def test_values_and_derivatives(name: str, data: Any) -> None:
    x, options = draw(data, name)
    assert check_function(
        lambda x: getattr(ops, name)(x, **options),
        [x],
        lambda a: over(a, options["axis"], options["keepdims"], ROWS[name].number),
    )


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data())
def test_agreement_with_torch(name: str, data: Any, torch: Any, agrees_with_torch: Any) -> None:
    x, options = draw(data, name)
    axis, keepdims = options["axis"], options["keepdims"]
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis

    def theirs(a: Any) -> Any:
        if axes == () and name != "logsumexp":  # to PyTorch that means all axes, to NumPy none
            a, dims = a.unsqueeze(0), (0,)
            out = theirs_of(a, dims)
            return out.squeeze(0) if keepdims else out
        return theirs_of(a, axes)

    def theirs_of(a: Any, dims: tuple[int, ...]) -> Any:
        if name == "prod":
            for i in sorted((d % a.ndim for d in dims), reverse=True):
                a = a.prod(dim=i, keepdim=keepdims)
            return a
        extra = {"correction": 0} if name in ("var", "std") else {}
        return getattr(torch, ROWS[name].torch)(a, dim=dims, keepdim=keepdims, **extra)

    assume(not (axes == () and name in ("std", "logsumexp")))
    assume(x.size > 0 or name not in ("var", "std"))  # there PyTorch warns
    assert agrees_with_torch(lambda x: getattr(ops, name)(x, **options), theirs, [x], tol=1e-9)


@given(data=st.data())
def test_cumsum(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    x = data.draw(strategies.tensors(strategies.shapes(max_dims=3)))
    axis = data.draw(st.none() | strategies.axis(x.ndim) if x.ndim else st.none())

    def plain(a: Any) -> Any:
        out = np.array(a.reshape(-1) if axis is None else a)
        lines = np.moveaxis(out, axis or 0, 0)
        for i in range(1, len(lines)):
            lines[i] += lines[i - 1]
        return out

    assert check_function(lambda x: td.cumsum(x, axis), [x], plain)
    along = 0 if axis is None else axis
    assert agrees_with_torch(
        lambda x: x.cumsum(axis), lambda a: torch.cumsum(a.reshape(-1) if axis is None else a, along), [x]
    )


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@given(data=st.data())
def test_places_of_extremes(name: str, data: Any) -> None:
    shape = data.draw(strategies.shapes(max_dims=3))
    axis = data.draw(st.none() | strategies.axis(len(shape)) if shape else st.none())
    keepdims = data.draw(st.booleans())
    assume((math.prod(shape) if axis is None else shape[axis]) > 0)
    x = data.draw(strategies.tensors(shape, np.int64, -1, 1))  # many ties: the first one counts
    best = max if name == "argmax" else min
    want = over(x.numpy(), axis, keepdims, lambda v: v.index(best(v)))
    out = getattr(td, name)(x, axis, keepdims)
    assert out.dtype == np.int64
    assert np.array_equal(out.numpy(), want)
    assert np.array_equal(getattr(x.astype("float64"), name)(axis=axis, keepdims=keepdims).numpy(), want)
    assert not getattr(td.ones(2, requires_grad=True), name)().requires_grad


def test_ddof() -> None:
    x = td.tensor(np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 9.0]]), requires_grad=True)
    for ddof in (0, 1, 2):
        assert check_function(
            lambda x, d=ddof: x.var(axis=1, ddof=d), [x], lambda a, d=ddof: a.var(axis=1, ddof=d)
        )
        assert check_function(
            lambda x, d=ddof: td.std(x, axis=1, ddof=d), [x], lambda a, d=ddof: a.std(axis=1, ddof=d)
        )
    with pytest.raises(
        ValueError, match=r"var: 2 elements are too few for ddof=2 \(axis 0 of shape \(2, 3\)\)"
    ):
        x.var(axis=0, ddof=2)
    assert x.var(axis=()).numpy().tolist() == [[0.0] * 3] * 2


# ---- conventions


def gradient(fn: Callable[[td.Tensor], td.Tensor], values: Any) -> Any:
    x = td.tensor(values, requires_grad=True)
    out = fn(x)
    return td.grad(out, x, td.ones_like(out))[0].numpy().tolist()


def test_ties_share_evenly() -> None:
    assert gradient(td.max, [1.0, 3.0, 3.0, 2.0]) == [0.0, 0.5, 0.5, 0.0]
    assert gradient(td.min, [1.0, 1.0, 1.0, 1.0]) == [0.25] * 4
    rows = [[2.0, 2.0, 0.0], [0.0, 1.0, 5.0]]
    assert gradient(lambda x: x.max(axis=1), rows) == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    assert gradient(lambda x: x.max(axis=0), rows) == [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert gradient(lambda x: x.min(axis=(0, 1), keepdims=True), rows) == [[0.0, 0.0, 0.5], [0.5, 0.0, 0.0]]


def test_products_of_zeros() -> None:
    for values in (
        [0.0, 2.0, 3.0],
        [0.0, 0.0, 3.0, 1.0],
        [0.0, 0.0, 0.0],
        [2.0],
        [1.5, -2.0, 0.0, 3.0, 0.5, 7.0, 0.5],
    ):
        x = td.tensor(np.array(values), requires_grad=True)
        rest = [math.prod(values[:i] + values[i + 1 :]) for i in range(len(values))]
        assert gradient(td.prod, np.array(values)) == rest
        assert gradgradcheck(td.prod, x, full=True)


def test_logsumexp_of_large_and_infinite_numbers() -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, -1001.0], [-np.inf, 0.0], [np.inf, 0.0]])
    out = td.functional.logsumexp(td.tensor(x)).numpy()
    want = [1000 + math.log(2), -1000 + math.log1p(math.exp(-1)), 0.0, np.inf]
    np.testing.assert_allclose(out, want, rtol=1e-15)
    with np.errstate(divide="ignore"):
        assert td.functional.logsumexp(td.tensor([-np.inf, -np.inf])).item() == -np.inf


# ---- dtypes, layout, errors


def test_integers_and_booleans() -> None:
    i = td.tensor([[1, 2], [3, 5]])
    for name, want in (("sum", 11), ("max", 5), ("min", 1), ("prod", 30)):
        out = getattr(i, name)()
        assert out.dtype == np.int64
        assert out.item() == want
    assert td.tensor([True, True]).sum().item() == 2
    assert td.tensor([True, True]).prod().item() == 1
    assert td.tensor([True, True]).prod().dtype == np.int64
    small = td.tensor(np.full(4, 100, np.int8))
    for name in ("sum", "prod", "cumsum"):  # as in NumPy they do not overflow int8
        np.testing.assert_array_equal(
            getattr(small, name)().numpy(), getattr(np.full(4, 100, np.int8), name)()
        )
    for name in ("mean", "var", "std", "logsumexp"):
        out = getattr(ops, name)(i, axis=1)
        assert out.dtype == np.float32
    assert i.mean().item() == 2.75
    assert i.cumsum(axis=1).numpy().tolist() == [[1, 3], [3, 8]]


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reductions_keep_the_layout(name: str) -> None:
    values = td.Generator(0).normal((2, 3, 4, 5), np.float64)
    for layout in strategies.IMAGE_LAYOUTS:
        x = td.Tensor(strategies.lay_out(values, layout))
        for axis in range(4):
            out = getattr(x, name)(axis=axis, keepdims=True)
            assert memory_order(out) == tuple(i for i in memory_order(x) if i != axis)


@pytest.mark.parametrize("name", [*ROWS, "argmax", "argmin", "cumsum"])
def test_axes_that_do_not_exist(name: str) -> None:
    fn = getattr(ops, name)
    who = "var" if name == "std" else name
    with pytest.raises(ValueError, match=rf"^{who}: axis 2 is out of range for 2 axes"):
        fn(td.ones(2, 3), axis=2)
    with pytest.raises(ValueError, match="axis -3 is out of range for 2 axes"):
        fn(td.ones(2, 3), axis=-3)
    if name in ROWS:
        with pytest.raises(ValueError, match=r"axis \(0, -2\) names an axis twice"):
            fn(td.ones(2, 3), axis=(0, -2))


@pytest.mark.parametrize("name", ["mean", "var", "std", "max", "min", "logsumexp", "argmax", "argmin"])
def test_reductions_of_nothing(name: str) -> None:
    fn = getattr(ops, name)
    with pytest.raises(ValueError, match=r"(nothing to average|no element|0 elements).*shape \(3, 0\)"):
        fn(td.ones(3, 0), axis=1)
    with pytest.raises(ValueError, match=r"(nothing to average|no element|0 elements).*shape \(3, 0\)"):
        fn(td.ones(3, 0), axis=None)
    assert fn(td.ones(0, 3), axis=1).shape == (0,)  # none of the reductions is of nothing


def test_sums_and_products_of_nothing() -> None:
    assert td.ones(3, 0).sum(axis=1).numpy().tolist() == [0.0] * 3
    assert td.ones(3, 0).prod(axis=1).numpy().tolist() == [1.0] * 3
    assert td.ones(0).prod().item() == 1.0
    assert td.ones(0).cumsum().shape == (0,)


def test_the_gradient_of_std_is_0_where_all_values_are_equal() -> None:
    x = td.tensor([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], requires_grad=True, dtype="float64")
    out = td.std(x, axis=1)
    assert out.numpy()[0] == 0
    out.backward(td.tensor([2.0, 3.0], dtype="float64"))
    assert x.grad is not None
    assert (x.grad.numpy()[0] == 0).all()
    np.testing.assert_allclose(x.grad.numpy()[1], 3 * np.array([-1, 0, 1]) / (3 * np.sqrt(2 / 3)))
