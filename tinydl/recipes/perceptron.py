"""What one neuron can learn, and what it can't."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.data import apples_oranges, or_gate, xor
from tinydl.data.tabular import Table
from tinydl.models import Perceptron
from tinydl.recipes.recipe import Options, Recipe
from tinydl.tensor import tensor
from tinydl.train import History


def run(options: Options) -> dict[str, Any]:
    """Learns apples against oranges and OR by Rosenblatt's rule, and shows that XOR is never learned."""
    if options.resume:
        raise ValueError("train perceptron: it takes seconds and keeps no checkpoint; leave --resume out")
    if options.device != "cpu":
        raise ValueError("train perceptron: one neuron learns on the CPU; leave --device out")
    if options.batch_size != 1:
        raise ValueError("train perceptron: its rule takes one row at a time; leave --batch-size out")
    start = time.perf_counter()
    metrics: dict[str, Any] = {}
    history = History()
    for title, table in (
        ("A perceptron: apples and oranges", apples_oranges.load(generator=options.seed)),
        ("A perceptron: OR", or_gate.load()),
        ("A perceptron: XOR", xor.load()),
    ):
        corrections, steps = learn(table, options.epochs)
        for i, wrong in enumerate(corrections):
            if i == len(history.rows):
                history.append({"epoch": i + 1})
            history.rows[i][f"{table.name}_corrections"] = wrong
        learned = corrections[-1] == 0
        accuracy = float(np.mean(np.asarray(steps[-1][1](table.x)) == table.y))
        metrics |= {f"{table.name}_accuracy": accuracy, f"{table.name}_learned": learned}
        said = (
            f"learned after {len(corrections) - 1} passes"
            if learned
            else "never learned: no line separates it"
        )
        print(f"{table.name:16} {said}; corrections in each pass: {', '.join(map(str, corrections))}")
        plot.boundaries(
            chosen(steps),
            table.x,
            table.y,
            table.classes,
            table.features,
            options.out / f"{table.name}.png",
            title,
        )
    history.to_csv(options.out / "history.csv")
    return metrics | {"seconds": round(time.perf_counter() - start, 2)}


Step = tuple[str, Any]


def learn(table: Table, passes: int) -> tuple[list[int], list[Step]]:
    """The corrections in each pass, until there are none, and the neuron's answers before and after each."""
    neuron = Perceptron(table.x.shape[1])
    x, y = tensor(table.x), tensor(table.y)
    steps = [("before", answers(neuron))]
    corrections: list[int] = []
    while len(corrections) < passes and (not corrections or corrections[-1] > 0):
        corrections.append(0)
        for i in range(len(x)):
            if neuron.learn(x[i : i + 1], y[i : i + 1]):
                corrections[-1] += 1
                steps.append((f"correction {len(steps)}", answers(neuron)))
    return corrections, steps


def answers(neuron: Perceptron) -> Any:
    """The neuron as it is now, as a function of points; later corrections do not change it."""
    w, b = neuron.weight.numpy().copy(), neuron.bias.numpy().copy()

    def predict(points: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        above: npt.NDArray[np.bool_] = points @ w + b > 0
        return above

    return predict


def chosen(steps: list[Step], most: int = 8) -> list[Step]:
    """At most that many of the steps, the first and the last among them."""
    places = sorted({round(i) for i in np.linspace(0, len(steps) - 1, min(most, len(steps)))})
    return [steps[i] for i in places]


PERCEPTRON = Recipe(
    "perceptron", "one neuron learns apples against oranges and OR, and fails at XOR", 12, 1, run
)
