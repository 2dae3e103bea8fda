"""LeNet-5 on the held-out part of MNIST-5k: the accuracy of `tinydl train lenet` as the mean over seeds.

python -m benchmarks.lenet_accuracy [--seeds 5] [--out benchmarks/results/lenet_accuracy.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from benchmarks.provenance import provenance
from tinydl.recipes import RECIPES, Options


def main() -> None:
    """Trains once for each seed and writes accuracies and seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/lenet_accuracy.json"))
    asked = parser.parse_args()
    recipe = RECIPES["lenet"]
    runs = []
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            options = Options(Path(folder), recipe.epochs, recipe.batch_size, seed, progress=False)
            runs.append({"seed": seed, **recipe.run(options)})
    accuracies = [run["test_accuracy"] for run in runs]
    result = {
        "command": "python -m benchmarks.lenet_accuracy",
        "what": "held-out part of MNIST-5k, 1,000 digits",
        "mean_test_accuracy": statistics.fmean(accuracies),
        "deviation": statistics.pstdev(accuracies),
        "mean_seconds": statistics.fmean(run["seconds"] for run in runs),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "runs": runs,
        **provenance(),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=2) + "\n")
    print(
        f"mean of {len(runs)} seeds: {result['mean_test_accuracy']:.2%} ({result['mean_seconds']:.0f} s a run)"
    )


if __name__ == "__main__":
    main()
