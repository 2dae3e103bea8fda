"""The engine on the strict device: every function and every loss gives the CPU's bits there.

A function without a row in the table fails a test, so what is added is tested here, too.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import losses, ops
from tinydl.ops import arithmetic, cast, index
from tinydl.strict import no_sync

pytestmark = pytest.mark.usefixtures("kernels")

F = td.functional
Arrays = list[np.ndarray[Any, Any]]
Same = Callable[[list[Any], list[Any]], None]


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return td.Generator(seed).normal(shape)


def positive(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return td.Generator(seed).uniform(0.1, 0.9, shape)


def labels(high: int, *shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return td.Generator(seed).integers(0, high, shape)


def images(n: int = 2, c: int = 3, h: int = 6, w: int = 7, seed: int = 0) -> np.ndarray[Any, Any]:
    """Images that lie in memory as the kernels leave them, C, N, H, W: a sum over them depends on that."""
    return normal(c, n, h, w, seed=seed).transpose(1, 0, 2, 3)


def probabilities(n: int, c: int, seed: int = 0) -> np.ndarray[Any, Any]:
    p = positive(n, c, seed=seed)
    return p / p.sum(axis=1, keepdims=True)


TWO = [normal(3, 4), normal(3, 4, seed=1)]
WIDE = [images(), normal(7, seed=1)]
ONE = [normal(4, 5)]
IMAGES = [images()]
MASK = normal(3, 4) > 0
SIGNS = np.sign(normal(3, 4, seed=2))

# Each function with the calls to try: what to call, and the arrays to call it with.
ROWS: dict[str, list[tuple[Callable[..., Any], Arrays]]] = {
    **{
        f"ops.arithmetic.{name}": [(getattr(arithmetic, name), TWO), (getattr(arithmetic, name), WIDE)]
        for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum")
    },
    "ops.arithmetic.power": [
        (arithmetic.power, [positive(3, 4), normal(4, seed=1)]),
        (lambda x: x**2, ONE),
        (lambda x: x**0.5, [positive(3, 4)]),
        (lambda x: 2**x, ONE),
    ],
    "ops.arithmetic.where": [
        (arithmetic.where, [MASK, *TWO]),
        (lambda c, x: td.where(c, x, 0.0), [MASK, TWO[0]]),
        (lambda c: td.where(c, 1.0, 0.0), [MASK]),
    ],
    **{
        f"ops.arithmetic.{name}": [(getattr(arithmetic, name), ONE), (getattr(arithmetic, name), IMAGES)]
        for name in ("negative", "exp", "abs", "sign", "sin", "cos")
    },
    **{
        f"ops.arithmetic.{name}": [(getattr(arithmetic, name), [positive(4, 5)])]
        for name in ("log", "log1p", "sqrt")
    },
    "ops.arithmetic.clip": [
        (lambda x: td.clip(x, -0.5, 0.5), ONE),
        (lambda x: x.clip(low=0.0), ONE),
        (lambda x: x.clip(high=0.0), ONE),
        (lambda x: x.clip(), ONE),
    ],
    "ops.arithmetic.compare": [
        (lambda a, b, name=name: arithmetic.compare(name, a, b), [labels(3, 9), labels(3, 9, seed=1)])
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ],
    "ops.arithmetic.logical": [
        (lambda a: a | ~a, [MASK]),
        (lambda a: a & True, [MASK]),
        (lambda a: a ^ a, [MASK]),
    ],
    **{
        f"ops.activation.{name}": [(getattr(F, name), ONE), (getattr(F, name), IMAGES)]
        for name in ("relu", "leaky_relu", "elu", "softplus", "sigmoid", "tanh", "softmax", "log_softmax")
    },
    "ops.activation.maxout": [(lambda x: F.maxout(x, 2), [normal(2, 6, 3)])],
    "ops.cast.astype": [
        (lambda x: x.astype("float64").astype("float32"), ONE),
        (lambda x: x.astype("int64"), ONE),
    ],
    "ops.cast.to": [(lambda x: cast.to(cast.to(x, "cpu").exp(), x.device), ONE)],
    "ops.conv.conv2d": [
        (F.conv2d, [*IMAGES, normal(4, 3, 3, 2), normal(4)]),
        (
            lambda x, w: F.conv2d(x, w, stride=2, padding=1, dilation=2, groups=2),
            [images(c=4), normal(6, 2, 2, 2)],
        ),
        (F.conv2d, [normal(3, 6, 7), normal(4, 3, 3, 2)]),
    ],
    "ops.conv.conv_transpose2d": [
        (F.conv_transpose2d, [*IMAGES, normal(3, 4, 3, 2), normal(4)]),
        (lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1, 2, 2), [images(c=4, w=4), normal(4, 3, 2, 2)]),
    ],
    "ops.dropout.dropout": [
        (lambda x: F.dropout(x, 0.4, True, 7), IMAGES),
        (lambda x: F.dropout(x, 0.4, False), ONE),
        (lambda x: F.dropout(x, 1.0, True, 7), ONE),
    ],
    "ops.einsum.einsum": [
        (lambda a, b: td.einsum("ij,kj->ik", a, b), TWO),
        (lambda a: td.einsum("iij->j", a), [normal(3, 3, 4)]),
        (lambda a, b: td.einsum("nchw,w->cn", a, b), WIDE),
    ],
    "ops.index.getitem": [
        (lambda x: x[1:, None, ::-2], ONE),
        (lambda x: x[..., -1], ONE),
        (lambda x: x[[0, 2, 2]], ONE),
        (lambda x: x[[0, 1], [1, -1]], ONE),
        (lambda x: x[:, np.array([1, 1])], ONE),
        (lambda x, i: x[i], [ONE[0], labels(4, 6)]),
        (lambda x, m: x[m], [TWO[0], MASK]),
        (lambda x: x[2, 3], ONE),
        (lambda x, i: x[i], [ONE[0], np.array(2)]),
    ],
    "ops.index.take_along_axis": [(lambda x, i: td.take_along_axis(x, i, 1), [ONE[0], labels(5, 4, 2)])],
    "ops.index.one_hot": [(F.one_hot, [labels(4, 6)]), (lambda x: F.one_hot(x, 5), [labels(4, 6)])],
    "ops.linalg.matmul": [
        (td.matmul, [normal(3, 4), normal(4, 2)]),
        (td.matmul, [normal(2, 3, 4), normal(4)]),
        (td.matmul, [normal(5, 1, 3, 4), normal(2, 4, 2)]),
    ],
    "ops.linalg.dense": [(F.dense, [normal(6, 4), normal(3, 4), normal(3)])],
    "ops.norm.batch_norm": [
        (
            lambda x, m, v, w, b: (
                F.batch_norm(x, m, v, w, b, training=True) * (m + v).reshape(1, 3, 1, 1).detach()
            ),
            [images(), normal(3), positive(3), normal(3), normal(3)],
        ),
        (lambda x, m, v: F.batch_norm(x, m, v), [images(), normal(3), positive(3)]),
    ],
    "ops.norm.layer_norm": [
        (lambda x, w, b: F.layer_norm(x, (6, 7), w, b), [images(), normal(6, 7), normal(6, 7)])
    ],
    "ops.norm.group_norm": [(lambda x, w, b: F.group_norm(x, 2, w, b), [images(c=4), normal(4), normal(4)])],
    "ops.pool.max_pool2d": [
        (lambda x: F.max_pool2d(x, 2), IMAGES),
        (lambda x: F.max_pool2d(x, 3, 2, 1, 2, True), IMAGES),
        (lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[1], IMAGES),
    ],
    "ops.pool.min_pool2d": [(lambda x: F.min_pool2d(x, 3, 2, 1), IMAGES)],
    "ops.pool.avg_pool2d": [
        (lambda x: F.avg_pool2d(x, 2), IMAGES),
        (lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), IMAGES),
        (lambda x: F.avg_pool2d(x, 3, 2, 1, True), IMAGES),
    ],
    **{
        f"ops.reduce.{name}": [
            (getattr(td, name), ONE),
            (lambda x, name=name: getattr(td, name)(x, axis=(0, 2, 3)), IMAGES),
            (lambda x, name=name: getattr(td, name)(x, axis=1, keepdims=True), IMAGES),
        ]
        for name in ("sum", "mean", "var", "std", "max", "min", "prod")
    },
    **{
        f"ops.reduce.{name}": [
            (getattr(td, name), ONE),
            (lambda x, name=name: getattr(td, name)(x, 1, True), IMAGES),
        ]
        for name in ("argmax", "argmin")
    },
    "ops.reduce.cumsum": [(td.cumsum, ONE), (lambda x: td.cumsum(x, 1), IMAGES)],
    "ops.reduce.logsumexp": [(F.logsumexp, ONE), (lambda x: F.logsumexp(x, (1, 3), True), IMAGES)],
    "ops.resize.interpolate": [
        (lambda x: F.interpolate(x, scale_factor=2), IMAGES),
        (lambda x: F.interpolate(x, size=(5, 9), mode="bilinear", align_corners=True), IMAGES),
    ],
    "ops.resize.adaptive_avg_pool2d": [(lambda x: F.adaptive_avg_pool2d(x, (3, 4)), IMAGES)],
    "ops.resize.max_unpool2d": [
        (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), [images(w=6)])
    ],
    "ops.shape.reshape": [(lambda x: td.reshape(x, 3, -1), IMAGES)],
    "ops.shape.transpose": [(lambda x: td.transpose(x, 3, 0, 2, 1), IMAGES), (td.transpose, ONE)],
    "ops.shape.squeeze": [(lambda x: x[:, :1].squeeze(1), IMAGES)],
    "ops.shape.unsqueeze": [(lambda x: td.unsqueeze(x, 1), IMAGES)],
    "ops.shape.flatten": [(lambda x: td.flatten(x, 1), IMAGES)],
    "ops.shape.broadcast_to": [(lambda x: td.broadcast_to(x, (3, 4, 5)), ONE)],
    "ops.shape.flip": [(lambda x: td.flip(x, 1), IMAGES)],
    "ops.shape.cat": [
        (lambda a, b: td.cat([a, b], 1), TWO),
        (lambda a, b: td.cat([a, b], 1), [images(), images(c=2, seed=1)]),
    ],
    "ops.shape.stack": [(lambda a, b: td.stack([a, b], 1), TWO)],
    "ops.shape.split": [(lambda x: td.split(x, [1, 4], 2)[1], IMAGES)],
    "ops.shape.pad": [
        (lambda x, mode=mode: td.pad(x, [(0, 0), (0, 0), (1, 2), (3, 0)], mode), IMAGES)
        for mode in ("constant", "edge", "reflect")
    ],
    **{
        f"losses.{name}": [(getattr(losses, name), TWO)]
        for name in ("mse", "mae", "rmse", "huber", "gaussian_kl")
    },
    "losses.msle": [(losses.msle, [positive(3, 4), positive(3, 4, seed=1)])],
    "losses.hinge": [(losses.hinge, [TWO[0], SIGNS])],
    **{
        f"losses.{name}": [(getattr(losses, name), [TWO[0], MASK.astype("float32")])]
        for name in ("binary_cross_entropy_with_logits", "focal")
    },
    "losses.binary_cross_entropy": [(losses.binary_cross_entropy, [positive(3, 4), positive(3, 4, seed=1)])],
    "losses.cross_entropy": [
        (losses.cross_entropy, [normal(6, 4), labels(4, 6)]),
        (
            lambda o, t, w: losses.cross_entropy(o, t, w, 1, 0.1),
            [normal(2, 4, 3), labels(4, 2, 3), positive(4)],
        ),
        (lambda o, t, w: losses.cross_entropy(o, t, w), [normal(6, 4), probabilities(6, 4), positive(4)]),
    ],
    "losses.nll": [(lambda o, t: losses.nll(o, t, reduction="none"), [normal(6, 4), labels(4, 6)])],
    **{
        f"losses.{name}": [(getattr(losses, name), [probabilities(6, 4), probabilities(6, 4, seed=1)])]
        for name in ("categorical_cross_entropy", "kl_divergence")
    },
    "losses.dice": [
        (
            lambda o, t: losses.dice(o, t, include_background=False),
            [positive(2, 3, 4), positive(2, 3, 4, seed=1)],
        )
    ],
}
# They take options, not tensors.
HELPERS = {"ops.conv.pair", "ops.index.integer", "ops.index.normalize_axis", "ops.shape.normalize_axes"}


def test_every_public_function_has_a_row() -> None:
    modules = [f"ops.{m.name}" for m in pkgutil.iter_modules(ops.__path__)] + ["losses"]
    found = set()
    for name in modules:
        module = importlib.import_module(f"tinydl.{name}")
        found |= {
            f"{name}.{key}"
            for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
        }
    assert found - set(ROWS) == HELPERS
    own = {getattr(F, name).__module__ for name in F.__all__}
    assert own <= {f"tinydl.{name}" for name in modules}, "functional has functions from elsewhere"
    assert set(ROWS) <= found, "rows of functions that are gone"


def values(device: str, function: Callable[..., Any], arrays: Arrays) -> list[np.ndarray[Any, Any] | None]:
    """The value, all first derivatives, and all derivatives of those."""
    tensors = [td.tensor(a, a.dtype.kind == "f", device=device) for a in arrays]
    out = function(*tensors)
    found = [out]
    leaves = [x for x in tensors if x.requires_grad]
    if out.requires_grad:
        v = td.tensor(normal(*out.shape, seed=9), requires_grad=True, device=device)
        found += td.grad(out, leaves, v.detach(), retain_graph=True, allow_unused=True)
        first = td.grad(out, leaves, v, create_graph=True, allow_unused=True)
        live = [g for g in first if g is not None and g.requires_grad]
        weights = [td.tensor(normal(*g.shape, seed=8), device=device) for g in live]
        found += first
        found += td.grad(live, [*leaves, v], weights, allow_unused=True) if live else []
    return [None if x is None else x.to("cpu").detach().numpy() for x in found]


@pytest.mark.parametrize(("name", "i"), [(name, i) for name, row in ROWS.items() for i in range(len(row))])
def test_the_bits_are_the_cpus(name: str, i: int, same_bits: Same, request: pytest.FixtureRequest) -> None:
    if name != "ops.cast.astype":
        request.getfixturevalue("no_float64")
    function, arrays = ROWS[name][i]
    same_bits(values("strict", function, arrays), values("cpu", function, arrays))


NOT_SYNCING = sorted(set(ROWS) - {
    "ops.cast.astype",  # the row has float64 in it
    "ops.cast.to", "ops.dropout.dropout", "ops.resize.interpolate", "ops.resize.adaptive_avg_pool2d",
})  # fmt: skip


@pytest.mark.parametrize("name", NOT_SYNCING)
def test_no_function_syncs(name: str) -> None:
    for function, arrays in ROWS[name]:
        if name == "ops.index.getitem" or (name == "ops.index.one_hot" and function is F.one_hot):
            continue  # lists and masks as indices, and a number of classes that depends on the labels
        tensors = [td.tensor(a, a.dtype.kind == "f", device="strict") for a in arrays]
        with no_sync():
            out = function(*tensors)
            if out.requires_grad:
                out.sum().backward()


def test_checks_of_values_run_outside_no_sync() -> None:
    prediction, target = td.tensor(normal(2, 3), device="strict"), td.tensor([0, 3], device="strict")
    with pytest.raises(ValueError, match=r"labels must be in \[0, 2\]"):
        losses.cross_entropy(prediction, target)
    with pytest.raises(ValueError, match="must be in"):
        losses.binary_cross_entropy(prediction * 10, prediction)
    with pytest.raises(IndexError, match="out of bounds"):
        prediction[target]
    with pytest.raises(IndexError, match="out of bounds"):
        td.take_along_axis(prediction, target.reshape(2, 1), 1)
    with pytest.raises(ValueError, match="labels"):
        F.one_hot(target, 2)
    with no_sync():
        losses.cross_entropy(prediction, target)
        prediction[target]
        F.one_hot(target, 2)


def test_mixed_devices_are_refused() -> None:
    here, there = td.ones(3, device="strict"), td.ones(3)
    for function in (lambda: here + there, lambda: there @ here, lambda: td.cat([here, there])):
        with pytest.raises(RuntimeError, match="strict"):
            function()
    with pytest.raises(RuntimeError, match="strict"):
        here[td.tensor([0])]
    with pytest.raises(RuntimeError, match=r"call .to\('cpu'\) first"):
        here.numpy()
    with pytest.raises(TypeError):
        here.data = np.ones(3, np.float32)


def test_an_index_keeps_its_place() -> None:
    assert index.getitem(td.arange(5, device="strict"), td.tensor(3, device="strict")).item() == 3


def test_lists_of_tensors_are_gathered_from_wherever_they_are() -> None:
    one, two = td.tensor(1.0, device="strict"), td.tensor([2.0, 3.0], device="strict")
    assert td.tensor([one, 2.0], device="strict").to("cpu").numpy().tolist() == [1.0, 2.0]
    gathered = td.tensor([[one, 0.5], two], device="cpu")
    assert gathered.device == "cpu"
    assert gathered.dtype == np.float32
    assert gathered.numpy().tolist() == [[1.0, 0.5], [2.0, 3.0]]
