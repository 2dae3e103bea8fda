"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
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
    dense = td.functional.dense
    with pytest.raises(ValueError, match=r"dense: expected a weight \(out, in\), got shape \(3,\)"):
        dense(on.ones(2, 3), on.ones(3))
    with pytest.raises(ValueError, match=r"dense: input has 3 features, expected 4 \(input shape \(2, 3\)\)"):
        dense(on.ones(2, 3), on.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: input has 0 features, expected 4"):
        dense(on.tensor(1.0), on.ones(5, 4))
    with pytest.raises(ValueError, match=r"dense: expected a bias of shape \(5,\), got \(4,\)"):
        dense(on.ones(2, 4), on.ones(5, 4), on.ones(4))
