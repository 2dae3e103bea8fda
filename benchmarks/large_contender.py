"""One measurement of `python -m benchmarks.large`, in a process of its own: it writes one line of JSON.

python -m benchmarks.large_contender LIBRARY NETWORK WHAT BATCH REPETITIONS FOLDER

FOLDER has the weights, a .npy file for each; WHAT is "weights" (writes them), "forward" or "step". One thread.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinydl as td
from benchmarks.resident import forget_peak, memory
from tinydl.kernels.threads import limited

MODELS: dict[str, Callable[[], td.nn.Module]] = {
    # without dropout, whose random numbers differ between libraries
    "vgg16": lambda: td.models.VGG16(dropout=0.0, generator=0),
    "resnet152": lambda: td.models.ResNet152(generator=0),
}
SIZE = 224
SGD = {"lr": 1e-5, "momentum": 0.9}
MIB = 2.0**20


def batch(count: int) -> tuple[Any, Any]:
    """Images (count, 3, 224, 224) of noise and their labels."""
    random = np.random.default_rng(0)
    return random.standard_normal((count, 3, SIZE, SIZE), np.float32), random.integers(0, 1000, count)


def tinydl(network: str, what: str, count: int, folder: Path) -> Callable[[], Any]:
    """What is repeated, with tinydl: it returns the scores, or the loss before the step."""
    model = MODELS[network]()
    images, labels = map(td.tensor, batch(count))
    if what == "forward":
        model.eval()

        def forward() -> Any:
            with td.no_grad():
                return model(images).numpy()

        return forward
    optimizer = td.optim.SGD(model.parameters(), **SGD)

    def step() -> Any:
        optimizer.zero_grad()
        loss = td.losses.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch(network: str, what: str, count: int, folder: Path) -> Callable[[], Any]:
    """The same with PyTorch and the weights in `folder`."""
    import torch

    from benchmarks.large_networks import NETWORKS

    torch.set_num_threads(1)
    model = NETWORKS[network]()
    # mapped, not read: so they take no memory of the process once they are copied
    state = {path.stem: torch.from_numpy(np.load(path, mmap_mode="c")) for path in folder.glob("*.npy")}
    model.load_state_dict(state)
    images, labels = map(torch.from_numpy, batch(count))
    if what == "forward":
        model.eval()

        def forward() -> Any:
            with torch.no_grad():
                return model(images).numpy()

        return forward
    optimizer = torch.optim.SGD(model.parameters(), **SGD)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


START = {"tinydl": tinydl, "torch": torch}


def measured(
    library: str, network: str, what: str, count: int, repetitions: int, folder: Path
) -> dict[str, Any]:
    """Memory in MiB, seconds of each repetition, and what each computed."""
    version = importlib.import_module(library).__version__
    imports = memory("VmRSS") / MIB
    repeated = START[library](network, what, count, folder)
    loaded = memory("VmRSS") / MIB
    forget_peak()
    seconds, cpu_seconds, values = [], [], []
    for _ in range(repetitions):
        wall, cpu = time.perf_counter(), time.process_time()
        values.append(np.ravel(repeated()).tolist())
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
    return {
        "version": version,
        "imports_mib": imports,
        "loaded_mib": loaded,
        "peak_mib": memory("VmHWM") / MIB,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "values": values,
    }


def main() -> None:
    """Measures, or writes the weights."""
    library, network, what, count, repetitions, folder = sys.argv[1:]
    if what == "weights":
        for name, array in MODELS[network]().state_dict().items():
            np.save(Path(folder) / f"{name}.npy", array)
        return
    with limited(1):
        found = measured(library, network, what, int(count), int(repetitions), Path(folder))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
