"""Rows of tinydl/ops/conv.py."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from hypothesis import strategies as st

from grid.case import Case, Row
from tinydl.ops import conv as ops
from tinydl.testing import strategies


def loops(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Any:
    """conv2d as its formula says, one multiplication at a time."""
    if x.ndim == 3:
        return loops(x[None], w, b, stride, padding, dilation, groups)[0]
    (n, _, h, wd), (o, inside, kh, kw) = x.shape, w.shape
    oh = (h + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (wd + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((n, o, oh, ow))
    for m, k, i, j in np.ndindex(*out.shape):
        first = k // (o // groups) * inside
        for ch, u, v in np.ndindex(inside, kh, kw):
            row = i * stride[0] + u * dilation[0] - padding[0]
            col = j * stride[1] + v * dilation[1] - padding[1]
            if 0 <= row < h and 0 <= col < wd:
                out[m, k, i, j] += x[m, first + ch, row, col] * w[k, ch, u, v]
        if b is not None:
            out[m, k, i, j] += b[k]
    return out


def transposed_loops(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    output_padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Any:
    """conv_transpose2d: every element of x paints w, scaled, onto the output."""
    if x.ndim == 3:
        return transposed_loops(x[None], w, b, stride, padding, output_padding, dilation, groups)[0]
    (n, c, h, wd), (_, outside, kh, kw) = x.shape, w.shape
    oh = (h - 1) * stride[0] - 2 * padding[0] + dilation[0] * (kh - 1) + output_padding[0] + 1
    ow = (wd - 1) * stride[1] - 2 * padding[1] + dilation[1] * (kw - 1) + output_padding[1] + 1
    out = np.zeros((n, outside * groups, oh, ow))
    for m, k, i, j in np.ndindex(*x.shape):
        first = k // (c // groups) * outside
        for o, u, v in np.ndindex(outside, kh, kw):
            row = i * stride[0] + u * dilation[0] - padding[0]
            col = j * stride[1] + v * dilation[1] - padding[1]
            if 0 <= row < oh and 0 <= col < ow:
                out[m, first + o, row, col] += x[m, k, i, j] * w[k, o, u, v]
    return out if b is None else out + np.reshape(b, (-1, 1, 1))


def by_groups(join: Any, one: Any, x: Any, w: Any, groups: int) -> Any:
    """A convolution of a library without groups, `one(x, w)`, once for each of them."""
    c, o = x.shape[1] // groups, w.shape[0] // groups
    return join([one(x[:, i * c : (i + 1) * c], w[i * o : (i + 1) * o]) for i in range(groups)], axis=1)


def autograds(
    np: Any, x: Any, w: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """autograd's `convolve` has no options: they are made around it. It turns the kernel round."""
    convolve = importlib.import_module("autograd.scipy.signal").convolve
    spread = [np.zeros((d * (k - 1) + 1, k)) for d, k in zip(dilation, w.shape[2:], strict=True)]
    for d, matrix in zip(dilation, spread, strict=True):
        matrix[np.arange(matrix.shape[1]) * d, np.arange(matrix.shape[1])] = 1.0
    w = np.einsum("ai,bj,ocij->ocab", *spread, w)[:, :, ::-1, ::-1]
    single = x.ndim == 3
    x = np.pad(x[None] if single else x, [(0, 0), (0, 0), *((p, p) for p in padding)], mode="constant")

    def one(x: Any, w: Any) -> Any:
        return convolve(x, w, axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid")

    out = by_groups(np.concatenate, one, x, w, groups)[:, :, :: stride[0], :: stride[1]]
    out = out if b is None else out + b[:, None, None]
    return out[0] if single else out


def mygrads(mg: Any, x: Any, w: Any, b: Any = None, *, groups: int, **options: Any) -> Any:
    """Its convolution knows neither groups nor single images."""
    single = x.ndim == 3
    x = x[None] if single else x
    out = by_groups(mg.concatenate, lambda x, w: mg.nnet.layers.conv_nd(x, w, **options), x, w, groups)
    out = out if b is None else out + b[:, None, None]
    return out[0] if single else out


def in_mygrad(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Whether MyGrad takes it: the last windows end where the padded image ends, and there is room for d k."""
    sizes = zip(x.shape[-2:], w.shape[-2:], stride, padding, dilation, strict=True)
    return all((n + 2 * p - d * (k - 1) - 1) % s == 0 and d * k <= n + 2 * p for n, k, s, p, d in sizes)


def in_autograd(x: Any, w: Any, padding: Any, dilation: Any, **_: Any) -> bool:
    """Not where the result is longer than the kernel one way and shorter the other: it may recurse for ever."""
    sizes = zip(x.shape[-2:], w.shape[-2:], padding, dilation, strict=True)
    longer = [n + 2 * p - d * (k - 1) - (d * (k - 1) + 1) for n, k, p, d in sizes]
    return min(longer) >= 0 or max(longer) <= 0


def draw(data: Any, transposed: bool) -> tuple[Case, dict[str, Any]]:
    """A case, and the options in it."""
    g = data.draw(strategies.conv_geometries(transposed))
    options = g.options
    x, w = data.draw(strategies.tensors(g.input_shape)), data.draw(strategies.tensors(g.weight_shape))
    outputs = w.shape[1] * options["groups"] if transposed else w.shape[0]
    b = [data.draw(strategies.tensors((outputs,)))] if data.draw(st.booleans()) else []
    name = "conv_transpose2d" if transposed else "conv2d"
    function, plain = getattr(ops, name), transposed_loops if transposed else loops
    autograd = mygrad = None  # transposed convolutions they have not
    if not transposed and x.size > 0:  # and no images they do not take
        if in_autograd(x, w, **options):
            autograd = lambda np, *xs: autograds(np, *xs, **options)
        if in_mygrad(x, w, **options):
            mygrad = lambda mg, *xs: mygrads(mg, *xs, **options)
    case = Case(
        [x, w, *b],
        lambda *xs: function(*xs, **options),
        lambda *xs: plain(*xs, **options),
        torch=lambda torch, *xs: getattr(torch.nn.functional, name)(*xs, **options),
        autograd=autograd,
        mygrad=mygrad,
    )
    return case, options


def row(transposed: bool) -> Row:
    return lambda data: draw(data, transposed)[0]


ROWS: dict[str, Row] = {"conv2d": row(False), "conv_transpose2d": row(True)}
