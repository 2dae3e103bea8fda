"""Bias and activation in one pass, for a GPU (activation.cu)."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

from tinydl.kernels import reference
from tinydl.kernels.cuda.launch import launcher
from tinydl.kernels.cuda.layout import channels_last, channels_second, covered, in_memory_order

Array: TypeAlias = Any

KINDS = ("none", "relu", "leaky_relu", "sigmoid", "tanh")  # numbered as in activation.cu


def bias_activation(
    xp: ModuleType, x: Array, bias: Array | None, kind: str = "none", slope: float = 0.01
) -> Array:
    """activate(x + bias): x (N, C, ...), bias (C,) or None, `kind` one of KINDS, slope that of leaky_relu.

    Raises: ValueError for another kind.
    """
    rows = channels_last(xp, x)
    out = xp.empty_like(rows)
    numbers = (out.size, x.shape[1], _number(kind), slope)
    bias = bias if bias is None else xp.ascontiguousarray(bias)
    launcher(xp).launch(f"bias_activation_{x.dtype}", out.size, rows, bias, out, *numbers)
    return channels_second(out)


def activation(xp: ModuleType, name: str, compute: Callable[..., None], *arrays: Array) -> Array:
    """The operation `name`, "relu" of x or "relu_gradient" of g and y, in the memory layout of the last array."""
    if not covered(*arrays):
        return reference.activation(xp, name, compute, *arrays)
    axes = in_memory_order(arrays[-1])
    ordered = [xp.ascontiguousarray(a.transpose(axes)) for a in arrays]
    out = xp.empty(tuple(arrays[-1].shape[axis] for axis in axes), dtype=arrays[-1].dtype)
    kind = _number(name.removesuffix("_gradient"))
    if name.endswith("_gradient"):
        launcher(xp).launch(f"activation_gradient_{out.dtype}", out.size, *ordered, out, out.size, kind, 0.0)
    else:
        launcher(xp).launch(
            f"bias_activation_{out.dtype}", out.size, *ordered, None, out, out.size, 1, kind, 0.0
        )
    return out.transpose(sorted(range(len(axes)), key=axes.__getitem__))


def relu(xp: ModuleType, x: Array) -> Array:
    """max(x, 0), in the memory layout of x."""
    return activation(xp, "relu", lambda x, out: xp.maximum(x, x.dtype.type(0), out=out), x)


def add_bias(xp: ModuleType, x: Array, bias: Array) -> None:
    """x + bias for each channel of images x (N, C, H, W), in place; bias (C,)."""
    if not (covered(x) and x.transpose(0, 2, 3, 1).flags.c_contiguous):
        return reference.add_bias(xp, x, bias)
    arrays = (x.transpose(0, 2, 3, 1), xp.ascontiguousarray(bias))
    launcher(xp).launch(f"bias_activation_{x.dtype}", x.size, *arrays, arrays[0], x.size, len(bias), 0, 0.0)
    return None


def activation_gradient(xp: ModuleType, g: Array, y: Array, kind: str, slope: float = 0.01) -> Array:
    """g activate'(z) for y = activate(z), both (N, C, ...); the slope may not be negative, or y tells not enough."""
    gs, ys = channels_last(xp, g), channels_last(xp, y)
    dx = xp.empty_like(ys)
    numbers = (dx.size, _number(kind), slope)
    launcher(xp).launch(f"activation_gradient_{y.dtype}", dx.size, gs, ys, dx, *numbers)
    return channels_second(dx)


def _number(kind: str) -> int:
    if kind not in KINDS:
        raise ValueError(f"expected an activation of {', '.join(KINDS)}, got {kind!r}")
    return KINDS.index(kind)
