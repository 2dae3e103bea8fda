"""Functions of tensors, held against the same functions written in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinydl.autograd import grad
from tinydl.random import Generator
from tinydl.tensor import Tensor, tensor
from tinydl.testing.gradcheck import gradcheck, gradgradcheck
from tinydl.testing.point import host


def check_function(
    fn: Callable[..., Any],
    inputs: Sequence[Tensor],
    reference: Callable[..., Any],
    *,
    rtol: float = 1e-11,
    atol: float = 1e-11,
    order: int = 2,
) -> bool:
    """Checks `fn`, a function of float64 tensors, against `reference`, the same of NumPy arrays; returns True.

    The values must agree, the dtype must be float64; on float32 inputs value, dtype and gradients must be
    float32, and near. Derivatives are checked to `order`: 1 by `gradcheck`, 2 by `gradgradcheck` as well. The
    function and its gradients are computed on the strict device, too, which refuses what a GPU would
    (`tinydl.strict`), and must be the same there: `fn` moves other tensors that it uses to where its inputs are.

    Raises: AssertionError, with what differs.
    """
    want = np.asarray(reference(*(host(x).copy() for x in inputs)))
    out = fn(*inputs)
    assert out.dtype == np.float64, f"float64 inputs gave {out.dtype}"
    assert out.shape == want.shape, f"expected shape {want.shape}, got {out.shape}"
    np.testing.assert_allclose(host(out), want, rtol=rtol, atol=atol)

    _check_strict(fn, inputs)
    singles = [Tensor(x.device.asarray(_single(host(x))), x.device, x.requires_grad) for x in inputs]
    out = fn(*singles)
    assert out.dtype == np.float32, f"float32 inputs gave {out.dtype}"
    np.testing.assert_allclose(host(out), want, rtol=2e-4, atol=2e-4)
    if out.requires_grad:
        wanted = [x for x in singles if x.requires_grad]
        cotangent = tensor(np.ones(out.shape, np.float32), device=out.device)
        for g in grad(out, wanted, cotangent, allow_unused=True):
            assert g is None or g.dtype == np.float32, f"the gradient of a float32 input is {g.dtype}"
    if order > 0 and any(x.requires_grad for x in inputs):
        gradcheck(fn, inputs)
    if order > 1 and any(x.requires_grad for x in inputs):
        gradgradcheck(fn, inputs)
    return True


def _check_strict(fn: Callable[..., Any], inputs: Sequence[Tensor]) -> None:
    """The function and its gradients on the strict device against the CPU, with one cotangent for both."""
    results = []
    for device in ("cpu", "strict"):
        moved = [tensor(x, x.requires_grad, device=device) for x in inputs]
        out = fn(*moved)
        wanted = [x for x in moved if x.requires_grad]
        grads: tuple[Tensor | None, ...] = ()
        if out.requires_grad:
            cotangent = tensor(Generator(1).normal(out.shape, np.float64), device=device)
            grads = grad(out, wanted, cotangent, allow_unused=True)
        results.append([None if t is None else t.to("cpu").numpy() for t in (out, *grads)])
    for ours, theirs in zip(*results, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-12, err_msg="strict and cpu differ")


def memory_order(x: Tensor | Any) -> tuple[int, ...]:
    """The axes that are longer than 1, from the one with the longest stride to the one with the shortest.

    (0, 1, 2, 3) is C order; images N, C, H, W that lie in memory as H, C, W, N have (2, 1, 3, 0). Takes tensors and
    arrays of any shape and dtype; raises AttributeError for anything else.
    """
    array = x._data if isinstance(x, Tensor) else x
    axes = [i for i, n in enumerate(array.shape) if n > 1]
    return tuple(sorted(axes, key=lambda i: -abs(array.strides[i])))


def _single(x: Any) -> Any:
    return x.astype(np.float32, order="K")
