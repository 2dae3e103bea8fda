"""Metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl import metrics
from tinydl.testing import strategies


@pytest.fixture(scope="module")
def tensor(device: str) -> Callable[..., td.Tensor]:
    """`td.tensor` on the device: metrics take tensors of any, and give numbers or NumPy arrays."""
    return partial(td.tensor, device=device)


def test_accuracy_counts_right_answers(tensor: Any) -> None:
    scores = tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    assert metrics.accuracy(scores, tensor([1, 0, 0, 0])) == 0.75
    assert type(metrics.accuracy(scores, tensor([1, 0, 0, 0]))) is float


def test_accuracy_of_pixels(tensor: Any) -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    expected = (scores.argmax(1) == labels).mean()
    assert metrics.accuracy(tensor(scores), tensor(labels)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "labels"), [((4, 2), (3,)), ((4, 2), (4, 1)), ((4,), (4,)), ((4, 2), (4, 2)), ((2, 3, 4), (2, 3))]
)  # fmt: skip
def test_accuracy_refuses_shapes_that_do_not_fit(scores: Any, labels: Any, device: str) -> None:
    with pytest.raises(ValueError, match="accuracy: scores"):
        metrics.accuracy(td.zeros(scores, device=device), td.zeros(labels, dtype="int64", device=device))


def test_accuracy_of_nothing_is_an_error(device: str) -> None:
    with pytest.raises(ValueError, match="no labels"):
        metrics.accuracy(td.zeros(0, 3, device=device), td.zeros(0, dtype="int64", device=device))


def test_confusion_matrix_has_true_rows_and_predicted_columns(tensor: Any) -> None:
    m = metrics.confusion_matrix(tensor([0, 1, 1, 2, 0]), tensor([0, 0, 1, 2, 2]))
    assert m.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert m.sum() == 5


def test_confusion_matrix_of_scores_has_all_classes(tensor: Any) -> None:
    scores = tensor([[0.9, 0.0, 0.1, 0.0], [0.1, 0.8, 0.1, 0.0]])
    assert metrics.confusion_matrix(scores, tensor([0, 0])).shape == (4, 4)
    assert metrics.confusion_matrix(tensor([0]), tensor([1]), classes=5).shape == (5, 5)
    assert metrics.confusion_matrix(tensor([0]), tensor([1])).tolist() == [[0, 0], [1, 0]]


def test_confusion_matrix_of_nothing_is_zero(device: str) -> None:
    empty = td.zeros(0, dtype="int64", device=device)
    assert metrics.confusion_matrix(empty, empty, classes=2).tolist() == [[0, 0], [0, 0]]
    assert metrics.confusion_matrix(empty, empty).shape == (0, 0)


def test_confusion_matrix_of_small_integers_does_not_overflow(tensor: Any) -> None:
    labels = tensor(np.full(3, 200, np.uint8))
    m = metrics.confusion_matrix(labels, labels)
    assert m.shape == (201, 201)
    assert m[200, 200] == 3
    assert m.sum() == 3


def test_confusion_matrix_refuses_what_does_not_fit(tensor: Any) -> None:
    with pytest.raises(ValueError, match="predictions"):
        metrics.confusion_matrix(tensor([0, 1]), tensor([0, 1, 1]))
    with pytest.raises(ValueError, match="target has labels outside"):
        metrics.confusion_matrix(tensor([0, 1]), tensor([0, 2]), classes=2)
    with pytest.raises(TypeError, match="integer labels, got float32"):
        metrics.confusion_matrix(tensor([0.0, 1.0]), tensor([0, 1]))
    with pytest.raises(ValueError, match="prediction has labels outside"):
        metrics.confusion_matrix(tensor([0, -1]), tensor([0, 1]), classes=2)


TESTED = {"accuracy", "confusion_matrix", "dice", "iou", "psnr", "ssim", "roc_auc"}


def test_every_public_function_is_tested(public_functions: Any) -> None:
    assert public_functions(metrics) == TESTED


# ---- overlap of masks


def test_dice_of_the_course(tensor: Any) -> None:
    truth, guess = [[1, 0, 0], [0, 1, 0], [1, 0, 1]], [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert metrics.dice(tensor(guess), tensor(truth)) == 0.75
    assert metrics.dice(tensor(guess) == 1, tensor(truth) == 1) == 0.75
    assert metrics.iou(tensor(guess), tensor(truth)) == 0.6
    truth, guess = [[0, 1, 1], [0, 2, 0], [2, 0, 1]], [[0, 1, 0], [2, 2, 0], [2, 0, 1]]
    assert metrics.dice(tensor(guess), tensor(truth)) == 0.8
    for label in (1, 2):
        masks = (tensor(np.array(m) == label) for m in (guess, truth))
        assert metrics.dice(*masks) == 0.8
    assert metrics.iou(tensor(guess), tensor(truth)) == pytest.approx(2 / 3, rel=1e-15)
    assert type(metrics.dice(tensor(guess), tensor(truth))) is float


def by_sets(name: str, guess: Any, truth: Any, classes: int, background: bool) -> float:
    values = []
    for label in range(0 if background else 1, classes):
        p, t = ({tuple(i) for i in np.argwhere(mask == label)} for mask in (guess, truth))
        if not p | t:
            values.append(1.0)
        elif name == "dice":
            values.append(2 * len(p & t) / (len(p) + len(t)))
        else:
            values.append(len(p & t) / len(p | t))
    return sum(values) / len(values)


@pytest.mark.parametrize("name", ["dice", "iou"])
@given(data=st.data())
def test_overlap_by_sets(name: str, data: Any, tensor: Any) -> None:
    shape = data.draw(strategies.shapes(0, 3, 0, 4))
    guess, truth = (data.draw(strategies.arrays(shape, np.int64, 0, 2)) for _ in range(2))
    classes, background = data.draw(st.none() | st.integers(3, 5)), data.draw(st.booleans())
    seen = max(1, *(int(m.max(initial=0)) for m in (guess, truth))) + 1
    value = getattr(metrics, name)(tensor(guess), tensor(truth), classes, background)
    assert value == pytest.approx(by_sets(name, guess, truth, classes or seen, background), rel=1e-14)


@pytest.mark.parametrize("name", ["dice", "iou"])
def test_empty_masks_and_the_background(name: str, tensor: Any, device: str) -> None:
    fn = getattr(metrics, name)
    none, one = td.zeros(2, 2, dtype="int64", device=device), tensor([[0, 0], [0, 1]])
    assert fn(none, none) == 1.0
    assert fn(none, none, include_background=True) == 1.0
    assert fn(one, none) == 0.0
    assert fn(one, one, classes=4) == 1.0
    assert fn(none, none, classes=1, include_background=True) == 1.0
    background = {"dice": 6 / 7, "iou": 3 / 4}[name]
    assert fn(one, none, include_background=True) == pytest.approx(background / 2, rel=1e-15)
    assert fn(one.astype("uint8"), one) == 1.0


@pytest.mark.parametrize("name", ["dice", "iou"])
def test_overlap_refuses(name: str, tensor: Any, device: str) -> None:
    fn, mask = getattr(metrics, name), tensor([0, 1, 2])
    with pytest.raises(ValueError, match=rf"^{name}: expected masks of one shape, got \(3,\) and \(2,\)"):
        fn(mask, mask[:2])
    for pair in ((td.ones(3, device=device), mask), (mask, td.ones(3, device=device))):
        with pytest.raises(TypeError, match=f"^{name}: expected masks of integers or booleans, got float32"):
            fn(*pair)
    for pair in ((mask, mask), (mask - 1, mask - 1)):
        with pytest.raises(ValueError, match=rf"^{name}: labels must be in \[0, 1\]"):
            fn(*pair, classes=2)
    with pytest.raises(ValueError, match=f"^{name}: expected classes=2 or more, got 1"):
        fn(mask * 0, mask * 0, classes=1)
    with pytest.raises(ValueError, match=f"^{name}: expected classes=1 or more, got 0"):
        fn(mask * 0, mask * 0, classes=0, include_background=True)


# ---- likeness of images


def test_psnr(tensor: Any) -> None:
    a = tensor(np.array([[0.0, 0.5], [1.0, 0.25]]))
    assert metrics.psnr(a, a) == float("inf")
    assert metrics.psnr(a + 0.1, a) == pytest.approx(20.0, rel=1e-12)
    assert metrics.psnr(a * 255 + 25.5, a * 255, data_range=255) == pytest.approx(20.0, rel=1e-12)
    dark, bright = tensor(np.zeros(4, np.uint8)), tensor(np.full(4, 255, np.uint8))
    assert metrics.psnr(dark, bright, 255) == metrics.psnr(bright, dark, 255) == 0.0
    assert type(metrics.psnr(a, a + 1)) is float


def ssim_by_loops(a: Any, b: Any, data_range: float) -> float:
    """One window after the other, with weighted means, variances and the covariance as they are defined."""
    weights = np.array([[np.exp(-(i * i + j * j) / 4.5) for j in range(-5, 6)] for i in range(-5, 6)])
    weights /= weights.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for n, c, i, j in np.ndindex(a.shape[0], a.shape[1], a.shape[2] - 10, a.shape[3] - 10):
        p, q = (x[n, c, i : i + 11, j : j + 11] for x in (a, b))
        mp, mq = (weights * p).sum(), (weights * q).sum()
        vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
        cov = (weights * (p - mp) * (q - mq)).sum()
        found.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(found))


@pytest.mark.parametrize("data_range", [1.0, 255.0])
@pytest.mark.parametrize("shape", [(1, 1, 11, 11), (2, 3, 12, 14), (1, 1, 15, 11)])
def test_ssim_by_loops(shape: Any, data_range: float, tensor: Any) -> None:
    rng = np.random.default_rng(0)
    a = rng.random(shape) * data_range
    b = np.clip(a + rng.normal(0, 0.2 * data_range, shape), 0, data_range)
    value = metrics.ssim(tensor(a), tensor(b), data_range)
    assert value == pytest.approx(ssim_by_loops(a, b, data_range), rel=1e-11)
    assert 0 < value < 1
    assert metrics.ssim(tensor(b), tensor(a), data_range) == pytest.approx(value, rel=1e-12)


def test_ssim_of_known_images(tensor: Any, device: str) -> None:
    a = tensor(np.random.default_rng(0).random((1, 2, 16, 16)))
    assert metrics.ssim(a, a) == pytest.approx(1.0, rel=1e-12)
    dark, grey = td.zeros(1, 1, 11, 11, device=device), td.full((1, 1, 11, 11), 0.5, device=device)
    assert metrics.ssim(dark, grey) == pytest.approx(1e-4 / (0.25 + 1e-4), rel=1e-6)  # without contrast


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_likeness_refuses(name: str, device: str) -> None:
    fn = getattr(metrics, name)
    with pytest.raises(ValueError, match=rf"^{name}: expected images of one shape, got \(2, 3\) and \(3,\)"):
        fn(td.ones(2, 3, device=device), td.ones(3, device=device))
    with pytest.raises(ValueError, match=f"^{name}: expected images"):
        fn(td.ones(0, 1, 11, 11, device=device), td.ones(0, 1, 11, 11, device=device))
    if name == "ssim":
        for shape in ((11, 11), (1, 11, 11), (1, 1, 10, 11), (1, 1, 11, 10)):
            with pytest.raises(
                ValueError, match=r"^ssim: expected images \(N, C, H, W\) of 11x11 or more, got"
            ):
                fn(td.ones(shape, device=device), td.ones(shape, device=device))


# ---- the ROC curve


def auc_by_pairs(scores: Any, labels: Any) -> float:
    pairs = [(p, n) for p in scores[labels == 1] for n in scores[labels == 0]]
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)


@given(data=st.data())
def test_roc_auc_by_pairs(data: Any, tensor: Any) -> None:
    """Scores with one decimal, so that many are equal."""
    n = data.draw(st.integers(2, 12))
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    labels[:2] = 0, 1
    scores = np.round(data.draw(strategies.arrays((n,), low=0.0, high=1.0)), 1)
    value = metrics.roc_auc(tensor(scores), tensor(labels))
    assert value == pytest.approx(auc_by_pairs(scores, labels), rel=1e-12)
    flipped = metrics.roc_auc(tensor(-scores), tensor(labels))
    assert value + flipped == pytest.approx(1.0, rel=1e-12)


def test_roc_auc_by_hand(tensor: Any, device: str) -> None:
    scores = tensor([0.1, 0.4, 0.35, 0.8])
    assert metrics.roc_auc(scores, tensor([0, 0, 1, 1])) == 0.75
    assert metrics.roc_auc(scores, tensor([False, False, True, True])) == 0.75
    assert metrics.roc_auc(scores, tensor([0.0, 0.0, 1.0, 1.0])) == 0.75
    assert metrics.roc_auc(scores, tensor([0, 0, 0, 1])) == 1.0
    assert metrics.roc_auc(scores, tensor([1, 0, 0, 0])) == 0.0
    assert metrics.roc_auc(td.ones(4, device=device), tensor([0, 0, 1, 1])) == 0.5
    assert type(metrics.roc_auc(scores, tensor([0, 0, 1, 1]))) is float


def test_roc_auc_of_many_scores(tensor: Any) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    scores = (rng.normal(size=300) + labels).astype(np.float32)
    value = metrics.roc_auc(tensor(scores), tensor(labels))
    assert value == pytest.approx(auc_by_pairs(scores, labels), rel=1e-12)


def test_roc_auc_refuses(tensor: Any, device: str) -> None:
    for scores, labels in (
        ((4,), [0, 1, 1]),
        ((2, 2), [[0, 1], [1, 0]]),
        ((3,), [0, 1, 2]),
        ((3,), [-1, 1, 1]),
    ):
        with pytest.raises(
            ValueError, match=r"^roc_auc: expected scores \(N,\) and labels 0 or 1 \(N,\), got"
        ):
            metrics.roc_auc(td.ones(scores, device=device), tensor(labels))
    for labels in ([1, 1], [0, 0]):
        with pytest.raises(ValueError, match=r"^roc_auc: expected both classes among the labels"):
            metrics.roc_auc(td.ones(2, device=device), tensor(labels))
