"""Batch norm: the running values, its gradient, and what is refused.

Loops, derivatives and PyTorch's values are in tests/grid/norm.py, what holds for all norms in test_norm.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from grid.norm import EPS, batches, inputs_of
from tinydl.functional import batch_norm
from tinydl.kernels import cpu_norm
from tinydl.testing import gradcheck, gradgradcheck, strategies
from tinydl.testing.point import host

# ---- running values


@given(data=st.data())
def test_running_values_are_torchs(data: Any, torch: Any, on: Any) -> None:
    (x, *_), _ = data.draw(inputs_of(batches(), lambda shape: (shape[1],)))
    c, training, eps = (x.shape[1],), data.draw(st.booleans()), data.draw(EPS)
    momentum = data.draw(st.sampled_from((0.1, 0.0, 1.0, 0.35)))
    x = on.leaf(x.numpy())
    mean, var = data.draw(strategies.arrays(c)), data.draw(strategies.arrays(c, low=0.2))
    ours = [on.tensor(mean.copy()), on.tensor(var.copy())]
    theirs = [torch.tensor(mean.copy()), torch.tensor(var.copy())]
    batch_norm(x, *ours, training=training, momentum=momentum, eps=eps)
    torch.nn.functional.batch_norm(
        torch.tensor(host(x).copy()), *theirs, training=training, momentum=momentum, eps=eps
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(host(a), b.numpy(), rtol=1e-12, atol=1e-13)


def test_running_values_change_in_place_with_the_unbiased_variance(on: Any) -> None:
    x = on.tensor(np.array([[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]]))
    mean, var = on.tensor(np.array([1.0, 2.0])), on.tensor(np.array([1.0, 4.0]))
    before = mean.detach(), var.detach()
    batch_norm(x, mean, var, training=True, momentum=0.25)
    assert host(mean).tolist() == [0.75 * 1 + 0.25 * 3, 0.75 * 2 + 0.25 * 1]
    assert host(var).tolist() == [
        0.75 * 1 + 0.25 * 7,
        0.75 * 4 + 0.25 * 3,
    ]  # (4 + 1 + 9) / 2, (1 + 1 + 4) / 2
    assert on.share_memory(mean, before[0])
    assert on.share_memory(var, before[1])
    assert not mean.requires_grad
    assert not var.requires_grad


def test_the_output_has_the_biased_variance(on: Any) -> None:
    out = batch_norm(on.tensor(np.array([[-1.0], [1.0]])), None, None, training=True, eps=0.0)
    assert host(out).tolist() == [[-1.0], [1.0]]


def test_momentum_is_a_tenth_and_eps_one_in_a_hundred_thousand(on: Any) -> None:
    mean, var = on.zeros(1, dtype="float64"), on.ones(1, dtype="float64")
    out = batch_norm(on.tensor(np.array([[0.0], [2.0]])), mean, var, training=True)
    assert mean.item() == pytest.approx(0.1, rel=1e-15)
    assert var.item() == pytest.approx(0.9 + 0.2, rel=1e-15)
    assert host(out)[1, 0] == 1 / math.sqrt(1 + 1e-5)


def test_without_training_running_values_stay_and_one_value_will_do(on: Any) -> None:
    mean, var = on.full(2, 3.0), on.full(2, 4.0)
    out = batch_norm(on.tensor([[5.0, 3.0]]), mean, var, eps=0.0)
    assert host(out).tolist() == [[1.0, 0.0]]
    assert host(mean).tolist() == [3.0, 3.0]
    assert host(var).tolist() == [4.0, 4.0]


@pytest.mark.parametrize("kept", ["none", "mean", "var"])
def test_running_values_may_be_none(kept: str, on: Any) -> None:
    x = on.random(4, 2)
    mean = on.zeros(2, dtype="float64") if kept == "mean" else None
    var = on.zeros(2, dtype="float64") if kept == "var" else None
    out = batch_norm(x, mean, var, training=True, momentum=1.0)
    assert np.array_equal(host(out), host(batch_norm(x, None, None, training=True)))
    if mean is not None:
        np.testing.assert_allclose(host(mean), host(x).mean(0), rtol=1e-14)
    if var is not None:
        np.testing.assert_allclose(host(var), host(x).var(0, ddof=1), rtol=1e-14)
    if kept != "none":
        with pytest.raises(
            ValueError, match=r"^batch_norm: without training it needs running_mean and running_var"
        ):
            batch_norm(x, mean, var)


@pytest.mark.parametrize("eps", [1e-12, 0.3])
def test_the_gradient_cannot_shift_or_stretch(eps: float, on: Any) -> None:
    """It is orthogonal to ones and to x^ in each channel; to x^ but for the share of eps in the variance."""
    x, g = on.random(5, 3, 4, seed=1), on.random(5, 3, 4, seed=2)
    x_hat = batch_norm(x, None, None, training=True, eps=eps)
    (dx,) = (host(v) for v in td.grad(x_hat, x, g))
    assert np.abs(dx).max() > 0.1
    np.testing.assert_allclose(dx.sum((0, 2)), 0.0, atol=1e-13)
    var = host(x).var((0, 2))
    along = (host(g) * host(x_hat)).sum((0, 2)) * eps / (var + eps) ** 1.5
    np.testing.assert_allclose((dx * host(x_hat)).sum((0, 2)), along, rtol=1e-10, atol=1e-11)


def test_under_a_plain_sum_nothing_flows(on: Any) -> None:
    x = on.random(6, 2)
    (dx,) = td.grad(batch_norm(x, None, None, training=True).sum(), x)
    np.testing.assert_allclose(host(dx), 0.0, atol=1e-13)


def test_running_values_that_change_do_not_spoil_an_older_graph(on: Any) -> None:
    x, mean, var = on.random(4, 2), on.zeros(2, dtype="float64"), on.ones(2, dtype="float64")
    (want,) = td.grad(batch_norm(x, mean, var).sum(), x)
    out = batch_norm(x, mean, var).sum()
    batch_norm(x, mean, var, training=True, momentum=0.5)
    (got,) = td.grad(out, x)
    assert np.array_equal(host(got), host(want))


# ---- its derivatives


@pytest.fixture(params=["in blocks", "whole"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU small images are computed in blocks of rows, too, or no images are."""
    monkeypatch.setattr(cpu_norm, "_SHORT", 1 if request.param == "in blocks" else 10**9)


