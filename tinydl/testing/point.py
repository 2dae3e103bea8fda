"""A function at one point, seen from both sides: by the backward pass and by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.autograd import grad
from tinydl.random import Generator
from tinydl.tensor import Tensor

Function: TypeAlias = Callable[..., Any]
Array: TypeAlias = npt.NDArray[Any]

# How far the point is moved and how long the step is, at each attempt to get away from a kink.
_ATTEMPTS = ((0.0, 1e-3), (0.0, 3e-5), (0.02, 3e-5), (0.06, 1e-5))
_ELEMENTS_SEARCHED = 2000  # for the most wrong one


class GradientError(AssertionError):
    """A derivative that differs from what differences say, or a backward pass that breaks its contract."""


class _Wrong(NamedTuple):
    direction: Array
    backward: float
    differences: float
    error: float
    kink: bool  # left and right, or near and far, differ: there may be no derivative


class Point:
    """One function at one point: `arrays` are its inputs' values on the host, None for what is no tensor."""

    def __init__(
        self, fn: Function, inputs: Tensor | Sequence[Any], random: Generator, atol: float, rtol: float
    ) -> None:
        self.fn, self.random, self.atol, self.rtol = fn, random, atol, rtol
        self.inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        for i, x in enumerate(self.inputs):
            _require_float64(f"input {i}", x)
        self.wanted = [i for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad]
        if not self.wanted:
            raise ValueError("gradcheck: no input requires a gradient; make them with requires_grad=True")
        self.device = self.inputs[self.wanted[0]].device
        self.arrays = [host(x).copy() if isinstance(x, Tensor) else None for x in self.inputs]
        self.cotangents = [random.normal(y.shape, np.float64) for y in self.outputs(self.arrays)]

    def outputs(self, arrays: Sequence[Array | None]) -> list[Array]:
        """The floating outputs of the function where its inputs have these values, in plain C order."""
        values = [
            x if a is None else Tensor(x.device.asarray(np.ascontiguousarray(a).reshape(a.shape)), x.device)
            for x, a in zip(self.inputs, arrays, strict=True)
        ]
        results = as_tuple(self.fn(*values))
        for i, y in enumerate(results):
            _require_float64(f"output {i}", y)
        return [host(y) for y in results if y.dtype.kind == "f"]

    def gradients(
        self,
        leaves: Sequence[Any],
        results: Sequence[Tensor],
        cotangents: Sequence[Tensor],
        create_graph: bool,
    ) -> tuple[Tensor, ...]:
        """The gradients of the wanted leaves; zeros for those that no output depends on."""
        floating = [y for y in results if y.dtype.kind == "f"]
        pairs = [(y, c) for y, c in zip(floating, cotangents, strict=True) if y.requires_grad]
        wanted = [leaves[i] for i in self.wanted]
        found: Sequence[Tensor | None] = [None] * len(wanted)
        if pairs:
            found = grad(
                [y for y, _ in pairs], wanted, [c for _, c in pairs], create_graph, allow_unused=True
            )
        return tuple(
            Tensor(x.device.asarray(np.zeros(x.shape)), x.device) if g is None else g
            for x, g in zip(wanted, found, strict=True)
        )

    def backward(self, arrays: Sequence[Array | None]) -> tuple[Tensor, ...]:
        """The gradients where the inputs have these values."""
        leaves = [
            x if a is None else Tensor(x.device.asarray(a), x.device, requires_grad=i in self.wanted)
            for i, (x, a) in enumerate(zip(self.inputs, arrays, strict=True))
        ]
        cotangents = [Tensor(self.device.asarray(c), self.device) for c in self.cotangents]
        return self.gradients(leaves, as_tuple(self.fn(*leaves)), cotangents, create_graph=False)

    def contract(self) -> None:
        """Everything but the numbers, at the inputs as they lie in memory."""
        leaves = [
            Tensor(x._data, x.device, requires_grad=i in self.wanted) if isinstance(x, Tensor) else x
            for i, x in enumerate(self.inputs)
        ]
        cotangents = [Tensor(self.device.asarray(c), self.device) for c in self.cotangents]
        results = as_tuple(self.fn(*leaves))
        values = [host(y).copy() for y in results if y.dtype.kind == "f"]
        self._require_unchanged()
        grads = self.gradients(leaves, results, cotangents, create_graph=False)
        self._require_unchanged()
        for i, (c, before) in enumerate(zip(cotangents, self.cotangents, strict=True)):
            if not np.array_equal(host(c), before):
                raise GradientError(
                    f"gradcheck: the gradient that came in from output {i} was changed in place"
                )
        for i, (y, again) in enumerate(zip(values, self.outputs(self.arrays), strict=True)):
            if not np.all(np.isfinite(y)):
                raise GradientError(f"gradcheck: output {i} is not finite here; choose other inputs\n{y}")
            if not np.allclose(y, again, rtol=1e-9, atol=1e-12):
                raise GradientError(
                    f"gradcheck: output {i} differs between two calls, or for another memory layout of the inputs"
                )
        others = [(f"input {i}", x) for i, x in enumerate(leaves) if isinstance(x, Tensor)]
        others += [(f"output {i}", y) for i, y in enumerate(results)]
        others += [(f"the cotangent of output {i}", c) for i, c in enumerate(cotangents)]
        for i, g in zip(self.wanted, grads, strict=True):
            x = leaves[i]
            if (g.shape, g.dtype, g.device) != (x.shape, x.dtype, x.device):
                raise GradientError(
                    f"gradcheck: input {i} is {x.shape} {x.dtype} on {x.device}, its gradient {g.shape} "
                    f"{g.dtype} on {g.device}"
                )
            for name, other in others:
                if np.may_share_memory(host(g), host(other)):
                    raise GradientError(f"gradcheck: the gradient of input {i} shares memory with {name}")
            others.append((f"the gradient of input {i}", g))

    def _require_unchanged(self) -> None:
        for i, (x, a) in enumerate(zip(self.inputs, self.arrays, strict=True)):
            if a is not None and not np.array_equal(host(x), a, equal_nan=True):
                raise GradientError(f"gradcheck: input {i} was changed in place")

    def derivatives(self, i: int, directions: int | None, notes: list[str]) -> None:
        """Compares along random directions of input i, or along each element for None."""
        shape = self.inputs[i].shape
        size = self.inputs[i].size
        if size == 0:
            return
        along = _elements(shape) if directions is None else self._directions(shape, directions)
        arrays = self.arrays
        for attempt, (move, step) in enumerate(_ATTEMPTS):
            if move:
                arrays = [a if j not in self.wanted else self._moved(a, move) for j, a in enumerate(arrays)]
                notes.append(f"input {i}: no derivative at this point; checked {move} away from it")
            gradient = host(self.backward(arrays)[self.wanted.index(i)])
            start = self.outputs(arrays)
            wrong = [w for d in along if (w := self._compare(arrays, start, i, d, gradient, step))]
            if not wrong:
                return
            last = attempt == len(_ATTEMPTS) - 1
            smooth = [w for w in wrong if not w.kink]
            if smooth or last:
                worst = max(smooth or wrong, key=lambda w: w.error)
                raise GradientError(self._report(worst, arrays, i, gradient, step, notes))

    def _directions(self, shape: tuple[int, ...], count: int) -> list[Array]:
        found = [self.random.normal(shape, np.float64) for _ in range(count)]
        return [d / np.abs(d).max() for d in found]  # no element moves by more than the step

    def _moved(self, a: Array | None, move: float) -> Array:
        """Every element at another place, by `move` / 2 to `move` up or down."""
        assert a is not None
        u = self.random.uniform(-1.0, 1.0, a.shape, np.float64)
        return a + move * (np.sign(u) + u) / 2

    def _compare(
        self, arrays: list[Any], start: list[Array], i: int, d: Array, gradient: Array, h: float
    ) -> _Wrong | None:
        """The two derivatives along the direction d, if they differ."""

        def change(t: float) -> float:
            values = self.outputs([a if j != i else a + t * d for j, a in enumerate(arrays)])
            terms = zip(values, start, self.cotangents, strict=True)
            return sum(float(np.vdot(y - y0, c)) for y, y0, c in terms)

        right, near_right = change(h) / h, change(h / 2) / (h / 2)
        left, near_left = change(-h) / -h, change(-h / 2) / (-h / 2)
        differences = (2 * (near_right + near_left) - (right + left) / 2) / 3
        backward = float(np.vdot(gradient, d))
        tolerance = self.atol + self.rtol * max(abs(backward), abs(differences))
        error = abs(backward - differences)
        if error <= tolerance:
            return None
        # Where f is smooth, the first is of order h^3, the second of order h^2.
        sides = (2 * near_right - right) - (2 * near_left - left)
        steps = (near_right + near_left - right - left) / 2
        kink = max(abs(sides), abs(steps)) > tolerance
        return _Wrong(d, backward, differences, error if error == error else np.inf, kink)

    def _report(
        self, wrong: _Wrong, arrays: list[Any], i: int, gradient: Array, h: float, notes: list[str]
    ) -> str:
        text = (
            f"gradcheck: input {i} of shape {gradient.shape}: {wrong.backward:.10g} by backward, "
            f"{wrong.differences:.10g} by differences, along the direction\n"
            f"{np.array2string(wrong.direction, precision=3, threshold=50)}"
        )
        if gradient.size <= _ELEMENTS_SEARCHED:
            start = self.outputs(arrays)
            found = [self._compare(arrays, start, i, d, gradient, h) for d in _elements(gradient.shape)]
            if any(found):
                worst = max((w for w in found if w is not None), key=lambda w: w.error)
                where = [int(k) for k in np.argwhere(worst.direction)[0]]
                text += (
                    f"\nThe most wrong element is {where}: {worst.backward:.10g} by backward, "
                    f"{worst.differences:.10g} by differences"
                )
        return "\n".join([text, *notes])


def _elements(shape: tuple[int, ...]) -> list[Array]:
    size = int(np.prod(shape))
    return [np.eye(1, size, k).reshape(shape) for k in range(size)]


def host(x: Tensor) -> Array:
    """The values of a tensor, on whatever device it is."""
    return x.device.to_host(x._data)


def as_tuple(results: Any) -> tuple[Tensor, ...]:
    """What a function returned, a tensor or several, as a tuple of tensors."""
    found: tuple[Any, ...] = tuple(results) if isinstance(results, tuple | list) else (results,)
    for y in found:
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: the function must return tensors, got {type(y).__name__}")
    return found


def _require_float64(what: str, x: Any) -> None:
    if isinstance(x, Tensor) and x.dtype.kind in "fc" and x.dtype != np.float64:
        raise TypeError(
            f"gradcheck: {what} is {x.dtype}; differences need float64 throughout: .astype('float64')"
        )
