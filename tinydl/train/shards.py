"""One training step on several processes: each computes some rows of the batch, forward and backward.

    the batch        x = (x_0, x_1, ...)              rows, in order
    process i        y_i = model(x_i)                 batch norm takes its sums over all i
    this process     loss(y_0, y_1, ...)              of the whole batch, whatever the loss is
    process i        sum of dy_i/dp^T  dloss/dy_i     its part of the gradient
    this process     adds the parts, in order, and lets the optimiser step

So a step computes what it computes on one process, up to the rounding of sums, for models whose rows depend on one
another through batch norm alone. Other means over a batch, in a model, would be those of a share.

Processes, and not threads, because Python runs one thread at a time, and handing over between threads costs more than
most operations of a step. They are forked from this one, so they have the model as it is then; parameters lie in
memory that all share. Arrays travel through such memory, too; everything else through sockets, on which a process
waits awake for a while, because waking up takes longer than most waits.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any, NoReturn, TypeAlias

import numpy as np

from tinydl.autograd import backward_all, no_grad
from tinydl.device import cpu
from tinydl.kernels import threads
from tinydl.nn.module import Module
from tinydl.ops.shape import cat
from tinydl.random import Generator, as_generator
from tinydl.shards import Shard, computing
from tinydl.tensor import Tensor

Array: TypeAlias = Any
Rows: TypeAlias = tuple[int, int]

_AWAKE = 2e-3  # seconds that a process waits awake
_ALIGNED = 64  # bytes: where arrays begin in shared memory
_MESSAGE = 1 << 16  # bytes: the longest message on a socket
_REMEMBERED = 20  # sets of places of arrays


class ShardError(RuntimeError):
    """A step can't be shared by processes, or one of them failed."""