def normalized(stretched: Any) -> Any:
    """Batch norm as a function of x, and of weight and bias where they are there."""
    has_weight, has_bias = stretched

    def compute(x: Any, *rest: Any) -> Any:
        weight = rest[0] if has_weight else None
        return batch_norm(x, None, None, weight, rest[-1] if has_bias else None, training=True, eps=0.1)

    return compute


STRETCHED = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize("stretched", STRETCHED, ids=str)
@pytest.mark.parametrize("wanted", ["all", "x", "the others"])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2), (2, 3, 2, 2)], ids=str)
def test_first_and_second_derivatives(stretched: Any, wanted: str, shape: Any, way: None, on: Any) -> None:
    inputs = [on.random(*shape), *(on.random(3, seed=seed) for seed in (1, 2)[: sum(stretched)])]
    if wanted == "x":
        inputs[1:] = [v.detach() for v in inputs[1:]]
    elif wanted == "the others":
        inputs[0] = inputs[0].detach()
    if not any(v.requires_grad for v in inputs):
        assert not normalized(stretched)(*inputs).requires_grad
        return
    assert gradcheck(normalized(stretched), inputs, full=True)
    assert gradgradcheck(normalized(stretched), inputs)


@pytest.mark.parametrize("stretched", STRETCHED, ids=str)
@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
@pytest.mark.parametrize("other", strategies.IMAGE_LAYOUTS)
def test_the_gradient_that_is_recorded_is_the_one_that_is_not(
    stretched: Any, layout: str, other: str, way: None, on: Any
) -> None:
    """One is computed by the kernel, the other in steps that have derivatives themselves."""
    values, cotangent = (td.Generator(seed).normal((4, 3, 4, 5), np.float64) for seed in (1, 2))
    inputs = [on.leaf(strategies.lay_out(values, layout))]
    inputs += [on.random(3, seed=seed) for seed in (3, 4)[: sum(stretched)]]
    g = on.leaf(strategies.lay_out(cotangent, other)).detach()
    plain, recorded = (
        td.grad(normalized(stretched)(*inputs), inputs, g, create_graph=create) for create in (False, True)
    )
    assert [v.requires_grad for v in plain] == [False] * len(inputs)
    assert recorded[0].requires_grad
    for a, b in zip(plain, recorded, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(host(a), host(b), rtol=1e-12, atol=1e-12)


# ---- what is refused


def test_a_refused_batch_leaves_the_running_values(on: Any) -> None:
    x, mean, var = on.ones(4, 2), on.zeros(2), on.ones(2)
    for arguments in (
        (x[:1], mean, var),
        (x, mean, var, on.ones(2, dtype="float64")),
        (x, mean, var, on.ones(3)),
    ):
        with pytest.raises((ValueError, TypeError), match=r"^batch_norm: "):
            batch_norm(*arguments, training=True)
    assert host(mean).tolist() == [0.0, 0.0]
    assert host(var).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ({"x": (4,)}, ValueError, r"expected an input \(N, C, \.\.\.\), got shape \(4,\)"),
        ({"x": (1, 3)}, ValueError, r"training needs more than one value a channel, got 1 \(input \(1, 3\)\)"),
        ({"x": (1, 3, 1, 1)}, ValueError, "training needs more than one value a channel, got 1"),
        ({"x": (0, 3)}, ValueError, "training needs more than one value a channel, got 0"),
        ({"x": (2, 0), "running_mean": (0,), "running_var": (0,)}, ValueError, "more than one value a channel, got 0"),
        ({"running_mean": (2,)}, ValueError, r"expected running_mean of shape \(3,\) for input \(4, 3\), got \(2,\)"),
        ({"running_var": (1, 3)}, ValueError, r"expected running_var of shape \(3,\) for input \(4, 3\), got \(1, 3\)"),
        ({"weight": (4,)}, ValueError, r"expected weight of shape \(3,\) for input \(4, 3\), got \(4,\)"),
        ({"bias": ()}, ValueError, r"expected bias of shape \(3,\) for input \(4, 3\), got \(\)"),
    ],
)  # fmt: skip
def test_batch_norm_refuses_shapes_that_do_not_fit(arguments: Any, kind: Any, sentence: str, on: Any) -> None:
    shapes = {"x": (4, 3), "running_mean": (3,), "running_var": (3,)} | arguments
    with pytest.raises(kind, match=f"^batch_norm: .*{sentence}"):
        batch_norm(**{name: on.ones(shape) for name, shape in shapes.items()}, training=True)


