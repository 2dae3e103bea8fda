"""Layers and networks, checked with all their parameters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinydl.autograd import grad
from tinydl.nn.module import Module, Parameter
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor
from tinydl.testing.gradcheck import first_derivatives, second_derivatives
from tinydl.testing.point import GradientError, Options, host


def check_module(
    module: Module,
    inputs: Tensor | Sequence[Any],
    *,
    order: int = 2,
    atol: float | None = None,
    rtol: float | None = None,
    directions: int = 2,
    generator: GeneratorLike = 0,
    full: bool = False,
    notes: list[str] | None = None,
) -> bool:
    """Checks `module(*inputs)` and its derivatives, in train mode and in eval mode; returns True.

    Derivatives, of first order by `gradcheck` and with `order=2` of second order by `gradgradcheck`, are taken
    for every floating input and for every parameter that requires a gradient. Also checked: floating outputs
    are float32 for a float32 module; in eval mode a second call gives the same and changes no buffer; some
    output depends on every parameter, in one of the modes. Other arguments as for `gradcheck`.

    It works on a copy of the module and of the inputs, in float64 whatever they were; tensors that are neither
    parameters nor buffers are not converted. Every call starts from the same buffers and the same state of all
    generators (those in the module, and the default one), so that a dropout mask stays as it is. The module
    and the default generator are left as they were.

    Raises: GradientError (an AssertionError) naming the mode and the input, or "parameter conv1.weight";
    ValueError when there is nothing to differentiate.
    """
    values = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    random = as_generator(generator).fork()
    options = Options(atol, rtol, None if full else directions, random, [])
    default = as_generator(None)
    place = default.get_state()
    try:
        used: set[str] = set()
        for mode in ("train", "eval"):
            who = f"check_module({type(module).__name__}) in {mode} mode"
            if _holds_float32(module, values):
                _check_float32(who, _Copies(module, mode, "float32", default), values)
            copies = _Copies(module, mode, "float64", default)
            if mode == "eval":
                _check_eval(who, copies.fresh({}), copies.inputs(values))
            leaves, names = copies.leaves(values)
            first_derivatives(who, copies.call, leaves, names, options)
            if order > 1:
                second_derivatives(f"{who}, second derivatives", copies.call, leaves, names, options)
            used |= copies.used(leaves, names)
            if notes is not None:
                notes += [f"{mode} mode: {note}" for note in options.notes]
            options.notes.clear()
        unused = [name for name in names if name.startswith("parameter") and name not in used]
        if unused:
            raise GradientError(
                f"check_module({type(module).__name__}): no output depends on {', '.join(unused)}, neither in train "
                "nor in eval mode; if that is meant, set its requires_grad to False"
            )
    finally:
        default.set_state(place)
    return True


class _Copies:
    """A module in one mode and dtype, as a function of its inputs and parameters: a fresh copy for each call."""

    def __init__(self, module: Module, mode: str, dtype: str, default: Generator) -> None:
        self.module = copy.deepcopy(module).train(mode == "train").astype(dtype)
        self.dtype, self.default, self.place = dtype, default, default.get_state()
        named = [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]
        self.names = [f"parameter {name}" for name, _ in named]
        self.parameters = [p for _, p in named]

    def inputs(self, values: Sequence[Any], requires_grad: bool = False) -> list[Any]:
        """Copies of the inputs, the floating ones in the dtype of the module, strides kept."""
        return [
            Tensor(x.device.asarray(host(x).astype(self.dtype, order="K")), x.device, requires_grad)
            if isinstance(x, Tensor) and x.dtype.kind == "f"
            else x
            for x in values
        ]

    def leaves(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Inputs and parameters, and what to call them in errors."""
        names = [f"input {i}" for i in range(len(values))]
        return [*self.inputs(values, requires_grad=True), *self.parameters], names + self.names

    def fresh(self, instead: dict[int, Any]) -> Module:
        """A copy of the module, with other objects in the places of those with the ids given."""
        self.default.set_state(self.place)
        return copy.deepcopy(self.module, instead)

    def call(self, *leaves: Any) -> Any:
        """The output of the module for these inputs and parameters."""
        count = len(leaves) - len(self.parameters)
        instead: dict[int, Any] = {}
        for parameter, leaf in zip(self.parameters, leaves[count:], strict=True):
            leaf.__class__ = Parameter  # so that the copy lists it
            instead[id(parameter)] = leaf
        if any(isinstance(x, Tensor) and x.dtype.kind == "c" for x in leaves):  # the complex step
            for _, buffer in self.module.named_buffers():
                if buffer.dtype.kind == "f":
                    instead[id(buffer)] = Tensor(buffer._data.astype("complex128"), buffer.device)
        return self.fresh(instead)(*leaves[:count])

    def used(self, leaves: Sequence[Any], names: Sequence[str]) -> set[str]:
        """The names of those that gradients flow to."""
        wanted = [
            (n, x) for n, x in zip(names, leaves, strict=True) if isinstance(x, Tensor) and x.requires_grad
        ]
        outputs = [y for y in _tensors(self.call(*leaves)) if y.requires_grad]
        if not outputs:
            return set()
        ones = [Tensor(y.device.xp.ones_like(y._data), y.device) for y in outputs]
        grads = grad(outputs, [x for _, x in wanted], ones, allow_unused=True)
        return {name for (name, _), g in zip(wanted, grads, strict=True) if g is not None}


def _holds_float32(module: Module, values: Sequence[Any]) -> bool:
    tensors = [*module.parameters(), *(b for _, b in module.named_buffers()), *_tensors(list(values))]
    return any(x.dtype == np.float32 for x in tensors)


def _check_float32(who: str, copies: _Copies, values: Sequence[Any]) -> None:
    for i, y in enumerate(_tensors(copies.fresh({})(*copies.inputs(values)))):
        if y.dtype.kind == "f" and y.dtype != np.float32:
            raise GradientError(f"{who}: output {i} of the float32 module is {y.dtype}")


def _check_eval(who: str, module: Module, values: Sequence[Any]) -> None:
    """Two calls of one module, its state not put back in between."""
    before = module.state_dict()
    first, second = ([host(y) for y in _tensors(module(*values))] for _ in range(2))
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        if not _same(a, b):
            raise GradientError(f"{who}: output {i} differs between two calls")
    for name, after in module.state_dict().items():
        if not _same(before[name], after):
            raise GradientError(f"{who}: a call changed {name}")


def _same(a: Any, b: Any) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _tensors(results: Any) -> list[Tensor]:
    found = list(results) if isinstance(results, tuple | list) else [results]
    return [y for y in found if isinstance(y, Tensor)]
