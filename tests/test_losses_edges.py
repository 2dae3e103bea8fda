"""Losses at the edges: huge logits, probabilities of 0 and 1, corners, masked classes, ignored labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl import losses
from tinydl.testing.point import host

RNG = np.random.default_rng(0)
N, C = 5, 4


def logits(*shape: int) -> Any:
    return RNG.normal(size=shape) * 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_at_huge_logits_is_exact(dtype: Any, device: str) -> None:
    x = td.tensor(
        np.array([[1000, -1000, 0], [1000, -1000, 0], [-1000, -1000, -1000]], dtype),
        requires_grad=True,
        device=device,
    )
    each = losses.cross_entropy(x, td.tensor([0, 1, 2], device=device), reduction="none")
    assert host(each)[:2].tolist() == [0.0, 2000.0]
    assert host(each)[2] == pytest.approx(math.log(3), rel=1e-6)
    each.sum().backward()
    assert x.grad is not None
    assert host(x.grad)[0].tolist() == [0.0, 0.0, 0.0]
    assert host(x.grad)[1].tolist() == [1.0, -1.0, 0.0]
    np.testing.assert_allclose(host(x.grad)[2], [1 / 3, 1 / 3, -2 / 3], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_with_logits_at_huge_logits_is_exact(dtype: Any, device: str) -> None:
    x = td.tensor(np.array([1000, 1000, -1000, -1000, 40, -40, 0], dtype), requires_grad=True, device=device)
    t = td.tensor(np.array([1, 0, 1, 0, 0, 0, 0.5], dtype), device=device)
    each = losses.binary_cross_entropy_with_logits(x, t, "none")
    assert host(each)[:4].tolist() == [0.0, 1000.0, 1000.0, 0.0]
    assert host(each)[4] == pytest.approx(40.0, rel=1e-7)
    assert host(each)[5] == pytest.approx(math.exp(-40), rel=1e-6)
    assert host(each)[6] == pytest.approx(math.log(2), rel=1e-6)
    each.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(host(x.grad), [0, 1, -1, 0, 1, math.exp(-40), 0], rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_focal_at_huge_logits_is_exact(dtype: Any, device: str) -> None:
    x = td.tensor(np.array([1000, 1000, -1000, -1000], dtype), requires_grad=True, device=device)
    each = losses.focal(x, td.tensor(np.array([1, 0, 1, 0], dtype), device=device), reduction="none")
    assert host(each).tolist() == [0.0, 750.0, 250.0, 0.0]
    each.sum().backward()
    assert x.grad is not None
    assert host(x.grad).tolist() == [0.0, 0.75, -0.25, 0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_at_exact_zero_and_one_is_finite(dtype: Any, device: str) -> None:
    x = td.tensor(np.array([0, 1, 0, 1], dtype), requires_grad=True, device=device)
    each = losses.binary_cross_entropy(x, td.tensor(np.array([0, 1, 1, 0], dtype), device=device), "none")
    assert host(each).tolist() == [0.0, 0.0, 100.0, 100.0]
    each.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(host(x.grad), [1.0, -1.0, -1e12, 1e12], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_categorical_cross_entropy_at_exact_zero_and_one_is_finite(dtype: Any, device: str) -> None:
    x = td.tensor(np.array([[0, 1], [0, 1]], dtype), requires_grad=True, device=device)
    each = losses.categorical_cross_entropy(
        x, td.tensor(np.array([[0, 1], [1, 0]], dtype), device=device), "none"
    )
    assert host(each).tolist() == [0.0, 100.0]
    each.sum().backward()
    assert x.grad is not None
    assert np.isfinite(host(x.grad)).all()


def test_kl_divergence_of_zeros(device: str) -> None:
    o = td.tensor(np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]), requires_grad=True, device=device)
    t = td.tensor(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), device=device)
    each = losses.kl_divergence(o, t, "none")
    assert host(each)[:2].tolist() == [pytest.approx(math.log(2)), 0.0]
    assert host(each)[2] == pytest.approx(100.0)
    each.sum().backward()
    assert o.grad is not None
    assert np.isfinite(host(o.grad)).all()


INF = math.inf
MASKED = [[1.0, -INF, 2.0], [-INF, 0.3, 0.2], [0.5, 0.1, -INF]]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0]])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_class_masked_by_minus_infinity_under_an_ignored_label(
    smoothing: float, weights: Any, reduction: str, device: str, agrees_with_torch: Any, torch: Any
) -> None:
    """Ignored is ignored, also where class 0 is masked; smoothed losses of the others are infinite."""
    t = np.array([0, -100, 0])
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
    ours = dict(options, weight=None if weights is None else td.tensor(np.array(weights), device=device))
    twin = dict(options, weight=None if weights is None else torch.tensor(np.array(weights)))
    assert agrees_with_torch(
        lambda x: losses.cross_entropy(x, td.tensor(t, device=device), **ours),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(t), **twin),
        [td.tensor(np.array(MASKED), requires_grad=True, device=device)],
    )


@pytest.mark.parametrize("row", range(3))
def test_a_masked_class_of_probability_zero_counts_nothing(row: int, device: str) -> None:
    """0 log 0 = 0: the loss and two derivatives are those of the other classes (in PyTorch the loss is NaN)."""
    weights = np.array([0.5, 2.0, 1.0])
    kept = np.isfinite(MASKED[row])
    soft = np.zeros(3)
    soft[kept] = 0.4, 0.6
    found = []
    for classes in (np.array([True] * 3), kept):
        x = td.tensor(np.array(MASKED[row])[classes], requires_grad=True, device=device)
        t, w = (td.tensor(a[classes], device=device) for a in (soft, weights))
        out = losses.cross_entropy(x, t, w)
        (g,) = td.grad(out, x, create_graph=True)
        (h,) = td.grad((g * g).sum(), x)
        found.append([host(y) for y in (out, g, h)])
    (out, *grads), (want, *others) = found
    assert out == pytest.approx(want, rel=1e-14)
    for ours, theirs in zip(grads, others, strict=True):
        assert ours[~kept].tolist() == [0.0]
        np.testing.assert_allclose(ours[kept], theirs, rtol=1e-12, atol=1e-15)


def test_a_class_of_probability_zero_has_a_gradient_for_its_probability(device: str) -> None:
    """d loss / d t is -log p where t is 0 as well (in a distillation the target is computed, and may be 0)."""
    logits = np.array([[0.5, -1.0, 2.0], [0.0, 0.3, -0.2]])
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    weights = np.array([0.5, 2.0, 1.0])
    x, w = (td.tensor(a, device=device) for a in (logits, weights))
    t = td.tensor(np.array([[0.0, 0.4, 0.6], [1.0, 0.0, 0.0]]), requires_grad=True, device=device)
    each = losses.cross_entropy(x, t, w, reduction="none")
    cotangent = np.array([0.7, -1.3])
    (g,) = td.grad(each, t, td.tensor(cotangent, device=device))
    assert g is not None
    np.testing.assert_allclose(host(g), -cotangent[:, None] * weights * log_p, rtol=1e-13)


def test_a_masked_class_of_weight_zero_counts_nothing(device: str) -> None:
    x = td.tensor(np.array(MASKED), device=device)
    weight = td.tensor(np.array([0.0, 1.0, 1.0]), device=device)
    each = host(losses.cross_entropy(x, td.tensor([2, 0, 1], device=device), weight, reduction="none"))
    assert each[1] == 0.0
    assert np.isfinite(each).all()


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
def test_the_loss_of_a_label_that_is_masked_is_infinite(loss: Any, device: str) -> None:
    x = td.tensor(np.array([[0.0, -INF]]), device=device)
    assert loss(x, td.tensor([1], device=device)).item() == INF


def test_the_second_derivative_of_huber_is_1_at_a_perfect_prediction(device: str) -> None:
    x = td.tensor(np.array([1.0, 1.5, 9.0, -9.0]), requires_grad=True, device=device)
    (g,) = td.grad(
        losses.huber(x, td.ones(4, dtype="float64", device=device), reduction="sum"), x, create_graph=True
    )
    (h,) = td.grad(g.sum(), x)
    assert host(g).tolist() == [0.0, 0.5, 1.0, -1.0]
    assert host(h).tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
@pytest.mark.parametrize("weighted", [False, True])
def test_everything_ignored_gives_zero_with_gradient_zero(loss: Any, weighted: bool, device: str) -> None:
    x = td.tensor(logits(3, C), requires_grad=True, device=device)
    weight = td.tensor(np.ones(C), device=device) if weighted else None
    out = loss(x, td.tensor([-100] * 3, device=device), weight)
    assert out.item() == 0.0
    out.backward()
    assert x.grad is not None
    assert (host(x.grad) == 0).all()


def test_ignored_labels_count_neither_in_the_sum_nor_in_the_mean(device: str) -> None:
    x = logits(4, C)
    some = losses.cross_entropy(
        td.tensor(x, device=device), td.tensor([1, -100, 2, -100], device=device), label_smoothing=0.1
    )
    rest = losses.cross_entropy(
        td.tensor(x[[0, 2]], device=device), td.tensor([1, 2], device=device), label_smoothing=0.1
    )
    assert some.item() == pytest.approx(rest.item(), rel=1e-14)
    each = losses.cross_entropy(
        td.tensor(x, device=device), td.tensor([1, 7, 2, 7], device=device), ignore_index=7, reduction="none"
    )
    assert host(each)[[1, 3]].tolist() == [0.0, 0.0]


def test_rmse_of_a_perfect_prediction_has_gradient_zero(device: str) -> None:
    x = td.tensor(np.ones(3), requires_grad=True, device=device)
    for reduction in ("mean", "sum", "none"):
        out = losses.rmse(x, td.tensor(np.ones(3), device=device), reduction)
        assert (host(out) == 0).all()
        out.sum().backward()
        assert x.grad is not None
        assert (host(x.grad) == 0).all()


def test_mae_and_hinge_at_their_corners_have_gradient_zero(device: str) -> None:
    x = td.tensor(np.ones(2), requires_grad=True, device=device)
    losses.mae(x, td.tensor(np.ones(2), device=device)).backward()
    losses.hinge(x, td.tensor(np.array([1.0, 1.0]), device=device)).backward()
    assert x.grad is not None
    assert (host(x.grad) == 0).all()


def test_dice_of_an_empty_mask_predicted_empty_is_zero(device: str) -> None:
    zeros = td.zeros(2, 3, 4, 4, device=device)
    assert losses.dice(zeros, zeros).item() == 0.0
    ones = td.ones(2, 3, 4, 4, device=device)
    assert losses.dice(ones, ones).item() == 0.0
    assert host(losses.dice(ones, zeros, reduction="none")).tolist() == [[pytest.approx(1 - 1 / 17)] * 3] * 2


@given(sign=st.sampled_from((-1.0, 1.0)), delta=st.floats(0.01, 5.0))
def test_huber_is_continuous_between_its_two_halves(sign: float, delta: float, device: str) -> None:
    x = td.tensor(
        np.array([sign * delta * (1 - 1e-9), sign * delta, sign * delta * (1 + 1e-9)]),
        requires_grad=True,
        device=device,
    )
    each = losses.huber(x, td.zeros(3, dtype="float64", device=device), delta, "none")
    np.testing.assert_allclose(host(each), delta**2 / 2, rtol=1e-8)
    each.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(host(x.grad), sign * delta, rtol=1e-8)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_is_0_where_all_labels_have_weight_0(device: str, smoothing: float) -> None:
    """Also with label smoothing, which gives the other class its share of a loss that counts for nothing."""
    x = td.tensor([[-3.0, -1.5]], requires_grad=True, device=device)
    label, weight = td.tensor([1], device=device), td.tensor([0.5, 0.0], device=device)
    loss = losses.cross_entropy(x, label, weight=weight, label_smoothing=smoothing)
    loss.backward()
    assert loss.item() == 0.0
    assert x.grad is not None
    assert host(x.grad).tolist() == [[0.0, 0.0]]
