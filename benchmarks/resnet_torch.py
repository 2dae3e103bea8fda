"""ResNet-20 in PyTorch, trained as `python -m benchmarks.classifiers resnet` trains it: what it takes there.

python -m benchmarks.resnet_torch              the whole training
python -m benchmarks.resnet_torch --steps 20   so many steps of both, taken in turn

The same split, first weights, batches, augmentation, optimiser and schedule, on one thread. Writes
benchmarks/results/resnet_torch.json, and classifiers.md anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch.nn.functional import cross_entropy, max_pool2d, pad, relu

from benchmarks import classifiers
from benchmarks.provenance import provenance
from tinydl.data import sources, train_validation_test_split
from tinydl.data.images import ImageSet
from tinydl.data.loader import DataLoader
from tinydl.kernels.threads import limited
from tinydl.random import Generator
from tinydl.recipes.classify import DATA
from tinydl.train import Trainer

NETWORK = classifiers.NETWORKS["resnet"]
PATH = classifiers.RESULTS / "resnet_torch.json"


class Block(torch.nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut without weights."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.more = width - inputs
        self.conv1 = torch.nn.Conv2d(inputs, width, 3, 2 if self.more else 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)

    def forward(self, x: Any) -> Any:
        f = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = pad(max_pool2d(x, 1, stride=2), (0, 0, 0, 0, 0, self.more))
        return relu(f + x)


class ResNet20(torch.nn.Module):
    """tinydl's `CifarResNet(20, channels=1)`, by the same names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(1, 16, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = (
            torch.nn.Sequential(Block(inputs, width), Block(width, width), Block(width, width))
            for inputs, width in ((16, 16), (16, 32), (32, 64))
        )
        self.fc = torch.nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        x = self.layer3(self.layer2(self.layer1(relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


class Twins:
    """ResNet-20 in both libraries before its first step, and what both are trained on."""

    def __init__(self, data: ImageSet, epochs: int, batch_size: int) -> None:
        settings, generator = NETWORK.settings, Generator(0)
        x, y = settings.prepare(data.train.images), data.train.labels
        train, validation, _ = train_validation_test_split(
            x, y, fractions=(0.9, 0.1, 0.0), stratify=y, generator=generator.fork()
        )
        self.train = DataLoader(
            train, batch_size, shuffle=True, generator=generator.fork(), transform=settings.transform
        )
        self.validation = DataLoader(validation, 250)
        self.tinydl: Trainer = settings.trainer(self.train, epochs, generator.fork(), progress=False)
        self.pytorch = ResNet20()
        state = self.tinydl.model.state_dict()
        self.pytorch.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        ours: Any = self.tinydl.optimizer
        self.optimizer = torch.optim.SGD(
            self.pytorch.parameters(), ours.lr, ours.momentum, 0.0, ours.weight_decay, ours.nesterov
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings.max_lr, epochs * len(self.train), cycle_momentum=False
        )

    def pytorch_step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """One step; returns the loss before it."""
        loss = cross_entropy(self.pytorch(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def accuracy(self, data: DataLoader) -> float:
        """Of PyTorch's network."""
        self.pytorch.eval()
        with torch.no_grad():
            right = [
                (self.pytorch(torch.from_numpy(x.numpy())).argmax(1).numpy() == y.numpy()).sum()
                for x, y in data
            ]
        self.pytorch.train()
        return float(sum(right)) / sum(len(y) for _, y in data)


def training(data: ImageSet, epochs: int, batch_size: int) -> dict[str, Any]:
    """Trains PyTorch's network and measures it once on the test part."""
    twins = Twins(data, epochs, batch_size)
    start = time.perf_counter(), time.process_time()
    for epoch in range(epochs):
        losses = [
            twins.pytorch_step(torch.from_numpy(x.numpy()), torch.from_numpy(y.numpy()))
            for x, y in twins.train
        ]
        accuracy = twins.accuracy(twins.validation)
        print(
            f"epoch {epoch + 1}: loss {statistics.fmean(losses):.3f}, validation {accuracy:.2%}", flush=True
        )
    seconds, cpu_seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    test = NETWORK.settings.prepare(data.test.images), data.test.labels
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "validation_accuracy": accuracy,
        "test_accuracy": twins.accuracy(DataLoader(test, 250)),
        "test_name": data.test_name,
        **origin(),
    }


def in_turn(data: ImageSet, steps: int, batch_size: int) -> dict[str, Any]:
    """The median seconds of a step of each library, taken in turn on the same batches, after two of each."""
    twins = Twins(data, 1, batch_size)
    taken: dict[str, list[tuple[float, float]]] = {"pytorch": [], "tinydl": []}
    for number, (x, y) in zip(range(steps + 2), twins.train, strict=False):
        theirs = torch.from_numpy(x.numpy()), torch.from_numpy(y.numpy())
        works: dict[str, Callable[[], object]] = {
            "pytorch": partial(twins.pytorch_step, *theirs),
            "tinydl": partial(twins.tinydl.step, x, y),
        }
        for name, work in works.items():
            start = time.perf_counter(), time.process_time()
            work()
            if number >= 2:
                taken[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    medians = {
        name: {
            "seconds": statistics.median(wall for wall, _ in pairs),
            "cpu_seconds": statistics.median(cpu for _, cpu in pairs),
        }
        for name, pairs in taken.items()
    }
    return {"steps": steps, "batch_size": batch_size, **medians, **origin()}


def origin() -> dict[str, Any]:
    """Where the figures come from."""
    return {**provenance(), "torch": torch.__version__, "torch_threads": torch.get_num_threads()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, or takes steps in turn, and writes the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, help="take so many steps of both in turn instead of training")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    source: Literal["embedded", "full"] = "full" if sources.find_full(sources.FASHION_MNIST) else "embedded"
    data = DATA["fashion_mnist"].load(source)
    with limited(1):
        if asked.steps is None:
            found = {"training": training(data, NETWORK.epochs[source], NETWORK.batch_size)}
        else:
            found = {"steps": in_turn(data, asked.steps, NETWORK.batch_size)}
    before = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    PATH.write_text(json.dumps(before | found, indent=2) + "\n", encoding="utf-8")
    if rows := classifiers.stored():
        classifiers.report(rows)


if __name__ == "__main__":
    main()
