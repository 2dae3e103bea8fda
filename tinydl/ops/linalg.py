"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

from tinydl.device import Array
from tinydl.errors import ShapeError
from tinydl.op import Op, check_tensors
from tinydl.ops.shape import reshape, transpose, unsqueeze
from tinydl.tensor import Tensor


class MatMul(Op):
    """out = A B,  dA = g B^T,  dB = A^T g; for stacks of matrices, each pair on its own."""

    __slots__ = ()
    name = "matmul"
    broadcasts = True

    def forward(self, a: Array, b: Array) -> Array:
        return self.device.kernels.matmul(self.device.xp, a, b)

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        return (
            MatMul()(g, _matrix_transpose(b)) if self.needs[0] else None,
            MatMul()(_matrix_transpose(a), g) if self.needs[1] else None,
        )


class Dense(Op):
    """out = x W^T + b,  dx = g W,  dW = g^T x and db = sum of g over all rows.

    x (..., in), W (out, in), b (out,) or None, out (..., out).
    """

    __slots__ = ()

    def forward(self, x: Array, weight: Array, bias: Array | None) -> Array:
        out = self.device.kernels.matmul(self.device.xp, x, weight.T)
        if bias is not None:
            out += bias  # in place: it is new
        return out

    def backward(self, g: Any, x: Any, weight: Any) -> Any:
        dx = dw = db = None
        rows = _rows(g)
        if self.needs[0]:
            dx = MatMul()(rows, weight)
            dx = dx if g.ndim == 2 else reshape(dx, (*g.shape[:-1], weight.shape[1]))
        if self.needs[1]:
            dw = MatMul()(rows.T, _rows(x))
        if self.needs[2]:
            db = rows.sum(axis=0)
        return dx, dw, db


def _rows(x: Any) -> Any:
    """x (..., n) as a matrix (rows, n)."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product over the last two axes; other axes broadcast. A vector is a row left, a column right.

    Integers stay integers, beside floats they become floats. Raises ValueError for lengths that do not fit and for
    0-d tensors, TypeError for what is no tensor and for float32 with float64, RuntimeError for two devices.
    """
    check_tensors("matmul", a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError("matmul", f"expected tensors with one axis or more, got {a!r} and {b!r}")
    if a.shape[-1] != b.shape[-2:][0]:
        raise ShapeError(
            "matmul",
            f"{a.shape} @ {b.shape}: the last axis of the first has length {a.shape[-1]}, "
            f"the {'one before last' if b.ndim > 1 else 'axis'} of the second {b.shape[-2:][0]}",
        )
    left = unsqueeze(a, 0) if a.ndim == 1 else a
    right = unsqueeze(b, 1) if b.ndim == 1 else b
    out: Tensor = MatMul()(left, right)
    if a.ndim > 1 and b.ndim > 1:
        return out
    shape = out.shape[:-2] + out.shape[-2:-1] * (a.ndim > 1) + out.shape[-1:] * (b.ndim > 1)
    return reshape(out, shape)


def _matrix_transpose(x: Any) -> Any:
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def dense(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b: x (..., in), weight (out, in), bias (out,), result (..., out).

    float32 gives float32. Raises ValueError for shapes that do not fit, TypeError for float32 with float64,
    RuntimeError for two devices.
    """
    check_tensors("dense", x, weight)
    if weight.ndim != 2:
        raise ShapeError("dense", f"expected a weight (out, in), got shape {weight.shape}")
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            "dense",
            f"input has {x.shape[-1] if x.ndim else 0} features, expected {weight.shape[1]} (input shape {x.shape})",
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError("dense", f"expected a bias of shape {weight.shape[:1]}, got {bias.shape}")
    out: Tensor = Dense()(x, weight, bias)
    return out