class _Line:
    """One end of the connection of two processes: messages on a socket, arrays in memory that both see."""

    def __init__(self, end: socket.socket, outbox: _Area, inbox: _Area) -> None:
        self._socket, self._outbox, self._inbox = end, outbox, inbox
        self._buffer = bytearray(_MESSAGE)

    def send(self, what: str, arrays: Sequence[Array | None] = (), **facts: Any) -> None:
        """Sends a message with arrays; those of the message before are overwritten."""
        number, places = self._outbox.write(arrays)
        self._send(json.dumps({"what": what, "arrays": number, "places": places, **facts}).encode())

    def receive(self, what: str) -> tuple[list[Array | None], dict[str, Any]]:
        """The arrays, which the next message overwrites, and the facts of a message that is due."""
        data = self._receive()
        if data[:1] != b"{":
            raise ShardError("shards: the processes took different ways through the model")
        facts = json.loads(data)
        if facts["what"] == "error":
            raise ShardError(f"shards: a process failed: {facts['said']}")
        if facts["what"] != what:
            raise ShardError("shards: the processes took different ways through the model")
        return self._inbox.read(facts["arrays"], facts["places"]), facts

    def send_numbers(self, values: Array) -> None:
        """Sends a few numbers at once."""
        self._send(b"+" + values.tobytes())

    def receive_numbers(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The numbers that the other one sends, of that shape and dtype."""
        data = self._receive()
        if data[:1] == b"{" and json.loads(data)["what"] == "error":
            raise ShardError(f"shards: a process failed: {json.loads(data)['said']}")
        if data[:1] != b"+" or len(data) != 1 + math.prod(shape) * dtype.itemsize:
            raise ShardError("shards: the processes took different ways through the model")
        return np.frombuffer(data[1:], dtype).reshape(shape)

    def close(self) -> None:
        self._socket.close()
        self._outbox.close()
        self._inbox.close()

    def _send(self, data: bytes) -> None:
        if len(data) > _MESSAGE:
            raise ShardError(f"shards: a message of {len(data)} bytes is too long; train with shards=1")
        try:
            self._socket.send(data)
        except OSError as error:
            raise ShardError("shards: a process has ended") from error

    def _receive(self) -> bytes:
        asleep = time.perf_counter() + _AWAKE
        while True:
            try:
                length = self._socket.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
                break
            except BlockingIOError:
                if time.perf_counter() < asleep:
                    os.sched_yield()
                else:
                    select.select([self._socket], [], [])
            except OSError as error:
                raise ShardError("shards: a process has ended") from error
        if length == 0:
            raise ShardError("shards: a process has ended")
        return bytes(self._buffer[:length])


class _Area:
    """Memory that processes share and that grows.

    Arrays of the same shapes as before are copied to the same places, which both ends know by a number.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("tinydl")
        self._map: mmap.mmap | None = None
        self._numbers: dict[Any, int] = {}
        self._known: dict[int, list[Array | None]] = {}

    def write(self, arrays: Sequence[Array | None]) -> tuple[int, list[Any] | None]:
        """Copies the arrays into it, as they lie in memory; the number of their places, and these if they are new."""
        key = tuple([None if a is None else (a.shape, a.strides, a.dtype.str) for a in arrays])
        places = None
        if key not in self._numbers:
            if len(self._numbers) == _REMEMBERED:
                self._numbers = {}
            self._numbers[key] = len(self._numbers)
            places = _places(arrays)
        number = self._numbers[key]
        for a, copy in zip(arrays, self.read(number, places), strict=True):
            if a is not None and copy is not None:
                np.copyto(copy, a)
        return number, places

    def read(self, number: int, places: list[Any] | None) -> list[Array | None]:
        """The arrays at the places with that number, which are said once."""
        if places is not None:
            end = max((place[0] + place[1] for place in places if place), default=0)
            if end > os.fstat(self._file).st_size:
                os.ftruncate(self._file, end)
            if end and (self._map is None or len(self._map) < end):
                self._map = mmap.mmap(self._file, os.fstat(self._file).st_size)
            self._known[number] = [place and self._array(*place) for place in places]
        return self._known[number]

    def _array(self, start: int, _: int, dtype: str, order: list[int], shape: list[int]) -> Array:
        if self._map is None:  # nothing but empty arrays so far
            return np.empty(shape, dtype).transpose(np.argsort(order))
        flat = np.frombuffer(self._map, dtype, int(np.prod(shape, dtype=np.int64)), start)
        return flat.reshape(shape).transpose(np.argsort(order))

    def close(self) -> None:
        os.close(self._file)


class Shards:
    """`count` processes that share the steps of a model on the CPU: this one and those that it forks.

    `shards(*inputs)` is the model's output for a whole batch, as leaves; once a loss has been differentiated with
    respect to them, `backward()` adds the gradients of the parameters. `close()` ends the other processes.
    """

    def __init__(self, model: Module, count: int) -> None:
        if not hasattr(os, "memfd_create"):
            raise ShardError("shards: more than one needs Linux; train with shards=1")
        self.model = model
        self.params: list[Tensor] = []
        self._shared: list[Array] = []
        self._children: list[int] = []
        self._lines: list[_Line] = []
        elsewhere = {str(p.device) for p in model.parameters() if p.device is not cpu}
        if elsewhere:
            raise ShardError(
                f"shards: the model is on {', '.join(elsewhere)}; cores of the CPU share a batch"
            )
        self.params = list(model.parameters())
        self._shared = _share(self.params)
        named = [vars(module).get("generator") for _, module in model.named_modules()]
        self._generators = [as_generator(None), *(g for g in named if isinstance(g, Generator))]
        self._cores = max(1, threads.cores() // count)
        self._count = count
        self._bounds: list[int] = []
        self._outputs: list[Tensor] = []
        self._whole: list[Tensor] = []
        for _ in range(1, count):
            self._fork()

    def __call__(self, *inputs: Tensor) -> Any:
        """The output (N, ...) of the model for N rows of every input, or its tuple of outputs, as leaves.

        Raises: ValueError for fewer rows than processes; RuntimeError for parameters that lie elsewhere since, for
        outputs without a row for each of the batch, and with what was said in another process that failed.
        """
        if any(p._data is not shared for p, shared in zip(self.params, self._shared, strict=True)):
            raise ShardError("shards: a parameter was moved; call fit anew after .to() and .astype()")
        rows, count = len(inputs[0]), 1 + len(self._lines)
        if rows < count:
            raise ValueError(
                f"shards: a batch of {rows} rows can't be shared by {count} processes; use drop_last"
            )
        self._bounds = [rows * i // count for i in range(count + 1)]
        places = [g.get_state() for g in self._generators]
        for line, (start, stop) in zip(self._lines, list(pairwise(self._bounds))[1:], strict=True):
            line.send(
                "forward",
                [x._data[start:stop] for x in inputs],
                rows=(start, stop, rows),
                training=self.model.training,
                generators=places,
            )
        own = Shard(0, self._bounds[1], rows, self._gather)
        with self._computing(own):
            mine = _outputs(self.model(*(Tensor(x._data[: own.stop], x.device) for x in inputs)), own)
        self._outputs, several = mine
        parts = [[Tensor(y._data, cpu) for y in self._outputs]]
        for line in self._lines:
            arrays, _ = line.receive("outputs")
            parts.append([Tensor(a, cpu) for a in arrays])
        with no_grad():
            self._whole = [cat(list(pieces)) for pieces in zip(*parts, strict=True)]
        for leaf, output in zip(self._whole, self._outputs, strict=True):
            leaf.requires_grad = output.requires_grad
        return tuple(self._whole) if several else self._whole[0]

    def backward(self) -> None:
        """Adds what flows from the outputs' gradients to the parameters, process by process, to their `grad`."""
        gs = [None if leaf._grad is None else leaf._grad._data for leaf in self._whole]
        bounds = list(pairwise(self._bounds))
        for line, rows in zip(self._lines, bounds[1:], strict=True):
            line.send("backward", [g if g is None else g[slice(*rows)] for g in gs])
        with self._computing(Shard(*bounds[0], bounds[-1][1], self._gather)):
            _backward(self._outputs, [g if g is None else g[slice(*bounds[0])] for g in gs])
        self._outputs, self._whole = [], []
        for line in self._lines:
            for p, g in zip(self.params, line.receive("gradients")[0], strict=True):
                if g is not None:
                    _add(p, g)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Ends the other processes, whatever they do, and takes the parameters out of shared memory."""
        for line in self._lines:
            line.close()
        for child in self._children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self._lines, self._children = [], []
        for p, shared in zip(self.params, self._shared, strict=True):
            if p._data is shared:
                p._data = shared.copy("K")

    @contextmanager
    def _computing(self, shard: Shard) -> Iterator[None]:
        with computing(shard), threads.limited(self._cores):
            yield

    def _gather(self, values: Array) -> Array:
        """An array of each process, in their order, here."""
        gathered = np.stack(
            [values, *(line.receive_numbers(values.shape, values.dtype) for line in self._lines)]
        )
        for line in self._lines:
            line.send_numbers(gathered)
        return gathered

    def _fork(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        down, up = _Area(), _Area()
        sys.stdout.flush()
        with warnings.catch_warnings():
            # Newer Pythons warn of threads, whose locks a forked process inherits as they are: BLAS and our own
            # helpers are made for that, and the other process runs nothing else.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            ours.close()
            for line in self._lines:
                line.close()
            self._serve(_Line(theirs, up, down))
        theirs.close()
        self._children.append(child)
        self._lines.append(_Line(ours, down, up))

    def _serve(self, line: _Line) -> NoReturn:
        """The life of another process: to compute what it is sent, until nobody is there to send."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that was started
        try:
            while True:
                self._compute(line)
        except BaseException as error:
            with suppress(BaseException):  # nobody is there, as a rule
                line.send("error", said=f"{type(error).__name__}: {error}")
        finally:
            os._exit(0)

    def _compute(self, line: _Line) -> None:
        arrays, facts = line.receive("forward")
        for generator, state in zip(self._generators, facts["generators"], strict=True):
            if generator.get_state() != state:  # they draw alike, as a rule
                generator.set_state(state)
        if self.model.training != facts["training"]:
            self.model.train(facts["training"])

        def gather(values: Array) -> Array:
            line.send_numbers(values)
            return line.receive_numbers((self._count, *values.shape), values.dtype)

        start, stop, rows = facts["rows"]
        shard = Shard(start, stop, rows, gather)
        with self._computing(shard):
            outputs, _ = _outputs(
                self.model(*(Tensor(a.copy("K"), cpu) for a in arrays if a is not None)), shard
            )
            line.send("outputs", [y._data for y in outputs])
            gs, _ = line.receive("backward")
            _backward(outputs, gs)
            line.send("gradients", [None if p._grad is None else p._grad._data for p in self.params])
            for p in self.params:
                p._grad = None


def _places(arrays: Sequence[Array | None]) -> list[Any]:
    """Where arrays lie one after the other: the first byte, how many, dtype, axes from the slowest on, and lengths."""
    places: list[Any] = []
    end = 0
    for a in arrays:
        if a is None:
            places.append(None)
            continue
        order = [int(axis) for axis in np.argsort([-abs(n) for n in a.strides], kind="stable")]
        places.append([end, a.nbytes, a.dtype.str, order, [a.shape[axis] for axis in order]])
        end += -(-a.nbytes // _ALIGNED) * _ALIGNED
    return places


def _share(params: Sequence[Tensor]) -> list[Array]:
    """Moves the parameters into memory that forked processes share."""
    shared = []
    for p in params:
        memory = mmap.mmap(-1, max(1, p._data.nbytes))
        array = np.frombuffer(memory, p.dtype, p.size).reshape(p.shape)
        array[...] = p._data
        p._data = array
        shared.append(array)
    return shared


def _outputs(prediction: Any, shard: Shard) -> tuple[list[Tensor], bool]:
    """What the model gave, as a list, and whether it was several tensors."""
    several = isinstance(prediction, tuple | list)
    outputs = list(prediction) if several else [prediction]
    rows = shard.stop - shard.start
    for y in outputs:
        if not isinstance(y, Tensor) or y.shape[:1] != (rows,):
            got = f"shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
            raise ShardError(f"shards: expected outputs with a row for each of {rows}, got {got}")
    return outputs, several


def _backward(outputs: Sequence[Tensor], gs: Sequence[Array | None]) -> None:
    """Adds what flows from the outputs to the parameters to their gradients."""
    used = [(y, g) for y, g in zip(outputs, gs, strict=True) if g is not None and y.requires_grad]
    backward_all([y for y, _ in used], [Tensor(g, cpu) for _, g in used])


def _add(p: Tensor, g: Array) -> None:
    if p._grad is None:
        p._grad = Tensor(g.copy("K"), p.device)
    else:
        p._grad._data += g  # in place: `backward` made it, and nobody has seen it