@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_batch_norm_refuses_mixed_dtypes(name: str, on: Any) -> None:
    parts = {n: on.ones(3) for n in ("running_mean", "running_var", "weight", "bias")}
    parts[name] = on.ones(3, dtype="float64")
    for training in (False, True):
        with pytest.raises(
            TypeError, match=rf"^batch_norm: {name} is float64, the input float32; convert one with"
        ):
            batch_norm(on.ones(4, 3), **parts, training=training)


@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_batch_norm_refuses_mixed_devices(name: str, on: Any) -> None:
    parts = {n: on.ones(3) for n in ("running_mean", "running_var", "weight", "bias")}
    other = "cpu" if on.device == "strict" else "strict"
    parts[name] = td.ones(3, device=other)
    for training in (False, True):
        with pytest.raises(
            RuntimeError,
            match=rf"^batch_norm: {name} is on {other}, the input on {on.device}; move one with \.to",
        ):
            batch_norm(on.ones(4, 3), **parts, training=training)


def test_plain_arrays_are_an_error(on: Any) -> None:
    for training in (False, True):
        with pytest.raises(TypeError, match=r"expected tensors, got a plain array; wrap it with td\.tensor"):
            batch_norm(
                on.ones(2, 4, dtype="float64").data,
                on.ones(4, dtype="float64"),
                on.ones(4, dtype="float64"),
                training=training,
            )
