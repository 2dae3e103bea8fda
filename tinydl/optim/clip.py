"""Limits on gradients."""

from __future__ import annotations

from collections.abc import Iterable

from tinydl.errors import DeviceError
from tinydl.op import listed
from tinydl.tensor import Tensor


def clip_grad_norm_(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scales all gradients together so that their common Euclidean norm is at most `max_norm`, in place.

    Returns the norm before, a 0-d tensor of their dtype (Pascanu et al., 2013). As PyTorch's: the factor is
    max_norm / (norm + 1e-6), at most 1. Raises ValueError when no parameter has a gradient, RuntimeError when
    they are on different devices.
    """
    params = [params] if isinstance(params, Tensor) else listed("clip_grad_norm_", params)
    grads = [p._grad for p in params if p._grad is not None]
    if not grads:
        raise ValueError("clip_grad_norm_: no parameter has a gradient; call backward() first")
    device = grads[0].device
    for g in grads:
        if g.device is not device:
            raise DeviceError("clip_grad_norm_", f"gradients on {device} and {g.device}; use model.to(...)")
    xp = device.xp
    total = sum((g._data * g._data).sum() for g in grads)
    norm = xp.sqrt(total)
    factor = xp.minimum(max_norm / (norm + 1e-6), 1.0).astype(grads[0].dtype)
    for g in grads:
        g.touch()
        g._data *= factor
    return Tensor(xp.asarray(norm), device)
