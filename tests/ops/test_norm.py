"""Batch, layer and group norm, against loops and against PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.functional import batch_norm, group_norm, layer_norm
from tinydl.ops import norm as ops
from tinydl.testing import check_function, gradcheck, gradgradcheck, memory_order, strategies

TESTED = {"batch_norm", "layer_norm", "group_norm"}


def test_every_public_function_is_tested(public_functions: Any) -> None:
    assert public_functions(ops) == TESTED


def normalized(values: list[float], eps: float) -> list[float]:
    n = len(values)
    mean = math.fsum(values) / n
    var = math.fsum((v - mean) ** 2 for v in values) / n
    return [(v - mean) / math.sqrt(var + eps) for v in values]


def by_groups(x: Any, group: Callable[[tuple[int, ...]], Any], eps: float) -> Any:
    """x with the elements that `group` gives the same name normalised together."""
    places: dict[Any, list[tuple[int, ...]]] = {}
    for place in np.ndindex(x.shape):
        places.setdefault(group(place), []).append(place)
    out = np.zeros(x.shape)
    for members in places.values():
        for place, value in zip(members, normalized([float(x[p]) for p in members], eps), strict=True):
            out[place] = value
    return out


def stretched(x: Any, weight: Any, bias: Any, which: Callable[[tuple[int, ...]], Any]) -> Any:
    out = x.copy()
    for place in np.ndindex(x.shape):
        if weight is not None:
            out[place] *= weight[which(place)]
        if bias is not None:
            out[place] += bias[which(place)]
    return out


def channel(place: tuple[int, ...]) -> int:
    return place[1]


@st.composite
def inputs_of(
    draw: Any, shapes: Any, parameters: Callable[[Any], tuple[int, ...]]
) -> tuple[list[Any], Callable[[Any], Any]]:
    """x, and weight and bias where they are drawn; a function that makes (x, weight, bias) of these."""
    x = draw(strategies.tensors(shapes))
    has_weight, has_bias = draw(st.booleans()), draw(st.booleans())
    shape = parameters(x.shape)
    rest = [draw(strategies.tensors(shape)) for has in (has_weight, has_bias) if has]

    def unpack(values: Any) -> tuple[Any, Any, Any]:
        values = list(values)
        first = values.pop(0)
        return first, values.pop(0) if has_weight else None, values.pop(0) if has_bias else None

    return [x, *rest], unpack


EPS = st.sampled_from((0.1, 0.7))  # drawn images may be constant; then a step must be short beside sqrt(eps)


def batches(max_dims: int = 4) -> Any:
    several = strategies.shapes(2, max_dims, 1, 3)
    return several.filter(lambda shape: math.prod(shape) // shape[1] > 1)


# ---- batch norm


@given(data=st.data())
def test_batch_norm_in_training(data: Any) -> None:
    inputs, unpack = data.draw(inputs_of(batches(5), lambda shape: (shape[1],)))
    eps = data.draw(EPS)

    def ours(*values: td.Tensor) -> td.Tensor:
        x, weight, bias = unpack(values)
        return batch_norm(x, None, None, weight, bias, training=True, eps=eps)

    def loops(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        return stretched(by_groups(x, channel, eps), weight, bias, channel)

    assert check_function(ours, inputs, loops)


@given(data=st.data())
def test_batch_norm_by_running_values(data: Any) -> None:
    inputs, unpack = data.draw(inputs_of(strategies.shapes(2, 4, 0, 3), lambda shape: (shape[1],)))
    eps = data.draw(EPS)
    c = inputs[0].shape[1]
    mean = data.draw(strategies.arrays((c,)))
    var = data.draw(strategies.arrays((c,), low=0.2, high=2.0))

    def ours(*values: td.Tensor) -> td.Tensor:
        x, weight, bias = unpack(values)
        running = (td.tensor(v.astype(x.dtype), device=x.device) for v in (mean, var))
        return batch_norm(x, *running, weight, bias, eps=eps)

    def loops(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        out = np.zeros(x.shape)
        for p in np.ndindex(x.shape):
            out[p] = (x[p] - mean[p[1]]) / math.sqrt(var[p[1]] + eps)
        return stretched(out, weight, bias, channel)

    assert check_function(ours, inputs, loops)


@given(data=st.data())
def test_batch_norm_agrees_with_torch(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    """The value, the gradients and the running values."""
    inputs, unpack = data.draw(inputs_of(batches(), lambda shape: (shape[1],)))
    c = inputs[0].shape[1]
    training, eps = data.draw(st.booleans()), data.draw(EPS)
    momentum = data.draw(st.sampled_from((0.1, 0.0, 1.0, 0.35)))
    mean, var = data.draw(strategies.arrays((c,))), data.draw(strategies.arrays((c,), low=0.2))
    ours = [td.tensor(mean.copy()), td.tensor(var.copy())]
    theirs = [torch.tensor(mean.copy()), torch.tensor(var.copy())]

    def apply(fn: Any, running: Any, values: Any) -> Any:
        x, weight, bias = unpack(values)
        return fn(x, *running, weight, bias, training, momentum, eps)

    assert agrees_with_torch(
        lambda *v: apply(batch_norm, ours, v),
        lambda *v: apply(torch.nn.functional.batch_norm, theirs, v),
        inputs,
        tol=1e-9,
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-13)


def test_running_values_change_in_place_with_the_unbiased_variance() -> None:
    x = td.tensor(np.array([[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]]))
    mean, var = td.tensor(np.array([1.0, 2.0])), td.tensor(np.array([1.0, 4.0]))
    arrays = mean.data, var.data
    batch_norm(x, mean, var, training=True, momentum=0.25)
    assert mean.numpy().tolist() == [0.75 * 1 + 0.25 * 3, 0.75 * 2 + 0.25 * 1]
    assert var.numpy().tolist() == [
        0.75 * 1 + 0.25 * 7,
        0.75 * 4 + 0.25 * 3,
    ]  # (4 + 1 + 9) / 2, (1 + 1 + 4) / 2
    assert np.shares_memory(mean.data, arrays[0])
    assert np.shares_memory(var.data, arrays[1])
    assert not mean.requires_grad
    assert not var.requires_grad


def test_the_output_has_the_biased_variance() -> None:
    out = batch_norm(td.tensor(np.array([[-1.0], [1.0]])), None, None, training=True, eps=0.0)
    assert out.numpy().tolist() == [[-1.0], [1.0]]


def test_momentum_is_a_tenth_and_eps_one_in_a_hundred_thousand() -> None:
    mean, var = td.zeros(1, dtype="float64"), td.ones(1, dtype="float64")
    out = batch_norm(td.tensor(np.array([[0.0], [2.0]])), mean, var, training=True)
    assert mean.item() == pytest.approx(0.1, rel=1e-15)
    assert var.item() == pytest.approx(0.9 + 0.2, rel=1e-15)
    assert out.numpy()[1, 0] == 1 / math.sqrt(1 + 1e-5)


def test_without_training_running_values_stay_and_one_value_will_do() -> None:
    mean, var = td.full(2, 3.0), td.full(2, 4.0)
    out = batch_norm(td.tensor([[5.0, 3.0]]), mean, var, eps=0.0)
    assert out.numpy().tolist() == [[1.0, 0.0]]
    assert mean.numpy().tolist() == [3.0, 3.0]
    assert var.numpy().tolist() == [4.0, 4.0]


@pytest.mark.parametrize("kept", ["none", "mean", "var"])
def test_running_values_may_be_none(kept: str, random: Any) -> None:
    x = random(4, 2)
    mean = td.zeros(2, dtype="float64") if kept == "mean" else None
    var = td.zeros(2, dtype="float64") if kept == "var" else None
    out = batch_norm(x, mean, var, training=True, momentum=1.0)
    assert np.array_equal(out.numpy(), batch_norm(x, None, None, training=True).numpy())
    if mean is not None:
        np.testing.assert_allclose(mean.numpy(), x.numpy().mean(0), rtol=1e-14)
    if var is not None:
        np.testing.assert_allclose(var.numpy(), x.numpy().var(0, ddof=1), rtol=1e-14)
    if kept != "none":
        with pytest.raises(
            ValueError, match=r"^batch_norm: without training it needs running_mean and running_var"
        ):
            batch_norm(x, mean, var)


@pytest.mark.parametrize("eps", [1e-12, 0.3])
def test_the_gradient_cannot_shift_or_stretch(eps: float, random: Any) -> None:
    """It is orthogonal to ones and to x^ in each channel; to x^ but for the share of eps in the variance."""
    x, g = random(5, 3, 4, seed=1), random(5, 3, 4, seed=2)
    x_hat = batch_norm(x, None, None, training=True, eps=eps)
    (dx,) = (v.numpy() for v in td.grad(x_hat, x, g))
    assert np.abs(dx).max() > 0.1
    np.testing.assert_allclose(dx.sum((0, 2)), 0.0, atol=1e-13)
    var = x.numpy().var((0, 2))
    along = (g.numpy() * x_hat.numpy()).sum((0, 2)) * eps / (var + eps) ** 1.5
    np.testing.assert_allclose((dx * x_hat.numpy()).sum((0, 2)), along, rtol=1e-10, atol=1e-11)


def test_under_a_plain_sum_nothing_flows(random: Any) -> None:
    x = random(6, 2)
    (dx,) = td.grad(batch_norm(x, None, None, training=True).sum(), x)
    np.testing.assert_allclose(dx.numpy(), 0.0, atol=1e-13)


def test_running_values_that_change_do_not_spoil_an_older_graph(random: Any) -> None:
    x, mean, var = random(4, 2), td.zeros(2, dtype="float64"), td.ones(2, dtype="float64")
    (want,) = td.grad(batch_norm(x, mean, var).sum(), x)
    out = batch_norm(x, mean, var).sum()
    batch_norm(x, mean, var, training=True, momentum=0.5)
    (got,) = td.grad(out, x)
    assert np.array_equal(got.numpy(), want.numpy())


def test_a_refused_batch_leaves_the_running_values() -> None:
    x, mean, var = td.ones(4, 2), td.zeros(2), td.ones(2)
    for arguments in (
        (x[:1], mean, var),
        (x, mean, var, td.ones(2, dtype="float64")),
        (x, mean, var, td.ones(3)),
    ):
        with pytest.raises((ValueError, TypeError), match=r"^batch_norm: "):
            batch_norm(*arguments, training=True)
    assert mean.numpy().tolist() == [0.0, 0.0]
    assert var.numpy().tolist() == [1.0, 1.0]


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
def test_batch_norm_refuses_shapes_that_do_not_fit(arguments: Any, kind: Any, sentence: str) -> None:
    shapes = {"x": (4, 3), "running_mean": (3,), "running_var": (3,)} | arguments
    with pytest.raises(kind, match=f"^batch_norm: .*{sentence}"):
        batch_norm(**{name: td.ones(shape) for name, shape in shapes.items()}, training=True)


@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_batch_norm_refuses_mixed_dtypes(name: str) -> None:
    parts = {n: td.ones(3) for n in ("running_mean", "running_var", "weight", "bias")}
    parts[name] = td.ones(3, dtype="float64")
    for training in (False, True):
        with pytest.raises(
            TypeError, match=rf"^batch_norm: {name} is float64, the input float32; convert one with"
        ):
            batch_norm(td.ones(4, 3), **parts, training=training)


# ---- layer norm


@given(data=st.data())
def test_layer_norm(data: Any) -> None:
    axes = data.draw(st.integers(1, 3))
    shapes = strategies.shapes(axes, 4, 1, 3)
    inputs, unpack = data.draw(inputs_of(shapes, lambda shape: shape[-axes:]))
    eps, lead = data.draw(EPS), inputs[0].ndim - axes

    def ours(*values: td.Tensor) -> td.Tensor:
        x, weight, bias = unpack(values)
        return layer_norm(x, x.shape[-axes:], weight, bias, eps)

    def loops(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        return stretched(by_groups(x, lambda p: p[:lead], eps), weight, bias, lambda p: p[lead:])

    assert check_function(ours, inputs, loops)


@given(data=st.data())
def test_layer_norm_agrees_with_torch(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    axes, eps = data.draw(st.integers(1, 2)), data.draw(EPS)
    inputs, unpack = data.draw(inputs_of(strategies.shapes(axes, 4, 1, 3), lambda shape: shape[-axes:]))

    def apply(fn: Any, values: Any) -> Any:
        x, weight, bias = unpack(values)
        return fn(x, tuple(x.shape[-axes:]), weight, bias, eps)

    theirs = torch.nn.functional.layer_norm
    assert agrees_with_torch(lambda *v: apply(layer_norm, v), lambda *v: apply(theirs, v), inputs, tol=1e-9)


def test_layer_norm_takes_one_length_or_several(random: Any) -> None:
    x = random(2, 3, 4)
    assert np.array_equal(layer_norm(x, 4).numpy(), layer_norm(x, (4,)).numpy())
    assert np.array_equal(layer_norm(x, [3, 4]).numpy(), layer_norm(x, (3, 4)).numpy())
    assert layer_norm(td.zeros(0, 3), 3).shape == (0, 3)
    np.testing.assert_allclose(layer_norm(x, 4).numpy().std(-1), 1.0, rtol=1e-3)
    assert layer_norm(td.tensor(np.array([-1.0, 1.0])), 2).numpy()[1] == 1 / math.sqrt(1 + 1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (((2, 3), 4), r"expected an input \(\.\.\., 4\), got \(2, 3\)"),
        (((2, 3), (3, 2)), r"expected an input \(\.\.\., 3, 2\), got \(2, 3\)"),
        (((3,), (2, 3)), r"expected an input \(\.\.\., 2, 3\), got \(3,\)"),
        (((2, 0), 0), r"expected an input \(\.\.\., 0\), got \(2, 0\)"),
        (((2, 3), ()), r"expected an input \(\.\.\., \), got \(2, 3\)"),
        (((2, 3), 3, (2,)), r"expected weight of shape \(3,\), got \(2,\)"),
        (((2, 3), 3, (3,), (1, 3)), r"expected bias of shape \(3,\), got \(1, 3\)"),
    ],
)
def test_layer_norm_refuses_shapes_that_do_not_fit(arguments: Any, sentence: str) -> None:
    x, shape, *rest = arguments
    with pytest.raises(ValueError, match=f"^layer_norm: {sentence}"):
        layer_norm(td.ones(x), shape, *(td.ones(s) for s in rest))


# ---- group norm


@given(data=st.data())
def test_group_norm(data: Any) -> None:
    groups, inside = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    rest = data.draw(strategies.shapes(0, 2, 1, 3))
    shape = (data.draw(st.integers(1, 2)), groups * inside, *rest)
    inputs, unpack = data.draw(inputs_of(st.just(shape), lambda shape: (shape[1],)))
    eps = data.draw(EPS)

    def ours(*values: td.Tensor) -> td.Tensor:
        x, weight, bias = unpack(values)
        return group_norm(x, groups, weight, bias, eps)

    def loops(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        return stretched(by_groups(x, lambda p: (p[0], p[1] // inside), eps), weight, bias, channel)

    assert check_function(ours, inputs, loops)


@given(data=st.data())
def test_group_norm_agrees_with_torch(data: Any, torch: Any, agrees_with_torch: Any) -> None:
    groups, inside, eps = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2)), data.draw(EPS)
    shape = (2, groups * inside, *data.draw(strategies.shapes(0, 2, 1, 3)))
    inputs, unpack = data.draw(inputs_of(st.just(shape), lambda shape: (shape[1],)))

    def ours(*values: td.Tensor) -> td.Tensor:
        x, weight, bias = unpack(values)
        return group_norm(x, groups, weight, bias, eps)

    def theirs(*values: Any) -> Any:
        x, weight, bias = unpack(values)
        if weight is None and bias is not None:  # PyTorch 2.13 has no gradient for a bias alone
            weight = torch.ones_like(bias)
        return torch.nn.functional.group_norm(x, groups, weight, bias, eps)

    assert agrees_with_torch(ours, theirs, inputs, tol=1e-9)


def test_group_norm_of_one_group_is_layer_norm(random: Any) -> None:
    x = random(2, 3, 4)
    np.testing.assert_allclose(group_norm(x, 1).numpy(), layer_norm(x, (3, 4)).numpy(), rtol=1e-12)
    assert group_norm(td.zeros(0, 4, 2), 2).shape == (0, 4, 2)
    assert group_norm(td.tensor(np.array([[-1.0, 1.0]])), 1).numpy()[0, 1] == 1 / math.sqrt(1 + 1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (((2, 3), 2), r"input \(2, 3\) \(N, C, \.\.\.\) can't be split into 2 groups of channels"),
        (((2, 3), 0), r"input \(2, 3\) .* can't be split into 0 groups"),
        (((4,), 2), r"input \(4,\) .* can't be split into 2 groups"),
        (((2, 0), 1), r"input \(2, 0\) .* can't be split into 1 groups"),
        (((2, 4, 0), 2), r"input \(2, 4, 0\) .* can't be split into 2 groups"),
        (((2, 4), 2, (2,)), r"expected weight of shape \(4,\), got \(2,\)"),
        (((2, 4), 2, (4,), (2,)), r"expected bias of shape \(4,\), got \(2,\)"),
    ],
)
def test_group_norm_refuses_shapes_that_do_not_fit(arguments: Any, sentence: str) -> None:
    x, groups, *rest = arguments
    with pytest.raises(ValueError, match=f"^group_norm: {sentence}"):
        group_norm(td.ones(x), groups, *(td.ones(s) for s in rest))


# ---- all of them

ALL: dict[str, Callable[..., td.Tensor]] = {
    "batch_norm": lambda x, w=None, b=None: batch_norm(x, None, None, w, b, training=True),
    "layer_norm": lambda x, w=None, b=None: layer_norm(x, x.shape[2:], w, b),
    "group_norm": lambda x, w=None, b=None: group_norm(x, 2, w, b),
}


def plain_norm(name: str, x: Any) -> Any:
    """In single steps of PyTorch, whose own batch norm has other, wrong third derivatives (2.13)."""
    shape = x.shape
    x = x.reshape(shape[0], 2, -1) if name == "group_norm" else x
    axes = (0, 2) if name == "batch_norm" else (2,)
    centred = x - x.mean(axes, keepdim=True)
    return (centred / ((centred**2).mean(axes, keepdim=True) + 1e-5).sqrt()).reshape(shape)


@pytest.mark.parametrize("name", ALL)
def test_derivatives_with_the_usual_epsilon(name: str, random: Any) -> None:
    x = random(3, 4, 3)
    shape = (3,) if name == "layer_norm" else (4,)
    inputs = [x, random(*shape, seed=1), random(*shape, seed=2)]
    assert gradcheck(ALL[name], inputs, full=True)
    assert gradgradcheck(ALL[name], inputs)


@pytest.mark.parametrize("name", ALL)
def test_third_derivatives_are_torchs(name: str, torch: Any, random: Any) -> None:
    x = random(3, 4, 3)
    y, a = ALL[name](x), torch.tensor(x.numpy().copy(), requires_grad=True)
    z = plain_norm(name, a)
    for order in (1, 2, 3):
        weight = random(3, 4, 3, seed=order).numpy()
        (y,) = td.grad(y, x, td.tensor(weight), create_graph=True)
        (z,) = torch.autograd.grad(z, a, torch.tensor(weight.copy()), create_graph=True)
        want = z.detach().numpy()
        assert np.abs(want).max() > 0.1
        np.testing.assert_allclose(y.numpy(), want, rtol=1e-8, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize("name", ALL)
def test_a_large_mean_costs_no_precision(name: str) -> None:
    values = td.Generator(0).normal((4, 4, 50), np.float64)
    x = (values + 1000).astype(np.float32)
    want = ALL[name](td.tensor(x.astype(np.float64))).numpy()
    np.testing.assert_allclose(ALL[name](td.tensor(x)).numpy(), want, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_constant_inputs_give_zeros_and_finite_gradients(name: str) -> None:
    x = td.full((2, 4, 3), 5.0, dtype="float64", requires_grad=True)
    out = ALL[name](x)
    assert not out.numpy().any()
    (dx,) = td.grad(out, x, td.tensor(np.arange(24.0).reshape(2, 4, 3)))
    assert np.isfinite(dx.numpy()).all()


@pytest.mark.parametrize("name", ALL)
def test_integers_give_float32(name: str) -> None:
    values = np.arange(16).reshape(2, 4, 2) % 5
    out = ALL[name](td.tensor(values))
    assert out.dtype == np.float32
    want = ALL[name](td.tensor(values.astype(np.float32)))
    assert np.array_equal(out.numpy(), want.numpy())


@pytest.mark.parametrize("name", ALL)
def test_plain_arrays_are_an_error(name: str) -> None:
    with pytest.raises(TypeError, match=r"expected tensors, got a plain array; wrap it with td\.tensor"):
        ALL[name](np.ones((2, 4, 2)))
    with pytest.raises(TypeError, match=r"expected tensors, got a plain array; wrap it with td\.tensor"):
        batch_norm(np.ones((2, 4)), td.ones(4, dtype="float64"), td.ones(4, dtype="float64"))


@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_keeps_the_layout(training: bool, layout: str) -> None:
    values = td.Generator(0).normal((2, 3, 4, 5), np.float64)
    x = td.Tensor(strategies.lay_out(values, layout), requires_grad=True)
    channels = [td.ones(3, dtype="float64") for _ in range(4)]
    out = batch_norm(x, *channels, training=training)
    assert memory_order(out) == memory_order(x)
    g = td.Tensor(strategies.lay_out(values + 1, layout))
    assert memory_order(td.grad(out, x, g)[0]) == memory_order(x)
