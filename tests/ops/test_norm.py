"""What is true of batch, layer and group norm, and what layer and group norm refuse.

Loops, derivatives and PyTorch are in tests/grid/norm.py, the rest of batch norm in test_norm_batch.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.functional import batch_norm, group_norm, layer_norm
from tinydl.ops import norm as ops
from tinydl.testing import gradcheck, gradgradcheck, memory_order, strategies
from tinydl.testing.point import host

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
def test_derivatives_with_the_usual_epsilon(name: str, on: Any) -> None:
    x = on.random(3, 4, 3)
    shape = (3,) if name == "layer_norm" else (4,)
    inputs = [x, on.random(*shape, seed=1), on.random(*shape, seed=2)]
    assert gradcheck(ALL[name], inputs, full=True)
    assert gradgradcheck(ALL[name], inputs)


@pytest.mark.parametrize("constant", ["none", "u", "x"])
def test_the_gradient_is_an_operation_of_its_own(constant: str, on: Any) -> None:
    """Through batch norm and its like x wants a gradient whenever u does; here each may be a constant."""
    u, x = on.random(4, 3), on.random(4, 3, seed=1)
    inputs = [v.detach() if name == constant else v for name, v in (("u", u), ("x", x))]

    def project(u: td.Tensor, x: td.Tensor) -> Any:
        return ops.NormalizeGradient((0,), 1e-5)(u, x)

    assert gradcheck(project, inputs, full=True)
    assert gradgradcheck(project, inputs)


@pytest.mark.parametrize("name", ALL)
def test_third_derivatives_are_torchs(name: str, torch: Any, on: Any) -> None:
    x = on.random(3, 4, 3)
    y, a = ALL[name](x), torch.tensor(host(x).copy(), requires_grad=True)
    z = plain_norm(name, a)
    for order in (1, 2, 3):
        weight = host(on.random(3, 4, 3, seed=order))
        (y,) = td.grad(y, x, on.tensor(weight), create_graph=True)
        (z,) = torch.autograd.grad(z, a, torch.tensor(weight.copy()), create_graph=True)
        want = z.detach().numpy()
        assert np.abs(want).max() > 0.1
        np.testing.assert_allclose(host(y), want, rtol=1e-8, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize("name", ALL)
def test_a_large_mean_costs_no_precision(name: str, on: Any) -> None:
    values = td.Generator(0).normal((4, 4, 50), np.float64)
    x = (values + 1000).astype(np.float32)
    want = host(ALL[name](on.tensor(x.astype(np.float64))))
    np.testing.assert_allclose(host(ALL[name](on.tensor(x))), want, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_constant_inputs_give_zeros_and_finite_gradients(name: str, on: Any) -> None:
    x = on.full((2, 4, 3), 5.0, dtype="float64", requires_grad=True)
    out = ALL[name](x)
    assert not host(out).any()
    (dx,) = td.grad(out, x, on.tensor(np.arange(24.0).reshape(2, 4, 3)))
    assert np.isfinite(host(dx)).all()


@pytest.mark.parametrize("name", ALL)
def test_integers_give_float32(name: str, on: Any) -> None:
    values = np.arange(16).reshape(2, 4, 2) % 5
    out = ALL[name](on.tensor(values))
    assert out.dtype == np.float32
    want = ALL[name](on.tensor(values.astype(np.float32)))
    assert np.array_equal(host(out), host(want))


@pytest.mark.parametrize("name", ALL)
def test_plain_arrays_are_an_error(name: str, on: Any) -> None:
    with pytest.raises(TypeError, match=r"expected tensors, got a plain array; wrap it with td\.tensor"):
        ALL[name](on.ones(2, 4, 2).data)


def ones(x: td.Tensor, n: int) -> list[td.Tensor]:
    return [td.ones(n, dtype="float64", device=x.device) for _ in range(2)]


STRETCHED: dict[str, Callable[[td.Tensor], td.Tensor]] = {
    "batch_norm": lambda x: batch_norm(x, None, None, *ones(x, 4), training=True),
    "batch_norm by running values": lambda x: batch_norm(x, *ones(x, 4), *ones(x, 4)),
    "layer_norm": lambda x: layer_norm(x, 5, *ones(x, 5)),
    "layer_norm of images": lambda x: layer_norm(x, (4, 3, 5)),
    "group_norm": lambda x: group_norm(x, 2, *ones(x, 4)),
    "group_norm of one group": lambda x: group_norm(x, 1, *ones(x, 4)),
}


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
@pytest.mark.parametrize("name", STRETCHED)
def test_the_layout_is_kept(name: str, layout: str, on: Any) -> None:
    values = td.Generator(0).normal((2, 4, 3, 5), np.float64)
    x = on.leaf(strategies.lay_out(values, layout))
    out = STRETCHED[name](x)
    assert memory_order(out) == memory_order(x)
    g = on.leaf(strategies.lay_out(values + 1, layout))
    assert memory_order(td.grad(out, x, g)[0]) == memory_order(x)


# ---- layer norm


def test_layer_norm_takes_one_length_or_several(on: Any) -> None:
    x = on.random(2, 3, 4)
    assert np.array_equal(host(layer_norm(x, 4)), host(layer_norm(x, (4,))))
    assert np.array_equal(host(layer_norm(x, [3, 4])), host(layer_norm(x, (3, 4))))
    assert layer_norm(on.zeros(0, 3), 3).shape == (0, 3)
    np.testing.assert_allclose(host(layer_norm(x, 4)).std(-1), 1.0, rtol=1e-3)
    assert host(layer_norm(on.tensor(np.array([-1.0, 1.0])), 2))[1] == 1 / math.sqrt(1 + 1e-5)


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
def test_layer_norm_refuses_shapes_that_do_not_fit(arguments: Any, sentence: str, on: Any) -> None:
    x, shape, *rest = arguments
    with pytest.raises(ValueError, match=f"^layer_norm: {sentence}"):
        layer_norm(on.ones(x), shape, *(on.ones(s) for s in rest))


# ---- group norm


def test_group_norm_of_one_group_is_layer_norm(on: Any) -> None:
    x = on.random(2, 3, 4)
    np.testing.assert_allclose(host(group_norm(x, 1)), host(layer_norm(x, (3, 4))), rtol=1e-12)
    assert group_norm(on.zeros(0, 4, 2), 2).shape == (0, 4, 2)
    assert host(group_norm(on.tensor(np.array([[-1.0, 1.0]])), 1))[0, 1] == 1 / math.sqrt(1 + 1e-5)


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
def test_group_norm_refuses_shapes_that_do_not_fit(arguments: Any, sentence: str, on: Any) -> None:
    x, groups, *rest = arguments
    with pytest.raises(ValueError, match=f"^group_norm: {sentence}"):
        group_norm(on.ones(x), groups, *(on.ones(s) for s in rest))
