"""What is no tensor, to every public function and layer: one sentence that names it, says what came, and how to go on.

Lists and None, the two that users pass most; never an AttributeError.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import tinydl as td
from tinydl import functional, losses, metrics, nn

X = td.ones(2, 4, 4, 4)
W = td.ones(4, 4)
LABELS = td.tensor([0, 1])
SCORES = td.ones(2, 3)
Call = Callable[[Any], Any]

# By hand: each call has what is no tensor in one of its places, and all else right.
FUNCTIONS: dict[str, list[Call]] = {
    "td.argmax": [lambda x: td.argmax(x)],
    "td.argmin": [lambda x: td.argmin(x)],
    "td.broadcast_to": [lambda x: td.broadcast_to(x, (2, 3))],
    "td.cat": [lambda x: td.cat([W, x]), lambda x: td.cat(x)],
    "td.clip": [lambda x: td.clip(x, 0.0, 1.0)],
    "td.cumsum": [lambda x: td.cumsum(x), lambda x: td.cumsum(x, 0)],
    "td.einsum": [lambda x: td.einsum("ij,jk->ik", W, x), lambda x: td.einsum("i->", x)],
    "td.flatten": [lambda x: td.flatten(x)],
    "td.flip": [lambda x: td.flip(x, 0)],
    "td.grad": [lambda x: td.grad(x, W), lambda x: td.grad(W, x)],
    "td.matmul": [
        lambda x: td.matmul(x, W), lambda x: td.matmul(W, x), lambda x: x @ W, lambda x: W @ x
    ],
    "td.max": [lambda x: td.max(x)],
    "td.maximum": [lambda x: td.maximum(x, W), lambda x: td.maximum(W, x)],
    "td.mean": [lambda x: td.mean(x)],
    "td.min": [lambda x: td.min(x)],
    "td.minimum": [lambda x: td.minimum(x, W), lambda x: td.minimum(W, x)],
    "td.ones_like": [lambda x: td.ones_like(x)],
    "td.pad": [lambda x: td.pad(x, 1)],
    "td.pow": [lambda x: td.pow(x, 2.0), lambda x: td.pow(W, x)],
    "td.prod": [lambda x: td.prod(x)],
    "td.reshape": [lambda x: td.reshape(x, 1)],
    "td.save": [lambda x: td.save(x, "nowhere")],
    "td.split": [lambda x: td.split(x, 1)],
    "td.squeeze": [lambda x: td.squeeze(x)],
    "td.stack": [lambda x: td.stack([W, x]), lambda x: td.stack(x)],
    "td.std": [lambda x: td.std(x)],
    "td.sum": [lambda x: td.sum(x)],
    "td.take_along_axis": [
        lambda x: td.take_along_axis(x, LABELS, 0), lambda x: td.take_along_axis(LABELS, x, 0)
    ],
    "td.transpose": [lambda x: td.transpose(x), lambda x: td.transpose(x, 1, 0)],
    "td.unsqueeze": [lambda x: td.unsqueeze(x, 0)],
    "td.var": [lambda x: td.var(x)],
    "td.where": [lambda x: td.where(W > 0, x, W), lambda x: td.where(W > 0, W, x)],
    "td.zeros_like": [lambda x: td.zeros_like(x)],
    "functional.adaptive_avg_pool2d": [lambda x: functional.adaptive_avg_pool2d(x, 1)],
    "functional.avg_pool2d": [lambda x: functional.avg_pool2d(x, 2)],
    "functional.batch_norm": [lambda x: functional.batch_norm(x, None, None, training=True)],
    "functional.conv2d": [lambda x: functional.conv2d(x, X)],
    "functional.conv_transpose2d": [lambda x: functional.conv_transpose2d(x, X)],
    "functional.dense": [lambda x: functional.dense(x, W), lambda x: functional.dense(W, x)],
    "functional.dropout": [lambda x: functional.dropout(x)],
    "functional.elu": [lambda x: functional.elu(x)],
    "functional.group_norm": [lambda x: functional.group_norm(x, 1)],
    "functional.interpolate": [lambda x: functional.interpolate(x, 2)],
    "functional.layer_norm": [lambda x: functional.layer_norm(x, 4)],
    "functional.leaky_relu": [lambda x: functional.leaky_relu(x)],
    "functional.log_softmax": [lambda x: functional.log_softmax(x)],
    "functional.logsumexp": [lambda x: functional.logsumexp(x)],
    "functional.max_pool2d": [lambda x: functional.max_pool2d(x, 2)],
    "functional.max_unpool2d": [
        lambda x: functional.max_unpool2d(x, X, 2), lambda x: functional.max_unpool2d(X, x, 2)
    ],
    "functional.maxout": [lambda x: functional.maxout(x, 2)],
    "functional.min_pool2d": [lambda x: functional.min_pool2d(x, 2)],
    "functional.one_hot": [lambda x: functional.one_hot(x)],
    "functional.softmax": [lambda x: functional.softmax(x)],
    "functional.softplus": [lambda x: functional.softplus(x)],
    "losses.cross_entropy": [
        lambda x: losses.cross_entropy(x, LABELS), lambda x: losses.cross_entropy(SCORES, x)
    ],
    "losses.nll": [lambda x: losses.nll(x, LABELS), lambda x: losses.nll(SCORES, x)],
    "metrics.accuracy": [
        lambda x: metrics.accuracy(x, LABELS), lambda x: metrics.accuracy(SCORES, x)
    ],
    "metrics.confusion_matrix": [
        lambda x: metrics.confusion_matrix(x, LABELS), lambda x: metrics.confusion_matrix(SCORES, x)
    ],
}  # fmt: skip


def of(module: Any, names: str, takes: int) -> None:
    """Rows of functions of one tensor, or of two: (prediction, target)."""
    for name in names.split():
        function = getattr(module, name)
        row: list[Call] = [function]
        if takes == 2:
            row = [lambda x, f=function: f(x, W), partial(function, W)]
        FUNCTIONS[f"{module.__name__.removeprefix('tinydl').lstrip('.') or 'td'}.{name}"] = row


of(td, "abs cos exp log relu sigmoid sign sin sqrt tanh", 1)
of(functional, "relu sigmoid tanh", 1)
of(losses, "binary_cross_entropy binary_cross_entropy_with_logits categorical_cross_entropy dice focal", 2)
of(losses, "gaussian_kl hinge huber kl_divergence mae mse msle rmse", 2)
of(metrics, "dice iou psnr roc_auc ssim", 2)

# Functions that take no tensor, and those that hand all they get to a user's function.
OTHERS = {
    "arange", "compile", "detect_anomaly", "eye", "full", "load", "manual_seed", "no_grad", "numba_kernels", "ones",
    "rand", "randn", "tensor", "textbook", "trace", "zeros", "hessian", "hvp", "jacobian", "jvp", "vjp",
}  # fmt: skip

LAYERS: dict[str, nn.Module] = {
    "AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d(1),
    "AvgPool2d": nn.AvgPool2d(2),
    "BatchNorm1d": nn.BatchNorm1d(4),
    "BatchNorm2d": nn.BatchNorm2d(4),
    "Conv2d": nn.Conv2d(4, 2, 3),
    "ConvTranspose2d": nn.ConvTranspose2d(4, 2, 3),
    "Dense": nn.Dense(4, 2),
    "Dropout": nn.Dropout(),
    "ELU": nn.ELU(),
    "Embedding": nn.Embedding(4, 2),
    "Flatten": nn.Flatten(),
    "GroupNorm": nn.GroupNorm(2, 4),
    "LayerNorm": nn.LayerNorm(4),
    "LeakyReLU": nn.LeakyReLU(),
    "MaxPool2d": nn.MaxPool2d(2),
    "Maxout": nn.Maxout(2),
    "MinPool2d": nn.MinPool2d(2),
    "ReLU": nn.ReLU(),
    "Reshape": nn.Reshape(4, 4),
    "Sigmoid": nn.Sigmoid(),
    "Softmax": nn.Softmax(),
    "Softplus": nn.Softplus(),
    "Tanh": nn.Tanh(),
    "Upsample": nn.Upsample(2),
}
NOT_LAYERS = {"Module", "ModuleList", "Parameter", "Sequential"}
WRONG: list[Any] = [[1.0, 2.0, 3.0, 4.0], [[[[1.0]]]], None]


def test_every_public_function_and_layer_has_a_row() -> None:
    public = {
        f"{place}.{name}"
        for place, module in (("td", td), ("functional", functional), ("losses", losses))
        for name in module.__all__
        if inspect.isfunction(getattr(module, name)) and not (module is td and name in OTHERS)
    } | {
        f"metrics.{name}"
        for name, value in vars(metrics).items()
        if inspect.isfunction(value) and value.__module__ == metrics.__name__ and name[0] != "_"
    }
    assert sorted(FUNCTIONS) == sorted(public)
    assert sorted(LAYERS) == sorted(set(nn.__all__) - NOT_LAYERS)


def said(name: str, wrong: Any) -> str:
    """What the sentence begins with, and what it says came: the list or None, or the list's first number."""
    came = "None|NoneType" if wrong is None else "list|float"
    return rf"^{name}: .*\b({came})\b|^{name}: expected a tensor among its inputs; wrap them with td\.tensor"


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_name_themselves(name: str, wrong: Any) -> None:
    who = {"td.pow": "power"}.get(name, name.split(".")[1])
    for call in FUNCTIONS[name]:
        with pytest.raises(TypeError, match=said(who, wrong)):
            call(wrong)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("name", list(LAYERS))
