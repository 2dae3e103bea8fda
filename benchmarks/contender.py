"""One contender of `python -m benchmarks.speed`, in a process of its own: makes training steps when it is told to.

It is started as `python -m benchmarks.contender NAME DEVICE PRECISION` and speaks JSON, one line for each request and
one for each answer. The first line it writes says who it is, {"version": ...}, or {"absent": ...} where it is not
installed.

    {"do": "load", "row": ROW, "arrays": FILE}    -> {"losses": [before the first step, after 1, 2 and 3 steps]}
    {"do": "time", "steps": n}                    -> {"seconds": [of each step]}
    {"do": "memory"}     -> {"bytes": of the GPU that its library has taken for arrays; on the CPU see Contender.memory}

A request that fails is answered by {"error": ...}.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

import tinydl as td
from benchmarks import networks, peers
from benchmarks.resident import forget_peak
from benchmarks.resident import memory as resident
from benchmarks.rows import ROWS_BY_NAME, Array, Row
from tinydl.compiled import WARM_UP
from tinydl.device import get_device
from tinydl.errors import DeviceError

Step: TypeAlias = Callable[[], float]  # returns the loss before the step
Start: TypeAlias = Callable[[Row, Mapping[str, Array], list[Array]], Step]
LOSSES = 4


def tinydl(device: str = "cpu", tf32: bool = False, compiled: bool = False) -> tuple[str, Start]:
    """tinydl as it comes, or its steps captured."""
    home: Any = get_device(device)
    if device != "cpu":
        home.blas.tf32 = tf32

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Step:
        library = networks.tinydl()
        model = row.network(library).to(home)
        model.load_state_dict(dict(weights))
        step = row.step(library, model, [td.tensor(array, device=home) for array in batch])
        if compiled:
            step = td.compile(step, device=home)
        _MEMORY.append(lambda: home.memory())
        return lambda: step().item()

    return td.__version__, start


def tinydl_numba() -> tuple[str, Start]:
    """tinydl with the kernels that Numba compiled."""
    version, start_plain = tinydl()
    with td.numba_kernels():  # whether it is installed
        pass

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Step:
        step = start_plain(row, weights, batch)

        def compiled() -> float:
            with td.numba_kernels():
                return step()

        return compiled

    return version, start


def tinydl_shards() -> tuple[str, Start]:
    """tinydl's Trainer with a process for each of two cores."""

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Step:
        library = networks.tinydl()
        model = row.network(library)
        model.load_state_dict(dict(weights))
        trainer = td.train.Trainer(
            model,
            partial(row.loss, library),
            getattr(library.optim, row.optimizer)(model.parameters(), **row.options),
            shards=2,
        )
        tensors = [td.tensor(array) for array in batch]
        return lambda: trainer.step(*tensors)["loss"]

    return td.__version__, start


def pytorch(
    threads: int, compiled: bool = False, device: str = "cpu", tf32: bool = False, graph: bool = False
) -> tuple[str, Start]:
    """PyTorch, eager, with its network compiled, or with whole steps in a CUDA graph."""
    import torch

    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32  # its defaults differ

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Step:
        library = networks.pytorch(torch)
        model = row.network(library).to(device)
        model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        called = torch.compile(model) if compiled else model
        if graph and row.optimizer == "Adam":
            row = replace(row, options=row.options | {"capturable": True})
        step = row.step(library, called, [torch.from_numpy(array).to(device) for array in batch])
        _MEMORY.append(torch.cuda.memory_reserved)
        if graph:
            step = _in_a_graph(torch, step)
        return lambda: step().item()

    return torch.__version__, start


