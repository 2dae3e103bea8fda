"""Einstein sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.testing import check_function, gradgradcheck
from tinydl.testing.point import host

KNOWN: dict[str, list[tuple[int, ...]]] = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "ij->ji": [(2, 3)],
    "ij->ij": [(2, 3)],
    "ba": [(2, 3)],
    "ij->": [(2, 3)],
    "ij->j": [(2, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "iii->i": [(3, 3, 3)],
    "iji->j": [(3, 2, 3)],
    "iijj->ij": [(2, 2, 3, 3)],
    "iijk->kij": [(2, 2, 3, 4)],
    "jiki->kij": [(3, 2, 4, 2)],
    "i,j->ij": [(2,), (3,)],
    "i,j->ji": [(2,), (3,)],
    "i,i": [(3,), (3,)],
    "i,j->": [(2,), (3,)],
    "bij,bjk->bik": [(2, 2, 3), (2, 3, 2)],
    "bhqd,bhkd->bhqk": [(1, 2, 3, 2), (1, 2, 4, 2)],
    "ijk,jl,kl->il": [(2, 3, 2), (3, 2), (2, 2)],
    "ii,ij,k->jk": [(2, 2), (2, 3), (2,)],
    "nchw,ochw->no": [(2, 2, 2, 3), (3, 2, 2, 3)],
    ",i->i": [(), (3,)],
    "->": [()],
    "": [()],
    "i,i,i->": [(3,), (3,), (3,)],
    "Ab,bC": [(2, 3), (3, 2)],
}


@pytest.mark.parametrize("subscripts", KNOWN)
def test_sums_of_the_trade(subscripts: str, random: Any) -> None:
    """On both devices."""
    inputs = [random(*shape, seed=i) for i, shape in enumerate(KNOWN[subscripts])]
    want = np.einsum(subscripts, *(host(x) for x in inputs))
    assert check_function(lambda *xs: td.einsum(subscripts, *xs), inputs, lambda *a: want, order=0)


@pytest.mark.parametrize("subscripts", KNOWN)
def test_second_derivatives(subscripts: str, on: Any) -> None:
    inputs = [on.random(*shape, seed=i) for i, shape in enumerate(KNOWN[subscripts])]
    assert gradgradcheck(lambda *xs: td.einsum(subscripts, *xs), inputs)


def test_third_derivatives(on: Any) -> None:
    """<x, x, x> of a symmetric form: 6 times the form itself."""
    x = on.random(3)
    y = td.einsum("i,i,i->", x, x, x)
    for want in (3 * host(x) ** 2, 6 * host(x), np.full(3, 6.0)):
        (y,) = td.grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(host(y), want, rtol=1e-12)


def test_spaces_mean_nothing(on: Any) -> None:
    a, b = on.random(2, 3), on.random(3, 2, seed=1)
    assert np.array_equal(host(td.einsum(" i j , jk -> i k", a, b)), host(td.einsum("ij,jk->ik", a, b)))


def test_one_tensor_twice(on: Any) -> None:
    x = on.random(3, 3)
    assert gradgradcheck(lambda x: td.einsum("ij,ji->i", x, x), x)
    (dx,) = td.grad(td.einsum("ij,ij->", x, x), x)
    np.testing.assert_allclose(host(dx), 2 * host(x), rtol=1e-14)


def test_lengths_of_0(on: Any) -> None:
    assert host(td.einsum("ij,jk->ik", on.ones(2, 0), on.ones(0, 3))).tolist() == [[0.0] * 3] * 2
    assert host(td.einsum("ij->i", on.ones(2, 0))).tolist() == [0.0, 0.0]
    assert td.einsum("ii->i", on.ones(0, 0)).shape == (0,)


def test_dtypes(on: Any) -> None:
    i = on.tensor([[1, 2], [3, 4]])
    assert td.einsum("ij,jk", i, i).dtype == np.int64
    assert host(td.einsum("ij,jk", i, i)).tolist() == [[7, 10], [15, 22]]
    assert td.einsum("ii", i).item() == 5
    assert td.einsum("ij,j->i", i, on.ones(2)).dtype == np.float32
    assert td.einsum("ij,j->i", i, on.ones(2, dtype="float64")).dtype == np.float64
    with pytest.raises(TypeError, match=r"^einsum: float32 with float64; convert one with \.astype"):
        td.einsum("i,i", on.ones(2), on.ones(2, dtype="float64"))


@pytest.mark.parametrize("subscripts", ["ij->ji", "ij->ij", "ij->j", "ii->i"])
def test_a_result_that_changes_does_not_spoil_the_graph_of_its_input(subscripts: str, on: Any) -> None:
    """The result of one input may share its memory; then the graph of the input knows of the change."""
    a = on.random(3, 3)
    x = a * 1.0
    square = (x * x).sum()
    out = td.einsum(subscripts, x.detach())
    out.data = td.zeros_like(out)
    if np.array_equal(host(x), host(a)):
        np.testing.assert_allclose(host(td.grad(square, a)[0]), 2 * host(a), rtol=1e-14)
    else:
        with pytest.raises(RuntimeError, match="changed in place"):
            td.grad(square, a)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "sentence"),
    [
        ("i...->i", [(2, 3)], r"expected letters, commas and '->', got 'i\.\.\.->i'"),
        ("i1", [(2, 3)], "expected letters, commas and '->', got 'i1'"),
        ("i->i->i", [(2,)], "expected letters, commas and '->', got 'i->i->i'"),
        ("ij->i,j", [(2, 3)], "expected letters, commas and '->', got 'ij->i,j'"),
        ("ij,jk->ik", [(2, 3)], "'ij,jk->ik' names 2 inputs, got 1"),
        ("ij", [(2, 3), (3,)], "'ij' names 1 inputs, got 2"),
        ("ij", [], "'ij' names 1 inputs, got 0"),
        ("ij,jk", [(2, 3), (3,)], r"'jk' of 'ij,jk' names 2 axes, got shape \(3,\)"),
        ("ij,jk", [(2, 3), (4, 2)], "axis 'j' of 'ij,jk' has lengths 3 and 4"),
        ("ii", [(2, 3)], "axis 'i' of 'ii' has lengths 2 and 3"),
        ("ij,j", [(2, 3), (1,)], "axis 'j' of 'ij,j' has lengths 3 and 1"),
        ("ij->ik", [(2, 3)], "the output 'ik' of 'ij->ik' must name letters of the inputs, once each"),
        ("ij->ii", [(2, 3)], "the output 'ii' of 'ij->ii' must name letters of the inputs, once each"),
    ],
)
def test_errors(subscripts: str, shapes: Any, sentence: str, on: Any) -> None:
    with pytest.raises(ValueError, match=f"^einsum: {sentence}"):
        td.einsum(subscripts, *(on.ones(s) for s in shapes))


@pytest.mark.parametrize("subscripts", ["ij->ji", "ii", "ij->"])
def test_plain_arrays_are_an_error(subscripts: str, on: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^einsum: expected tensors, got a plain array; wrap it with td\.tensor"
    ):
        td.einsum(subscripts, on.ones(2, 2).data)
