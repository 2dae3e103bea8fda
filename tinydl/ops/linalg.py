"""Matrix products."""

from __future__ import annotations

from typing import Any

from tinydl.device import Array
from tinydl.errors import ShapeError
from tinydl.op import Op
from tinydl.ops.shape import reshape, transpose, unsqueeze
from tinydl.tensor import Tensor


class MatMul(Op):
    """out = A B,  dA = g B^T,  dB = A^T g; for stacks of matrices, each pair on its own."""

    __slots__ = ()
    name = "matmul"
    broadcasts = True

    def forward(self, a: Array, b: Array) -> Array:
        if a.shape[-1] != b.shape[-2]:
            raise ShapeError(
                self.name,
                f"{a.shape} @ {b.shape}: the last axis of the first has length {a.shape[-1]}, "
                f"the one before last of the second {b.shape[-2]}",
            )
        return self.device.xp.matmul(a, b)

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        return (
            g @ _matrix_transpose(b) if self.needs[0] else None,
            _matrix_transpose(a) @ g if self.needs[1] else None,
        )


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product over the last two axes; other axes broadcast. A vector is a row left, a column right.

    Raises: ValueError for lengths that do not fit and for 0-d tensors.
    """
    ndims = [getattr(x, "ndim", None) for x in (a, b)]
    if 0 in ndims or None in ndims:
        raise ShapeError("matmul", f"expected tensors with one axis or more, got {a!r} and {b!r}")
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

    Raises: ValueError for shapes that do not fit.
    """
    if weight.ndim != 2:
        raise ShapeError("dense", f"expected a weight (out, in), got shape {weight.shape}")
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            "dense",
            f"input has {x.shape[-1] if x.ndim else 0} features, expected {weight.shape[1]} (input shape {x.shape})",
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError("dense", f"expected a bias of shape {weight.shape[:1]}, got {bias.shape}")
    out = matmul(x, transpose(weight))
    return out if bias is None else out + bias
