"""Losses: what is refused, and what the errors say."""

from __future__ import annotations

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


# name: loss, prediction, target
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

PAIRS = [name for name in TWO if name != "cross_entropy of probabilities"]


@pytest.mark.parametrize("name", PAIRS)
def test_shapes_must_match_exactly(name: str, device: str) -> None:
    loss, _, _ = TWO[name]
    ones = lambda *shape: td.tensor(np.ones(shape), device=device)
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
def test_plain_arrays_are_refused(name: str, wrong: Any, device: str) -> None:
    loss, o, t = TWO[name]
    with pytest.raises(TypeError, match="must be a Tensor"):
        loss(td.tensor(o, device=device), wrong)
    with pytest.raises(TypeError, match="must be a Tensor"):
        loss(wrong, td.tensor(t, device=device))


@pytest.mark.parametrize("name", list(TWO))
@pytest.mark.parametrize("reduction", ["Mean", "average", "", None])
def test_unknown_reductions(name: str, reduction: Any, device: str) -> None:
    loss, o, t = TWO[name]
    with pytest.raises(ValueError, match=r"reduction must be 'mean', 'sum' or 'none'"):
        loss(td.tensor(o, device=device), td.tensor(t, device=device), reduction=reduction)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
@pytest.mark.parametrize("labels", [[0, 4], [-1, 0], [0, 99], [-101, 1]])
def test_labels_out_of_range(loss: Any, labels: list[int], device: str) -> None:
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\] or the ignore_index -100; 1 of 2"):
        loss(td.zeros(2, 4, device=device), td.tensor(labels, device=device))


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
def test_labels_of_wrong_shape_or_type(loss: Any, device: str) -> None:
    x = td.zeros(2, 4, device=device)
    for labels in (
        td.tensor([[0], [1]], device=device),
        td.tensor([0, 1, 2], device=device),
        td.tensor(1, device=device),
        td.zeros(2, 4, dtype="int64", device=device),
    ):
        with pytest.raises(ValueError, match=r"needs labels of shape \(2,\)"):
            loss(x, labels)
    for labels in (
        td.tensor([0.0, 1.0], device=device),
        td.tensor([True, False], device=device),
        np.array([0, 1]),
    ):
        with pytest.raises(TypeError, match="expected integer labels"):
            loss(x, labels)
    with pytest.raises(TypeError, match="must be a Tensor"):
        loss(np.zeros((2, 4)), td.tensor([0, 1], device=device))
    with pytest.raises(ValueError, match="0-d"):
        loss(td.tensor(1.0, device=device), td.tensor(1, device=device))
    with pytest.raises(ValueError, match=r"expected weights of shape \(4,\), got \(3,\)"):
        loss(x, td.tensor([0, 1], device=device), td.ones(3, device=device))


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_label_smoothing_out_of_range(smoothing: float, device: str) -> None:
    with pytest.raises(ValueError, match="label_smoothing"):
        losses.cross_entropy(
            td.zeros(2, 4, device=device), td.tensor([0, 1], device=device), label_smoothing=smoothing
        )


@pytest.mark.parametrize("name", ["binary_cross_entropy", "categorical_cross_entropy", "kl_divergence"])
@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused(name: str, value: float, device: str) -> None:
    loss = getattr(losses, name)
    good, bad = (
        td.tensor(np.full((2, 2), 0.5), device=device),
        td.tensor(np.array([[0.5, value], [0.5, 0.5]]), device=device),
    )
    with pytest.raises(ValueError, match=r"prediction must be in \[0, 1\]; 1 of 4 are not"):
        loss(bad, good)
    with pytest.raises(ValueError, match=r"target must be in \[0, 1\]"):
        loss(good, bad)


def test_targets_of_other_losses_are_checked(device: str) -> None:
    half = td.tensor(np.full((2, 1, 2, 2), 0.5), device=device)
    with pytest.raises(ValueError, match="prediction must be in"):
        losses.dice(half * 3, half)
    for loss in (losses.binary_cross_entropy_with_logits, losses.focal):
        with pytest.raises(ValueError, match="target must be in"):
            loss(half, half * 4)
    with pytest.raises(ValueError, match="must be in"):
        losses.cross_entropy(td.zeros(2, 3, device=device), td.full((2, 3), 2.0, device=device))
    with pytest.raises(ValueError, match="targets must be -1 or 1; 1 of 2"):
        losses.hinge(td.ones(2, device=device), td.tensor([1.0, 0.0], device=device))
    with pytest.raises(ValueError, match="msle: prediction has values <= -1"):
        losses.msle(td.tensor([-1.0], device=device), td.tensor([0.0], device=device))
    with pytest.raises(ValueError, match="msle: target has values <= -1"):
        losses.msle(td.tensor([0.0], device=device), td.tensor([-2.0], device=device))
    for delta in (0.0, -1.0):
        with pytest.raises(ValueError, match="delta must be positive"):
            losses.huber(td.ones(1, device=device), td.ones(1, device=device), delta)


ELSEWHERE = {"cpu": "strict", "strict": "cpu"}


def begins_with(loss: Any, rest: str) -> str:
    """A pattern: the name of the loss, not of an operation that it is made of, and then `rest`."""
    return rf"^{loss.__name__}: {rest}"


@pytest.mark.parametrize("name", list(TWO))
def test_float32_with_float64_names_the_loss_and_both(name: str, device: str) -> None:
    loss, o, t = TWO[name]
    for a, b in (("float32", "float64"), ("float64", "float32")):
        with pytest.raises(
            TypeError, match=begins_with(loss, r"float32 with float64; convert one with \.astype\(")
        ):
            loss(td.tensor(o, dtype=a, device=device), td.tensor(t, dtype=b, device=device))


