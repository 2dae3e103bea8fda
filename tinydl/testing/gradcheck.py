"""Derivatives, checked against differences.

A gradient is right when it predicts how the function changes. Take a random direction d and a random weight c
for every output (the cotangent). Then

    <J^T c, d>   by the backward pass      must equal      <(f(x + h d) - f(x - h d)) / 2h, c>   for small h,

one number on each side, however many elements x has; a wrong gradient hides from a random direction with
probability 0. Two steps, h and h/2, cancel the error of order h^2 (Richardson, 1911):

    D = (4 D(h/2) - D(h)) / 3,      error of order h^4.

The cotangent must be random, too. Under c = 1, which `f(x).sum()` means, the gradient of batch norm and of
softmax is 0 everywhere, and a backward pass that returns zeros would be found right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor
from tinydl.testing.point import Function, GradientError, Point, as_tuple, host

__all__ = ["GradientError", "gradcheck", "gradgradcheck"]


def gradcheck(
    fn: Function,
    inputs: Tensor | Sequence[Any],
    *,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    directions: int = 2,
    generator: GeneratorLike = 0,
    full: bool = False,
    notes: list[str] | None = None,
) -> bool:
    """Checks the gradients of `fn(*inputs)`, a tensor or a tuple of tensors, at `inputs`; returns True.

    Every float64 input that requires a gradient is checked, along `directions` random directions, or with
    `full` along each of its elements; the others are passed as they are. |backward - differences| must be
    at most atol + rtol max(|backward|, |differences|). Also checked: `fn` gives the same twice, and for
    inputs in any memory layout; it changes neither inputs nor cotangents; gradients have their input's shape,
    dtype and device and share memory with nothing.

    **Kinks.** Where differences to the left and to the right disagree (relu at 0, ties of a maximum), there is no
    derivative to compare with. When the check fails at such a place, it is repeated with a smaller step, then
    at points a little (0.02, 0.06) away; each such move appends a sentence to `notes`, when you pass a list. A
    gradient that is wrong is wrong there, too.

    Raises: GradientError (an AssertionError) naming the input, the direction, both numbers and the most wrong
    element; TypeError for floating inputs or outputs that are not float64; ValueError when no input
    requires a gradient.
    """
    # A fork: inputs made from the same seed would equal the cotangents, and x hides what batch norm does to x.
    check = Point(fn, inputs, as_generator(generator).fork(), atol, rtol)
    check.contract()
    for i in check.wanted:
        check.derivatives(i, None if full else directions, [] if notes is None else notes)
    return True


def gradgradcheck(
    fn: Function,
    inputs: Tensor | Sequence[Any],
    *,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    directions: int = 2,
    generator: GeneratorLike = 0,
    full: bool = False,
    notes: list[str] | None = None,
) -> bool:
    """Checks second derivatives: gradcheck of (inputs, cotangents) -> the gradients of `fn` under `create_graph`.

    Also checked: with and without `create_graph` the gradients are the same. In an error the inputs are
    counted on: after the inputs of `fn` come the cotangents of its outputs. Arguments and errors as for
    `gradcheck`.
    """
    random = as_generator(generator).fork()
    first = Point(fn, inputs, random, atol, rtol)
    outputs = first.outputs(first.arrays)
    cotangents = [
        Tensor(first.device.asarray(random.normal(y.shape, np.float64)), first.device, requires_grad=True)
        for y in outputs
    ]
    count = len(first.inputs)

    def gradients(*values: Any, create_graph: bool = True) -> tuple[Tensor, ...]:
        leaves = list(values[:count])
        for i in first.wanted:
            if not leaves[i].requires_grad:
                leaves[i] = Tensor(leaves[i]._data, leaves[i].device, requires_grad=True)
        results = as_tuple(fn(*leaves))
        return first.gradients(leaves, results, values[count:], create_graph)

    values = [*first.inputs, *cotangents]
    recorded, plain = gradients(*values), gradients(*values, create_graph=False)
    for i, a, b in zip(first.wanted, recorded, plain, strict=True):
        if not np.allclose(host(a), host(b), rtol=1e-10, atol=1e-12):
            raise GradientError(
                f"gradgradcheck: the gradient of input {i} is\n{host(b)} without create_graph, but\n"
                f"{host(a)} with it"
            )
    return gradcheck(
        gradients,
        values,
        atol=atol,
        rtol=rtol,
        directions=directions,
        generator=random,
        full=full,
        notes=notes,
    )
