"""One contender of `python -m benchmarks.speed`, in a process of its own: makes training steps when it is told to.

It is started as `python -m benchmarks.contender NAME` and speaks JSON, one line for each request and one for each
answer. The first line it writes says who it is, {"version": ...}, or {"absent": ...} where it is not installed.

    {"do": "load", "row": ROW, "arrays": FILE}    -> {"losses": [before the first step, after 1, 2 and 3 steps]}
    {"do": "time", "steps": n}                    -> {"seconds": [of each step]}

A request that fails is answered by {"error": ...}.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

import tinydl as td
from benchmarks import networks, peers
from benchmarks.rows import ROWS, Array, Row

Step: TypeAlias = Callable[[], float]  # returns the loss before the step
Start: TypeAlias = Callable[[Row, Mapping[str, Array], list[Array]], Step]
LOSSES = 4


def tinydl() -> tuple[str, Start]:
    """tinydl as it comes."""

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Step:
        library = networks.tinydl()
        model = row.network(library)
        model.load_state_dict(dict(weights))
        step = row.step(library, model, [td.tensor(array) for array in batch])
        return lambda: step().item()

    return td.__version__, start


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


def pytorch(threads: int, compiled: bool = False) -> tuple[str, Start]:
    """PyTorch, eager or with its network compiled."""
    import torch

    torch.set_num_threads(threads)

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Step:
        library = networks.pytorch(torch)
        model = row.network(library)
        model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        called = torch.compile(model) if compiled else model
        step = row.step(library, called, [torch.from_numpy(array) for array in batch])
        return lambda: step().item()

    return torch.__version__, start


CONTENDERS: dict[str, Callable[[], tuple[str, Start]]] = {
    "tinydl": tinydl,
    "tinydl-shards": tinydl_shards,
    "torch": lambda: pytorch(2),
    "torch-1-thread": lambda: pytorch(1),
    "torch-compile": lambda: pytorch(2, compiled=True),
    "jax": peers.jax,
    "mygrad": peers.mygrad,
    "autograd": peers.autograd,
}


class Contender:
    """Answers requests: loads a row's network, then makes its steps."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.step: Step

    def load(self, row: str, arrays: str) -> dict[str, Any]:
        """Takes weights and batch from a file, and makes the first steps."""
        with np.load(arrays) as file:
            weights = {name: file[name] for name in file.files if not name.startswith("batch.")}
            batch = [file[f"batch.{i}"] for i in range(len(file.files) - len(weights))]
        self.step = self.start(ROWS[row], weights, batch)
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


def main() -> None:
    """Serves until the requests end."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not be taken for an answer

    def answer(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=answers, flush=True)

    try:
        version, start = CONTENDERS[sys.argv[1]]()
    except ImportError as error:
        answer({"absent": str(error)})
        return
    answer({"version": version})
    contender = Contender(start)
    for line in sys.stdin:
        request = json.loads(line)
        handler = getattr(contender, request.pop("do"))
        try:
            answer(handler(**request))
        except Exception as error:  # whatever a library raises: the table says so, and goes on
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
