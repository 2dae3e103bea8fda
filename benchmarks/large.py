"""What the largest networks take in memory and time: VGG16 and ResNet-152 at 224x224, beside PyTorch.

    python -m benchmarks.large                    prints the table; with --save writes results/large.{json,md}
    python -m benchmarks.large --networks vgg16 --batch 1 --repetitions 1

It needs Linux, and `pip install -e ".[bench]"` (PyTorch). Each measurement is a process of its own that computes on
one thread. "forward" is the network's scores of a batch, in evaluation mode and without a graph; "step" is forward
pass, cross-entropy, backward pass and SGD with momentum. Both libraries have the same weights and images; where their
scores, or losses before the first step, differ by more than `TOLERANCE` no figure is given. Memory is the most that
the process had resident (VmHWM) from when network and optimiser were made: weights, gradients, momentum, what the pass
keeps, freed memory that the process holds on to, and what the imports took, which the table subtracts. Seconds are
those of the fastest repetition.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.provenance import provenance
from benchmarks.speed import RESULTS, machine

TITLES = {"vgg16": "VGG16", "resnet152": "ResNet-152"}
WHATS = {"forward": "forward", "step": "training step"}
TOLERANCE = 1e-3  # relative to the largest number


class Failed(Exception):
    """A measurement ended with an error."""


def contender(*arguments: str) -> dict[str, Any]:
    """Runs `benchmarks.large_contender` and returns what it found, {} if it found nothing."""
    command = [sys.executable, "-m", "benchmarks.large_contender", *arguments]
    process = subprocess.run(command, cwd=RESULTS.parents[1], capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise Failed((process.stderr.strip().splitlines() or [f"ended with {process.returncode}"])[-1])
    found: dict[str, Any] = json.loads(process.stdout or "{}")
    return found


def measure(network: str, batch: int, repetitions: int) -> dict[str, Any]:
    """What both libraries take for both passes of a network: {pass: {library: figures}}."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        contender("tinydl", network, "weights", "0", "0", folder)
        for what in WHATS:
            pair = {
                library: contender(library, network, what, str(batch), str(repetitions), folder)
                for library in ("tinydl", "torch")
            }
            ours, theirs = (np.array(figures.pop("values")) for figures in pair.values())
            found[what] = {
                "difference": float(np.abs(ours[0] - theirs[0]).max() / np.abs(theirs[0]).max()),
                **pair,
            }
            if what == "step":
                found[what]["losses"] = {"tinydl": ours.ravel().tolist(), "torch": theirs.ravel().tolist()}
    return found


def table(result: dict[str, Any]) -> str:
    """The figures in Markdown."""
    lines = [
        "# The largest networks: memory and time",
        "",
        f"Images of 224x224, batch {result['batch']}, one thread. Memory in MiB: the most that the process had "
        "resident once network and optimiser were made, less what the imports took; the whole in parentheses. The "
        f"largest whole is {_largest(result):.1f} GiB. Seconds and CPU seconds of the fastest of "
        f"{result['repetitions']} repetitions; what else the machine does changes the former more than the latter.",
        "",
        "|  |  | tinydl MiB | PyTorch MiB | ratio | tinydl s | PyTorch s | tinydl CPU s | PyTorch CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for network, passes in result["networks"].items():
        for what, found in passes.items():
            lines.append(f"| {TITLES[network]} | {WHATS[what]} | {' | '.join(_cells(found))} |")
    differences = [
        f"{TITLES[network]}, {WHATS[what]}: {found['difference']:.1g}"
        for network, passes in result["networks"].items()
        for what, found in passes.items()
    ]
    losses = [
        f"{TITLES[network]} {' and '.join(map(_listed, found['step']['losses'].values()))}"
        for network, found in result["networks"].items()
    ]
    versions = {**result["versions"], "PyTorch": result["pytorch"]}
    lines += [
        "",
        "The ratio is tinydl's memory divided by PyTorch's. Relative difference between the two libraries' scores, or "
        f"losses before the first step: {'; '.join(differences)}. Losses before each step, tinydl's and PyTorch's: "
        f"{'; '.join(losses)}. ResNet-152 at its first weights, with a batch of {result['batch']} to normalise by, "
        "multiplies the rounding of float32 by so much that one step is enough for other losses.",
        "",
        f"`{result['command']}`, {result['date']}, commit {result['commit']}. {result['machine']['cpu']}; "
        f"{', '.join(f'{name} {versions[name]}' for name in ('tinydl', 'PyTorch', 'python', 'numpy'))}.",
    ]
    return "\n".join(lines) + "\n"


def _listed(losses: Sequence[float]) -> str:
    return ", ".join(f"{loss:.4f}" for loss in losses)


def _largest(result: dict[str, Any]) -> float:
    passes = [found for network in result["networks"].values() for found in network.values()]
    return max(found[library]["peak_mib"] for found in passes for library in ("tinydl", "torch")) / 1024


def _cells(found: dict[str, Any]) -> list[str]:
    if not found["difference"] <= TOLERANCE:  # so written, NaN is refused
        return ["refused: other numbers", *["-"] * 6]
    pair = [found["tinydl"], found["torch"]]
    used = [figures["peak_mib"] - figures["imports_mib"] for figures in pair]
    memory = [f"{mib:,.0f} ({figures['peak_mib']:,.0f})" for mib, figures in zip(used, pair, strict=True)]
    times = [f"{min(figures[key]):.2f}" for key in ("seconds", "cpu_seconds") for figures in pair]
    return [*memory, f"**{used[0] / used[1]:.2f}**", *times]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the networks and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="in benchmarks/results")
    asked = parser.parse_args(arguments)
    came_from = provenance()
    networks = {name: measure(name, asked.batch, asked.repetitions) for name in asked.networks}
    first = next(iter(networks.values()))
    result = {
        "command": " ".join(
            ["python -m benchmarks.large", *(sys.argv[1:] if arguments is None else arguments)]
        ),
        "batch": asked.batch,
        "repetitions": asked.repetitions,
        "tolerance": TOLERANCE,
        "machine": machine() | {"used_cores": 1},
        "pytorch": first["step"]["torch"]["version"],
        **came_from,
        "networks": networks,
    }
    print(table(result))
    if asked.save:
        (RESULTS / "large.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "large.md").write_text(table(result), encoding="utf-8")


if __name__ == "__main__":
    main()
