"""Operations, and the one gate that runs them.

Every computed tensor points to the operation (`Op`) that made it, and that points to the operations and leaves
that its inputs came from: this is the graph, and autograd.py walks it.
"""

from __future__ import annotations

import inspect
import itertools
import math
import re
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from tinydl.device import Array, Device, device_of
from tinydl.errors import DeviceError, DTypeError, GraphError, ShapeError
from tinydl.memory import Log, Memory
from tinydl.tensor import Tensor

_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_FOR_COMPLEX_STEP = {_F64, np.dtype(np.complex128)}  # float64 beside complex: `tinydl.testing` needs it
_creation = itertools.count()


class State(threading.local):
    recording = True  # operations on tensors that require gradients are recorded
    on_arrays = False  # an ordinary backward pass runs: operations take plain arrays
    watching = False  # NaN and Inf are reported where they are born


state = State()


class Op:
    """One differentiable operation. Derive your own from it: two methods and you are done.

        class Cube(td.Op):
            \"\"\"out = x^3,  dx = 3 x^2 g.\"\"\"

            def forward(self, x):
                return x * x * x

            def backward(self, g, x):
                return 3 * x * x * g

        y = Cube()(x)

    `forward` gets plain arrays, one for each tensor that the operation is called with, and returns a plain
    array. `backward` gets g, the gradient of the output, and then by name whatever it reads: inputs of
    `forward`, or the output as `out`. **What the signature of `backward` names is what stays alive; nothing
    else does.** It returns one gradient for each input (a tuple when there are several), None for those that
    `self.needs` says nobody wants. Everything that is not differentiated is an argument of the constructor.

    Write `backward` in operators and tinydl functions: in an ordinary backward pass its arguments are plain
    arrays, under `create_graph=True` they are tensors, and so every operation has second derivatives.
    Never change an argument in place. Gradients have the shape and dtype of their input: RuntimeError is raised in the
    backward pass for others. A call raises TypeError for plain arrays and for float32 with float64, RuntimeError for
    two devices.
    """

    __slots__ = (
        "_kept", "_logs", "_memories", "_order", "_parents", "_retained", "device", "dtype", "needs", "shape"
    )  # fmt: skip

    name: str  # in errors; the class name in lower case with underscores unless given
    broadcasts: ClassVar[bool] = False  # gradients are summed over the axes along which inputs were broadcast
    differentiable: ClassVar[bool] = True  # False: the output is a constant, `backward` is not needed
    optional: ClassVar[bool] = True  # None may stand for an input that is left out
    promotes: ClassVar[str] = "mixed"  # "mixed": integers beside floats become floats; "always"; "never"
    views: ClassVar[bool] = False  # the output may share memory with the first input

    device: Device  # `self.device.xp` is its array module
    needs: tuple[bool, ...]  # which inputs want a gradient
    shape: tuple[int, ...]  # of the output
    dtype: np.dtype[Any]

    _order: int  # the place in the order of creation
    _parents: tuple[Node | None, ...] | None  # None once the graph is freed
    _kept: list[Any]  # what `backward` reads
    _memories: list[Memory | None]  # where that lives
    _logs: list[Log]  # whether it has been changed in place
    _retained: weakref.ref[Tensor] | None  # the output, if it wants to keep its gradient

    _keeps_inputs: ClassVar[tuple[int, ...]]
    _keeps_all: ClassVar[bool]
    _keeps_output: ClassVar[bool]

    def __init_subclass__(cls) -> None:
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        if cls.differentiable and cls.backward is not Op.backward:
            cls._keeps_inputs, cls._keeps_all, cls._keeps_output = _what_backward_reads(cls)

    def forward(self, *arrays: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, g: Any, *kept: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    # ---- the one gate

    def __call__(self, *inputs: Any) -> Any:
        """Runs the operation on tensors and Python numbers, and records it where a gradient is wanted.

        Raises: TypeError for plain arrays and for floating dtypes that differ, RuntimeError for tensors on
        different devices, ValueError for shapes that do not fit.
        """
        if state.on_arrays:
            for x in inputs:
                if isinstance(x, Tensor):
                    break
            else:
                return self._on_arrays(inputs)
        device: Device | None = None
        dtype: np.dtype[Any] | None = None
        mixed = False
        arrays: list[Any] = []
        parents: list[Node | None] = []
        needs: list[bool] = []
        for x in inputs:
            if isinstance(x, Tensor):
                data = x._data
                if device is None:
                    device, dtype = x.device, data.dtype
                elif device is not x.device:
                    raise DeviceError(
                        self.name, f"inputs on {device} and {x.device}; move one with .to('{device}')"
                    )
                elif dtype is not data.dtype:
                    mixed = True
                parent: Node | None = x._op
                if parent is None and x._wants_grad:
                    parent = x
                arrays.append(data)
                parents.append(parent)
                needs.append(parent is not None)
            else:
                arrays.append(x if type(x) in _NUMBERS else self._operand(x))
                parents.append(None)
                needs.append(False)
        if device is None:
            raise DTypeError(self.name, _NO_TENSOR)
        if (mixed or (dtype is not _F32 and dtype is not _F64)) and self.promotes != "never":
            arrays = self._promote(arrays)
        self.device = device
        data = self._run(arrays)
        if state.watching:
            self._watch("forward", arrays, data)
        out = Tensor(data, self.device)  # where forward left it: another device for `To`
        if self.views:
            out._memory = inputs[0].memory()
        if True in needs and self.differentiable and state.recording:
            self._record(inputs, parents, needs, arrays, out)
        return out

    def _run(self, arrays: Sequence[Array]) -> Array:
        try:
            data = self.forward(*arrays)
        except ValueError as error:
            shapes = [a.shape if hasattr(a, "shape") else () for a in arrays]
            if isinstance(error, ShapeError) or not self.broadcasts or _broadcast_together(shapes):
                raise
            raise ShapeError(
                self.name, f"shapes {' and '.join(map(str, shapes))} can't be broadcast together"
            ) from error
        except OverflowError as error:
            raise ValueError(f"{self.name}: {error}; convert the tensor with .astype(...)") from error
        if type(data) is not self.device.array_type:  # NumPy's reductions to 0-d return scalars
            data = self.device.xp.asarray(data)
        return data

    def _operand(self, x: Any) -> Any:
        """An input that is neither a tensor nor a Python number."""
        if (x is None and self.optional) or state.on_arrays:
            return x
        if isinstance(x, np.generic):  # a NumPy scalar would widen float32 arrays to float64
            return x.item()
        raise _no_tensor(self.name, x)

    def _on_arrays(self, arrays: Sequence[Array]) -> Array:
        """The operation on plain arrays, for the backward methods of others."""
        device = device_of(arrays[0]) if arrays else None
        if device is None:
            device = next((d for d in map(device_of, arrays) if d is not None), None)
        if device is None:
            raise DTypeError(self.name, _NO_TENSOR)
        self.device = device
        self.needs = (False,) * len(arrays)
        return self._run(arrays)

    def _promote(self, arrays: list[Array]) -> list[Array]:
        """Casts integers and booleans to the float that stands beside them; refuses two different floats."""
        target = common_float(self.name, [a.dtype for a in arrays if hasattr(a, "dtype")])
        if target is None:
            if self.promotes != "always" and float not in map(type, arrays):
                return arrays
            target = _F32
        return [a.astype(target) if getattr(a, "dtype", target) != target else a for a in arrays]

    def _record(
        self,
        inputs: Sequence[Any],
        parents: list[Node | None],
        needs: list[bool],
        arrays: list[Array],
        out: Tensor,
    ) -> None:
        if hasattr(self, "_order"):
            raise GraphError(self.name, "this operation has run already; make a new one for each call")
        kept: list[Any] = []
        memories: list[Memory | None] = []
        logs: list[Log] = []
        for i in range(len(inputs)) if self._keeps_all else self._keeps_inputs:
            if i < len(arrays) and isinstance(x := inputs[i], Tensor):
                kept.append(arrays[i])
                memories.append(memory := x._memory or x.memory())
                logs.append(memory.save())
            else:
                kept.append(arrays[i] if i < len(arrays) else None)
                memories.append(None)
        data = out._data
        if self._keeps_output:
            kept.append(data)
            memories.append(memory := out._memory or out.memory())
            logs.append(memory.save())
        self._parents = tuple(parents)
        self.needs = tuple(needs)
        self._kept = kept
        self._memories = memories
        self._logs = logs
        self._retained = None
        self._order = next(_creation)
        self.shape = data.shape
        self.dtype = data.dtype
        out._op = self

    # ---- backward

    def _gradients(self, g: Any, as_tensors: bool) -> Sequence[Any]:
        """The chain rule at this operation: the gradient that flows to each parent, None where nothing does."""
        for log in self._logs:
            if log and log.changed():
                raise GraphError(
                    self.name,
                    "an input or the output was changed in place after it was saved for the backward pass; "
                    "change a copy, or change it after backward()",
                )
        parents = self._parents
        assert parents is not None  # the backward pass looked
        kept = self._kept_tensors(parents) if as_tensors else self._kept
        grads = self.backward(g, *kept)
        if not isinstance(grads, tuple):
            grads = (grads,)
        if len(grads) != len(parents):
            raise GraphError(self.name, f"backward returned {len(grads)} gradients for {len(parents)} inputs")
        checked: list[Any] = []
        for parent, needed, grad in zip(parents, self.needs, grads, strict=True):
            if needed and grad is not None:
                assert parent is not None
                kind, like = type(grad), parent._data if isinstance(parent, Tensor) else parent
                fits = kind is parent.device.array_type and grad.shape == like.shape and not as_tensors
                fits = fits and grad.dtype is like.dtype  # as nearly always
                checked.append(grad if fits else self._checked(grad, parent, as_tensors))
            else:
                checked.append(None)
        if state.watching:
            for grad in checked:
                if grad is not None:
                    self._watch("backward", [g, *kept], grad)
        return checked

    def _kept_tensors(self, parents: tuple[Node | None, ...]) -> list[Any]:
        """What was kept, as tensors of the graph: second derivatives flow through them."""
        indices = range(len(parents)) if self._keeps_all else self._keeps_inputs
        kept: list[Any] = []
        for i, data, memory in zip(indices, self._kept, self._memories, strict=False):
            parent = parents[i] if i < len(parents) else None
            if isinstance(parent, Tensor):
                kept.append(parent)
            elif isinstance(data, self.device.array_type):
                kept.append(self._same_memory(data, memory, parent))
            else:
                kept.append(data)
        if self._keeps_output:
            kept.append(self._same_memory(self._kept[-1], self._memories[-1], self))
        return kept

    def _same_memory(self, data: Array, memory: Memory | None, op: Op | None) -> Tensor:
        tensor = Tensor(data, self.device)
        tensor._memory, tensor._op = memory, op
        return tensor

    def _watch(self, when: str, inputs: list[Any], output: Any) -> None:
        """Raises when the output has a NaN or Inf; says whether it was born here or came with the inputs."""
        if _finite(output):
            return
        shapes = ", ".join(str(x.shape) for x in inputs if hasattr(x, "shape"))
        born = "was born here" if all(map(_finite, inputs)) else "came in with the inputs"
        raise GraphError(
            self.name, f"a NaN or Inf {born}, in {when} (inputs of shape {shapes}, output {output.shape})"
        )

    def _checked(self, grad: Any, parent: Node, as_tensors: bool) -> Any:
        if as_tensors:
            if not isinstance(grad, Tensor):
                raise GraphError(self.name, f"backward returned {type(grad).__name__} where a tensor was due")
        elif type(grad) is not parent.device.array_type:
            if isinstance(grad, Tensor) or not hasattr(grad, "dtype"):
                raise GraphError(self.name, f"backward returned {type(grad).__name__} where an array was due")
            grad = parent.device.xp.asarray(grad)
        if grad.shape != parent.shape:
            grad = self._summed(grad, parent.shape)
        if grad.dtype != parent.dtype:
            raise GraphError(self.name, f"backward returned a {grad.dtype} gradient for {parent.dtype} input")
        return grad

    def _summed(self, grad: Any, shape: tuple[int, ...]) -> Any:
        """`grad` summed over the axes along which an input of `shape` was broadcast."""
        lead = grad.ndim - len(shape)
        fits = lead >= 0 and all(n in (1, m) for n, m in zip(shape, grad.shape[lead:], strict=True))
        if not self.broadcasts or not fits:
            raise GraphError(
                self.name, f"backward returned a gradient of shape {grad.shape} for an input of {shape}"
            )
        axes = tuple(range(lead))
        axes += tuple(lead + i for i, n in enumerate(shape) if n == 1 and grad.shape[lead + i] != 1)
        return grad.sum(axis=axes).reshape(shape)


def check_tensors(who: str, *inputs: Any) -> None:
    """Raises TypeError for inputs that are no tensors: for functions that ask for a shape before the gate runs.

    In an ordinary backward pass they are plain arrays.
    """
    for x in inputs:
        if not isinstance(x, Tensor) and not state.on_arrays:
            raise _no_tensor(who, x)


def listed(who: str, tensors: Iterable[Any]) -> list[Any]:
    """Several tensors as a list; raises TypeError for what is none."""
    found = list(tensors) if isinstance(tensors, Iterable) else [tensors]
    check_tensors(who, *found)
    return found


def common_float(who: str, dtypes: Iterable[np.dtype[Any]]) -> np.dtype[Any] | None:
    """The floating dtype among the dtypes, if there is one; raises TypeError for two that must not be mixed."""
    floats = {d for d in dtypes if d.kind in "fc"}
    if floats == _FOR_COMPLEX_STEP:
        return np.dtype(np.complex128)
    if len(floats) > 1:
        raise DTypeError(who, f"{' with '.join(sorted(map(str, floats)))}; convert one with .astype(...)")
    return floats.pop() if floats else None


def _no_tensor(who: str, x: Any) -> DTypeError:
    if x is None:
        return DTypeError(who, "expected tensors, got None")
    kind = "a plain array" if device_of(x) else type(x).__name__
    return DTypeError(who, f"expected tensors, got {kind}; wrap it with td.tensor(...)")


Node: TypeAlias = Op | Tensor  # a place that gradients flow to: an operation, or a leaf
_NUMBERS = frozenset({float, int, bool})
_NO_TENSOR = "expected a tensor among its inputs; wrap them with td.tensor(...)"


def _broadcast_together(shapes: list[tuple[int, ...]]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _what_backward_reads(cls: type[Op]) -> tuple[tuple[int, ...], bool, bool]:
    inputs = list(inspect.signature(cls.forward).parameters.values())[1:]
    reads = list(inspect.signature(cls.backward).parameters.values())[2:]
    names = [p.name for p in inputs]
    keeps_all = any(p.kind is p.VAR_POSITIONAL for p in reads)
    keeps_output = bool(reads) and reads[-1].name == "out" and not keeps_all
    kept = [p.name for p in (reads[:-1] if keeps_output else reads)]
    unknown = [name for name in kept if name not in names]
    if unknown or [names.index(name) for name in kept] != sorted(names.index(name) for name in kept):
        raise TypeError(
            f"{cls.__name__}.backward{('g', *(p.name for p in reads))}: after g it may name inputs of "
            f"forward{tuple(names)}, in that order, and at last out"
        )
    return (() if keeps_all else tuple(names.index(name) for name in kept)), keeps_all, keeps_output


def _finite(x: Any) -> bool:
    data = x._data if isinstance(x, Tensor) else x
    if not hasattr(data, "dtype"):
        return not isinstance(data, float) or math.isfinite(data)
    return data.dtype.kind not in "fc" or bool((data - data == 0).all())  # Inf - Inf and NaN - NaN are NaN
