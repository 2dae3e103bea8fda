"""Losses: PyTorch's values and gradients, plain formulas, and what happens at the edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl import losses

RNG = np.random.default_rng(0)
N, C = 5, 4


def logits(*shape: int) -> Any:
    return RNG.normal(size=shape) * 2


def probabilities(*shape: int) -> Any:
    return RNG.uniform(0.05, 0.95, shape)


def distributions(*shape: int, axis: int = 1) -> Any:
    p = RNG.uniform(0.05, 1.0, shape)
    return p / p.sum(axis, keepdims=True)


def check_gradient(loss: Callable[[td.Tensor], td.Tensor], x: Any, tolerance: float = 1e-7) -> None:
    """Compares the gradient with central differences in float64, along random directions."""
    rng = np.random.default_rng(1)
    leaf = td.tensor(x, requires_grad=True)
    out = loss(leaf)
    cotangent = rng.normal(size=out.shape)
    out.backward(td.tensor(np.asarray(cotangent)))
    assert leaf.grad is not None
    for _ in range(3):
        direction = rng.normal(size=np.shape(x))
        h = 1e-6
        up, down = (loss(td.tensor(x + s * h * direction)).data for s in (1, -1))
        numeric = ((up - down) * cotangent).sum() / (2 * h)
        analytic = (leaf.grad.data * direction).sum()
        assert analytic == pytest.approx(numeric, rel=tolerance, abs=tolerance)


# name: (ours, torch's name and options, prediction, target)
TWO: dict[str, tuple[Any, Any, Any]] = {
    "mse": (losses.mse, logits(N, 3), logits(N, 3)),
    "mae": (losses.mae, logits(N, 3), logits(N, 3)),
    "rmse": (losses.rmse, logits(N, 3), logits(N, 3)),
    "msle": (losses.msle, probabilities(N, 3) * 9, probabilities(N, 3) * 9),
    "huber": (losses.huber, logits(N, 3), logits(N, 3)),
    "hinge": (losses.hinge, logits(N), np.sign(logits(N))),
    "binary_cross_entropy": (losses.binary_cross_entropy, probabilities(N, 3), probabilities(N, 3)),
    "binary_cross_entropy_with_logits": (
        losses.binary_cross_entropy_with_logits, logits(N, 3), probabilities(N, 3),
    ),
    "categorical_cross_entropy": (
        losses.categorical_cross_entropy, distributions(N, C), distributions(N, C),
    ),
    "kl_divergence": (losses.kl_divergence, distributions(N, C), distributions(N, C)),
    "gaussian_kl": (losses.gaussian_kl, logits(N, 3), logits(N, 3) / 2),
    "dice": (losses.dice, probabilities(2, 3, 4, 4), (probabilities(2, 3, 4, 4) > 0.5) * 1.0),
    "focal": (losses.focal, logits(N, 3), (probabilities(N, 3) > 0.5) * 1.0),
    "cross_entropy of probabilities": (losses.cross_entropy, logits(N, C), distributions(N, C)),
}  # fmt: skip

# By hand, elementwise before the reduction.
PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "mse": lambda o, t: (o - t) ** 2,
    "mae": lambda o, t: np.abs(o - t),
    "msle": lambda o, t: (np.log(1 + o) - np.log(1 + t)) ** 2,
    "huber": lambda o, t: np.where(abs(o - t) <= 1, (o - t) ** 2 / 2, abs(o - t) - 0.5),
    "hinge": lambda o, t: np.maximum(0, 1 - o * t),
    "binary_cross_entropy": lambda o, t: -(t * np.log(o) + (1 - t) * np.log(1 - o)),
    "binary_cross_entropy_with_logits": lambda o, t: (
        -(t * np.log(1 / (1 + np.exp(-o))) + (1 - t) * np.log(1 / (1 + np.exp(o))))
    ),
    "categorical_cross_entropy": lambda o, t: -(t * np.log(o)).sum(1),
    "kl_divergence": lambda o, t: (t * np.log(t / o)).sum(-1),
    "gaussian_kl": lambda m, v: -0.5 * (1 + v - m**2 - np.exp(v)).sum(-1),
    "dice": lambda o, t: 1 - (2 * (o * t).sum((2, 3)) + 1) / ((o + t).sum((2, 3)) + 1),
    "focal": lambda o, t: np.where(
        t == 1,
        -0.25 * (1 / (1 + np.exp(o))) ** 2 * np.log(1 / (1 + np.exp(-o))),
        -0.75 * (1 / (1 + np.exp(-o))) ** 2 * np.log(1 / (1 + np.exp(o))),
    ),
    "cross_entropy of probabilities": lambda o, t: (
        -(t * (o - np.log(np.exp(o).sum(1, keepdims=True)))).sum(1)
    ),
}


@pytest.mark.parametrize("name", list(TWO))
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_values_by_the_plain_formula(name: str, reduction: str) -> None:
    loss, o, t = TWO[name]
    if name == "rmse":
        each = (o - t) ** 2
        expected = np.sqrt({"mean": each.mean(), "sum": each.sum(), "none": each}[reduction])
    else:
        each = PLAIN[name](o, t)
        expected = {"mean": each.mean(), "sum": each.sum(), "none": each}[reduction]
    got = loss(td.tensor(o), td.tensor(t), reduction=reduction)
    assert got.shape == np.shape(expected)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got.data, expected, rtol=1e-12)


@pytest.mark.parametrize("name", list(TWO))
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradients_by_finite_differences(name: str, reduction: str) -> None:
    loss, o, t = TWO[name]
    check_gradient(lambda x: loss(x, td.tensor(t), reduction=reduction), o, 1e-6)
    if name not in ("hinge", "focal"):  # these are functions of continuous targets too
        inside = t * 0.9 + 0.02
        check_gradient(lambda x: loss(td.tensor(o), x, reduction=reduction), inside, 1e-6)


@pytest.mark.parametrize("name", list(TWO))
def test_float32_in_float32_out(name: str) -> None:
    loss, o, t = TWO[name]
    x = td.tensor(o.astype(np.float32), requires_grad=True)
    out = loss(x, td.tensor(t.astype(np.float32)))
    out.backward()
    assert out.dtype == np.float32
    assert x.grad is not None
    assert x.grad.dtype == np.float32


def torch_pairs() -> list[Any]:
    def f(name: str, **options: Any) -> Callable[..., Any]:
        def call(torch: Any, o: Any, t: Any, reduction: str) -> Any:
            return getattr(torch.nn.functional, name)(o, t, reduction=reduction, **options)

        return call

    return [
        ("mse", {}, f("mse_loss")),
        ("mae", {}, f("l1_loss")),
        ("huber", {}, f("huber_loss")),
        ("huber", {"delta": 0.3}, f("huber_loss", delta=0.3)),
        ("huber", {"delta": 2.5}, f("huber_loss", delta=2.5)),
        ("binary_cross_entropy", {}, f("binary_cross_entropy")),
        ("binary_cross_entropy_with_logits", {}, f("binary_cross_entropy_with_logits")),
        ("cross_entropy of probabilities", {}, f("cross_entropy")),
        ("cross_entropy of probabilities", {"label_smoothing": 0.2}, f("cross_entropy", label_smoothing=0.2)),
    ]


@pytest.mark.parametrize("case", torch_pairs(), ids=lambda c: f"{c[0]}{c[1] or ''}")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_values_and_gradients_are_torchs(case: Any, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    name, options, theirs = case
    loss, o, t = TWO[name]
    compare(
        torch,
        lambda x: loss(x, td.tensor(t), reduction=reduction, **options),
        lambda x: theirs(torch, x, torch.tensor(t), reduction),
        o,
    )


def compare(torch: Any, ours: Any, theirs: Any, x: Any, tolerance: float = 1e-12) -> None:
    a, b = td.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    p, q = ours(a), theirs(b)
    np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=tolerance, atol=tolerance)
    weights = np.asarray(np.random.default_rng(3).normal(size=p.shape))
    p.backward(td.tensor(weights))
    q.backward(torch.tensor(weights))
    np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=tolerance, atol=tolerance)


LABELS = [
    pytest.param((N, C), (N,), id="N C"),
    pytest.param((2, C, 3, 2), (2, 3, 2), id="N C H W"),
    pytest.param((C,), (), id="C"),
]


@pytest.mark.parametrize(("shape", "labels"), LABELS)
@pytest.mark.parametrize("weight", [None, [0.2, 1.5, 0.0, 3.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("ignore", [None, 2])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_with_labels_is_torchs(
    shape: Any, labels: Any, weight: Any, smoothing: float, ignore: Any, reduction: str
) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    t = np.asarray(rng.integers(0, C, labels))
    t[...] = np.where(t == 2, 0, t) if labels == () else t  # a single label is not the ignored one
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
    if ignore is not None:
        options["ignore_index"] = ignore
    w = None if weight is None else np.array(weight)
    compare(
        torch,
        lambda x: losses.cross_entropy(x, td.tensor(t), None if w is None else td.tensor(w), **options),
        lambda x: torch.nn.functional.cross_entropy(
            x, torch.tensor(t), None if w is None else torch.tensor(w), **options
        ),
        rng.normal(size=shape) * 3,
    )


@pytest.mark.parametrize(("shape", "labels"), LABELS)
@pytest.mark.parametrize("weight", [None, [0.2, 1.5, 0.5, 3.0]])
@pytest.mark.parametrize("ignore", [-100, 1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nll_is_torchs(shape: Any, labels: Any, weight: Any, ignore: int, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    t = np.asarray(rng.integers(0, C, labels))
    t[...] = np.where(t == 1, 0, t) if labels == () else t
    w = None if weight is None else np.array(weight)
    compare(
        torch,
        lambda x: losses.nll(x, td.tensor(t), None if w is None else td.tensor(w), ignore, reduction),
        lambda x: torch.nn.functional.nll_loss(
            x,
            torch.tensor(t),
            None if w is None else torch.tensor(w),
            ignore_index=ignore,
            reduction=reduction,
        ),
        -np.abs(rng.normal(size=shape)),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_with_weighted_probabilities_is_torchs(reduction: str, smoothing: float) -> None:
    torch = pytest.importorskip("torch")
    w = np.array([0.2, 1.5, 0.5, 3.0])
    for shape in ((N, C), (2, C, 3)):
        t = distributions(*shape)
        compare(
            torch,
            lambda x, t=t: losses.cross_entropy(
                x, td.tensor(t), td.tensor(w), reduction=reduction, label_smoothing=smoothing
            ),
            lambda x, t=t: torch.nn.functional.cross_entropy(
                x, torch.tensor(t), torch.tensor(w), reduction=reduction, label_smoothing=smoothing
            ),
            logits(*shape),
        )


def test_the_shares_of_weights_by_hand() -> None:
    x = td.tensor(np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    t, w = td.tensor([0, 2]), td.tensor(np.array([1.0, 1.0, 3.0]))
    expected = (-math.log(0.5) - 3 * math.log(0.8)) / 4
    assert losses.cross_entropy(x, t, w).item() == pytest.approx(expected, rel=1e-14)
    assert losses.nll(x, t, w).item() == pytest.approx(expected, rel=1e-14)


def test_cross_entropy_of_labels_is_that_of_one_hot_probabilities() -> None:
    x, t = td.tensor(logits(N, C)), RNG.integers(0, C, N)
    for smoothing in (0.0, 0.25):
        by_label = losses.cross_entropy(x, td.tensor(t), label_smoothing=smoothing)
        by_share = losses.cross_entropy(x, td.tensor(np.eye(C)[t]), label_smoothing=smoothing)
        assert by_label.item() == pytest.approx(by_share.item(), rel=1e-13)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8"])
def test_labels_of_any_integer_type(loss: Any, dtype: str) -> None:
    x = td.tensor(-np.abs(logits(N, C)))
    t = np.array([0, 3, 1, 2, 0])
    assert loss(x, td.tensor(t.astype(dtype))).item() == loss(x, td.tensor(t)).item()


# ---- the edges


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_at_huge_logits_is_exact(dtype: Any) -> None:
    x = td.tensor(
        np.array([[1000, -1000, 0], [1000, -1000, 0], [-1000, -1000, -1000]], dtype), requires_grad=True
    )
    each = losses.cross_entropy(x, td.tensor([0, 1, 2]), reduction="none")
    assert each.data[:2].tolist() == [0.0, 2000.0]
    assert each.data[2] == pytest.approx(math.log(3), rel=1e-6)
    each.sum().backward()
    assert x.grad is not None
    assert x.grad.data[0].tolist() == [0.0, 0.0, 0.0]
    assert x.grad.data[1].tolist() == [1.0, -1.0, 0.0]
    np.testing.assert_allclose(x.grad.data[2], [1 / 3, 1 / 3, -2 / 3], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_with_logits_at_huge_logits_is_exact(dtype: Any) -> None:
    x = td.tensor(np.array([1000, 1000, -1000, -1000, 40, -40, 0], dtype), requires_grad=True)
    t = td.tensor(np.array([1, 0, 1, 0, 0, 0, 0.5], dtype))
    each = losses.binary_cross_entropy_with_logits(x, t, "none")
    assert each.data[:4].tolist() == [0.0, 1000.0, 1000.0, 0.0]
    assert each.data[4] == pytest.approx(40.0, rel=1e-7)
    assert each.data[5] == pytest.approx(math.exp(-40), rel=1e-6)
    assert each.data[6] == pytest.approx(math.log(2), rel=1e-6)
    each.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, [0, 1, -1, 0, 1, math.exp(-40), 0], rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_focal_at_huge_logits_is_exact(dtype: Any) -> None:
    x = td.tensor(np.array([1000, 1000, -1000, -1000], dtype), requires_grad=True)
    each = losses.focal(x, td.tensor(np.array([1, 0, 1, 0], dtype)), reduction="none")
    assert each.data.tolist() == [0.0, 750.0, 250.0, 0.0]
    each.sum().backward()
    assert x.grad is not None
    assert x.grad.data.tolist() == [0.0, 0.75, -0.25, 0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_at_exact_zero_and_one_is_finite(dtype: Any) -> None:
    x = td.tensor(np.array([0, 1, 0, 1], dtype), requires_grad=True)
    each = losses.binary_cross_entropy(x, td.tensor(np.array([0, 1, 1, 0], dtype)), "none")
    assert each.data.tolist() == [0.0, 0.0, 100.0, 100.0]
    each.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, [1.0, -1.0, -1e12, 1e12], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_categorical_cross_entropy_at_exact_zero_and_one_is_finite(dtype: Any) -> None:
    x = td.tensor(np.array([[0, 1], [0, 1]], dtype), requires_grad=True)
    each = losses.categorical_cross_entropy(x, td.tensor(np.array([[0, 1], [1, 0]], dtype)), "none")
    assert each.data.tolist() == [0.0, 100.0]
    each.sum().backward()
    assert x.grad is not None
    assert np.isfinite(x.grad.data).all()


def test_kl_divergence_of_zeros() -> None:
    o = td.tensor(np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]), requires_grad=True)
    t = td.tensor(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    each = losses.kl_divergence(o, t, "none")
    assert each.data[:2].tolist() == [pytest.approx(math.log(2)), 0.0]
    assert each.data[2] == pytest.approx(100.0)
    each.sum().backward()
    assert o.grad is not None
    assert np.isfinite(o.grad.data).all()


def test_kl_divergence_averages_over_the_batch_not_over_elements() -> None:
    o, t = distributions(6, 4, axis=1), distributions(6, 4, axis=1)
    expected = (t * np.log(t / o)).sum() / 6
    assert losses.kl_divergence(td.tensor(o), td.tensor(t)).item() == pytest.approx(expected, rel=1e-13)


def test_gaussian_kl_sums_over_latents_and_averages_over_the_batch() -> None:
    mu, logvar = np.ones((4, 3)), np.zeros((4, 3))
    assert losses.gaussian_kl(td.tensor(mu), td.tensor(logvar)).item() == 1.5
    zero = td.zeros(4, 3)
    assert losses.gaussian_kl(zero, zero).item() == 0.0


def test_gaussian_kl_against_torch_distributions() -> None:
    torch = pytest.importorskip("torch")
    mu, logvar = logits(5, 3), logits(5, 3) / 2
    p = torch.distributions.Normal(torch.tensor(mu), torch.tensor(np.exp(logvar / 2)))
    q = torch.distributions.Normal(
        torch.zeros(5, 3, dtype=torch.float64), torch.ones(5, 3, dtype=torch.float64)
    )
    expected = torch.distributions.kl_divergence(p, q).sum(-1).mean().item()
    got = losses.gaussian_kl(td.tensor(mu), td.tensor(logvar)).item()
    assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
@pytest.mark.parametrize("weighted", [False, True])
def test_everything_ignored_gives_zero_with_gradient_zero(loss: Any, weighted: bool) -> None:
    x = td.tensor(logits(3, C), requires_grad=True)
    weight = td.tensor(np.ones(C)) if weighted else None
    out = loss(x, td.tensor([-100] * 3), weight)
    assert out.item() == 0.0
    out.backward()
    assert x.grad is not None
    assert (x.grad.data == 0).all()


def test_ignored_labels_count_neither_in_the_sum_nor_in_the_mean() -> None:
    x = logits(4, C)
    some = losses.cross_entropy(td.tensor(x), td.tensor([1, -100, 2, -100]), label_smoothing=0.1)
    rest = losses.cross_entropy(td.tensor(x[[0, 2]]), td.tensor([1, 2]), label_smoothing=0.1)
    assert some.item() == pytest.approx(rest.item(), rel=1e-14)
    each = losses.cross_entropy(td.tensor(x), td.tensor([1, 7, 2, 7]), ignore_index=7, reduction="none")
    assert each.data[[1, 3]].tolist() == [0.0, 0.0]


def test_rmse_of_a_perfect_prediction_has_gradient_zero() -> None:
    x = td.tensor(np.ones(3), requires_grad=True)
    for reduction in ("mean", "sum", "none"):
        out = losses.rmse(x, td.tensor(np.ones(3)), reduction)
        assert (out.data == 0).all()
        out.sum().backward()
        assert x.grad is not None
        assert (x.grad.data == 0).all()


def test_mae_and_hinge_at_their_corners_have_gradient_zero() -> None:
    x = td.tensor(np.ones(2), requires_grad=True)
    losses.mae(x, td.tensor(np.ones(2))).backward()
    losses.hinge(x, td.tensor(np.array([1.0, 1.0]))).backward()
    assert x.grad is not None
    assert (x.grad.data == 0).all()


def test_dice_of_an_empty_mask_predicted_empty_is_zero() -> None:
    zeros = td.zeros(2, 3, 4, 4)
    assert losses.dice(zeros, zeros).item() == 0.0
    ones = td.ones(2, 3, 4, 4)
    assert losses.dice(ones, ones).item() == 0.0
    assert losses.dice(ones, zeros, reduction="none").data.tolist() == [[pytest.approx(1 - 1 / 17)] * 3] * 2


def test_dice_without_background_and_smoothing() -> None:
    o, t = probabilities(2, 3, 4, 4), (probabilities(2, 3, 4, 4) > 0.5) * 1.0
    each = losses.dice(td.tensor(o), td.tensor(t), include_background=False, reduction="none")
    whole = losses.dice(td.tensor(o), td.tensor(t), reduction="none")
    assert np.array_equal(each.data, whole.data[:, 1:])
    rough = losses.dice(td.tensor(o), td.tensor(t), smooth=0.0).item()
    plain = (1 - 2 * (o * t).sum((2, 3)) / (o + t).sum((2, 3))).mean()
    assert rough == pytest.approx(plain, rel=1e-13)
    with pytest.raises(ValueError, match="no class is left"):
        losses.dice(td.tensor(o[:, :1]), td.tensor(t[:, :1]), include_background=False)
    with pytest.raises(ValueError, match="pixels"):
        losses.dice(td.tensor(o[:, :, 0, 0]), td.tensor(t[:, :, 0, 0]))


@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, 0.5), (1.0, 0.25), (2.0, 0.9), (3.5, 0.0)])
def test_focal_options(gamma: float, alpha: float) -> None:
    x, t = logits(6), np.array([1.0, 0, 1, 0, 1, 0])
    p = 1 / (1 + np.exp(-x))
    right = np.where(t == 1, p, 1 - p)
    balance = np.where(t == 1, alpha, 1 - alpha)
    expected = -balance * (1 - right) ** gamma * np.log(right)
    got = losses.focal(td.tensor(x), td.tensor(t), gamma, alpha, "none")
    np.testing.assert_allclose(got.data, expected, rtol=1e-12)
    check_gradient(lambda v: losses.focal(v, td.tensor(t), gamma, alpha, "none"), x)


def test_focal_without_focus_is_half_the_binary_cross_entropy() -> None:
    x, t = td.tensor(logits(6)), td.tensor(np.array([1.0, 0, 1, 0, 1, 0]))
    half = losses.focal(x, t, gamma=0.0, alpha=0.5).item()
    assert half == pytest.approx(losses.binary_cross_entropy_with_logits(x, t).item() / 2, rel=1e-13)


@given(st.integers(0, 2**32), st.floats(0.01, 5.0))
def test_huber_is_continuous_between_its_two_halves(seed: int, delta: float) -> None:
    sign = 1.0 if seed % 2 else -1.0
    x = td.tensor(
        np.array([sign * delta * (1 - 1e-9), sign * delta, sign * delta * (1 + 1e-9)]), requires_grad=True
    )
    each = losses.huber(x, td.zeros(3, dtype="float64"), delta, "none")
    np.testing.assert_allclose(each.data, delta**2 / 2, rtol=1e-8)
    each.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, sign * delta, rtol=1e-8)


# ---- what is refused

PAIRS = [name for name in TWO if name != "cross_entropy of probabilities"]


@pytest.mark.parametrize("name", PAIRS)
def test_shapes_must_match_exactly(name: str) -> None:
    loss, _, _ = TWO[name]
    ones = lambda *shape: td.tensor(np.ones(shape))  # noqa: E731
    for a, b in [
        ((4, 1), (4,)),
        ((4,), (4, 1)),
        ((4, 3), (1, 3)),
        ((2, 3), (3, 2)),
        ((4,), ()),
        ((1, 4), (4,)),
    ]:
        with pytest.raises(ValueError, match="losses never broadcast") as caught:
            loss(ones(*a), ones(*b))
        assert str(a) in str(caught.value)
        assert str(b) in str(caught.value)
        assert name.split()[0] in str(caught.value)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("wrong", [np.ones((4, 3)), [1.0], 1.0])
def test_plain_arrays_are_refused(name: str, wrong: Any) -> None:
    loss, o, t = TWO[name]
    with pytest.raises(TypeError, match="must be a Tensor"):
        loss(td.tensor(o), wrong)
    with pytest.raises(TypeError, match="must be a Tensor"):
        loss(wrong, td.tensor(t))


@pytest.mark.parametrize("name", list(TWO))
@pytest.mark.parametrize("reduction", ["Mean", "average", "", None])
def test_unknown_reductions(name: str, reduction: Any) -> None:
    loss, o, t = TWO[name]
    with pytest.raises(ValueError, match=r"reduction must be 'mean', 'sum' or 'none'"):
        loss(td.tensor(o), td.tensor(t), reduction=reduction)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
@pytest.mark.parametrize("labels", [[0, 4], [-1, 0], [0, 99], [-101, 1]])
def test_labels_out_of_range(loss: Any, labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\] or the ignore_index -100; 1 of 2"):
        loss(td.zeros(2, 4), td.tensor(labels))


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
def test_labels_of_wrong_shape_or_type(loss: Any) -> None:
    x = td.zeros(2, 4)
    for labels in (td.tensor([[0], [1]]), td.tensor([0, 1, 2]), td.tensor(1), td.zeros(2, 4, dtype="int64")):
        with pytest.raises(ValueError, match=r"needs labels of shape \(2,\)"):
            loss(x, labels)
    for labels in (td.tensor([0.0, 1.0]), td.tensor([True, False]), np.array([0, 1])):
        with pytest.raises(TypeError, match="expected integer labels"):
            loss(x, labels)
    with pytest.raises(TypeError, match="must be a Tensor"):
        loss(np.zeros((2, 4)), td.tensor([0, 1]))
    with pytest.raises(ValueError, match="0-d"):
        loss(td.tensor(1.0), td.tensor(1))
    with pytest.raises(ValueError, match=r"expected weights of shape \(4,\), got \(3,\)"):
        loss(x, td.tensor([0, 1]), td.ones(3))


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_label_smoothing_out_of_range(smoothing: float) -> None:
    with pytest.raises(ValueError, match="label_smoothing"):
        losses.cross_entropy(td.zeros(2, 4), td.tensor([0, 1]), label_smoothing=smoothing)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "categorical_cross_entropy", "kl_divergence"])
@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused(name: str, value: float) -> None:
    loss = getattr(losses, name)
    good, bad = td.tensor(np.full((2, 2), 0.5)), td.tensor(np.array([[0.5, value], [0.5, 0.5]]))
    with pytest.raises(ValueError, match=r"prediction must be in \[0, 1\]; 1 of 4 are not"):
        loss(bad, good)
    with pytest.raises(ValueError, match=r"target must be in \[0, 1\]"):
        loss(good, bad)


def test_targets_of_other_losses_are_checked() -> None:
    half = td.tensor(np.full((2, 1, 2, 2), 0.5))
    with pytest.raises(ValueError, match="prediction must be in"):
        losses.dice(half * 3, half)
    for loss in (losses.binary_cross_entropy_with_logits, losses.focal):
        with pytest.raises(ValueError, match="target must be in"):
            loss(half, half * 4)
    with pytest.raises(ValueError, match="must be in"):
        losses.cross_entropy(td.zeros(2, 3), td.full((2, 3), 2.0))
    with pytest.raises(ValueError, match="targets must be -1 or 1; 1 of 2"):
        losses.hinge(td.ones(2), td.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match="msle: prediction has values <= -1"):
        losses.msle(td.tensor([-1.0]), td.tensor([0.0]))
    with pytest.raises(ValueError, match="msle: target has values <= -1"):
        losses.msle(td.tensor([0.0]), td.tensor([-2.0]))
    for delta in (0.0, -1.0):
        with pytest.raises(ValueError, match="delta must be positive"):
            losses.huber(td.ones(1), td.ones(1), delta)


def test_float32_against_float64_is_an_error_that_names_both() -> None:
    with pytest.raises(TypeError, match="float32 with float64"):
        losses.mse(td.ones(2), td.ones(2, dtype="float64"))


def test_second_derivatives_of_cross_entropy_are_those_of_softmax() -> None:
    x = td.tensor(logits(1, 3), requires_grad=True)
    (g,) = td.grad(losses.cross_entropy(x, td.tensor([1])), x, create_graph=True)
    assert g is not None
    p = np.exp(x.data[0]) / np.exp(x.data[0]).sum()
    for i in range(3):
        (row,) = td.grad(g[0, i], x, retain_graph=True)
        assert row is not None
        np.testing.assert_allclose(row.data[0], p[i] * ((np.arange(3) == i) - p), rtol=1e-12, atol=1e-15)


def test_every_loss_is_listed_and_documented() -> None:
    for name in losses.__all__:
        assert getattr(losses, name).__doc__, name
