"""The classifiers of the course on Fashion-MNIST: accuracy beside parameters, multiply-adds and seconds.

python -m benchmarks.classifiers                    trains all of them, one after the other
python -m benchmarks.classifiers vgg                trains this one alone; the table keeps what it has of the others
python -m benchmarks.classifiers resnet --resume    goes on where it stopped; done at once when it had ended

On the full set where it is found (as `tinydl train NAME --data fashion_mnist --source full` finds it), else on
Fashion-2k. Each is trained as `tinydl train NAME` trains it, for the epochs given here, on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.classifiers_report import chart, table
from benchmarks.provenance import provenance
from tinydl.data import sources
from tinydl.kernels.threads import limited
from tinydl.models import MLP
from tinydl.nn.module import summary
from tinydl.recipes import Options, alexnet, lenet, mlp, resnet, vgg
from tinydl.recipes.classify import Settings, classify

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Network:
    """A row of the table: what is trained, for how many epochs on all images and on Fashion-2k."""

    title: str
    settings: Settings
    epochs: dict[str, int]
    batch_size: int


LINEAR = replace(mlp.ON_CLOTHES, build=lambda generator: MLP((784, 10), generator=generator))
NETWORKS = {
    "linear": Network("linear (no hidden layer)", LINEAR, {"full": 5, "embedded": 40}, 64),
    "mlp": Network("MLP 784-256-128-10", mlp.ON_CLOTHES, {"full": 10, "embedded": 40}, 64),
    "lenet": Network("LeNet-5", lenet.ON_CLOTHES, {"full": 15, "embedded": 40}, 64),
    "alexnet": Network("small AlexNet", alexnet.ON_CLOTHES, {"full": 8, "embedded": 15}, 64),
    "vgg": Network("small VGG", vgg.ON_CLOTHES, {"full": 8, "embedded": 15}, 64),
    "resnet": Network("ResNet-20", resnet.ON_CLOTHES, {"full": 8, "embedded": 10}, 128),
}


def measured(name: str, source: Literal["embedded", "full"], runs: Path, resume: bool) -> dict[str, Any]:
    """Trains one network, or goes on with it: its figures, without the folder that its data lie in."""
    network = NETWORKS[name]
    options = Options(
        out=runs / name,
        epochs=network.epochs[source],
        batch_size=network.batch_size,
        data="fashion_mnist",
        source=source,
        resume=resume,
        progress=False,
    )
    with limited(1):
        result = classify(options, network.settings)
    total = summary(result.model, result.test_inputs.shape[1:]).splitlines()[-1].split()[-1]
    figures = {key: value for key, value in result.metrics.items() if key != "data"}
    return {
        "title": network.title,
        "command": f"python -m benchmarks.classifiers {name}",
        **figures,
        "multiply_adds": int(total.replace(",", "")),
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "seed": options.seed,
        **provenance(),
    }


def merged(rows: dict[str, Any], name: str, row: dict[str, Any]) -> dict[str, Any]:
    """The rows with this one, in the order of the table; those that were measured on other images go."""
    kept = {key: old for key, old in rows.items() if old["test_name"] == row["test_name"]} | {name: row}
    return {key: kept[key] for key in NETWORKS if key in kept}


def stored() -> dict[str, Any]:
    """The rows that were measured so far."""
    path = RESULTS / "classifiers.json"
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return rows


def report(rows: dict[str, Any]) -> None:
    """Writes classifiers.json, .md and .png, with what `python -m benchmarks.resnet_torch` found."""
    path, torch = RESULTS / "classifiers.json", RESULTS / "resnet_torch.json"
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    found = json.loads(torch.read_text(encoding="utf-8")) if torch.exists() else {}
    path.with_suffix(".md").write_text(table(rows, found), encoding="utf-8")
    chart(rows, path.with_suffix(".png"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the networks that are named, or all, and writes classifiers.json, .md and .png after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints below the folder")
    parser.add_argument("--runs", type=Path, default=Path("runs/classifiers"), help="folder for checkpoints")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(NETWORKS)):
        parser.error(f"{', '.join(unknown)} unknown; there are {', '.join(NETWORKS)}")
    source: Literal["embedded", "full"] = "full" if sources.find_full(sources.FASHION_MNIST) else "embedded"
    for name in asked.names or NETWORKS:
        row = measured(name, source, asked.runs, asked.resume)
        report(merged(stored(), name, row))


if __name__ == "__main__":
    main()
