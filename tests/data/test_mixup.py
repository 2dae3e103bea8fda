"""Mixup: mixtures of images and the same mixtures of their classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.data import DataLoader
from tinydl.data.augment import Compose, Mixup, RandomHorizontalFlip
from tinydl.data.augment.mixup import symmetric_beta
from tinydl.random import Generator


@given(n=st.integers(0, 12), seed=st.integers(0, 2**32), alpha=st.floats(0.01, 20))
def test_targets_are_the_same_mixture_as_inputs_and_add_up_to_1(n, seed, alpha):
    """An input of the form (one-hot class, 1) shows its own mixture."""
    labels = Generator(seed).integers(0, 5, (n,))
    x = np.eye(5, dtype=np.float32)[labels].reshape(n, 1, 5, 1)
    before = x.copy()
    y, targets = Mixup(5, alpha).batch((x, labels), seed)
    assert y.dtype == targets.dtype == np.float32
    assert y.shape == x.shape
    np.testing.assert_allclose(targets, y.reshape(n, 5), atol=1e-6)
    np.testing.assert_allclose(targets.sum(1), np.ones(n), atol=1e-6)
    assert (targets >= 0).all()
    assert ((targets > 0).sum(1) <= 2).all()
    assert (x == before).all()
    again = Mixup(5, alpha).batch((x, labels), seed)
    assert (again[0] == y).all()


def test_the_shares_are_those_of_a_beta_distribution():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed: no comparison with it")
    for alpha in (0.1, 0.2, 1.0, 4.0):
        drawn = symmetric_beta(alpha, 3_000, Generator(1))
        assert drawn.dtype == np.float64
        assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1, 10])
def test_their_mean_and_variance(alpha):
    drawn = symmetric_beta(alpha, 20_000, Generator(2))
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.015)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)


def test_partners_come_from_all_over_the_batch_and_shares_differ():
    y, _ = Mixup(2, alpha=1).batch((np.eye(40, dtype=np.float32), np.zeros(40, int)), 0)
    partners = {int(np.argsort(row)[-1]) for row in y} | {int(np.argsort(row)[-2]) for row in y}
    assert len(partners) > 35
    assert len(np.unique(np.diag(y))) > 35


def test_cross_entropy_and_accuracy_take_what_a_loader_mixes():
    x, y = Generator(0).random((10, 1, 4, 4)), np.arange(10) % 3
    loader = DataLoader((x, y), 10, generator=0, transform=Compose(RandomHorizontalFlip(), Mixup(3)))
    ((images, targets),) = loader
    assert targets.shape == (10, 3)
    scores = td.tensor(Generator(1).normal((10, 3)))
    logs = td.functional.log_softmax(scores).numpy()
    assert td.losses.cross_entropy(scores, targets).item() == pytest.approx(
        -(targets.numpy() * logs).sum() / 10
    )
    right = (scores.numpy().argmax(1) == targets.numpy().argmax(1)).mean()
    assert td.metrics.accuracy(scores, targets) == pytest.approx(right)
    assert images.shape == (10, 1, 4, 4)


def test_probabilities_are_mixed_as_they_are():
    x, p = Generator(0).random((6, 2)), np.full((6, 4), 0.25, np.float32)
    assert (Mixup(4).batch((x, p), 0)[1] == p).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Mixup(1), ValueError, "expected 2 or more classes and a positive alpha, got 1"),
        (lambda: Mixup(3, alpha=0), ValueError, "alpha=0"),
        (lambda: Mixup(3)(np.zeros((2, 1, 3, 3), np.float32), 0), ValueError, "Mixup: expected inputs and targets"),
        (lambda: Mixup(3).batch((np.zeros((2, 4)), np.array([0, 3])), 0), ValueError, "labels 0 to 2, got 0 to 3"),
        (lambda: Mixup(3).batch((np.zeros((2, 4)), np.zeros(2)), 0), ValueError, r"integer labels \(N,\)"),
        (lambda: Mixup(3).batch((np.zeros((2, 4), int), np.zeros(2, int)), 0), TypeError, "floating inputs"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
