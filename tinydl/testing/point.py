"""A function at one point, seen from both sides: by the backward pass and by the change of its values."""

from __future__ import annotations

import warnings
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

COMPLEX, DIFFERENCES = "complex step", "differences"
TOLERANCES = {COMPLEX: (1e-11, 1e-10), DIFFERENCES: (1e-8, 1e-8)}  # atol, rtol
_IMAGINARY_STEP = 1e-100  # its square is nothing beside 1
_SHORT_STEP = 1e-5  # for plain central differences: rounding and curvature cost about 1e-11 each
_RADIUS = 1e-3


class GradientError(AssertionError):
    """A derivative that differs from what the function's values say, or a backward pass that breaks its contract."""


class Options(NamedTuple):
    """The arguments that all checks share."""

    atol: float | None
    rtol: float | None
    directions: int | None  # None: along each element
    random: Generator
    notes: list[str]


class _Derivative(NamedTuple):
    """One derivative along one direction, found in two ways."""

    direction: Array
    backward: float
    expected: float
    method: str
    error: float  # 0 within the tolerance
    kink: bool = False  # left and right, or near and far, differ: there may be no derivative


class Point:
    """One function at one point: `arrays` are its inputs' values on the host, None for what is no tensor."""

    def __init__(
        self, who: str, fn: Function, inputs: Sequence[Any], names: Sequence[str], options: Options
    ) -> None:
        self.who, self.fn, self.names, self.options = who, fn, names, options
        self.random = options.random
        self.inputs = list(inputs)
        for name, x in zip(names, self.inputs, strict=True):
            self._require_float64(name, x)
        self.wanted = [i for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad]
        if not self.wanted:
            raise ValueError(f"{who}: no input requires a gradient; make them with requires_grad=True")
        self.device = self.inputs[self.wanted[0]].device
        self.arrays = [host(x).copy() if isinstance(x, Tensor) else None for x in self.inputs]
        self.cotangents = [self.random.normal(y.shape, np.float64) for y in self.outputs(self.arrays)]
        self.refusal = ""  # why the last complex step gave nothing

    def outputs(self, arrays: Sequence[Array | None]) -> list[Array]:
        """The floating outputs of the function where its inputs have these values, in plain C order."""
        values = [
            x if a is None else Tensor(x.device.asarray(np.ascontiguousarray(a).reshape(a.shape)), x.device)
            for x, a in zip(self.inputs, arrays, strict=True)
        ]
        results = self.results(values)
        for i, y in enumerate(results):
            self._require_float64(f"output {i}", y)
        return [host(y) for y in results if y.dtype.kind == "f"]

    def results(self, values: Sequence[Any]) -> tuple[Tensor, ...]:
        """What the function returns, a tensor or several, as a tuple of tensors."""
        results = self.fn(*values)
        found: tuple[Any, ...] = tuple(results) if isinstance(results, tuple | list) else (results,)
        for y in found:
            if not isinstance(y, Tensor):
                raise TypeError(f"{self.who}: the function must return tensors, got {type(y).__name__}")
        return found

    def gradients(
        self,
        leaves: Sequence[Any],
        results: Sequence[Tensor],
        cotangents: Sequence[Tensor],
        create_graph: bool,
    ) -> tuple[Tensor, ...]:
        """The gradients of the wanted leaves; zeros for those that no output depends on."""
        floating = [y for y in results if y.dtype.kind in "fc"]
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
        return self.gradients(leaves, self.results(leaves), cotangents, create_graph=False)

    def contract(self) -> None:
        """Everything but the numbers, at the inputs as they lie in memory."""
        leaves = [
            Tensor(x._data, x.device, requires_grad=i in self.wanted) if isinstance(x, Tensor) else x
            for i, x in enumerate(self.inputs)
        ]
        cotangents = [Tensor(self.device.asarray(c), self.device) for c in self.cotangents]
        results = self.results(leaves)
        values = [host(y).copy() for y in results if y.dtype.kind == "f"]
        self._require_unchanged()
        grads = self.gradients(leaves, results, cotangents, create_graph=False)
        self._require_unchanged()
        for i, (c, before) in enumerate(zip(cotangents, self.cotangents, strict=True)):
            if not np.array_equal(host(c), before):
                raise GradientError(
                    f"{self.who}: the gradient that came in from output {i} was changed in place"
                )
        for i, (y, again) in enumerate(zip(values, self.outputs(self.arrays), strict=True)):
            if not np.all(np.isfinite(y)):
                raise GradientError(f"{self.who}: output {i} is not finite here; choose other inputs\n{y}")
            if not np.allclose(y, again, rtol=1e-9, atol=1e-12):
                raise GradientError(
                    f"{self.who}: output {i} differs between two calls, or for another memory layout of the inputs"
                )
        others = [(n, x) for n, x in zip(self.names, leaves, strict=True) if isinstance(x, Tensor)]
        others += [(f"output {i}", y) for i, y in enumerate(results)]
        others += [(f"the cotangent of output {i}", c) for i, c in enumerate(cotangents)]
        for i, g in zip(self.wanted, grads, strict=True):
            x = leaves[i]
            if (g.shape, g.dtype, g.device) != (x.shape, x.dtype, x.device):
                raise GradientError(
                    f"{self.who}: {self.names[i]} is {x.shape} {x.dtype} on {x.device}, its gradient {g.shape} "
                    f"{g.dtype} on {g.device}"
                )
            for name, other in others:
                if np.may_share_memory(host(g), host(other)):
                    raise GradientError(
                        f"{self.who}: the gradient of {self.names[i]} shares memory with {name}"
                    )
            others.append((f"the gradient of {self.names[i]}", g))

    def _require_unchanged(self) -> None:
        for name, x, a in zip(self.names, self.inputs, self.arrays, strict=True):
            if a is not None and not np.array_equal(host(x), a, equal_nan=True):
                raise GradientError(f"{self.who}: {name} was changed in place")

    def _require_float64(self, what: str, x: Any) -> None:
        if isinstance(x, Tensor) and x.dtype.kind in "fc" and x.dtype != np.float64:
            raise TypeError(
                f"{self.who}: {what} is {x.dtype}; checks need float64 throughout: .astype('float64')"
            )

    def derivatives(self, i: int) -> None:
        """Compares along random directions of input i, or along each of its elements."""
        shape, notes = self.inputs[i].shape, self.options.notes
        if self.inputs[i].size == 0:
            return
        count = self.options.directions
        along = _elements(shape) if count is None else self._directions(shape, count)
        arrays = self.arrays
        for attempt, (move, step) in enumerate(_ATTEMPTS):
            if move:
                arrays = [a if j not in self.wanted else self._moved(a, move) for j, a in enumerate(arrays)]
                notes.append(f"{self.names[i]}: no derivative at this point; checked {move} away from it")
            gradient = host(self.backward(arrays)[self.wanted.index(i)])
            start = self.outputs(arrays)
            self.refusal = ""
            found = [self._compare(arrays, start, i, d, gradient, step) for d in along]
            wrong = [f for f in found if f.error > 0]
            if not wrong:
                notes.append(f"{self.names[i]}: {self._methods(found)}")
                return
            last = attempt == len(_ATTEMPTS) - 1
            smooth = [w for w in wrong if not w.kink]
            if smooth or last:
                worst = max(smooth or wrong, key=lambda w: w.error)
                raise GradientError(self._report(worst, arrays, start, i, gradient, step))

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
    ) -> _Derivative:
        """The derivative along the direction d by the backward pass, beside the best that is known of it."""
        backward = float(np.vdot(gradient, d))

        def change(t: float) -> float:
            values = self.outputs([a if j != i else a + t * d for j, a in enumerate(arrays)])
            terms = zip(values, start, self.cotangents, strict=True)
            return sum(float(np.vdot(y - y0, c)) for y, y0, c in terms)

        exact = None if self.refusal else self._complex_step(arrays, i, d)
        if exact is not None:
            differences = (change(_SHORT_STEP) - change(-_SHORT_STEP)) / (2 * _SHORT_STEP)
            if self._holds(exact, differences, backward, arrays, i, d):
                return self._derivative(d, backward, exact, COMPLEX)
        right, near_right = change(h) / h, change(h / 2) / (h / 2)
        left, near_left = change(-h) / -h, change(-h / 2) / (-h / 2)
        differences = (2 * (near_right + near_left) - (right + left) / 2) / 3
        if exact is not None:
            if self._holds(exact, differences, backward, arrays, i, d):
                return self._derivative(d, backward, exact, COMPLEX)
            self.refusal = "it disagrees with them, the function is not analytic here"
        # Where f is smooth, the first is of order h^3, the second of order h^2.
        sides = (2 * near_right - right) - (2 * near_left - left)
        steps = (near_right + near_left - right - left) / 2
        kink = max(abs(sides), abs(steps)) > self._tolerance(DIFFERENCES, backward, differences)
        return self._derivative(d, backward, differences, DIFFERENCES)._replace(kink=kink)

    def _complex_step(self, arrays: list[Any], i: int, d: Array) -> float | None:
        """The derivative as the imaginary part that an imaginary step gives, if the function takes one."""
        value = self._complex_value(arrays, i, 1j * _IMAGINARY_STEP * d)
        return None if value is None else value.imag / _IMAGINARY_STEP

    def _complex_value(self, arrays: list[Any], i: int, step: Array) -> complex | None:
        """<fn, cotangents> with a complex step added to input i; all floating inputs are complex then."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error", np.exceptions.ComplexWarning)  # an imaginary part was dropped
                values: list[Any] = list(self.inputs)
                for j, (x, a) in enumerate(zip(self.inputs, arrays, strict=True)):
                    if a is not None:
                        moved = a + step if j == i else a.astype(complex) if a.dtype.kind == "f" else a
                        values[j] = Tensor(
                            x.device.asarray(np.ascontiguousarray(moved).reshape(a.shape)), x.device
                        )
                outputs = [host(y) for y in self.results(values) if y.dtype.kind in "fc"]
                terms = [np.sum(c * y) for c, y in zip(self.cotangents, outputs, strict=True)]
                return complex(sum(terms))
        except Exception as error:  # whatever a function does with numbers that it was not made for
            self.refusal = f"{type(error).__name__}: {error}"
            return None

    def _holds(
        self, exact: float, differences: float, backward: float, arrays: list[Any], i: int, d: Array
    ) -> bool:
        """Whether the complex step is to be believed, rather than differences.

        It must agree with differences. And where the backward pass contradicts it, the function must be
        analytic, so that the mean of f(x + r u d) / (r u) over u = 1, i, -1, -i is the derivative, too: a part
        |x| of f, however small, would put that mean halfway between complex step and true derivative.
        """
        atol, rtol = TOLERANCES[DIFFERENCES]
        if not abs(exact - differences) <= atol + rtol * max(abs(exact), abs(differences)):
            return False
        error = abs(backward - exact)
        if error <= self._tolerance(COMPLEX, backward, exact):
            return True
        around = 0.0
        for u in (1, 1j, -1, -1j):
            value = self._complex_value(arrays, i, _RADIUS * u * d)
            if value is None:
                return False
            around += (value / (4 * _RADIUS * u)).real
        return abs(around - exact) < 0.1 * error

    def _tolerance(self, method: str, a: float, b: float) -> float:
        atol, rtol = TOLERANCES[method]
        atol = atol if self.options.atol is None else self.options.atol
        rtol = rtol if self.options.rtol is None else self.options.rtol
        return atol + rtol * max(abs(a), abs(b))

    def _derivative(self, d: Array, backward: float, expected: float, method: str) -> _Derivative:
        error = abs(backward - expected)
        if error <= self._tolerance(method, backward, expected):
            return _Derivative(d, backward, expected, method, 0.0)
        return _Derivative(d, backward, expected, method, error if error == error else np.inf)

    def _methods(self, found: list[_Derivative]) -> str:
        if all(f.method == COMPLEX for f in found):
            return f"checked by {COMPLEX}"
        return f"checked by {DIFFERENCES}, not by {COMPLEX} ({self.refusal})"

    def _report(
        self, wrong: _Derivative, arrays: list[Any], start: list[Array], i: int, gradient: Array, h: float
    ) -> str:
        def numbers(f: _Derivative) -> str:
            return f"{f.backward:.13g} by backward, {f.expected:.13g} by {f.method}"

        text = (
            f"{self.who}: {self.names[i]} of shape {gradient.shape}: {numbers(wrong)}, along the direction\n"
            f"{np.array2string(wrong.direction, precision=3, threshold=50)}"
        )
        if gradient.size <= _ELEMENTS_SEARCHED:
            elements = _elements(gradient.shape)
            worst = max(
                (self._compare(arrays, start, i, d, gradient, h) for d in elements), key=lambda f: f.error
            )
            if worst.error > 0:
                where = [int(k) for k in np.argwhere(worst.direction)[0]]
                text += f"\nThe most wrong element is {where}: {numbers(worst)}"
        if wrong.method == DIFFERENCES:
            text += f"\n({DIFFERENCES} decide where a {COMPLEX} does not: {self.refusal})"
        return "\n".join(
            [text, *(n for n in self.options.notes if n.startswith(f"{self.names[i]}: no deriv"))]
        )


def _elements(shape: tuple[int, ...]) -> list[Array]:
    size = int(np.prod(shape))
    return [np.eye(1, size, k).reshape(shape) for k in range(size)]


def host(x: Tensor) -> Array:
    """The values of a tensor, on whatever device it is."""
    return x.device.to_host(x._data)
