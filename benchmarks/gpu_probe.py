"""What the plan for GPUs rests on, asked of a GPU: a stage of `python -m benchmarks.gpu`, about half a minute.

    python -m benchmarks.gpu_probe [--out FILE.json]

Each question is asked by itself: one that fails says how, and the next is asked. Times are microseconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinydl as td
from tinydl.device import get_device

REPEATED = 400
QUESTIONS: list[Callable[[Any], dict[str, Any]]] = []


def question(function: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """A function that asks a device and answers with figures by name."""
    QUESTIONS.append(function)
    return function


def host_us(device: Any, call: Callable[[], Any]) -> float:
    """What a call costs Python: the least of five rounds, the queue emptied between them."""
    call()
    best = float("inf")
    for _ in range(5):
        device.synchronize()
        start = time.perf_counter()
        for _ in range(REPEATED // 5):
            call()
        best = min(best, (time.perf_counter() - start) / (REPEATED // 5))
    device.synchronize()
    return round(1e6 * best, 2)


def device_us(device: Any, call: Callable[[], Any]) -> float:
    """What a call costs the GPU, by its own clock, launches included where the host is the slower one."""
    cuda = device.xp.cuda
    call()
    begin, end = cuda.Event(), cuda.Event()
    begin.record(device.stream)
    for _ in range(50):
        call()
    end.record(device.stream)
    end.synchronize()
    return round(1e3 * float(cuda.get_elapsed_time(begin, end)) / 50, 2)


def captured(device: Any, work: Callable[[], Any]) -> Any:
    """A graph of what `work` does, after it was done once in the graph's memory."""
    graph, kept = device.graph(), []
    with graph.memory():
        work()
        graph.capture(lambda: kept.append(work()))
    graph.kept = kept
    return graph


def _matrices(device: Any, dtype: str = "float32") -> tuple[Any, Any, Any]:
    draw = np.random.default_rng(0)
    a, b = draw.standard_normal((128, 256)), draw.standard_normal((256, 64))
    return device.asarray(a.astype(dtype)), device.asarray(b.astype(dtype)), a.astype(dtype) @ b.astype(dtype)


def _error(device: Any, found: Any, want: Any) -> float:
    return float(np.linalg.norm(device.to_host(found) - want) / np.linalg.norm(want))


@question
def products_in_a_graph(device: Any) -> dict[str, Any]:
    """Can our own handle be captured, in each precision, and are the products right when the graph runs?"""
    found: dict[str, Any] = {}
    for name, dtype, tf32 in (
        ("float32", "float32", False),
        ("tf32", "float32", True),
        ("float64", "float64", False),
    ):
        a, b, want = _matrices(device, dtype)
        device.blas.tf32 = tf32
        out: list[Any] = []
        graph = device.graph()
        with graph.memory():
            device.blas.matmul(device.xp, a, b)
            graph.capture(lambda a=a, b=b, out=out: out.append(device.blas.matmul(device.xp, a, b)))  # type: ignore[misc]
        out[0].fill(np.nan)
        graph.launch()
        found[f"{name} relative error"] = _error(device, out[0], want)
        found[f"{name} transposed"] = _error(device, device.blas.matmul(device.xp, b.T, a.T), want.T)
        stack = device.xp.stack([a, 2 * a])
        found[f"{name} stack"] = _error(device, device.blas.matmul(device.xp, stack, b)[1], 2 * want)
        found[f"{name} in a graph"] = device_us(device, graph.launch)
        found[f"{name} host"] = host_us(device, lambda a=a, b=b: device.blas.matmul(device.xp, a, b))  # type: ignore[misc]
    device.blas.tf32 = False
    return found


@question
def cupys_product_in_a_graph(device: Any) -> dict[str, Any]:
    """Does CuPy still refuse its own product there?"""
    a, b, _ = _matrices(device)
    try:
        device.graph().capture(lambda: device.xp.matmul(a, b))
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    return {"refused": False}


