"""The cross-entropy kernels against the operation's own formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels import reference
from tinydl.kernels.cuda.cross_entropy import cross_entropy, cross_entropy_gradient
from tinydl.testing import strategies


@given(data=st.data(), dtype=st.sampled_from((np.float32, np.float64)))
def test_loss_and_gradient(data: Any, dtype: Any, launcher: Any) -> None:
    rest, classes = data.draw(strategies.shapes(1, 3, 0)), data.draw(st.integers(1, 12))
    axis = data.draw(st.integers(0, 1))
    x = data.draw(strategies.arrays((*rest[:axis], classes, *rest[axis:]), dtype, -9.0, 9.0))
    labels = data.draw(strategies.labels(rest, classes)).numpy()
    labels = labels.astype(data.draw(st.sampled_from((np.int64, np.int32, np.uint8))))
    counts = data.draw(strategies.arrays(rest, np.bool_))
    g = data.draw(strategies.arrays(rest, dtype))
    loss = cross_entropy(np, x, labels, counts, axis)
    dx = cross_entropy_gradient(np, g, x, labels, counts, axis)

    wide = np.moveaxis(x.astype(np.float64), axis, -1)
    p = np.exp(wide) / np.exp(wide).sum(-1, keepdims=True)
    one_hot = np.eye(classes)[labels]
    want = np.where(counts, -np.log((p * one_hot).sum(-1)), 0)
    want_dx = np.moveaxis((p - one_hot) * (g * counts)[..., None], -1, axis)
    tol = 2e-5 if dtype == np.float32 else 1e-11
    for ours, theirs in ((loss, want), (dx, want_dx)):
        assert (ours.shape, ours.dtype) == (theirs.shape, dtype)
        np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol)


def test_large_logits_and_labels_that_do_not_count(launcher: Any) -> None:
    """e^1000 would overflow; the label of a sample that does not count is no class, and is not looked up."""
    x = np.array([[1000.0, 0.0], [-1000.0, 1000.0], [np.nan, 1.0]])
    labels, counts = np.array([0, 0, -100]), np.array([True, True, False])
    np.testing.assert_array_equal(cross_entropy(np, x, labels, counts, 1), [0, 2000, 0])
    dx = cross_entropy_gradient(np, np.ones(3), x, labels, counts, 1)
    np.testing.assert_array_equal(dx[:2], [[0, 0], [-1, 1]])


def test_a_label_that_is_no_class_gives_nan(launcher: Any) -> None:
    """As on a GPU, where nobody checks labels inside a captured step; another row's number would train in silence."""
    labels = np.array([2, -1, 1])
    loss = cross_entropy(np, np.zeros((3, 2)), labels, np.full(3, True), 1)
    assert np.isnan(loss).tolist() == [True, True, False]


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 5), (3,)])
def test_the_loss_function_runs_them(shape: Any, on_cuda_kernels: Any) -> None:
    axis = min(1, len(shape) - 1)
    rest = tuple(n for i, n in enumerate(shape) if i != axis)
    labels = td.tensor(np.where(np.arange(np.prod(rest)).reshape(rest) % 4 == 3, -100, 2))

    def run() -> list[Any]:
        x = td.tensor(td.Generator(0).normal(shape), requires_grad=True)
        loss = td.losses.cross_entropy(x, labels)
        (first,) = td.grad(loss, x, create_graph=True)
        (second,) = td.grad((first * first).sum(), x)
        x.grad = None
        loss.backward()
        assert x.grad is not None
        return [t.detach().numpy() for t in (loss, first, second, x.grad)]

    with td.textbook():
        want = run()
    on_cuda_kernels.calls.clear()
    for ours, theirs in zip(run(), want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert on_cuda_kernels.calls.count("cross_entropy_float32") == 1
    assert (
        on_cuda_kernels.calls.count("cross_entropy_gradient_float32") == 1
    )  # not where tensors are differentiated
    assert reference.cross_entropy is not cross_entropy
