"""Derivatives, checked against how the function changes.

A gradient is right when it predicts how the function changes. Take a random direction d and a random weight c
for every output (the cotangent). Then

    <J^T c, d>   by the backward pass      must equal      <J d, c>   by calls of the function,

one number on each side, however many elements x has; a wrong gradient hides from a random direction with
probability 0. For the right side there are two methods. An analytic function takes a step along the imaginary
axis, and nothing is subtracted, so that nothing is lost (Squire and Trapp, 1998; Martins et al., 2003):

    J d = Im f(x + i h d) / h,      exact to rounding with h = 1e-100.

Not every function is analytic (|x| is not), and a wrong imaginary part would not be noticed: so plain central
differences always stand beside it. Where the two disagree, or complex numbers are refused, differences decide.
Two steps, h and h/2, cancel their error of order h^2 (Richardson, 1911):

    D(h) = (f(x + h d) - f(x - h d)) / 2h,      J d = (4 D(h/2) - D(h)) / 3,      error of order h^4.

The cotangent must be random, too. Under c = 1, which `f(x).sum()` means, the gradient of batch norm and of
softmax is 0 everywhere, and a backward pass that returns zeros would be found right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor
from tinydl.testing.point import Function, GradientError, Options, Point, host

__all__ = ["GradientError", "gradcheck", "gradgradcheck"]


def gradcheck(
    fn: Function,
    inputs: Tensor | Sequence[Any],
    *,
    atol: float | None = None,
    rtol: float | None = None,
    directions: int = 2,
    generator: GeneratorLike = 0,
    full: bool = False,
    notes: list[str] | None = None,
) -> bool:
    """Checks the gradients of `fn(*inputs)`, a tensor or a tuple of tensors, at `inputs`; returns True.

    Every float64 input that requires a gradient is checked, along `directions` random directions, or with
    `full` along each of its elements; the others are passed as they are. |backward - expected| must be at
    most atol + rtol max(|backward|, |expected|): unless given, 1e-11 and 1e-10 where the complex step works,
    1e-8 and 1e-8 where differences decide. Also checked: `fn` gives the same twice, and for inputs in any
    memory layout; it changes neither inputs nor cotangents; gradients have their input's shape, dtype and
    device and share memory with nothing.

    `notes`, when you pass a list, gets a sentence for each input: which method was used, and why not the other.

    **Kinks.** Where differences to the left and to the right disagree (relu at 0, ties of a maximum), there is no
    derivative to compare with. When the check fails at such a place, it is repeated with a smaller step, then
    at points a little (0.02, 0.06) away; each such move is a sentence in `notes`. A gradient that is wrong is
    wrong there, too.

    Raises: GradientError (an AssertionError) naming the input, the direction, both numbers, the method and the
    most wrong element; TypeError for floating inputs or outputs that are not float64; ValueError when no
    input requires a gradient.
    """
    values = _several(inputs)
    options = Options(atol, rtol, None if full else directions, _fork(generator), _list(notes))
    first_derivatives("gradcheck", fn, values, _counted(values), options)
    return True


def gradgradcheck(
    fn: Function,
    inputs: Tensor | Sequence[Any],
    *,
    atol: float | None = None,
    rtol: float | None = None,
    directions: int = 2,
    generator: GeneratorLike = 0,
    full: bool = False,
    notes: list[str] | None = None,
) -> bool:
    """Checks second derivatives: gradcheck of (inputs, cotangents) -> the gradients of `fn` under `create_graph`.

    Also checked: with and without `create_graph` the gradients are the same. In an error, "output 0" is the
    gradient of the first input that requires one. Arguments as for `gradcheck`. Raises GradientError, TypeError for
    what is not float64 and ValueError when no input requires a gradient, as there.
    """
    values = _several(inputs)
    options = Options(atol, rtol, None if full else directions, _fork(generator), _list(notes))
    second_derivatives("gradgradcheck", fn, values, _counted(values), options)
    return True


def first_derivatives(
    who: str, fn: Function, inputs: Sequence[Any], names: Sequence[str], options: Options
) -> None:
    """`gradcheck` of inputs with names; errors begin with `who`."""
    point = Point(who, fn, inputs, names, options)
    point.contract()
    for i in point.wanted:
        point.derivatives(i)


def second_derivatives(
    who: str, fn: Function, inputs: Sequence[Any], names: Sequence[str], options: Options
) -> None:
    """`gradgradcheck` of inputs with names; errors begin with `who`."""
    first = Point(who, fn, inputs, names, options)
    cotangents = [
        Tensor(
            first.device.asarray(options.random.normal(c.shape, np.float64)), first.device, requires_grad=True
        )
        for c in first.cotangents
    ]
    count = len(first.inputs)

    def gradients(*values: Any, create_graph: bool = True) -> tuple[Tensor, ...]:
        leaves = list(values[:count])
        for i in first.wanted:
            if not leaves[i].requires_grad:
                leaves[i] = Tensor(leaves[i]._data, leaves[i].device, requires_grad=True)
        return first.gradients(leaves, first.results(leaves), values[count:], create_graph)

    values = [*first.inputs, *cotangents]
    recorded, plain = gradients(*values), gradients(*values, create_graph=False)
    for i, a, b in zip(first.wanted, recorded, plain, strict=True):
        if not np.allclose(host(a), host(b), rtol=1e-10, atol=1e-12):
            raise GradientError(
                f"{who}: the gradient of {names[i]} is\n{host(b)} without create_graph, but\n{host(a)} with it"
            )
    all_names = [*names, *(f"the cotangent of output {i}" for i in range(len(cotangents)))]
    first_derivatives(who, gradients, values, all_names, options)


def _several(inputs: Tensor | Sequence[Any]) -> list[Any]:
    return [inputs] if isinstance(inputs, Tensor) else list(inputs)


def _counted(inputs: Sequence[Any]) -> list[str]:
    return [f"input {i}" for i in range(len(inputs))]


def _fork(generator: GeneratorLike) -> Any:
    # A fork: inputs made from the same seed would equal the cotangents, and x hides what batch norm does to x.
    return as_generator(generator).fork()


def _list(notes: list[str] | None) -> list[str]:
    return [] if notes is None else notes