def test_layers_name_themselves(name: str, wrong: Any) -> None:
    layer = LAYERS[name]
    before = layer.state_dict()
    with pytest.raises(TypeError, match=said(re.escape(repr(layer)), wrong)):
        layer(wrong)
    assert {k: v.tolist() for k, v in layer.state_dict().items()} == {
        k: v.tolist() for k, v in before.items()
    }


def test_modules_of_users_may_take_anything() -> None:
    class Sums(nn.Module):
        def forward(self, parts: Any, scale: Any) -> Any:
            return sum(parts.values()) if scale is None else parts

    assert Sums()({"a": 1, "b": 2}, None) == 3
    assert nn.Sequential(Sums(), nn.ReLU())  # made, not called: its parts decide
    with pytest.raises(TypeError, match=r"^ReLU\(\): expected tensors, got dict"):
        nn.Sequential(nn.ReLU())({})


@pytest.mark.parametrize("operator", ["__add__", "__sub__", "__mul__", "__truediv__", "__pow__"])
def test_operators_refuse_none(operator: str) -> None:
    name = operator.strip("_").removeprefix("true")
    whole = {"sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power"}.get(name, name)
    for call in (getattr(W, operator), getattr(W, f"__r{operator[2:]}")):
        with pytest.raises(TypeError, match=f"^{whole}: expected tensors, got None$"):
            call(None)


def test_none_equals_no_element() -> None:
    for answer, want in ((W == None, False), (W != None, True)):  # noqa: E711  # the operators themselves are tried
        assert answer.numpy().tolist() == [[want] * 4] * 4


def test_parameters_and_gradients_of_lists() -> None:
    for wrong in WRONG:
        with pytest.raises(TypeError, match=r"^Parameter: expected tensors, got (list|None)"):
            nn.Parameter(wrong)
        with pytest.raises(TypeError, match=r"^clip_grad_norm_: expected tensors, got (list|float|None)"):
            td.optim.clip_grad_norm_(wrong, 1.0)
