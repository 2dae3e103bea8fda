"""The names, order and defaults of all that users call: they are promises, so they stand here a second time."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinydl as td

# By hand, from the design and from PyTorch's and NumPy's documentation.
TABLE = {
    "td": """
        tensor(data, requires_grad=False, dtype=None, device=None)
        Tensor.backward(tensor, gradient=None, retain_graph=False, create_graph=False)
        zeros(*shape, requires_grad=False, dtype=float32, device=None)
        ones(*shape, requires_grad=False, dtype=float32, device=None)
        full(shape, value, requires_grad=False, dtype=None, device=None)
        arange(start, stop=None, step=1, dtype=None, device=None)
        eye(n, m=None, dtype=float32, device=None)
        rand(*shape, generator=None, requires_grad=False, dtype=float32, device=None)
        randn(*shape, generator=None, requires_grad=False, dtype=float32, device=None)
        zeros_like(x, requires_grad=False, dtype=None)
        ones_like(x, requires_grad=False, dtype=None)
        save(tensors, path, metadata=None)
        load(path)
        manual_seed(seed)
        Generator(seed=0)

        grad(outputs, inputs, grad_outputs=None, create_graph=False, retain_graph=None, allow_unused=False)
        no_grad()
        detect_anomaly()
        vjp(fn, inputs, v=None)
        jvp(fn, inputs, v)
        hvp(fn, inputs, v)
        jacobian(fn, inputs)
        hessian(fn, inputs)
        Op()
        textbook()
        numba_kernels()
        trace()
        compile(step, device=None)

        sum(x, axis=None, keepdims=False)
        mean(x, axis=None, keepdims=False)
        var(x, axis=None, ddof=0, keepdims=False)
        std(x, axis=None, ddof=0, keepdims=False)
        max(x, axis=None, keepdims=False)
        min(x, axis=None, keepdims=False)
        argmax(x, axis=None, keepdims=False)
        argmin(x, axis=None, keepdims=False)
        prod(x, axis=None, keepdims=False)
        cumsum(x, axis=None)
        exp(x)
        log(x)
        sqrt(x)
        abs(x)
        sign(x)
        sin(x)
        cos(x)
        tanh(x)
        sigmoid(x)
        relu(x)
        pow(a, b)
        maximum(a, b)
        minimum(a, b)
        matmul(a, b)
        where(condition, a, b)
        clip(x, low=None, high=None)
        einsum(subscripts, *tensors)
        reshape(x, *shape)
        transpose(x, *axes)
        squeeze(x, axis=None)
        unsqueeze(x, axis)
        broadcast_to(x, shape)
        flatten(x, start_axis=0)
        flip(x, axis)
        cat(tensors, axis=0)
        stack(tensors, axis=0)
        split(x, sections_or_indices, axis=0)
        pad(x, pairs, mode="constant", value=0)
        take_along_axis(x, indices, axis)
    """,
    "td.functional": """
        dense(x, weight, bias=None)
        conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)
        conv_transpose2d(
            x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1)
        max_pool2d(
            x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False)
        min_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False)
        avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True)
        adaptive_avg_pool2d(x, output_size)
        max_unpool2d(x, indices, kernel_size, stride=None, padding=0, output_size=None)
        interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=False)
        batch_norm(
            x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5)
        layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5)
        group_norm(x, num_groups, weight=None, bias=None, eps=1e-5)
        dropout(x, p=0.5, training=True, generator=None)
        relu(x)
        leaky_relu(x, negative_slope=0.01)
        elu(x, alpha=1)
        softplus(x)
        sigmoid(x)
        tanh(x)
        maxout(x, pieces, axis=1)
        softmax(x, axis=-1)
        log_softmax(x, axis=-1)
        logsumexp(x, axis=-1, keepdims=False)
        one_hot(labels, num_classes=-1)
    """,
    "td.losses": """
        binary_cross_entropy(prediction, target, reduction="mean")
        binary_cross_entropy_with_logits(prediction, target, reduction="mean")
        cross_entropy(
            prediction, target, weight=None, ignore_index=-100, label_smoothing=0, reduction="mean")
        categorical_cross_entropy(prediction, target, reduction="mean")
        nll(prediction, target, weight=None, ignore_index=-100, reduction="mean")
        mse(prediction, target, reduction="mean")
        mae(prediction, target, reduction="mean")
        msle(prediction, target, reduction="mean")
        rmse(prediction, target, reduction="mean")
        huber(prediction, target, delta=1, reduction="mean")
        kl_divergence(prediction, target, reduction="mean")
        gaussian_kl(mu, logvar, reduction="mean")
        dice(prediction, target, smooth=1, include_background=True, reduction="mean")
        hinge(prediction, target, reduction="mean")
        focal(prediction, target, gamma=2, alpha=0.25, reduction="mean")
    """,
    "td.nn": """
        Module()
        Parameter(values)
        Sequential(*modules)
        ModuleList(modules=())
        Dense(in_features, out_features, bias=True, generator=None)
        Conv2d(
            in_channels, out_channels, kernel_size,
            stride=1, padding=0, dilation=1, groups=1, bias=True, generator=None)
        ConvTranspose2d(
            in_channels, out_channels, kernel_size,
            stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1, generator=None)
        MaxPool2d(kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False)
        MinPool2d(kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False)
        AvgPool2d(kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True)
        AdaptiveAvgPool2d(output_size)
        Upsample(size=None, scale_factor=None, mode="nearest", align_corners=False)
        BatchNorm1d(num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True)
        BatchNorm2d(num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True)
        LayerNorm(normalized_shape, eps=1e-5, elementwise_affine=True)
        GroupNorm(num_groups, num_channels, eps=1e-5, affine=True)
        Dropout(p=0.5, generator=None)
        Flatten(start_axis=1)
        Reshape(*shape)
        Embedding(num_embeddings, embedding_dim, generator=None)
        ReLU()
        LeakyReLU(negative_slope=0.01)
        ELU(alpha=1)
        Sigmoid()
        Tanh()
        Softmax(axis=-1)
        Softplus()
        Maxout(pieces, axis=1)
    """,
    "td.optim": """
        Optimizer(params, lr, weight_decay=0)
        SGD(params, lr, momentum=0, nesterov=False, weight_decay=0)
        RMSprop(params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0)
        Adagrad(params, lr=1e-2, lr_decay=0, weight_decay=0, eps=1e-10)
        Adam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
        AdamW(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)
        clip_grad_norm_(params, max_norm)
        Schedule(optimizer)
        StepLR(optimizer, step_size, gamma=0.1)
        CosineAnnealingLR(optimizer, T_max, eta_min=0)
        ReduceLROnPlateau(optimizer, factor=0.1, patience=10, threshold=1e-4, min_lr=0, eps=1e-8)
        OneCycleLR(optimizer, max_lr, total_steps, pct_start=0.3, div_factor=25, final_div_factor=1e4)
    """,
}
ROWS = [
    (module, name, parameters)
    for module, rows in TABLE.items()
    for name, parameters in re.findall(r"([\w.]+)\((.*?)\)$", rows, re.MULTILINE | re.DOTALL)
]
MODULES: dict[str, ModuleType] = {
    "td": td, "td.functional": td.functional, "td.losses": td.losses, "td.nn": td.nn, "td.optim": td.optim
}  # fmt: skip
NOT_CALLED = {"Device", "Tensor"}  # users get them: by name from td.zeros and the like, and from td.tensor


def parameters_of(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("module", "name", "parameters"), ROWS, ids=[f"{m}.{n}" for m, n, _ in ROWS])
def test_names_order_and_defaults(module: str, name: str, parameters: str) -> None:
    promised = eval(f"(lambda {parameters}: None)", {"float32": np.float32})
    found: Any = MODULES[module]
    for part in name.split("."):
        found = getattr(found, part)
    assert parameters_of(found) == parameters_of(promised)


@pytest.mark.parametrize("module", list(MODULES))
def test_every_public_name_has_a_row(module: str) -> None:
    public = {
        name
        for name in MODULES[module].__all__
        if callable(value := getattr(MODULES[module], name))
        and not (isinstance(value, type) and issubclass(value, Exception))
    }
    rows = [n for m, n, _ in ROWS if m == module and "." not in n]
    assert sorted(rows) == sorted(public - NOT_CALLED)


# Those whose signatures PyTorch tells (conv2d and others are compiled), and what differs on purpose.
TWINS = {
    "td.functional": (
        "nn.functional",
        {n: n for n in ("batch_norm", "layer_norm", "group_norm", "dropout", "elu", "leaky_relu")}
        | {
            "max_unpool2d": "max_unpool2d",
            "max_pool2d": "max_pool2d_with_indices",
            "interpolate": "interpolate",
        },
    ),
    "td.losses": (
        "nn.functional",
        {
            "binary_cross_entropy": "binary_cross_entropy",
            "binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits",
            "cross_entropy": "cross_entropy",
            "nll": "nll_loss",
            "mse": "mse_loss",
            "mae": "l1_loss",
            "huber": "huber_loss",
        },
    ),
    "td.nn": (
        "nn",
        {"Dense": "Linear"}
        | {
            n: n
            for n in ("Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d")
        }
        | {n: n for n in ("LayerNorm", "GroupNorm", "Dropout", "ELU", "LeakyReLU", "Upsample")},
    ),
    "td.optim": (
        "optim",
        {n: n for n in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad")}
        | {
            n: f"lr_scheduler.{n}" for n in ("StepLR", "CosineAnnealingLR", "ReduceLROnPlateau", "OneCycleLR")
        },
    ),
}
DIFFERENT = {
    ("SGD", "lr"),  # has no default here: no rate suits every network
    ("OneCycleLR", "total_steps"),  # there it may be given as epochs instead
    ("interpolate", "align_corners"),  # None there, which means False
    ("Upsample", "align_corners"),
}
PAIRS = [
    (module, ours, f"{place}.{theirs}")
    for module, (place, names) in TWINS.items()
    for ours, theirs in names.items()
]


@pytest.mark.parametrize(("module", "name", "twin"), PAIRS, ids=[f"{m}.{n}" for m, n, _ in PAIRS])
def test_shared_defaults_are_torchs(module: str, name: str, twin: str, torch: Any) -> None:
    found = torch
    for part in twin.split("."):
        found = getattr(found, part)
    theirs = inspect.signature(found).parameters
    ours = inspect.signature(getattr(MODULES[module], name)).parameters
    shared = {n: p.default for n, p in ours.items() if n in theirs and (name, n) not in DIFFERENT}
    assert any(default is not inspect.Parameter.empty for default in shared.values())
    assert shared == {n: theirs[n].default for n in shared}