@question
def host_cost(device: Any) -> dict[str, Any]:
    """What does Python pay for one call?"""
    xp = device.xp
    a, b, _ = _matrices(device)
    out = xp.empty_like(a)
    x = td.ones(128, 256, device=device)
    calls: dict[str, Callable[[], Any]] = {
        "cupy a + a": lambda: a + a,
        "cupy add(out=)": lambda: xp.add(a, a, out=out),
        "cupy sum": lambda: a.sum(axis=0),
        "cupy a @ b": lambda: a @ b,
        "our product": lambda: device.blas.matmul(xp, a, b),
        "our relu kernel": lambda: td.relu(x),
        "fill": lambda: out.fill(0),
    }
    return {name: host_us(device, call) for name, call in calls.items()}


@question
def host_cost_of_pytorch(device: Any) -> dict[str, Any]:
    """And what with PyTorch? And which precision does it compute in unless told?"""
    import torch

    x, y = torch.ones(128, 256, device="cuda"), torch.ones(256, 64, device="cuda")
    found: dict[str, Any] = {
        "a + a": host_us(device, lambda: x + x),
        "a @ b": host_us(device, lambda: x @ y),
        "relu": host_us(device, lambda: torch.relu(x)),
        "convolutions in TF32": torch.backends.cudnn.allow_tf32,
        "products in TF32": torch.backends.cuda.matmul.allow_tf32,
    }
    torch.cuda.synchronize()
    return found


@question
def gap_in_a_graph(device: Any) -> dict[str, Any]:
    """How long is a graph of n tiny kernels?"""
    a = device.xp.ones(1024, dtype="float32")
    found = {}
    for n in (1, 50, 200):
        graph = captured(device, lambda n=n: [device.xp.add(a, 1.0, out=a) for _ in range(n)])  # type: ignore[misc]
        found[f"{n} kernels"] = device_us(device, graph.launch)
        found[f"{n} kernels, host"] = host_us(device, graph.launch)
    return found


@question
def random_numbers(device: Any) -> dict[str, Any]:
    """Are the GPU's random numbers the CPU's, and new at each run of a captured step?"""
    ours, theirs = td.Generator(2**100 + 1), td.Generator(2**100 + 1)
    uniform = device.to_host(device.uniform(ours, (1001,), "float32"))
    normal = device.to_host(device.normal(ours, (1001,), "float32"))
    same = bool((uniform == theirs.random((1001,))).all())
    apart = float(np.abs(normal - theirs.normal((1001,))).max())
    draw = td.Generator(1)
    run = td.compile(lambda: td.rand(16, generator=draw, device=device), device=device)
    seen = {run().to("cpu").numpy().tobytes() for _ in range(6)}
    want = td.Generator(1)
    right = seen == {want.random((16,)).tobytes() for _ in range(6)}
    return {
        "uniform, the same bits": same,
        "normal, largest difference": apart,
        "captured, new and right": right,
    }


@question
def copy_bandwidth(device: Any) -> dict[str, Any]:
    """How fast is memory, reading and writing together?"""
    a = device.xp.zeros(1 << 27, dtype="float32")
    b = device.xp.empty_like(a)
    return {"TB/s": round(2 * a.nbytes / device_us(device, lambda: device.xp.copyto(b, a)) / 1e6, 2)}


def ask_all(device: Any, questions: list[Callable[[Any], dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The answers by the names of the questions; of one that failed, how."""
    found: dict[str, dict[str, Any]] = {}
    for ask in questions:
        try:
            found[ask.__name__] = ask(device)
        except Exception as error:  # the others may have answers
            found[ask.__name__] = {"failed": f"{type(error).__name__}: {error}"}
    return found


def main() -> int:
    """Prints the answers; the status is 0 when all questions were answered."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    try:
        device = get_device("cuda")
    except RuntimeError as error:
        print(f"benchmarks.gpu_probe: {error}", file=sys.stderr)
        return 1
    found = ask_all(device, QUESTIONS)
    for name, answers in found.items():
        print(name.replace("_", " "))
        for what, value in answers.items():
            print(f"    {what:32} {value}")
    if asked.out is not None:
        asked.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if any("failed" in answers for answers in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
