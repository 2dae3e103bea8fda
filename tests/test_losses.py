"""Losses: every set of options of the losses of classes, and what is known of a loss by hand.

Values and derivatives of every loss are in the grid (tests/grid/losses.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import losses
from tinydl.testing.point import host

RNG = np.random.default_rng(0)
N, C = 5, 4


def logits(*shape: int) -> Any:
    return RNG.normal(size=shape) * 2


def probabilities(*shape: int) -> Any:
    return RNG.uniform(0.05, 0.95, shape)


def distributions(*shape: int, axis: int = 1) -> Any:
    p = RNG.uniform(0.05, 1.0, shape)
    return p / p.sum(axis, keepdims=True)


LABELS = [
    pytest.param((N, C), (N,), id="N C"),
    pytest.param((2, C, 3, 2), (2, 3, 2), id="N C H W"),
    pytest.param((C,), (), id="C"),
]
WEIGHTS = [None, [0.2, 1.5, 0.0, 3.0]]


@pytest.mark.parametrize(("shape", "labels"), LABELS)
@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_every_set_of_options_with_labels_is_torchs(
    loss: str,
    shape: Any,
    labels: Any,
    weight: Any,
    reduction: str,
    device: str,
    torch: Any,
    agrees_with_torch: Any,
) -> None:
    rng = np.random.default_rng(5)
    t = np.asarray(rng.integers(0, C, labels))
    t[...] = np.where(t == 2, 0, t) if labels == () else t  # a single label is not the ignored one
    x = td.tensor(-np.abs(rng.normal(size=shape) * 3), requires_grad=True, device=device)
    theirs = getattr(torch.nn.functional, "nll_loss" if loss == "nll" else loss)
    for smoothing in (0.0, 0.1, 1.0) if loss == "cross_entropy" else (None,):
        for ignore in (-100, 2):
            options: dict[str, Any] = {"reduction": reduction, "ignore_index": ignore}
            if smoothing is not None:
                options["label_smoothing"] = smoothing
            ours = dict(
                options, weight=None if weight is None else td.tensor(np.array(weight), device=device)
            )
            twin = dict(options, weight=None if weight is None else torch.tensor(np.array(weight)))
            assert agrees_with_torch(
                lambda x, o=ours: getattr(losses, loss)(x, td.tensor(t, device=device), **o),
                lambda x, o=twin: theirs(x, torch.tensor(t), **o),
                [x],
                tol=1e-12,
            )


@pytest.mark.parametrize("shape", [(N, C), (2, C, 3)], ids=str)
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_every_set_of_options_with_probabilities_is_torchs(
    shape: Any,
    weight: Any,
    smoothing: float,
    reduction: str,
    device: str,
    torch: Any,
    agrees_with_torch: Any,
) -> None:
    x, t = (td.tensor(a(*shape), requires_grad=True, device=device) for a in (logits, distributions))
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
    ours = dict(options, weight=None if weight is None else td.tensor(np.array(weight), device=device))
    twin = dict(options, weight=None if weight is None else torch.tensor(np.array(weight)))
    assert agrees_with_torch(
        lambda x, t: losses.cross_entropy(x, t, **ours),
        lambda x, t: torch.nn.functional.cross_entropy(x, t, **twin),
        [x, t],
        tol=1e-12,
    )


def test_the_shares_of_weights_by_hand(device: str) -> None:
    x = td.tensor(np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]), device=device)
    t, w = td.tensor([0, 2], device=device), td.tensor(np.array([1.0, 1.0, 3.0]), device=device)
    expected = (-math.log(0.5) - 3 * math.log(0.8)) / 4
    assert losses.cross_entropy(x, t, w).item() == pytest.approx(expected, rel=1e-14)
    assert losses.nll(x, t, w).item() == pytest.approx(expected, rel=1e-14)


def test_cross_entropy_of_labels_is_that_of_one_hot_probabilities(device: str) -> None:
    x, t = td.tensor(logits(N, C), device=device), RNG.integers(0, C, N)
    for smoothing in (0.0, 0.25):
        by_label = losses.cross_entropy(x, td.tensor(t, device=device), label_smoothing=smoothing)
        by_share = losses.cross_entropy(x, td.tensor(np.eye(C)[t], device=device), label_smoothing=smoothing)
        assert by_label.item() == pytest.approx(by_share.item(), rel=1e-13)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8"])
def test_labels_of_any_integer_type(loss: Any, dtype: str, device: str) -> None:
    x = td.tensor(-np.abs(logits(N, C)), device=device)
    t = np.array([0, 3, 1, 2, 0])
    assert (
        loss(x, td.tensor(t.astype(dtype), device=device)).item()
        == loss(x, td.tensor(t, device=device)).item()
    )


def test_gaussian_kl_sums_over_latents_and_averages_over_the_batch(device: str) -> None:
    mu, logvar = np.ones((4, 3)), np.zeros((4, 3))
    assert losses.gaussian_kl(td.tensor(mu, device=device), td.tensor(logvar, device=device)).item() == 1.5
    zero = td.zeros(4, 3, device=device)
    assert losses.gaussian_kl(zero, zero).item() == 0.0


def test_dice_without_background_and_smoothing(device: str) -> None:
    o, t = probabilities(2, 3, 4, 4), (probabilities(2, 3, 4, 4) > 0.5) * 1.0
    each = losses.dice(
        td.tensor(o, device=device), td.tensor(t, device=device), include_background=False, reduction="none"
    )
    whole = losses.dice(td.tensor(o, device=device), td.tensor(t, device=device), reduction="none")
    assert np.array_equal(host(each), host(whole)[:, 1:])
    rough = losses.dice(td.tensor(o, device=device), td.tensor(t, device=device), smooth=0.0).item()
    plain = (1 - 2 * (o * t).sum((2, 3)) / (o + t).sum((2, 3))).mean()
    assert rough == pytest.approx(plain, rel=1e-13)
    with pytest.raises(ValueError, match="no class is left"):
        losses.dice(
            td.tensor(o[:, :1], device=device), td.tensor(t[:, :1], device=device), include_background=False
        )
    with pytest.raises(ValueError, match="pixels"):
        losses.dice(td.tensor(o[:, :, 0, 0], device=device), td.tensor(t[:, :, 0, 0], device=device))


def test_focal_without_focus_is_half_the_binary_cross_entropy(device: str) -> None:
    x, t = td.tensor(logits(6), device=device), td.tensor(np.array([1.0, 0, 1, 0, 1, 0]), device=device)
    half = losses.focal(x, t, gamma=0.0, alpha=0.5).item()
    assert half == pytest.approx(losses.binary_cross_entropy_with_logits(x, t).item() / 2, rel=1e-13)


def test_second_derivatives_of_cross_entropy_are_those_of_softmax(device: str) -> None:
    x = td.tensor(logits(1, 3), requires_grad=True, device=device)
    (g,) = td.grad(losses.cross_entropy(x, td.tensor([1], device=device)), x, create_graph=True)
    assert g is not None
    p = np.exp(host(x)[0]) / np.exp(host(x)[0]).sum()
    for i in range(3):
        (row,) = td.grad(g[0, i], x, retain_graph=True)
        assert row is not None
        np.testing.assert_allclose(host(row)[0], p[i] * ((np.arange(3) == i) - p), rtol=1e-12, atol=1e-15)


def test_every_loss_is_listed_and_documented() -> None:
    for name in losses.__all__:
        assert getattr(losses, name).__doc__, name
