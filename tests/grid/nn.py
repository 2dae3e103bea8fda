"""Rows of the layers.

A layer is drawn as the function that it stands for, in that function's file, or here where it has a meaning of
its own. Its parameters are inputs of the case: tensors put in the place of those that the layer was made with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid import conv, norm, pool, resize
from grid.activation import ACTIVATIONS, probabilities
from grid.case import Case, Row
from grid.dropout import dropped
from tinydl import nn
from tinydl.testing import strategies

AFFINE = ("weight", "bias")


def filled(
    module: nn.Module, like: td.Tensor, names: Sequence[str], values: Sequence[td.Tensor]
) -> nn.Module:
    """The module on the device and in the dtype of `like`, with `values` in the place of its parameters.

    These must be all that it has, under these names. They stay the tensors that they are: gradients flow to them.
    """
    module.to(like.device).astype(like.dtype)
    wanted = {name: value.shape for name, value in zip(names, values, strict=True)}
    assert {name: p.shape for name, p in module.named_parameters()} == wanted
    for name, value in zip(names, values, strict=True):
        *path, last = name.split(".")
        owner = module
        for step in path:
            owner = getattr(owner, step)
        setattr(owner, last, value)
    return module


def layer(
    inputs: list[td.Tensor],
    make: Callable[[], nn.Module],
    reference: Callable[..., Any],
    twin: Callable[[Any], Any] | None,
    names: Sequence[str] = AFFINE,
    training: bool = True,
    buffers: dict[str, Any] | None = None,
    **peers: Any,
) -> Case:
    """The case of a layer of x, the first of `inputs`; the others are the first of its parameters' `names`.

    `twin` makes PyTorch's layer; None where there is none, or where it refuses the input.
    """
    state, names = buffers or {}, names[: len(inputs) - 1]

    def ours(x: td.Tensor, *values: td.Tensor) -> Any:
        module = filled(make(), x, names, values).train(training)
        module.load_state_dict(state, strict=False)
        return module(x)

    def theirs(torch: Any, x: Any, *values: Any) -> Any:
        assert twin is not None
        module = twin(torch).double().train(training)
        tensors = {name: torch.tensor(a.copy()) for name, a in state.items()}
        tensors |= dict(zip(names, values, strict=True))
        return torch.func.functional_call(module, tensors, (x,))

    if twin is not None:
        peers["torch"] = theirs
    return Case(inputs, ours, reference, **peers)


def drawn(shapes: Sequence[tuple[int, ...]], data: Any) -> list[td.Tensor]:
    return [data.draw(strategies.tensors(shape)) for shape in shapes]


# ---- with weights


def dense_loops(x: Any, w: Any, b: Any = None) -> Any:
    out = np.zeros((*x.shape[:-1], len(w)))
    for *lead, o in np.ndindex(out.shape):
        out[(*lead, o)] = math.fsum(x[tuple(lead)] * w[o]) + (0.0 if b is None else b[o])
    return out


def dense(data: Any) -> Case:
    inside, outside = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    lead, bias = data.draw(strategies.shapes(0, 2)), data.draw(st.booleans())
    shapes = [(*lead, inside), (outside, inside), (outside,)]
    formula = lambda _, x, w, b=0.0: x @ w.T + b
    return layer(
        drawn(shapes if bias else shapes[:2], data),
        lambda: nn.Dense(inside, outside, bias),
        dense_loops,
        lambda torch: torch.nn.Linear(inside, outside, bias),
        autograd=formula,
        mygrad=formula,
    )


def convolution(kind: str) -> Row:
    transposed = kind == "ConvTranspose2d"

    def row(data: Any) -> Case:
        case, options = conv.draw(data, transposed)
        first, second, *kernel = case.inputs[1].shape
        second *= options["groups"]
        channels = (first, second) if transposed else (second, first)
        every = {**options, "kernel_size": tuple(kernel), "bias": len(case.inputs) == 3}
        return layer(
            case.inputs,
            lambda: getattr(nn, kind)(*channels, **every),
            case.reference,
            lambda torch: getattr(torch.nn, kind)(*channels, **every),
            autograd=case.autograd,
            mygrad=case.mygrad,
        )

    return row


def embedding(data: Any) -> Case:
    """The integers are no input of the case: they stay integers, and have no gradient."""
    n, dim = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    rows = data.draw(strategies.arrays(strategies.shapes(0, 3, 0, 3), np.int64, 0, n - 1))

    def loops(w: Any) -> Any:
        out = np.zeros((*rows.shape, dim))
        for at in np.ndindex(rows.shape):
            out[at] = w[rows[at]]
        return out

    formula = lambda _, w: w[rows]
    return Case(
        drawn([(n, dim)], data),
        lambda w: filled(nn.Embedding(n, dim), w, ["weight"], [w])(td.tensor(rows, device=w.device)),
        loops,
        torch=lambda torch, w: torch.func.functional_call(
            torch.nn.Embedding(n, dim), {"weight": w}, (torch.tensor(rows.copy()),)
        ),
        autograd=formula,
        mygrad=formula,
    )


# ---- normalisation


def batch_norm(kind: str, min_dims: int, max_dims: int) -> Row:
    """In training, by running values, and by the batch where there are none.

    What the running values become is tested in tests/nn/test_norm.py.
    """

    def row(data: Any) -> Case:
        eps, (affine, tracked, training) = data.draw(norm.EPS), [data.draw(st.booleans()) for _ in range(3)]
        momentum, by_batch = data.draw(st.sampled_from((0.1, None))), training or not tracked
        # A layer has one channel or more; PyTorch takes no empty batches here.
        several = (
            norm.batches(min_dims, max_dims) if by_batch else strategies.shapes(min_dims, max_dims, 1, 3)
        )
        shape = data.draw(several)
        c = shape[1]
        state = {}
        if tracked:
            state["running_mean"] = data.draw(strategies.arrays((c,)))
            state["running_var"] = data.draw(strategies.arrays((c,), low=0.2))

        def loops(x: Any, weight: Any = None, bias: Any = None) -> Any:
            if by_batch:
                return norm.batch_loops(x, weight, bias, eps)
            return norm.running_loops(x, *state.values(), weight, bias, eps)

        def mygrads(mg: Any, x: Any, weight: Any = None, bias: Any = None) -> Any:
            return mg.nnet.layers.batchnorm(x, gamma=weight, beta=bias, eps=eps)

        return layer(
            drawn([shape, (c,), (c,)] if affine else [shape], data),
            lambda: getattr(nn, kind)(c, eps, momentum, affine, tracked),
            loops,
            lambda torch: getattr(torch.nn, kind)(c, eps, momentum, affine, tracked),
            training=training,
            buffers=state,
            mygrad=mygrads if by_batch else None,
        )

    return row


def layer_norm(data: Any) -> Case:
    axes, eps, affine = data.draw(st.integers(1, 3)), data.draw(norm.EPS), data.draw(st.booleans())
    whole = data.draw(strategies.shapes(axes, 4, 1, 3))
    shape = whole[-axes:]
    given = shape[0] if axes == 1 and data.draw(st.booleans()) else shape
    return layer(
        drawn([whole, shape, shape] if affine else [whole], data),
        lambda: nn.LayerNorm(given, eps, affine),
        lambda x, weight=None, bias=None: norm.layer_loops(x, axes, weight, bias, eps),
        lambda torch: torch.nn.LayerNorm(given, eps, affine),
    )


def group_norm(data: Any) -> Case:
    shape, groups = norm.groupable(data)
    eps, affine, c = data.draw(norm.EPS), data.draw(st.booleans()), shape[1]
    alone = math.prod(shape) == groups  # one value in each group of one image: PyTorch refuses that
    return layer(
        drawn([shape, (c,), (c,)] if affine else [shape], data),
        lambda: nn.GroupNorm(groups, c, eps, affine),
        lambda x, weight=None, bias=None: norm.group_loops(x, groups, weight, bias, eps),
        None if alone else lambda torch: torch.nn.GroupNorm(groups, c, eps, affine),
    )


# ---- without weights


def activation(kind: str, function: str) -> Row:
    formula, autograds, mygrads, choices = ACTIVATIONS[function]

    def row(data: Any) -> Case:
        x = data.draw(strategies.tensors(strategies.shapes(max_side=3), low=-4.0, high=4.0))
        options = data.draw(st.sampled_from(choices))
        return layer(
            [x],
            lambda: getattr(nn, kind)(**options),
            lambda a: formula(a, **options),
            lambda torch: getattr(torch.nn, kind)(**options),
            autograd=lambda np, a: autograds(np, a, **options),
            # at 0 its leaky_relu has slope 0 and its elu has slope 1
            mygrad=(lambda mg, a: mygrads(mg, a, **options)) if np.all(x.numpy() != 0) else None,
        )

    return row


def softmax(data: Any) -> Case:
    x = data.draw(strategies.tensors(strategies.shapes(1, 3, max_side=3)))
    axis = data.draw(strategies.axis(x.ndim))
    return layer(
        [x],
        lambda: nn.Softmax(*(() if axis == -1 else (axis,))),
        lambda a: probabilities(a, axis),
        lambda torch: torch.nn.Softmax(axis),
        mygrad=(lambda mg, a: mg.nnet.softmax(a, axis)) if x.size else None,  # it refuses no elements
    )


def maxout(data: Any) -> Case:
    pieces, groups = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    shape = list(data.draw(strategies.shapes(2, 4, max_side=3)))
    axis = data.draw(st.integers(1, len(shape) - 1))
    shape[axis] = pieces * groups
    apart = (*shape[:axis], groups, pieces, *shape[axis + 1 :])

    def plain(a: Any) -> Any:
        parts = [a.take(range(i, pieces * groups, pieces), axis) for i in range(pieces)]
        return np.maximum.reduce(parts)

    return layer(
        drawn([tuple(shape)], data),
        lambda: nn.Maxout(pieces, *(() if axis == 1 else (axis,))),
        plain,
        None,
        torch=lambda torch, a: torch.amax(a.reshape(apart), axis + 1),
        autograd=lambda np, a: np.max(np.reshape(a, apart), axis=axis + 1),
    )


def pooling(kind: str, function: str) -> Row:
    def row(data: Any) -> Case:
        case, options = pool.draw(data, function)
        if options["stride"] is None and data.draw(st.booleans()):
            del options["stride"]  # the default
        twin = None if kind == "MinPool2d" else lambda torch: getattr(torch.nn, kind)(**options)
        return layer(
            case.inputs,
            lambda: getattr(nn, kind)(**options),
            case.reference,
            twin,
            mygrad=case.mygrad,
            **({"torch": case.torch} if twin is None else {}),
        )

    return row


def upsample(data: Any) -> Case:
    case, options = resize.draw_interpolate(data)
    twin = (lambda torch: torch.nn.Upsample(**options)) if case.torch else None
    return layer(case.inputs, lambda: nn.Upsample(**options), case.reference, twin)


def adaptive_avg_pool2d(data: Any) -> Case:
    case, size = resize.draw_adaptive(data)
    given = (None, None) if size is None else size  # PyTorch takes no None alone
    twin = (lambda torch: torch.nn.AdaptiveAvgPool2d(given)) if case.torch else None
    return layer(case.inputs, lambda: nn.AdaptiveAvgPool2d(size), case.reference, twin)


def dropout(data: Any) -> Case:
    """Behind x + x: without training it hands on x itself, and that is no graph.

    The other libraries draw other numbers: in training they only get the mask that the reference finds.
    """
    x = data.draw(strategies.tensors(strategies.shapes()))
    p, seed, training = (
        data.draw(st.sampled_from((0.5, 0.1))),
        data.draw(st.integers(0, 99)),
        data.draw(st.booleans()),
    )
    mask = dropped(np.ones(x.shape), p, seed) if training else np.ones(x.shape)
    return Case(
        [x],
        lambda x: nn.Dropout(p, seed).train(training)(x + x),
        lambda a: dropped(2 * a, p, seed) if training else 2 * a,
        torch=lambda torch, a: 2 * a * torch.tensor(mask) if training else torch.nn.Dropout(p).eval()(2 * a),
        autograd=lambda np, a: 2 * a * mask,
        mygrad=lambda mg, a: 2 * a * mask,
    )


def flatten(data: Any) -> Case:
    x = data.draw(strategies.tensors(strategies.shapes(2, 4, max_side=3)))
    start = data.draw(st.integers(0, x.ndim - 1))
    shape = (*x.shape[:start], math.prod(x.shape[start:]))
    return layer(
        [x],
        lambda: nn.Flatten(*(() if start == 1 else (start,))),
        lambda a: np.array(list(a.flat)).reshape(shape),
        lambda torch: torch.nn.Flatten(start),
        autograd=lambda np, a: np.reshape(a, shape),
        mygrad=lambda mg, a: mg.reshape(a, shape),
    )


def reshape(data: Any) -> Case:
    n, *lengths = data.draw(strategies.shapes(2, 4, max_side=3))
    x = data.draw(strategies.tensors((n, math.prod(lengths))))
    return layer(
        [x],
        lambda: nn.Reshape(*lengths),
        lambda a: np.array(list(a.flat)).reshape(n, *lengths),
        lambda torch: torch.nn.Unflatten(1, lengths),
        autograd=lambda np, a: np.reshape(a, (n, *lengths)),
        mygrad=lambda mg, a: mg.reshape(a, (n, *lengths)),
    )


# ---- several together


def sequential(data: Any) -> Case:
    """A small network: a convolution, a pooling, and a dense layer for what is left."""
    n, c, o, k = (data.draw(st.integers(1, 2)) for _ in range(4))
    shapes = [(n, c, 4, 4), (o, c, 3, 3), (k, 4 * o), (k,)]

    def network(nn: Any, dense: Any) -> Any:
        first = nn.Conv2d(c, o, 3, padding=1, bias=False)
        return nn.Sequential(first, nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), dense(4 * o, k))

    def loops(x: Any, w: Any, v: Any, b: Any) -> Any:
        hidden = pool.mean(np.tanh(conv.loops(x, w, padding=(1, 1))), kernel_size=(2, 2))
        return dense_loops(hidden.reshape(n, -1), v, b)

    return layer(
        drawn(shapes, data),
        lambda: network(nn, nn.Dense),
        loops,
        lambda torch: network(torch.nn, torch.nn.Linear),
        names=("0.weight", "4.weight", "4.bias"),
    )


def module_list(data: Any) -> Case:
    """A list has no forward pass of its own: each of its layers adds to what goes past."""
    n, width, depth = data.draw(st.integers(0, 2)), data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3))
    shapes = [(n, width), *[(width, width), (width,)] * depth]
    names = [f"{i}.{name}" for i in range(depth) for name in AFFINE]

    def ours(x: td.Tensor, *values: td.Tensor) -> td.Tensor:
        parts = nn.ModuleList([nn.Dense(width, width) for _ in range(depth)])
        x = x * 1.0  # a list of no layers is no graph
        for part in filled(parts, x, names, values):
            x = x + part(x)
        return x

    def loops(x: Any, *values: Any) -> Any:
        for w, b in zip(values[::2], values[1::2], strict=True):
            x = x + dense_loops(x, w, b)
        return x

    def formula(_: Any, x: Any, *values: Any) -> Any:
        x = x * 1.0
        for w, b in zip(values[::2], values[1::2], strict=True):
            x = x + (x @ w.T + b)
        return x

    return Case(drawn(shapes, data), ours, loops, torch=formula, autograd=formula, mygrad=formula)


ROWS: dict[str, Row] = {
    "Dense": dense,
    "Conv2d": convolution("Conv2d"),
    "ConvTranspose2d": convolution("ConvTranspose2d"),
    "Embedding": embedding,
    "BatchNorm1d": batch_norm("BatchNorm1d", 2, 3),
    "BatchNorm2d": batch_norm("BatchNorm2d", 4, 4),
    "LayerNorm": layer_norm,
    "GroupNorm": group_norm,
    "ReLU": activation("ReLU", "relu"),
    "LeakyReLU": activation("LeakyReLU", "leaky_relu"),
    "ELU": activation("ELU", "elu"),
    "Softplus": activation("Softplus", "softplus"),
    "Sigmoid": activation("Sigmoid", "sigmoid"),
    "Tanh": activation("Tanh", "tanh"),
    "Softmax": softmax,
    "Maxout": maxout,
    "MaxPool2d": pooling("MaxPool2d", "max_pool2d"),
    "MinPool2d": pooling("MinPool2d", "min_pool2d"),
    "AvgPool2d": pooling("AvgPool2d", "avg_pool2d"),
    "Upsample": upsample,
    "AdaptiveAvgPool2d": adaptive_avg_pool2d,
    "Dropout": dropout,
    "Flatten": flatten,
    "Reshape": reshape,
    "Sequential": sequential,
    "ModuleList": module_list,
}