def _in_a_graph(torch: Any, step: Callable[[], Any]) -> Callable[[], Any]:
    """PyTorch's own capture: the first two steps as they are, as in td.compile; then the graph."""
    stream, calls = torch.cuda.Stream(), [0]
    graph, loss = torch.cuda.CUDAGraph(), [None]

    def call() -> Any:
        calls[0] += 1
        if calls[0] <= WARM_UP:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                found = step()
            torch.cuda.current_stream().wait_stream(stream)
            return found
        if calls[0] == WARM_UP + 1:
            with torch.cuda.graph(graph):
                loss[0] = step()
        graph.replay()
        return loss[0]

    return call


CONTENDERS: dict[str, Callable[[], tuple[str, Start]]] = {
    "tinydl": tinydl,
    "tinydl-numba": tinydl_numba,
    "tinydl-shards": tinydl_shards,
    "torch": lambda: pytorch(2),
    "torch-1-thread": lambda: pytorch(1),
    "torch-compile": lambda: pytorch(2, compiled=True),
    "jax": peers.jax,
    "mygrad": peers.mygrad,
    "autograd": peers.autograd,
}
ON_GPU: dict[str, Callable[[bool], tuple[str, Start]]] = {
    "tinydl": lambda tf32: tinydl("cuda", tf32),
    "tinydl-compile": lambda tf32: tinydl("cuda", tf32, compiled=True),
    "torch": lambda tf32: pytorch(2, device="cuda", tf32=tf32),
    "torch-graph": lambda tf32: pytorch(2, device="cuda", tf32=tf32, graph=True),
    "torch-compile": lambda tf32: pytorch(2, device="cuda", tf32=tf32, compiled=True),
}
_MEMORY: list[Callable[[], int]] = []  # of the network that was loaded last


class Contender:
    """Answers requests: loads a row's network, then makes its steps."""

    def __init__(self, start: Start, device: str = "cpu") -> None:
        self.start, self.device = start, device
        self.step: Step
        self._before = 0

    def load(self, row: str, arrays: str) -> dict[str, Any]:
        """Takes weights and batch from a file, and makes the first steps."""
        with np.load(arrays) as file:
            weights = {name: file[name] for name in file.files if not name.startswith("batch.")}
            batch = [file[f"batch.{i}"] for i in range(len(file.files) - len(weights))]
        if self.device == "cpu" and sys.platform == "linux":
            forget_peak()
            self._before = resident("VmRSS")
        self.step = self.start(ROWS_BY_NAME[row], weights, batch)
        return {"losses": [self.step() for _ in range(LOSSES)]}

    def time(self, steps: int) -> dict[str, Any]:
        """The seconds of each step, after one that is not counted: others have had the caches since the last."""
        self.step()
        clock = [time.perf_counter()]
        for _ in range(steps):
            loss = self.step()
            clock.append(time.perf_counter())
        if not math.isfinite(loss):
            raise ArithmeticError(f"the loss became {loss}: such numbers are not what a user computes with")
        return {"seconds": [after - before for before, after in pairwise(clock)]}

    def memory(self) -> dict[str, Any]:
        """How much of the GPU's memory the library has taken for arrays.

        On the CPU by how much the process was larger at its largest than before the network was made: weights, what a
        step keeps, what the library sets up at its first steps, and freed memory that it holds on to.
        """
        if self.device != "cpu":
            return {"bytes": _MEMORY[-1]()}
        return {"bytes": resident("VmHWM") - self._before if sys.platform == "linux" else None}


def main() -> None:
    """Serves until the requests end."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not be taken for an answer

    def answer(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=answers, flush=True)

    try:
        name, device, precision = sys.argv[1:]
        version, start = CONTENDERS[name]() if device == "cpu" else ON_GPU[name](precision == "tf32")
    except (ImportError, DeviceError) as error:
        answer({"absent": str(error)})
        return
    answer({"version": version})
    contender = Contender(start, device)
    for line in sys.stdin:
        request = json.loads(line)
        handler = getattr(contender, request.pop("do"))
        try:
            answer(handler(**request))
        except Exception as error:  # whatever a library raises: the table says so, and goes on
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
