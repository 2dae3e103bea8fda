"""vjp, jvp, hvp, jacobian, hessian: closed forms, each other, and PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl import calculus
from tinydl.testing import strategies

TESTED = {"vjp", "jvp", "hvp", "jacobian", "hessian"}


def test_every_public_function_is_tested(public_functions: Any) -> None:
    assert public_functions(calculus) == TESTED


def vector(*values: float) -> td.Tensor:
    return td.tensor(np.array(values, np.float64))


A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]])
X, V, W = vector(0.5, -1.0, 2.0), vector(1.0, 10.0, 100.0), vector(1.0, -2.0)


# ---- closed forms


def test_a_linear_function() -> None:
    fn = lambda x: td.tensor(A) @ x
    want = A @ X.numpy()
    for value, product, expected in (
        (*td.vjp(fn, X, W), W.numpy() @ A),
        (*td.jvp(fn, X, V), A @ V.numpy()),
    ):
        np.testing.assert_allclose(value.numpy(), want, rtol=1e-15)
        np.testing.assert_allclose(product.numpy(), expected, rtol=1e-15)
    assert np.array_equal(td.jacobian(fn, X).numpy(), A)
    total = lambda x: fn(x).sum()
    assert td.hessian(total, X).numpy().tolist() == [[0.0] * 3] * 3
    value, product = td.hvp(total, X, V)
    assert value.item() == pytest.approx(want.sum(), rel=1e-15)
    assert product.numpy().tolist() == [0.0] * 3


def test_a_nonlinear_function() -> None:
    fn = lambda x: td.tanh(td.tensor(A) @ x)
    y = np.tanh(A @ X.numpy())
    j = (1 - y**2)[:, None] * A
    np.testing.assert_allclose(td.jacobian(fn, X).numpy(), j, rtol=1e-12)
    np.testing.assert_allclose(td.vjp(fn, X, W)[1].numpy(), W.numpy() @ j, rtol=1e-12)
    np.testing.assert_allclose(td.jvp(fn, X, V)[1].numpy(), j @ V.numpy(), rtol=1e-12)
    np.testing.assert_allclose(td.jvp(fn, X, V)[0].numpy(), y, rtol=1e-15)


def test_a_quadratic_form() -> None:
    q = np.arange(9.0).reshape(3, 3) ** 2
    fn = lambda x: x @ td.tensor(q) @ x
    np.testing.assert_allclose(td.hessian(fn, X).numpy(), q + q.T, rtol=1e-14)
    value, product = td.hvp(fn, X, V)
    assert value.item() == pytest.approx(X.numpy() @ q @ X.numpy(), rel=1e-14)
    np.testing.assert_allclose(product.numpy(), (q + q.T) @ V.numpy(), rtol=1e-14)


def test_rosenbrocks_valley() -> None:
    fn = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    a, b = -1.2, 1.0
    x = vector(a, b)
    gradient = [-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)]
    want = np.array([[2 - 400 * b + 1200 * a**2, -400 * a], [-400 * a, 200.0]])
    np.testing.assert_allclose(td.vjp(fn, x)[1].numpy(), gradient, rtol=1e-13)
    np.testing.assert_allclose(td.jacobian(fn, x).numpy(), gradient, rtol=1e-13)
    np.testing.assert_allclose(td.hessian(fn, x).numpy(), want, rtol=1e-13)
    np.testing.assert_allclose(td.hvp(fn, x, vector(1, 0))[1].numpy(), want[:, 0], rtol=1e-13)


def test_shapes_of_jacobians_and_hessians() -> None:
    x, y = td.ones(2, 3, dtype="float64"), td.ones(4, dtype="float64")
    fn = lambda x, y: x.sum(0).reshape(3, 1) ** 2 * y
    jx, jy = td.jacobian(fn, (x, y))
    assert jx.shape == (3, 4, 2, 3)
    assert jy.shape == (3, 4, 4)
    (hxx, hxy), (hyx, hyy) = td.hessian(lambda x, y: fn(x, y).sum(), [x, y])
    assert (hxx.shape, hxy.shape) == ((2, 3, 2, 3), (2, 3, 4))
    assert (hyx.shape, hyy.shape) == ((4, 2, 3), (4, 4))
    np.testing.assert_allclose(hxy.numpy(), hyx.numpy().transpose(1, 2, 0), rtol=1e-14)
    assert isinstance(td.jacobian(fn, (x, y)), tuple)
    assert isinstance(td.jacobian(lambda x: x * 2, (x,)), tuple)
    assert isinstance(td.jacobian(lambda x: x * 2, x), td.Tensor)
    assert td.jacobian(lambda x: x[:0], y).shape == (0, 4)
    assert td.jacobian(lambda x: x.sum(), y).shape == (4,)
    assert td.hessian(lambda x: (x**3).sum(), td.ones(1, 2)).shape == (1, 2, 1, 2)
    assert td.hessian(lambda x: x[0] ** 2, td.ones(1)).item() == 2.0


def test_blocks_of_a_product() -> None:
    x, y = vector(1.0, 2.0), vector(3.0, 5.0)
    blocks = td.hessian(lambda x, y: (x * y).sum(), (x, y))
    want = [[np.zeros((2, 2)), np.eye(2)], [np.eye(2), np.zeros((2, 2))]]
    for i in range(2):
        for j in range(2):
            assert np.array_equal(blocks[i][j].numpy(), want[i][j])
    value, (px, py) = td.hvp(lambda x, y: (x * y).sum(), (x, y), (vector(1, 10), vector(100, 1000)))
    assert value.item() == 13.0
    assert px.numpy().tolist() == [100.0, 1000.0]
    assert py.numpy().tolist() == [1.0, 10.0]


def test_several_outputs() -> None:
    fn = lambda x: (x**2, x.sum())
    (square, total), product = td.vjp(fn, X, (V, vector(7.0).sum()))
    assert np.array_equal(square.numpy(), X.numpy() ** 2)
    assert total.item() == 1.5
    np.testing.assert_allclose(product.numpy(), 2 * X.numpy() * V.numpy() + 7, rtol=1e-15)
    values, products = td.jvp(fn, X, V)
    assert isinstance(values, tuple)
    np.testing.assert_allclose(products[0].numpy(), 2 * X.numpy() * V.numpy(), rtol=1e-15)
    assert products[1].item() == 111.0


# ---- each other, and PyTorch

FUNCTIONS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "mixed": lambda m: lambda x, y: m.sin(x) * y + x,
    "one of two": lambda m: lambda x, y: m.exp(x) * 2,
    "linear": lambda m: lambda x, y: 2 * x - 3 * y,
    "coupled": lambda m: lambda x, y: m.cumsum(x * y.reshape(-1)[0], 0) ** 3,
    "identity": lambda m: lambda x, y: x,
    "indexed": lambda m: lambda x, y: (x * x * y)[-1:] / (1 + y[-1:] ** 2),
}


@st.composite
def points(draw: Any) -> tuple[Any, Any, Any, Any]:
    shape = draw(strategies.shapes(1, 2, 1, 3))
    return tuple(draw(strategies.tensors(shape)) for _ in range(4))


@pytest.mark.parametrize("name", FUNCTIONS)
@given(points=points())
def test_from_the_left_and_from_the_right(name: str, points: Any) -> None:
    """<u, J v> = <J^T u, v>, and both agree with the whole Jacobian."""
    fn = FUNCTIONS[name](td)
    x, y, dx, dy = points
    out, forward = td.jvp(fn, (x, y), (dx, dy))
    u = td.tensor(td.Generator(0).normal(out.shape, np.float64))
    _, (bx, by) = td.vjp(fn, (x, y), u)
    left = float(np.vdot(u.numpy(), forward.numpy()))
    right = float(np.vdot(bx.numpy(), dx.numpy()) + np.vdot(by.numpy(), dy.numpy()))
    assert left == pytest.approx(right, rel=1e-10, abs=1e-10)
    jx, jy = (j.numpy().reshape(out.size, -1) for j in td.jacobian(fn, (x, y)))
    along = jx @ dx.numpy().reshape(-1) + jy @ dy.numpy().reshape(-1)
    np.testing.assert_allclose(forward.numpy().reshape(-1), along, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(bx.numpy().reshape(-1), u.numpy().reshape(-1) @ jx, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(points=points())
def test_agreement_with_torch(name: str, points: Any, torch: Any) -> None:
    ours, theirs = FUNCTIONS[name](td), FUNCTIONS[name](torch)
    inputs, v = points[:2], points[2:]
    t_inputs, t_v = (tuple(torch.tensor(x.numpy().copy()) for x in group) for group in (inputs, v))
    peer = torch.autograd.functional

    def same(a: Any, b: Any) -> None:
        if isinstance(b, tuple):
            assert isinstance(a, tuple)
            assert len(a) == len(b)
            for p, q in zip(a, b, strict=True):
                same(p, q)
        else:
            assert a.shape == tuple(b.shape)
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-10)

    weight = td.tensor(td.Generator(0).normal(ours(*inputs).shape, np.float64))
    same(td.vjp(ours, inputs, weight), peer.vjp(theirs, t_inputs, torch.tensor(weight.numpy())))
    same(td.jvp(ours, inputs, v), peer.jvp(theirs, t_inputs, t_v))
    same(td.jacobian(ours, inputs), peer.jacobian(theirs, t_inputs))
    total, t_total = lambda x, y: (ours(x, y) ** 2).sum(), lambda x, y: (theirs(x, y) ** 2).sum()
    same(td.hvp(total, inputs, v), peer.hvp(t_total, t_inputs, t_v))
    same(td.hessian(total, inputs), peer.hessian(t_total, t_inputs))


# ---- functions that ignore their inputs


def test_inputs_that_are_not_used_get_zeros() -> None:
    fn = lambda x, y: (x**2).sum()
    y = td.ones(2, 2, dtype="float64")
    assert td.vjp(fn, (X, y))[1][1].numpy().tolist() == [[0.0, 0.0]] * 2
    assert td.jvp(fn, (X, y), (td.zeros(3, dtype="float64"), y))[1].item() == 0.0
    assert td.hvp(fn, (X, y), (V, y))[1][1].numpy().tolist() == [[0.0, 0.0]] * 2
    assert td.jacobian(fn, (X, y))[1].numpy().tolist() == [[0.0, 0.0]] * 2
    blocks = td.hessian(fn, (X, y))
    assert np.array_equal(blocks[0][0].numpy(), 2 * np.eye(3))
    for block, shape in ((blocks[0][1], (3, 2, 2)), (blocks[1][0], (2, 2, 3)), (blocks[1][1], (2, 2, 2, 2))):
        assert block.shape == shape
        assert not block.numpy().any()


def test_constant_functions_have_zero_derivatives() -> None:
    three = lambda x: td.full((), 3.0, dtype="float64")
    for value, product in (td.vjp(three, X), td.hvp(three, X, V)):
        assert value.item() == 3.0
        assert product.numpy().tolist() == [0.0] * 3
    assert td.jvp(three, X, V)[1].item() == 0.0
    assert td.jacobian(three, X).numpy().tolist() == [0.0] * 3
    assert td.hessian(three, X).numpy().tolist() == [[0.0] * 3] * 3
    both = lambda x: (x * 2, td.ones(2, dtype="float64"))
    assert td.vjp(both, X, (V, W))[1].numpy().tolist() == [2.0, 20.0, 200.0]
    first, second = td.jvp(both, X, V)[1]
    assert first.numpy().tolist() == [2.0, 20.0, 200.0]
    assert second.numpy().tolist() == [0.0, 0.0]


# ---- manners


def all_of(fn: Callable[..., Any], x: td.Tensor, v: td.Tensor) -> list[td.Tensor]:
    return [
        *td.vjp(fn, x), *td.jvp(fn, x, v), *td.hvp(fn, x, v), td.jacobian(fn, x), td.hessian(fn, x)
    ]  # fmt: skip


def test_inputs_and_parameters_are_not_touched() -> None:
    x, weight = td.tensor(np.arange(3.0), requires_grad=True), td.tensor(A, requires_grad=True)
    before = x.numpy().copy()
    seen: list[td.Tensor] = []

    def fn(x: td.Tensor) -> td.Tensor:
        seen.append(x)
        return ((weight @ x) ** 3).sum()

    results = all_of(fn, x, V)
    assert x.grad is None
    assert weight.grad is None
    assert all(s.grad is None for s in seen)
    assert np.array_equal(x.numpy(), before)
    assert not any(r.requires_grad for r in results)
    assert x.requires_grad
    assert not X.requires_grad


def test_inside_no_grad() -> None:
    fn = lambda x: (x**3).sum()
    want = all_of(fn, X, V)
    with td.no_grad():
        found = all_of(fn, X, V)
        assert not (td.ones(1, requires_grad=True) * 2).requires_grad
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(want, found, strict=True))
    assert want[-1].numpy().any()


def test_float32_stays_float32() -> None:
    x, v = X.astype("float32"), V.astype("float32")
    assert {r.dtype for r in all_of(lambda x: (x**3 + x).sum(), x, v)} == {np.dtype("float32")}
    assert {r.dtype for r in all_of(lambda x: (x * 2).sum(), x, v)} == {np.dtype("float32")}


@pytest.mark.parametrize("outer", ["vjp", "jvp", "hvp", "jacobian", "hessian"])
def test_one_inside_another_would_lose_derivatives(outer: str) -> None:
    def slope(x: td.Tensor) -> td.Tensor:
        return td.vjp(lambda x: (x**4).sum(), x)[1].sum()

    def differentiated(fn: Callable[..., Any]) -> Any:
        return getattr(td, outer)(fn, X, *([V] if outer in ("jvp", "hvp") else []))

    with pytest.raises(RuntimeError, match=rf"^vjp: called by a function that {outer} differentiates"):
        differentiated(slope)

    def constant(x: td.Tensor) -> td.Tensor:
        with td.no_grad():
            return slope(x)

    differentiated(lambda x: (x * constant(x)).sum())
    assert slope(X).item() == (4 * X.numpy() ** 3).sum()  # and nothing is left behind


def test_functions_that_take_gradients_themselves() -> None:
    def slope(x: td.Tensor) -> td.Tensor:
        (g,) = td.grad((x**4).sum(), x, create_graph=True)
        assert g is not None
        return g

    np.testing.assert_allclose(td.jacobian(slope, X).numpy(), np.diag(12 * X.numpy() ** 2), rtol=1e-14)
    np.testing.assert_allclose(td.jvp(slope, X, V)[1].numpy(), 12 * X.numpy() ** 2 * V.numpy(), rtol=1e-14)


def test_a_network() -> None:
    model = td.nn.Sequential(td.nn.Dense(3, 4, generator=0), td.nn.Tanh(), td.nn.Dense(4, 2, generator=1))
    model.astype("float64")
    j = td.jacobian(model, X)
    first, last = model[0].weight.numpy(), model[2].weight.numpy()
    hidden = np.tanh(first @ X.numpy() + model[0].bias.numpy())
    np.testing.assert_allclose(j.numpy(), last @ ((1 - hidden**2)[:, None] * first), rtol=1e-12)
    assert all(p.grad is None for p in model.parameters())


def test_a_hessian_is_what_differences_say(random: Any) -> None:
    x = random(2, 3)
    fn = lambda x: (td.exp(x[0]) * x[1] ** 3).sum()
    h, step = td.hessian(fn, x).numpy().reshape(6, 6), 1e-5
    for i, unit in enumerate(np.eye(6).reshape(6, 2, 3)):
        row = td.hvp(fn, x, td.tensor(unit))[1].numpy()
        np.testing.assert_allclose(h[i], row.reshape(6), rtol=1e-13)
        ahead, behind = (td.vjp(fn, td.tensor(x.numpy() + s * unit))[1].numpy() for s in (step, -step))
        np.testing.assert_allclose(row, (ahead - behind) / (2 * step), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(h, h.T, rtol=1e-13)


# ---- errors


def test_v_must_fit() -> None:
    fn = lambda x: (x**2).sum()
    for name in ("jvp", "hvp"):
        product = getattr(td, name)
        with pytest.raises(
            ValueError, match=rf"^{name}: expected v of the shapes of the inputs, \[\(3,\)\], got \[\(2,\)\]"
        ):
            product(fn, X, W)
        with pytest.raises(ValueError, match=rf"^{name}: expected v .* \[\(3,\)\], got \[\(3,\), \(3,\)\]"):
            product(fn, X, (V, V))
        with pytest.raises(TypeError, match="expected tensors, got ndarray"):
            product(fn, X, V.numpy())
        with pytest.raises(ValueError, match=r"expected a gradient of shape .*float64.*got .*float32"):
            product(fn, X, V.astype("float32"))
    with pytest.raises(ValueError, match=r"backward: expected a gradient of shape \(3,\)"):
        td.vjp(lambda x: x * 2, X, W)
    with pytest.raises(RuntimeError, match=r"a tensor of shape \(3,\) needs a gradient of its shape"):
        td.vjp(lambda x: x * 2, X)
    with pytest.raises(ValueError, match=r"^vjp: expected v for 2 outputs, got 1"):
        td.vjp(lambda x: (x, x), X, V)
    with pytest.raises(ValueError, match=r"^vjp: expected v for 1 outputs, got 2"):
        td.vjp(lambda x: x, X, (V, V))


@pytest.mark.parametrize("name", ["hvp", "hessian"])
def test_one_number_is_expected(name: str) -> None:
    def call(fn: Any) -> Any:
        return td.hvp(fn, X, V) if name == "hvp" else td.hessian(fn, X)

    with pytest.raises(
        ValueError, match=rf"^{name}: expected a function with one number as output, got \(3,\)"
    ):
        call(lambda x: x * 2)
    with pytest.raises(ValueError, match=f"^{name}: expected a function with one number as output, got 3.0"):
        call(lambda x: 3.0)


def test_tensors_are_expected() -> None:
    with pytest.raises(
        RuntimeError, match=r"^jacobian: expected a function with one tensor as output, got tuple"
    ):
        td.jacobian(lambda x: (x, x), X)
    with pytest.raises(TypeError, match="expected tensors, got float"):
        td.vjp(lambda x: 3.0, X)
    with pytest.raises(TypeError, match="expected tensors, got float"):
        td.jvp(lambda x: (x, 3.0), X, V)
    for wrong in (np.ones(2), [np.ones(2)], 1.0):
        with pytest.raises(TypeError, match="expected tensors, got"):
            td.jacobian(lambda x: x, wrong)
    with pytest.raises(TypeError, match="only floating tensors can require gradients, this one is int64"):
        td.jacobian(lambda x: x, td.tensor([1, 2]))
