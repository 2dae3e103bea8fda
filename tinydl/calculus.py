"""Derivatives of functions: products with the Jacobian from both sides, whole Jacobians and Hessians.

For y = fn(x) with Jacobian J = dy/dx:

    vjp   v^T J    one backward pass
    jvp   J v      two: u^T J is linear in u, so its gradient with respect to u, along v, is J v
    hvp   H v      two: the gradient of <df/dx, v>

`inputs` is a tensor or a sequence of tensors; fn gets them as its arguments. They are not touched: fn is called
with copies that require gradients, and recorded inside no_grad() as well.

The results have no graph. So inside fn none of these functions may be called, since derivatives through what it
returns would be lost; `td.grad(..., create_graph=True)` may.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from tinydl.autograd import grad
from tinydl.errors import GraphError, ShapeError
from tinydl.op import state
from tinydl.ops.shape import reshape, stack
from tinydl.tensor import Tensor

Tensors: TypeAlias = Tensor | Sequence[Tensor]
Function: TypeAlias = Callable[..., Any]


class _Running(threading.local):
    who = ""  # the function of this file that runs, if one does


_running = _Running()


@contextmanager
def _recording(who: str) -> Iterator[None]:
    outer = _running.who
    if outer and state.recording:
        raise GraphError(
            who,
            f"called by a function that {outer} differentiates, where its result would count as a constant; "
            "use td.grad(..., create_graph=True), or td.no_grad() around it if it is one",
        )
    before, state.recording, _running.who = state.recording, True, who
    try:
        yield
    finally:
        state.recording, _running.who = before, outer


@_recording("vjp")
def vjp(fn: Function, inputs: Tensors, v: Tensors | None = None) -> tuple[Any, Any]:
    """(fn(inputs), v^T J): the gradient of <fn(inputs), v> for each input.

    v has the shape and dtype of the output; it may be left out for an output with one element. Raises ValueError for
    another v, RuntimeError where it is missing, TypeError for integers and for what is no tensor.
    """
    leaves = _leaves(inputs)
    value = fn(*leaves)
    outputs = _several(value)
    weights = [None] * len(outputs) if v is None else _several(v)
    if len(weights) != len(outputs):
        raise ShapeError("vjp", f"expected v for {len(outputs)} outputs, got {len(weights)}")
    live = [(y, w) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(leaves)
    if live:
        found = grad([y for y, _ in live], leaves, [w for _, w in live], allow_unused=True)
    return _detached(value), _like(inputs, _filled(found, leaves))


@_recording("jvp")
def jvp(fn: Function, inputs: Tensors, v: Tensors) -> tuple[Any, Any]:
    """(fn(inputs), J v): how the outputs change along v, which has the shapes and dtypes of the inputs.

    Raises: ValueError for another v, TypeError for integers and for what is no tensor.
    """
    leaves, directions = _leaves(inputs), _several(v)
    _check_like("jvp", leaves, directions)
    value = fn(*leaves)
    outputs = _several(value)
    dummies = [_zeros(y, requires_grad=True) for y in outputs]
    live = [(y, u) for y, u in zip(outputs, dummies, strict=True) if y.requires_grad]
    products: list[Tensor] = [_zeros(y) for y in outputs]
    if live:
        back = grad([y for y, _ in live], leaves, [u for _, u in live], create_graph=True, allow_unused=True)
        pairs = [(b, d) for b, d in zip(back, directions, strict=True) if b is not None and b.requires_grad]
        if pairs:
            found = grad([b for b, _ in pairs], dummies, [d for _, d in pairs], allow_unused=True)
            products = _filled(found, dummies)
    return _detached(value), products[0] if isinstance(value, Tensor) else tuple(products)


@_recording("hvp")
def hvp(fn: Function, inputs: Tensors, v: Tensors) -> tuple[Any, Any]:
    """(fn(inputs), H v) for a function with one number as output; v has the shapes and dtypes of the inputs.

    By two backward passes (Pearlmutter, 1994). Raises ValueError for several numbers as output and for another v,
    TypeError for integers and for what is no tensor.
    """
    leaves, directions = _leaves(inputs), _several(v)
    _check_like("hvp", leaves, directions)
    value = _scalar("hvp", fn(*leaves))
    first = _gradient(value, leaves)
    pairs = [(g, d) for g, d in zip(first, directions, strict=True) if g is not None and g.requires_grad]
    if not pairs:
        return _detached(value), _like(inputs, [_zeros(x) for x in leaves])
    products = grad([g for g, _ in pairs], leaves, [d for _, d in pairs], allow_unused=True)
    return _detached(value), _like(inputs, _filled(products, leaves))


@_recording("jacobian")
def jacobian(fn: Function, inputs: Tensors) -> Any:
    """J for each input: shape (*output shape, *input shape), by one backward pass for each output element.

    Dtypes are those of the inputs. Raises RuntimeError when fn returns anything but one tensor, TypeError for
    inputs that are integers or no tensors.
    """
    leaves = _leaves(inputs)
    value = fn(*leaves)
    if not isinstance(value, Tensor):
        raise GraphError(
            "jacobian", f"expected a function with one tensor as output, got {type(value).__name__}"
        )
    return _like(inputs, _rows(value, leaves))


@_recording("hessian")
def hessian(fn: Function, inputs: Tensors) -> Any:
    """H for a function with one number as output: for one input shape (*input shape, *input shape).

    For several inputs a tuple of tuples: entry [i][j] has the shapes of inputs i and j together. Raises ValueError
    for several numbers as output, TypeError for inputs that are integers or no tensors.
    """
    leaves = _leaves(inputs)
    value = _scalar("hessian", fn(*leaves))
    blocks = [_rows(g, leaves) for g in _filled(_gradient(value, leaves), leaves)]
    return blocks[0][0] if isinstance(inputs, Tensor) else tuple(tuple(row) for row in blocks)


def _gradient(value: Tensor, leaves: list[Tensor]) -> Sequence[Tensor | None]:
    """d value / d leaf for each leaf, to be differentiated again; None where nothing flows."""
    if not value.requires_grad:
        return [None] * len(leaves)
    return grad(value, leaves, create_graph=True, allow_unused=True)


def _rows(value: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """d value / d leaf for each leaf, element by element of the value."""
    if not value.requires_grad or value.size == 0:
        shapes = [(*value.shape, *x.shape) for x in leaves]
        return [
            Tensor(x.device.xp.zeros(shape, dtype=x.dtype), x.device)
            for x, shape in zip(leaves, shapes, strict=True)
        ]
    flat = reshape(value, -1)
    rows = [
        _filled(grad(flat[i], leaves, retain_graph=True, allow_unused=True), leaves)
        for i in range(value.size)
    ]
    return [
        reshape(stack([row[j] for row in rows]), (*value.shape, *leaf.shape)) for j, leaf in enumerate(leaves)
    ]


def _leaves(inputs: Tensors) -> list[Tensor]:
    leaves = []
    for x in _several(inputs):
        leaf = Tensor(x._data, x.device)
        leaf._memory = x.memory()
        leaf.requires_grad = True
        leaves.append(leaf)
    return leaves


def _several(value: Any) -> list[Tensor]:
    tensors = list(value) if isinstance(value, list | tuple) else [value]
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(f"expected tensors, got {type(x).__name__}")
    return tensors


def _like(inputs: Tensors, results: Sequence[Tensor]) -> Any:
    return results[0] if isinstance(inputs, Tensor) else tuple(results)


def _zeros(x: Tensor, requires_grad: bool = False) -> Tensor:
    return Tensor(x.device.xp.zeros_like(x._data), x.device, requires_grad)


def _filled(grads: Sequence[Tensor | None], leaves: Sequence[Tensor]) -> list[Tensor]:
    """Zeros where nothing flows."""
    return [_zeros(x) if g is None else g for g, x in zip(grads, leaves, strict=True)]


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else tuple(x.detach() for x in value)


def _scalar(who: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.size != 1:
        raise ShapeError(
            who, f"expected a function with one number as output, got {getattr(value, 'shape', value)}"
        )
    return value


def _check_like(who: str, leaves: Sequence[Tensor], directions: Sequence[Tensor]) -> None:
    wanted, got = [x.shape for x in leaves], [d.shape for d in directions]
    if wanted != got:
        raise ShapeError(who, f"expected v of the shapes of the inputs, {wanted}, got {got}")