@pytest.mark.parametrize("name", list(TWO))
def test_two_devices_name_the_loss_and_both(name: str, device: str) -> None:
    loss, o, t = TWO[name]
    other = ELSEWHERE[device]
    with pytest.raises(
        RuntimeError,
        match=begins_with(
            loss, rf"prediction is on {device}, target on {other}; move one with \.to\('{device}'\)$"
        ),
    ):
        loss(td.tensor(o, device=device), td.tensor(t, device=other))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PAIRS)
def test_integers_beside_floats_are_taken_as_floats(name: str, dtype: str, device: str) -> None:
    loss, o, t = TWO[name]
    whole = np.where(np.asarray(t) > 0.5, 1, -1 if name == "hinge" else 0)
    x = td.tensor(o, dtype=dtype, device=device)
    got, exact = (loss(x, td.tensor(whole, dtype=d, device=device)) for d in ("int64", dtype))
    assert got.dtype == dtype
    assert got.item() == exact.item()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int64"])
@pytest.mark.parametrize("name", PAIRS)
def test_integers_and_booleans_alone_are_taken_as_float32(
    name: str, dtype: str, reduction: str, device: str
) -> None:
    loss, o, _ = TWO[name]
    x = np.arange(o.size).reshape(o.shape) % 2
    t = np.ones(o.shape) if name == "hinge" else np.arange(o.size).reshape(o.shape) % 3 == 0
    got, want = (
        loss(*(td.tensor(a.astype(d), device=device) for a in (x, t)), reduction=reduction)
        for d in (dtype, "float32")
    )
    assert got.dtype == np.float32
    assert np.array_equal(host(got), host(want))


@pytest.mark.parametrize(
    ("dtype", "o", "t"), [("uint8", 0, 255), ("int8", -128, 127), ("int8", 127, -128), ("uint64", 0, 255)]
)
def test_differences_of_integers_do_not_wrap(dtype: str, o: int, t: int, device: str) -> None:
    x, y = (td.tensor([v], dtype=dtype, device=device) for v in (o, t))
    assert losses.mae(x, y).item() == 255
    assert losses.mse(x, y).item() == 255**2
    assert losses.rmse(x, y).item() == 255
    assert losses.huber(x, y).item() == 254.5
    assert losses.mae(x, y, "sum").item() == losses.mae(x, y, "none").item() == 255


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
def test_labels_and_weights_elsewhere_name_the_loss(loss: Any, device: str) -> None:
    x, labels = td.zeros(2, 4, device=device), [0, 3]
    other = ELSEWHERE[device]
    with pytest.raises(
        RuntimeError, match=begins_with(loss, f"prediction is on {device}, target on {other}")
    ):
        loss(x, td.tensor(labels, device=other))
    y = td.tensor(labels, device=device)
    with pytest.raises(
        RuntimeError, match=begins_with(loss, f"prediction is on {device}, weight on {other}")
    ):
        loss(x, y, td.ones(4, device=other))
    with pytest.raises(TypeError, match=begins_with(loss, "float32 with float64; convert one")):
        loss(x, y, td.ones(4, dtype="float64", device=device))
    for weight in (np.ones(4, "float32"), [1.0] * 4):
        with pytest.raises(
            TypeError, match=begins_with(loss, f"weight must be a Tensor, got {type(weight).__name__}")
        ):
            loss(x, y, weight)
    assert loss(x, y, td.tensor([1, 2, 3, 4], device=device)).dtype == np.float32


@pytest.mark.parametrize("target", [None, [0, 1], 1])
@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll])
def test_labels_that_are_no_tensor(loss: Any, target: Any, device: str) -> None:
    with pytest.raises(
        TypeError, match=begins_with(loss, rf"expected integer labels.*, got {type(target).__name__} ")
    ):
        loss(td.zeros(2, 4, device=device), target)


def test_weights_of_probabilities_elsewhere_name_the_loss(device: str) -> None:
    x, target = td.zeros(2, 4, device=device), td.full((2, 4), 0.25, device=device)
    with pytest.raises(TypeError, match=r"^cross_entropy: float32 with float64"):
        losses.cross_entropy(x, target, td.ones(4, dtype="float64", device=device))
    with pytest.raises(RuntimeError, match=r"^cross_entropy: prediction is on .*, weight on"):
        losses.cross_entropy(x, target, td.ones(4, device=ELSEWHERE[device]))


def test_a_prediction_without_classes(device: str) -> None:
    x = td.zeros(2, 0, device=device)
    with pytest.raises(ValueError, match=r"cross_entropy: expected one class or more on axis 1"):
        losses.cross_entropy(x, x)
    with pytest.raises(ValueError, match=r"cross_entropy: expected one class or more on axis 1"):
        losses.cross_entropy(x, td.zeros(2, dtype="int64", device=device))
    with pytest.raises(ValueError, match=r"nll: expected one class or more on axis 0"):
        losses.nll(x[0], td.tensor(0, device=device))


@pytest.mark.parametrize("shape", [(2, 4), (3, 3), (2, 2), (2, 3, 1)])
def test_probabilities_of_another_shape(device: str, shape: tuple[int, ...]) -> None:
    logits, target = td.zeros(2, 3, device=device), td.zeros(shape, device=device)
    with pytest.raises(
        TypeError, match="expected integer labels or probabilities of the shape of the logits"
    ):
        losses.cross_entropy(logits, target)
