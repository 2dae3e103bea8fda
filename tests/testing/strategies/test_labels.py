"""Labels: in range, at their edges, taken by the losses, small when shrunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.testing import strategies

small = strategies.shapes(0, 3, max_side=3)


@given(st.data())
def test_labels_are_in_range(data: Any) -> None:
    classes = data.draw(st.integers(1, 5))
    plain = data.draw(strategies.labels(small, classes))
    assert plain.dtype == np.int64
    assert not plain.requires_grad
    assert all(0 <= i < classes for i in plain.numpy().flat)
    ignoring = data.draw(strategies.labels(plain.shape, classes, ignore_index=255))
    assert ignoring.dtype == np.int64
    assert ignoring.shape == plain.shape
    assert all(0 <= i < classes or i == 255 for i in ignoring.numpy().flat)


@given(st.data())
def test_one_hot_labels_are_rows_of_one_1(data: Any) -> None:
    classes = data.draw(st.integers(1, 4))
    x = data.draw(strategies.one_hot_labels(small, classes)).numpy()
    assert x.dtype == np.float64
    assert x.shape[-1] == classes
    assert ((x == 0) | (x == 1)).all()
    assert (x.sum(-1) == 1).all()


@given(st.data())
def test_probabilities_sum_to_1(data: Any) -> None:
    classes = data.draw(st.integers(1, 4))
    for dtype, tol in ((np.float64, 1e-15), (np.float32, 1e-6)):
        x = data.draw(strategies.probabilities(small, classes, dtype=dtype)).numpy()
        assert x.dtype == dtype
        assert x.shape[-1] == classes
        assert ((x > 0) & (x <= 1)).all()
        assert (x < 1).all() or classes == 1
        np.testing.assert_allclose(x.sum(-1), 1, rtol=tol)


@given(st.data())
def test_binary_masks_are_0_and_1(data: Any) -> None:
    for dtype in (np.float64, np.float32, np.bool_):
        x = data.draw(strategies.binary_masks(small, dtype)).numpy()
        assert x.dtype == dtype
        assert ((x == 0) | (x == 1)).all()
        assert x.flags.writeable


@given(st.data())
def test_the_losses_take_them(data: Any) -> None:
    """With the classes along axis 1, as the losses want them."""
    shape = data.draw(strategies.shapes(1, 3, max_side=3))
    logits = data.draw(strategies.tensors((shape[0], 3, *shape[1:])))
    for target in (
        strategies.labels(shape, 3, ignore_index=-100),
        strategies.one_hot_labels(shape, 3, axis=1),
        strategies.probabilities(shape, 3, axis=1),
    ):
        assert np.isfinite(td.losses.cross_entropy(logits, data.draw(target)).numpy())
    mask = data.draw(strategies.binary_masks(logits.shape))
    loss = td.losses.binary_cross_entropy_with_logits(logits, mask, "sum")
    assert np.isfinite(loss.numpy())
    prediction = data.draw(strategies.probabilities(shape, 3, requires_grad=True))
    assert prediction.requires_grad
    target = data.draw(strategies.probabilities(shape, 3))
    assert not target.requires_grad
    assert (td.losses.kl_divergence(prediction, target, "none").numpy() > -1e-12).all()


@pytest.mark.parametrize(("axis", "shape"), [(-1, (2, 5, 3)), (1, (2, 3, 5)), (0, (3, 2, 5))])
def test_where_the_classes_are(axis: int, shape: tuple[int, ...], smallest: Any) -> None:
    for labels in (strategies.one_hot_labels, strategies.probabilities):
        x = smallest(labels((2, 5), 3, axis=axis)).numpy()
        assert x.shape == shape
        assert x.flags.c_contiguous
        np.testing.assert_allclose(x.sum(axis), 1)


def test_labels_reach(examples: Any) -> None:
    drawn = [x.numpy() for x in examples(strategies.labels((6,), 3, ignore_index=-100))]
    assert {int(i) for x in drawn for i in x} == {-100, 0, 1, 2}
    assert any((x == -100).all() for x in drawn)
    assert any((x >= 0).all() for x in drawn)
    assert any(0 < (x == -100).sum() < 6 for x in drawn)
    assert any(len(set(x.tolist())) == 3 for x in drawn if x.min() >= 0)
    assert all((x.numpy() >= 0).all() for x in examples(strategies.labels((6,), 3)))  # only on request
    hot = np.stack([x.numpy() for x in examples(strategies.one_hot_labels((), 3))])
    assert (hot.sum(0) > 0).all()
    rows = np.stack([x.numpy() for x in examples(strategies.probabilities((), 3))])
    assert rows.min() < 0.1
    assert rows.max() > 0.7
    filled = [int(x.numpy().sum()) for x in examples(strategies.binary_masks((2, 2)))]
    assert set(filled) == {0, 1, 2, 3, 4}
    assert any(x.size == 0 for x in examples(strategies.labels(small, 3)))


def test_labels_shrink(smallest: Any) -> None:
    assert smallest(strategies.labels(small, 3, ignore_index=-100)).shape == ()
    few = smallest(strategies.labels(small, 3, ignore_index=-100), lambda x: x.size > 1)
    assert few.shape == (2,)
    assert few.numpy().min() >= 0
    assert smallest(strategies.binary_masks((3,))).numpy().tolist() == [0, 0, 0]
    assert smallest(strategies.probabilities(small, 2)).shape == (2,)
    assert smallest(strategies.one_hot_labels(small, 2)).shape == (2,)


def test_no_classes(smallest: Any) -> None:
    with pytest.raises(ValueError, match="low <= high"):
        smallest(strategies.labels((2,), 0))
