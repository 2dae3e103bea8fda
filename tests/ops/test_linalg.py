"""Matrix products."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td


def test_the_product_of_the_course() -> None:
    a = td.tensor([[2, 5, 2], [1, 0, -2], [3, 1, 1]])
    b = td.tensor([[-2, 1, 0], [-2, 2, 1], [0, 0, 3]])
    want = [[-14, 12, 11], [-2, 1, -6], [-8, 5, 4]]
    assert (a @ b).numpy().tolist() == want
    assert (a @ b).dtype == np.int64
    assert (a.astype("float32") @ b).numpy().tolist() == want
    assert (a.astype("float32") @ b).dtype == np.float32


def test_the_nearest_vector_of_the_course() -> None:
    x = td.tensor([0.5, 0.3, 0.7])
    others = td.tensor([[0.3, 0.3, 0.3], [0.6, 0.2, 0.6], [-0.5, -0.3, -0.7]])
    cosines = (others @ x) / ((others * others).sum(axis=1).sqrt() * (x @ x).sqrt())
    distances = ((others - x) ** 2).sum(axis=1)
    assert cosines.argmax().item() == distances.argmin().item() == 1


def test_errors() -> None:
    with pytest.raises(
        ValueError,
        match=r"matmul: \(2, 3\) @ \(4, 5\): the last axis of the first has length 3, .* second 4",
    ):
        td.ones(2, 3) @ td.ones(4, 5)
    with pytest.raises(ValueError, match=r"matmul: \(1, 3\) @ \(4, 1\)"):
        td.ones(3) @ td.ones(4)
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 1, 3\) and \(3, 3, 1\) can't be broadcast"):
        td.ones(2, 1, 3) @ td.ones(3, 3, 1)
    for wrong in (td.tensor(1.0), 2.0):
        with pytest.raises(ValueError, match="matmul: expected tensors with one axis or more"):
            td.ones(2, 2) @ wrong
    with pytest.raises(TypeError, match="matmul: float32 with float64"):
        td.ones(2, 2) @ td.ones(2, 2, dtype="float64")
    for a, b in ((td.ones(2, 2), np.ones((2, 2))), (np.ones((2, 2)), td.ones(2, 2))):
        with pytest.raises(TypeError, match="matmul: expected tensors, got a plain array"):
            a @ b
    dense = td.functional.dense
    with pytest.raises(ValueError, match=r"dense: expected a weight \(out, in\), got shape \(3,\)"):
        dense(td.ones(2, 3), td.ones(3))
    with pytest.raises(ValueError, match=r"dense: input has 3 features, expected 4 \(input shape \(2, 3\)\)"):
        dense(td.ones(2, 3), td.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: input has 0 features, expected 4"):
        dense(td.tensor(1.0), td.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: expected a bias of shape \(5,\), got \(4,\)"):
        dense(td.ones(2, 4), td.ones(5, 4), td.ones(4))
