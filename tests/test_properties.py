"""Laws that every derivative obeys, on random programs and on every kind of layer.

The chain rule, linearity in the cotangent, <v, J u> = <J^T v, u>, symmetric Hessians; linear operations against
an adjoint that is an operation of its own; what gradients are orthogonal to; losses far out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl import functional as F
from tinydl import losses

seeds = st.integers(0, 9999)


def normal(*shape: int, seed: int, dtype: Any = np.float64) -> td.Tensor:
    return td.tensor(np.asarray(np.random.default_rng(seed).normal(size=shape), dtype))


def inner(a: Any, b: Any) -> float:
    """<a, b>, of tensors or of tuples of them."""
    if isinstance(a, td.Tensor):
        a, b = (a,), (b,)
    return float(sum(np.vdot(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)))


def close(a: Any, b: Any) -> None:
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10 * (1.0 + np.abs(b).max(initial=0.0)))


# ---- random programs


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """A random program on a growing list of vectors: (operation, first operand, second operand)."""
    length = draw(st.integers(1, 14))
    lines = []
    for i in range(length):
        name = draw(st.sampled_from(["add", "sub", "mul", "div", "sin", "tanh", "maximum", "square", "mean"]))
        lines.append((name, draw(st.integers(0, i + 2)), draw(st.integers(0, i + 2))))
    return lines


def _values(lines: list[tuple[str, int, int]], start: list[Any], lib: Any) -> list[Any]:
    values = list(start)
    for name, i, j in lines:
        a, b = values[i], values[j]
        values.append(
            {
                "add": lambda a=a, b=b: a + b,
                "sub": lambda a=a, b=b: a - b,
                "mul": lambda a=a, b=b: a * b,
                "div": lambda a=a, b=b: a / (b * b + 1.0),
                "sin": lambda a=a: lib.sin(a),
                "tanh": lambda a=a: lib.tanh(a),
                "maximum": lambda a=a, b=b: lib.maximum(a, b + 0.25),
                "square": lambda a=a: a * a * 0.1,
                "mean": lambda a=a, b=b: a.mean() * b,
            }[name]()
        )
    return values


def _run(lines: list[tuple[str, int, int]], start: list[Any], lib: Any) -> Any:
    values = _values(lines, start, lib)
    total = values[-1].sum()
    for value in values[3::2]:
        total = total + 0.5 * value.sum()
    return total


@given(programs(), st.integers(0, 2**32))
def test_random_graphs_have_the_gradients_of_torch(lines: list[tuple[str, int, int]], seed: int) -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.random.default_rng(seed).normal(size=3) for _ in range(3)]
    ours = [td.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = _run(lines, ours, td), _run(lines, theirs, torch)
    np.testing.assert_allclose(y.item(), z.item(), rtol=1e-11, atol=1e-11)
    if not y.requires_grad:
        return
    y.backward()
    z.backward()
    for a, b in zip(ours, theirs, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            scale = 1.0 + float(b.grad.abs().max())
            np.testing.assert_allclose(a.grad.numpy() / scale, b.grad.numpy() / scale, rtol=1e-9, atol=1e-11)


@given(programs(), st.integers(0, 2**32))
def test_random_graphs_have_the_second_derivatives_of_torch(
    lines: list[tuple[str, int, int]], seed: int
) -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.random.default_rng(seed).normal(size=3) for _ in range(3)]
    ours = [td.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    first = td.grad(_run(lines, ours, td), ours, create_graph=True, allow_unused=True)
    other = torch.autograd.grad(_run(lines, theirs, torch), theirs, create_graph=True, allow_unused=True)
    zero = td.tensor(np.float64(0.0), requires_grad=True)
    ours_sum = sum(
        ((g * g).sum() for g in first if g is not None and g.requires_grad),
        start=zero,
    )
    their_sum = sum(
        ((g * g).sum() for g in other if g is not None and g.requires_grad),
        start=torch.zeros((), dtype=torch.float64, requires_grad=True),
    )
    second = td.grad(ours_sum, ours, allow_unused=True)
    expected = torch.autograd.grad(their_sum, theirs, allow_unused=True)
    for a, b in zip(second, expected, strict=True):
        a_data = np.zeros(3) if a is None else a.numpy()
        b_data = np.zeros(3) if b is None else b.numpy()
        scale = 1.0 + np.abs(b_data).max()
        np.testing.assert_allclose(a_data / scale, b_data / scale, rtol=1e-8, atol=1e-10)


def results(lines: list[tuple[str, int, int]]) -> Callable[..., tuple[td.Tensor, ...]]:
    """The program as a function of three vectors with three results: its last ones, each of the shape (3,)."""

    def fn(*start: td.Tensor) -> tuple[td.Tensor, ...]:
        values = _values(lines, list(start), td)
        return tuple(td.tanh(values[-1 - i]) + 0.5 * values[-2 - i] for i in range(3))

    return fn


@given(programs(), programs(), seeds)
def test_the_chain_rule(
    first: list[tuple[str, int, int]], second: list[tuple[str, int, int]], seed: int
) -> None:
    """Through g(f(x)) flows what flows through g, and then through f; backwards and forwards."""
    f, g = results(first), results(second)
    x, u, v = ([normal(3, seed=seed + 10 * i + j) for j in range(3)] for i in range(3))
    middle, forward = td.jvp(f, x, u)
    _, want = td.jvp(g, middle, forward)
    _, got = td.jvp(lambda *xs: g(*f(*xs)), x, u)
    for a, b in zip(got, want, strict=True):
        close(a.numpy(), b.numpy())
    _, back = td.vjp(g, middle, v)
    _, want = td.vjp(f, x, back)
    _, got = td.vjp(lambda *xs: g(*f(*xs)), x, v)
    for a, b in zip(got, want, strict=True):
        close(a.numpy(), b.numpy())
    assert inner(forward, back) == pytest.approx(inner(u, got), rel=1e-8, abs=1e-8)


@given(programs(), seeds)
def test_both_products_with_the_jacobian_agree(lines: list[tuple[str, int, int]], seed: int) -> None:
    """<v, J u> = <J^T v, u>, for three inputs and three outputs."""
    x, u, v = ([normal(3, seed=seed + 10 * i + j) for j in range(3)] for i in range(3))
    _, forward = td.jvp(results(lines), x, u)
    _, back = td.vjp(results(lines), x, v)
    assert inner(v, forward) == pytest.approx(inner(back, u), rel=1e-9, abs=1e-9)


@given(programs(), seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_backward_is_linear_in_its_cotangent(
    lines: list[tuple[str, int, int]], seed: int, a: float, b: float
) -> None:
    x, v, w = ([normal(3, seed=seed + 10 * i + j) for j in range(3)] for i in range(3))
    mixed = [a * p + b * q for p, q in zip(v, w, strict=True)]
    parts = [td.vjp(results(lines), x, c)[1] for c in (v, w, mixed)]
    for one, other, both in zip(*parts, strict=True):
        close(both.numpy(), a * one.numpy() + b * other.numpy())


@given(programs(), seeds)
def test_hessians_are_symmetric(lines: list[tuple[str, int, int]], seed: int) -> None:
    """<u, H v> = <v, H u>."""
    x, u, v = ([normal(3, seed=seed + 10 * i + j) for j in range(3)] for i in range(3))
    fn = lambda *xs: _run(lines, list(xs), td)
    along_u, along_v = td.hvp(fn, x, u)[1], td.hvp(fn, x, v)[1]
    scale = math.sqrt(inner(along_u, along_u) + inner(along_v, along_v))
    assert inner(u, along_v) == pytest.approx(inner(v, along_u), rel=1e-9, abs=1e-10 * (1 + scale))


# ---- every kind of layer

IMAGES = (2, 4, 5, 6)
LAYERS: dict[str, tuple[Callable[..., td.Tensor], list[tuple[int, ...]]]] = {
    "dense": (F.dense, [(4, 3), (2, 3), (2,)]),
    "matmul": (td.matmul, [(2, 3, 4), (4, 2)]),
    "einsum": (lambda a, b: td.einsum("bij,bjk->bik", a, b), [(2, 3, 4), (2, 4, 2)]),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, 2, 1, 1, 2), [IMAGES, (6, 2, 3, 2), (6,)]),
    "conv_transpose2d": (lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1), [IMAGES, (4, 3, 3, 2), (3,)]),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [IMAGES, (4,), (4,)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, 6, w, b), [IMAGES, (6,), (6,)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [IMAGES, (4,), (4,)]),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), [IMAGES]),
    "min_pool2d": (lambda x: F.min_pool2d(x, 2), [IMAGES]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1), [IMAGES]),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 4)), [IMAGES]),
    "interpolate nearest": (lambda x: F.interpolate(x, scale_factor=2), [IMAGES]),
    "interpolate bilinear": (lambda x: F.interpolate(x, (7, 4), mode="bilinear"), [IMAGES]),
    "softmax": (F.softmax, [(3, 4)]),
    "log_softmax": (F.log_softmax, [(3, 4)]),
    "logsumexp": (F.logsumexp, [(3, 4)]),
    "sigmoid": (F.sigmoid, [(3, 4)]),
    "tanh": (F.tanh, [(3, 4)]),
    "softplus": (F.softplus, [(3, 4)]),
    "elu": (F.elu, [(3, 4)]),
    "leaky_relu": (F.leaky_relu, [(3, 4)]),
    "relu": (F.relu, [(3, 4)]),
    "maxout": (lambda x: F.maxout(x, 2), [(3, 4)]),
    "dropout": (lambda x: F.dropout(x, 0.4, True, 7), [(3, 4)]),
    "indexing": (lambda x: x[[0, 2, 0], 1:], [(3, 4)]),
    "take_along_axis": (lambda x: td.take_along_axis(x, td.tensor([[0, 0, 3]] * 3), 1), [(3, 4)]),
    "cumsum": (lambda x: td.cumsum(x, 0), [(3, 4)]),
    "prod": (lambda x: x.prod(1), [(3, 4)]),
    "var": (lambda x: x.var(0), [(3, 4)]),
    "max": (lambda x: x.max(1), [(3, 4)]),
    "cat": (lambda a, b: td.cat([a, b, a], 1), [(3, 4), (3, 2)]),
    "cross_entropy": (lambda x: losses.cross_entropy(x, td.tensor([0, 3, 1]), reduction="none"), [(3, 4)]),
}


@pytest.mark.parametrize("name", LAYERS)
@given(seed=seeds, a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_layers_are_linear_in_the_cotangent_and_agree_from_both_sides(
    name: str, seed: int, a: float, b: float
) -> None:
    fn, shapes = LAYERS[name]
    x, u = ([normal(*s, seed=seed + 10 * i + j) for j, s in enumerate(shapes)] for i in range(2))
    out, forward = td.jvp(fn, x, u)
    v, w = normal(*out.shape, seed=seed + 1), normal(*out.shape, seed=seed + 2)
    one, other, both = (td.vjp(fn, x, c)[1] for c in (v, w, a * v + b * w))
    for p, q, r in zip(one, other, both, strict=True):
        close(r.numpy(), a * p.numpy() + b * q.numpy())
    assert inner(v, forward) == pytest.approx(inner(one, u), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", LAYERS)
@given(seed=seeds)
def test_hessians_of_layers_are_symmetric(name: str, seed: int) -> None:
    """Of <c, fn(x)> + |fn(x)|^2 / 2: in all inputs at once, so the mixed derivatives are among them."""
    fn, shapes = LAYERS[name]
    x, u, v = ([normal(*s, seed=seed + 10 * i + j) for j, s in enumerate(shapes)] for i in range(3))
    c = normal(*fn(*x).shape, seed=seed + 1)

    def energy(*xs: td.Tensor) -> td.Tensor:
        out = fn(*xs)
        return (c * out + 0.5 * out * out).sum()

    along_u, along_v = td.hvp(energy, x, u)[1], td.hvp(energy, x, v)[1]
    scale = math.sqrt(inner(along_u, along_u) + inner(along_v, along_v))
    assert scale > 0.0 or not fn(*x).numpy().any()  # a relu of negative numbers alone is 0 all around
    assert inner(u, along_v) == pytest.approx(inner(v, along_u), rel=1e-9, abs=1e-10 * (1 + scale))


# ---- linear operations and their adjoints, each an operation of its own


def _scattered(shape: tuple[int, ...], places: Any) -> Callable[[td.Tensor], td.Tensor]:
    def scatter(y: td.Tensor) -> td.Tensor:
        out = np.zeros(shape)
        np.add.at(out, places, y.numpy())
        return td.tensor(out)

    return scatter


def _unpooled(y: td.Tensor) -> td.Tensor:
    return F.max_unpool2d(y, PLACES, 2)


# Of each window of 2 x 2 in images of 4 x 6 the place of one element, flat in the image.
PLACES = F.max_pool2d(normal(2, 3, 4, 6, seed=3), 2, return_indices=True)[1]

ADJOINTS: dict[str, tuple[tuple[int, ...], Callable[..., td.Tensor], Callable[..., td.Tensor]]] = {
    "cumsum": ((3, 4), lambda x: td.cumsum(x, 1), lambda y: td.flip(td.cumsum(td.flip(y, 1), 1), 1)),
    "pad": ((3, 4), lambda x: td.pad(x, [(1, 0), (2, 1)]), lambda y: y[1:, 2:-1]),
    "broadcast_to": ((3, 1), lambda x: td.broadcast_to(x, (2, 3, 4)), lambda y: y.sum((0, 2)).reshape(3, 1)),
    "mean": ((3, 4), lambda x: x.mean(0), lambda y: td.broadcast_to(y, (3, 4)) / 3),
    "gather": ((5, 2), lambda x: x[[4, 0, 4, 4]], _scattered((5, 2), [4, 0, 4, 4])),
    "cat": ((3, 4), lambda x: td.cat([x, x], 1), lambda y: y[:, :4] + y[:, 4:]),
    "transpose": ((2, 3, 4), lambda x: x.transpose(1, 2, 0), lambda y: y.transpose(2, 0, 1)),
    "flip": ((3, 4), lambda x: td.flip(x, 0), lambda y: td.flip(y, 0)),
    "avg_pool2d": (
        (2, 3, 4, 6), lambda x: F.avg_pool2d(x, 2), lambda y: F.interpolate(y, scale_factor=2) / 4
    ),
    "interpolate nearest": (
        (2, 3, 2, 3), lambda x: F.interpolate(x, scale_factor=3), lambda y: F.avg_pool2d(y, 3) * 9
    ),
    "max_unpool2d": (
        (2, 3, 2, 3), _unpooled,
        lambda y: td.take_along_axis(y.reshape(2, 3, 24), PLACES.reshape(2, 3, 6), 2).reshape(2, 3, 2, 3),
    ),
    "adaptive_avg_pool2d": (
        (2, 3, 4, 6), lambda x: F.adaptive_avg_pool2d(x, (2, 1)),
        lambda y: F.interpolate(y, (4, 6)) / 12,
    ),
    "depthwise conv2d": (
        (1, 2, 5, 5), lambda x: F.conv2d(x, KERNELS, groups=2),
        lambda y: F.conv2d(td.pad(y, [(0, 0), (0, 0), (2, 2), (2, 2)]), td.flip(td.flip(KERNELS, 2), 3), groups=2),
    ),
}  # fmt: skip
KERNELS = normal(2, 1, 3, 3, seed=4)


@pytest.mark.parametrize("name", ADJOINTS)
@given(seed=seeds)
def test_linear_operations_have_the_adjoints_of_the_book(name: str, seed: int) -> None:
    """<f(x), y> = <x, f*(y)>, and f* is what flows back through f, and the other way about."""
    shape, f, adjoint = ADJOINTS[name]
    x = normal(*shape, seed=seed)
    y = normal(*f(x).shape, seed=seed + 1)
    assert inner(f(x), y) == pytest.approx(inner(x, adjoint(y)), rel=1e-12, abs=1e-12)
    close(td.vjp(f, x, y)[1].numpy(), adjoint(y).numpy())
    if name != "gather":  # its adjoint is NumPy's
        close(td.vjp(adjoint, y, x)[1].numpy(), f(x).numpy())


# ---- what gradients are orthogonal to


def normalized(name: str, x: td.Tensor) -> tuple[td.Tensor, tuple[int, ...]]:
    """x^ by the layer of that name, and the axes that are normalised together."""
    _, c, h, w = x.shape
    if name == "batch_norm":
        return F.batch_norm(x, None, None, training=True, eps=1e-14), (0, 2, 3)
    if name == "layer_norm":
        return F.layer_norm(x, (h, w), eps=1e-14), (2, 3)
    return F.group_norm(x, c, eps=1e-14), (2, 3)


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm"])
@given(data=st.data(), seed=seeds)
def test_norms_take_no_shift_and_no_stretch(name: str, data: Any, seed: int) -> None:
    """Within all that is normalised together the gradient is orthogonal to 1 and to x^."""
    shape = tuple(data.draw(st.integers(2, 4)) for _ in range(4))
    x = td.tensor(normal(*shape, seed=seed).numpy() + 2.0, requires_grad=True)
    out, axes = normalized(name, x)
    g = normal(*shape, seed=seed + 1)
    (dx,) = td.grad(out, x, g)
    scale = np.abs(dx.numpy()).max() + 1.0 / x.numpy().std(axes).min()
    assert np.abs(dx.numpy()).max() > 1e-3
    assert np.abs(dx.numpy().sum(axes)).max() < 1e-10 * scale
    assert np.abs((dx * out.detach()).numpy().sum(axes)).max() < 1e-9 * scale


@given(seed=seeds, groups=st.sampled_from([1, 2, 4]))
def test_group_norm_takes_none_within_groups_of_channels(seed: int, groups: int) -> None:
    x = td.tensor(normal(2, 4, 3, seed=seed).numpy(), requires_grad=True)
    out = F.group_norm(x, groups, eps=1e-14)
    (dx,) = td.grad(out, x, normal(2, 4, 3, seed=seed + 1))
    parts = dx.numpy().reshape(2, groups, -1)
    # Orthogonal up to eps / variance; three numbers can lie close together.
    scale = np.abs(parts).max() + 1.0 + 1e-4 / x.numpy().reshape(parts.shape).std(2).min() ** 3
    assert np.abs(parts.sum(2)).max() < 1e-10 * scale
    assert np.abs((parts * out.numpy().reshape(2, groups, -1)).sum(2)).max() < 1e-9 * scale


@pytest.mark.parametrize("fn", [F.softmax, F.log_softmax], ids=["softmax", "log_softmax"])
@given(seed=seeds, axis=st.integers(-3, 2))
def test_softmax_does_not_see_a_shift(fn: Any, seed: int, axis: int) -> None:
    """What is added to all scores changes nothing: the gradient sums to 0 over the axis."""
    x = td.tensor(normal(2, 3, 4, seed=seed).numpy() * 3, requires_grad=True)
    (dx,) = td.grad(fn(x, axis), x, normal(2, 3, 4, seed=seed + 1))
    assert np.abs(dx.numpy()).max() > 1e-3
    np.testing.assert_allclose(dx.numpy().sum(axis), 0.0, atol=1e-13)


@given(seed=seeds)
def test_logsumexp_sees_a_shift_as_it_is(seed: int) -> None:
    x, g = td.tensor(normal(3, 4, seed=seed).numpy(), requires_grad=True), normal(3, seed=seed + 1)
    (dx,) = td.grad(F.logsumexp(x), x, g)
    np.testing.assert_allclose(dx.numpy().sum(1), g.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@given(seed=seeds)
def test_cross_entropy_does_not_see_a_shift(kind: str, smoothing: float, seed: int) -> None:
    """For each sample the gradient sums to 0 over the classes, weighted or not."""
    x = td.tensor(normal(3, 4, 2, seed=seed).numpy() * 3, requires_grad=True)
    rng = np.random.default_rng(seed)
    t = (
        rng.integers(0, 4, (3, 2))
        if kind == "labels"
        else rng.dirichlet(np.ones(4), (3, 2)).transpose(0, 2, 1)
    )
    weight = td.tensor(rng.uniform(0.5, 2.0, 4))
    out = losses.cross_entropy(x, td.tensor(t), weight, label_smoothing=smoothing, reduction="none")
    (dx,) = td.grad(out, x, normal(3, 2, seed=seed + 1))
    assert np.abs(dx.numpy()).max() > 1e-3
    np.testing.assert_allclose(dx.numpy().sum(1), 0.0, atol=1e-13)


# ---- losses far out: the value, the gradient, and the gradient of the gradient's sum

FAR = [[1000.0, -1000.0], [1000.0, -1000.0]]
SURE = [[0.0, 1.0], [0.0, 1.0]]
RIGHT_AND_WRONG = [[1.0, 0.0], [0.0, 1.0]]  # of FAR; of SURE the other way about

# prediction, target, options: value, first, second derivatives; each by hand
EDGES: dict[str, tuple[str, Any, Any, dict[str, Any], Any, Any, Any]] = {
    "binary logits": (
        "binary_cross_entropy_with_logits", FAR, RIGHT_AND_WRONG, {},
        [[0, 0], [1000, 1000]], [[0, 0], [1, -1]], [[0, 0], [0, 0]],
    ),
    **{
        f"focal, gamma {gamma}": (
            "focal", FAR, RIGHT_AND_WRONG, {"gamma": gamma},
            [[0, 0], [750, 250]], [[0, 0], [0.75, -0.25]], [[0, 0], [0, 0]],
        )
        for gamma in (0.0, 0.5, 1.0, 1.5, 2.0, 3.5)
    },
    "labels": (
        "cross_entropy", FAR, np.array([0, 1]), {},
        [0, 2000], [[0, 0], [1, -1]], [[0, 0], [0, 0]],
    ),
    "smoothed labels": (
        "cross_entropy", FAR, np.array([0, 1]), {"label_smoothing": 0.25},
        [250, 1750], [[0.125, -0.125], [0.875, -0.875]], [[0, 0], [0, 0]],
    ),
    "class probabilities": (
        "cross_entropy", FAR, [[0.5, 0.5], [0.0, 1.0]], {},
        [1000, 2000], [[0.5, -0.5], [1, -1]], [[0, 0], [0, 0]],
    ),
    "hinge": (
        "hinge", FAR, [[1.0, -1.0], [-1.0, 1.0]], {},
        [[0, 0], [1001, 1001]], [[0, 0], [1, -1]], None,
    ),
    "binary probabilities": (
        "binary_cross_entropy", SURE, RIGHT_AND_WRONG, {},
        [[100, 100], [0, 0]], [[-1e12, 1e12], [1, -1]], [[0, 0], [1, 1]],
    ),
    "categorical probabilities": (
        "categorical_cross_entropy", SURE, RIGHT_AND_WRONG, {},
        [100, 0], [[-1e12, 0], [0, -1]], [[0, 0], [0, 1]],
    ),
    "distributions": (
        "kl_divergence", SURE, RIGHT_AND_WRONG, {},
        [100, 0], [[-1e12, 0], [0, -1]], [[0, 0], [0, 1]],
    ),
    "dice": (  # of the first class 1 - 1 / 3, of the second 1 - 3 / 3
        "dice", [SURE], [RIGHT_AND_WRONG], {},
        [[2 / 3, 0]], [[[-5 / 9, 1 / 9], [1 / 3, -1 / 3]]], [[[14 / 27, 2 / 27], [-2 / 9, 2 / 9]]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_and_two_derivatives_are_exact_at_the_edges(name: str, dtype: Any) -> None:
    loss, o, t, options, value, first, second = EDGES[name]
    x = td.tensor(np.array(o, dtype), requires_grad=True)
    target = td.tensor(t if isinstance(t, np.ndarray) else np.array(t, dtype))
    out = getattr(losses, loss)(x, target, reduction="none", **options)
    (g,) = td.grad(out.sum(), x, create_graph=True)
    np.testing.assert_allclose(out.numpy(), value, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(g.numpy(), first, rtol=1e-6, atol=1e-7)
    assert g.requires_grad == (second is not None)
    if second is not None:
        (h,) = td.grad(g.sum(), x)
        np.testing.assert_allclose(h.numpy(), second, rtol=1e-6, atol=1e-7)
