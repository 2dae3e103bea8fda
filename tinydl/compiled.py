"""td.compile: a training step that a GPU repeats without Python."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

from tinydl.capture import Capture, Graph, capturing, current
from tinydl.device import Array, Device, cpu, get_device
from tinydl.errors import DeviceError, DTypeError, ShapeError
from tinydl.op import Op
from tinydl.tensor import Tensor

WARM_UP = 2  # ordinary steps first: kernels are compiled, buffers of the step are made
MEMORY = 1 << 16  # bytes for the numbers that change from step to step

Result = Any  # a Tensor, None, or a tuple, list or dict of them


class CompiledStep:
    """What `td.compile` returns: call it as the step itself."""

    def __init__(self, step: Callable[..., Result], device: str | Device | None) -> None:
        self._step = step
        self._device = None if device is None else get_device(device)
        self._graph: Graph | None = None
        self._capture: Capture | None = None
        self._batch: tuple[Tensor, ...] = ()
        self._result: Result = None
        self._calls = 0
        update_wrapper(self, step)

    def __call__(self, *batch: Tensor) -> Result:
        device = self._device or next((x.device for x in batch if isinstance(x, Tensor)), cpu)
        graph = self._graph or device.graph()
        if graph is None or current() is not None:  # a device that captures nothing, or a step inside another
            return self._step(*batch)
        if self._graph is None:
            self._batch = tuple(_place_for(i, x, device) for i, x in enumerate(batch))
            self._graph = graph
        self._take(batch)
        self._calls += 1
        if self._calls <= WARM_UP:
            with graph.memory():
                return _own(self._step(*self._batch))
        if self._capture is None:
            self._capture = self._captured(device, graph)
        else:
            self._capture.ask_again()
        numbers = self._capture.numbers()
        if numbers.size:
            device.fill(self._capture.memory[: numbers.size], numbers)
        graph.launch()
        return _own(self._result)

    def _take(self, batch: tuple[Tensor, ...]) -> None:
        """Copies a batch to where the captured step reads it."""
        if len(batch) != len(self._batch):
            raise TypeError(
                f"compile: the step was captured with {len(self._batch)} tensors, and got {len(batch)}"
            )
        for i, (place, x) in enumerate(zip(self._batch, batch, strict=True)):
            _check(i, x, place.device)
            if (x.shape, x.dtype) != (place.shape, place.dtype):
                raise ShapeError(
                    "compile",
                    f"tensor {i} of the step was {place.shape}, {place.dtype} at the first call, and is {x.shape}, "
                    f"{x.dtype} now; give batches of one size (drop_last=True), or compile a step for each size",
                )
            place._data[...] = x._data

    def _captured(self, device: Device, graph: Graph) -> Capture:
        """Runs the step once without computing: the graph notes what it launches."""
        capture = Capture(device.xp.empty(MEMORY, dtype="uint8"))

        def work() -> None:
            with capturing(capture):
                self._result = _mapped(_data, self._step(*self._batch))

        with graph.memory(), _no_collection():
            try:
                graph.capture(work)
            except Exception as error:
                raise DeviceError(
                    "compile", f"{_who(error)} can't be captured: {error}; leave it out of the step"
                ) from error
        self._result = _mapped(lambda data: Tensor(data, device), self._result)
        return capture


def compile(step: Callable[..., Result], device: str | Device | None = None) -> CompiledStep:
    """A training step that a GPU repeats as one: its kernels are captured into a CUDA graph, and launched together.

        @td.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = td.losses.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

    The step takes tensors on one device and returns tensors, in tuples, lists or dicts if it likes, or None.
    `device` is theirs; a step without arguments has to be told. On the CPU and the strict device the step itself is
    called. On "cuda" the first two calls are ordinary steps, the third captures, and every call is one step: the same
    numbers come out. Results are new tensors without history.

    What Python decides is decided at the third call: whether the model trains, which layers run, what is printed. New
    at every call are the optimiser's `lr`, the number of its step, and random numbers from a `td.Generator`. Batches
    must keep the shapes and dtypes of the first. Call a schedule's `step()` and read losses outside.

    Raises: TypeError for arguments or results that are no tensors, ValueError for another shape or dtype than at first,
    or for a batch that requires gradients; RuntimeError for a step that would wait for the GPU or copy to it (the
    sentence names the operation), adds to gradients of an earlier step, or for a parameter that was replaced since.
    """
    return CompiledStep(step, device)


def _check(i: int, x: Any, device: Device) -> None:
    if not isinstance(x, Tensor):
        raise DTypeError(
            "compile",
            f"argument {i} is {type(x).__name__}; a captured step takes tensors, for other values stay as they were",
        )
    if x.device is not device:
        raise DeviceError("compile", f"the step computes on {device}, and tensor {i} is on {x.device}")


def _place_for(i: int, x: Any, device: Device) -> Tensor:
    """Memory that the captured step reads its i-th tensor from."""
    _check(i, x, device)
    if x.requires_grad:
        raise ValueError(
            f"compile: tensor {i} requires gradients, and they would go to a copy of it; use .detach()"
        )
    return Tensor(device.xp.empty_like(x._data), device)


def _mapped(function: Callable[[Any], Any], result: Result) -> Result:
    """The result of a step, `function` applied to each tensor or array in it."""
    if result is None:
        return None
    if isinstance(result, dict):
        return {key: _mapped(function, value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        parts = [_mapped(function, value) for value in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return function(result)


def _data(x: Any) -> Array:
    if not isinstance(x, Tensor):
        raise DTypeError(
            "compile", f"the step returned {type(x).__name__}; a captured step returns tensors or None"
        )
    return x._data


def _own(result: Result) -> Result:
    """Copies that the next call does not overwrite."""
    return _mapped(lambda x: Tensor(_data(x).copy(), x.device), result)


def _who(error: BaseException) -> str:
    """The operation, or the method of a tensor, that an error came from."""
    found = "the step"
    trace: types.TracebackType | None = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        own = frame.f_locals.get("self")
        if isinstance(own, Op):
            found = own.name
        elif isinstance(own, Tensor):
            found = f"Tensor.{frame.f_code.co_name}"
        trace = trace.tb_next
    return found


@contextmanager
def _no_collection() -> Iterator[None]:
    """Inside it Python's cyclic garbage stays where it is: which memory a capture uses must not depend on chance."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
