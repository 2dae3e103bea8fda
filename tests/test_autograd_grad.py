"""`td.grad`, and derivatives of derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinydl as td


class Cube(td.Op):
    """out = x^3,  dx = 3 x^2 g."""

    def forward(self, x: Any) -> Any:
        return x * x * x

    def backward(self, g: Any, x: Any) -> Any:
        return 3 * x * x * g


def leaf(*values: float, dtype: str = "float64") -> td.Tensor:
    return td.tensor(np.array(values, dtype), requires_grad=True)


def scalar(value: float) -> td.Tensor:
    return td.tensor(np.float64(value), requires_grad=True)


def gradient(x: td.Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.data.tolist()


# ---- td.grad


def test_grad_returns_a_tuple_and_touches_no_grad() -> None:
    x, y = leaf(2.0), leaf(5.0)
    grads = td.grad(x * x * y, [x, y])
    assert isinstance(grads, tuple)
    assert [g.item() for g in grads if g is not None] == [20.0, 4.0]
    assert x.grad is None
    assert y.grad is None
    (alone,) = td.grad(x * 3, x)
    assert alone is not None
    assert alone.item() == 3.0


def test_grad_of_computed_tensors() -> None:
    x = leaf(2.0)
    h = x * x
    y = h * h * h
    gh, gx = td.grad(y, [h, x])
    assert gh is not None
    assert gx is not None
    assert gh.item() == 48.0
    assert gx.item() == 192.0


def test_grad_of_the_output_itself_is_the_seed() -> None:
    x = leaf(2.0)
    y = x * x
    (g,) = td.grad(y, y)
    assert g is not None
    assert g.item() == 1.0
    (g,) = td.grad(x, x)
    assert g is not None
    assert g.item() == 1.0


def test_grad_of_several_outputs_sums_with_their_weights() -> None:
    x = leaf(2.0, 3.0)
    outputs = [x * x, x.sum()]
    (g,) = td.grad(outputs, x, [td.tensor(np.array([1.0, 10.0])), None])
    assert g is not None
    assert g.data.tolist() == [5.0, 61.0]


def test_grad_of_the_same_output_twice_counts_twice() -> None:
    x = leaf(2.0)
    y = x * x
    (g,) = td.grad([y, y], x)
    assert g is not None
    assert g.item() == 8.0


def test_grad_refuses_unused_inputs_unless_allowed() -> None:
    x, z = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        td.grad(x * 2, [x, z])
    gx, gz = td.grad(x * 2, [x, z], allow_unused=True)
    assert gx is not None
    assert gx.item() == 2.0
    assert gz is None


def test_grad_refuses_inputs_without_gradients() -> None:
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="input 1 does not require"):
        td.grad(x * 2, [x, td.ones(1)])


@pytest.mark.parametrize("weights", [0, 1, 3])
def test_grad_refuses_a_wrong_number_of_weights(weights: int) -> None:
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match=f"2 outputs and {weights} grad_outputs"):
        td.grad([x * 2, x * 3], x, [None] * weights)


def test_a_failed_td_grad_does_not_narrow_later_passes() -> None:
    class Moody(td.Op):
        cheerful = False

        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, g: Any, a: Any, b: Any) -> Any:
            if not Moody.cheerful:
                raise ZeroDivisionError
            return g * b if self.needs[0] else None, g * a if self.needs[1] else None

    a, b = leaf(2.0), leaf(3.0)
    y = Moody()(a, b)
    with pytest.raises(ZeroDivisionError):
        td.grad(y, a, retain_graph=True)
    Moody.cheerful = True
    y.backward()
    assert (gradient(a), gradient(b)) == ([3.0], [2.0])


class Mine(td.Op):
    """out = x + 0, and its backward must never be called."""

    def forward(self, x: Any) -> Any:
        return x + 0.0

    def backward(self, g: Any) -> Any:
        raise AssertionError("an operation off the path was asked for its gradient")


def test_grad_computes_only_what_lies_between() -> None:
    x, z = leaf(2.0), leaf(3.0)
    h = x * x
    y = h * Mine()(z) + Mine()(h) * 0 + h
    (g,) = td.grad(h * Mine()(z), x)  # the branch to z is not needed
    assert g is not None
    assert g.item() == 12.0
    with pytest.raises(AssertionError):
        td.grad(y, x, retain_graph=True)
    below = Mine()(x)
    (g,) = td.grad(below * below, below)  # what lies below the input is not needed
    assert g is not None
    assert g.item() == 4.0


def test_grad_up_to_a_computed_tensor_leaves_what_is_below_it_usable() -> None:
    x = leaf(2.0, 3.0)
    h = x * x
    (g,) = td.grad((h * h).sum(), h)
    assert g is not None
    h.backward(g)  # the second half of the chain rule, by hand
    assert gradient(x) == [4 * 8.0, 4 * 27.0]


def test_grad_asks_only_for_wanted_gradients_of_an_operation() -> None:
    asked: list[tuple[bool, ...]] = []

    class Product(td.Op):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, g: Any, a: Any, b: Any) -> Any:
            asked.append(self.needs)
            return g * b if self.needs[0] else None, g * a if self.needs[1] else None

    a, b = leaf(2.0), leaf(3.0)
    y = Product()(a, b)
    td.grad(y, b, retain_graph=True)
    y.backward()
    Product()(a, td.tensor(np.array([1.0]))).backward()
    assert asked == [(False, True), (True, True), (True, False)]
    assert (gradient(a), gradient(b)) == ([4.0], [2.0])


def test_a_graph_of_2_to_the_64_paths_is_walked_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(64):
        y = y * 0.5 + y * 0.5
    (g,) = td.grad(y, x, retain_graph=True)
    assert g is not None
    assert g.item() == 1.0
    y.backward()
    assert gradient(x) == [1.0]


def test_grad_through_a_part_that_was_freed_is_an_error_and_never_a_part_of_the_gradient() -> None:
    x = leaf(2.0)
    h = x * x
    td.grad(h * 2, x)
    for unused in (False, True):
        with pytest.raises(RuntimeError, match="freed"):
            td.grad(h * 3 + x, x, allow_unused=unused)


def test_grad_frees_the_graph_unless_told_otherwise() -> None:
    x = leaf(2.0)
    y = x * x
    td.grad(y, x, retain_graph=True)
    td.grad(y, x)
    with pytest.raises(RuntimeError, match="freed"):
        td.grad(y, x)


# ---- higher derivatives


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (lambda x: x.sin(), [math.cos, lambda v: -math.sin(v), lambda v: -math.cos(v)]),
        (lambda x: x.exp(), [math.exp] * 3),
        (lambda x: Cube()(x), [lambda v: 3 * v * v, lambda v: 6 * v, lambda v: 6.0]),
        (lambda x: x.log(), [lambda v: 1 / v, lambda v: -1 / v**2, lambda v: 2 / v**3]),
        (lambda x: x * x * x.exp(), [
            lambda v: (v * v + 2 * v) * math.exp(v),
            lambda v: (v * v + 4 * v + 2) * math.exp(v),
            lambda v: (v * v + 6 * v + 6) * math.exp(v),
        ]),
    ],
)  # fmt: skip
def test_create_graph_to_third_order(function: Any, derivatives: list[Any]) -> None:
    x = scalar(0.7)
    y = function(x)
    for derivative in derivatives:
        (y,) = td.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(derivative(0.7), rel=1e-13)


def test_backward_with_create_graph_gives_a_grad_that_can_be_differentiated() -> None:
    x = leaf(2.0)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    assert first is not None
    assert first.item() == 12.0
    x.grad = None
    first.backward()
    assert gradient(x) == [12.0]


def test_two_passes_with_create_graph_add_gradients_that_can_be_differentiated() -> None:
    x = leaf(2.0)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    (x * x).backward(create_graph=True)
    assert first is not None
    assert first.item() == 12.0
    assert gradient(x) == [16.0]
    (second,) = td.grad(x.grad, x)
    assert second is not None
    assert second.item() == 14.0


def test_without_create_graph_gradients_are_constants() -> None:
    x = leaf(2.0)
    (g,) = td.grad(x * x * x, x)
    assert g is not None
    assert not g.requires_grad
    assert g.is_leaf


def test_a_gradient_penalty_reaches_the_weights() -> None:
    rng = np.random.default_rng(0)
    x = td.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    w = td.tensor(rng.normal(size=(3, 2)), requires_grad=True)

    def penalty(w: td.Tensor) -> td.Tensor:
        (g,) = td.grad(td.tanh(x @ w).sum(), x, create_graph=True)
        assert g is not None
        return (g * g).sum()

    (analytic,) = td.grad(penalty(w), w)
    assert analytic is not None
    for place in np.ndindex(3, 2):
        moved = []
        for step in (1e-6, -1e-6):
            data = w.numpy().copy()
            data[place] += step
            moved.append(penalty(td.tensor(data, requires_grad=True)).item())
        assert analytic.numpy()[place] == pytest.approx((moved[0] - moved[1]) / 2e-6, rel=1e-6, abs=1e-8)


def test_second_derivatives_through_a_seed_that_requires_gradients() -> None:
    x, v = leaf(2.0, 3.0), leaf(1.0, 1.0)
    (g,) = td.grad(x * x * x, x, v, create_graph=True)
    assert g is not None
    gx, gv = td.grad(g.sum(), [x, v])
    assert gx is not None
    assert gv is not None
    assert gx.data.tolist() == [12.0, 18.0]
    assert gv.data.tolist() == [12.0, 27.0]
