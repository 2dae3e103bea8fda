"""Matrix products."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.functional import dense
from tinydl.ops import linalg
from tinydl.testing import gradcheck, gradgradcheck
from tinydl.testing.point import host


def test_the_product_of_the_course(on: Any) -> None:
    a = on.tensor([[2, 5, 2], [1, 0, -2], [3, 1, 1]])
    b = on.tensor([[-2, 1, 0], [-2, 2, 1], [0, 0, 3]])
    want = [[-14, 12, 11], [-2, 1, -6], [-8, 5, 4]]
    assert host(a @ b).tolist() == want
    assert (a @ b).dtype == np.int64
    assert host(a.astype("float32") @ b).tolist() == want
    assert (a.astype("float32") @ b).dtype == np.float32


def test_the_nearest_vector_of_the_course(on: Any) -> None:
    x = on.tensor([0.5, 0.3, 0.7])
    others = on.tensor([[0.3, 0.3, 0.3], [0.6, 0.2, 0.6], [-0.5, -0.3, -0.7]])
    cosines = (others @ x) / ((others * others).sum(axis=1).sqrt() * (x @ x).sqrt())
    distances = ((others - x) ** 2).sum(axis=1)
    assert cosines.argmax().item() == distances.argmin().item() == 1


def test_errors(on: Any) -> None:
    with pytest.raises(
        ValueError,
        match=r"matmul: \(2, 3\) @ \(4, 5\): the last axis of the first has length 3, .* second 4",
    ):
        on.ones(2, 3) @ on.ones(4, 5)
    with pytest.raises(ValueError, match=r"matmul: \(3,\) @ \(4,\): .* length 3, the axis of the second 4"):
        on.ones(3) @ on.ones(4)
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 1, 3\) and \(3, 3, 1\) can't be broadcast"):
        on.ones(2, 1, 3) @ on.ones(3, 3, 1)
    with pytest.raises(ValueError, match="matmul: expected tensors with one axis or more"):
        on.ones(2, 2) @ on.tensor(1.0)
    with pytest.raises(TypeError, match="matmul: expected tensors, got float"):
        on.ones(2, 2) @ 2.0
    with pytest.raises(TypeError, match="matmul: float32 with float64"):
        on.ones(2, 2) @ on.ones(2, 2, dtype="float64")
    for a, b in ((on.ones(2, 2), np.ones((2, 2))), (np.ones((2, 2)), on.ones(2, 2))):
        with pytest.raises(TypeError, match=r"^matmul: expected tensors, got a plain array"):
            a @ b
    with pytest.raises(
        TypeError, match=r"^matmul: expected tensors, got a plain array; wrap it with td\.tensor"
    ):
        on.ones(3) @ np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"dense: expected a weight \(out, in\), got shape \(3,\)"):
        dense(on.ones(2, 3), on.ones(3))
    with pytest.raises(ValueError, match=r"dense: input has 3 features, expected 4 \(input shape \(2, 3\)\)"):
        dense(on.ones(2, 3), on.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: input has 0 features, expected 4"):
        dense(on.tensor(1.0), on.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: expected a bias of shape \(5,\), got \(4,\)"):
        dense(on.ones(2, 4), on.ones(5, 4), on.ones(4))


# ---- dense

ROWS = [(), (3,), (1,), (2, 3), (0,), (2, 0), (0, 3)]


@pytest.mark.parametrize("rows", ROWS, ids=str)
@pytest.mark.parametrize("has_bias", [False, True])
def test_dense_and_its_gradients_are_sums_over_all_rows(rows: Any, has_bias: bool, on: Any) -> None:
    x, weight, bias = on.random(*rows, 4), on.random(5, 4, seed=1), on.random(5, seed=2)
    inputs = [x, weight, bias][: 2 + has_bias]
    out = dense(*inputs)
    assert out.shape == (*rows, 5)
    want = np.einsum("...i,oi->...o", host(x), host(weight)) + (host(bias) if has_bias else 0.0)
    np.testing.assert_allclose(host(out), want, rtol=1e-12, atol=1e-12)
    g = on.random(*rows, 5, seed=3)
    wanted = [
        np.einsum("...o,oi->...i", host(g), host(weight)),
        np.einsum("no,ni->oi", host(g).reshape(-1, 5), host(x).reshape(-1, 4)),
        host(g).sum(axis=tuple(range(len(rows)))),
    ]
    for found, theirs, of in zip(td.grad(out, inputs, g), wanted, inputs, strict=False):
        assert (found.shape, found.dtype) == (of.shape, of.dtype)
        np.testing.assert_allclose(host(found), theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("needs", list(product([False, True], repeat=3))[1:], ids=str)
@pytest.mark.parametrize("has_bias", [False, True])
def test_derivatives_of_dense(rows: Any, needs: tuple[bool, ...], has_bias: bool, on: Any) -> None:
    """First and second ones, for whichever of the inputs they are wanted."""
    inputs = [on.random(*rows, 4), on.random(5, 4, seed=1), on.random(5, seed=2)][: 2 + has_bias]
    inputs = [v if needed else v.detach() for v, needed in zip(inputs, needs, strict=False)]
    if any(v.requires_grad for v in inputs):
        assert gradcheck(dense, inputs, full=True)
        assert gradgradcheck(dense, inputs)
    else:
        assert not dense(*inputs).requires_grad


@pytest.mark.parametrize("needs", list(product([False, True], repeat=3)), ids=str)
def test_dense_computes_no_gradient_that_nobody_wants(
    needs: tuple[bool, ...], on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [on.random(3, 4), on.random(5, 4, seed=1), on.random(5, seed=2)]
    inputs = [v if needed else v.detach() for v, needed in zip(inputs, needs, strict=True)]
    products = []

    class Counted(linalg.MatMul):
        name = "matmul"

        def forward(self, a: Any, b: Any) -> Any:
            products.append((a.shape, b.shape))
            return super().forward(a, b)

    out = dense(*inputs)
    monkeypatch.setattr(linalg, "MatMul", Counted)
    if any(needs):
        out.backward(on.random(3, 5, seed=3))
    assert products == [((3, 5), (5, 4))] * needs[0] + [((5, 3), (3, 4))] * needs[1]
    assert [v.grad is not None for v in inputs] == list(needs)


def test_dense_beside_integers_gives_floats(on: Any) -> None:
    x, weight = on.tensor([[1, 2]]), on.tensor([[3, 4]])
    assert dense(x, weight).dtype == np.int64
    for mixed in (
        (x, weight.astype("float32")),
        (x, weight, on.tensor([0.5])),
        (x.astype("float32"), weight),
    ):
        out = dense(*mixed)
        assert out.dtype == np.float32
        assert host(out).tolist() == [[11.5 if len(mixed) == 3 else 11.0]]
