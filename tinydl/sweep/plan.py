"""What a sweep tries: networks, and the grid of their hyperparameters."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

from tinydl.data.augment import RandomHorizontalFlip
from tinydl.models import MLP, SmallAlexNet, SmallVGG
from tinydl.nn import Module
from tinydl.random import Generator
from tinydl.recipes import alexnet, lenet, mlp, resnet, vgg
from tinydl.recipes.classify import Settings

Values: TypeAlias = dict[str, float]  # of the hyperparameters that are tried, by name


@dataclass(frozen=True)
class Network:
    """A network of `tinydl train`, with what can be varied beyond the learning rate, the batch size and the epochs."""

    digits: Settings
    clothes: Settings
    own: tuple[str, ...] = ()
    build: Callable[..., Module] | None = None  # (generator, **own)

    def settings(self, data: str, values: Values) -> Settings:
        """The settings of the recipe, with these values instead of what was chosen there."""
        settings = self.clothes if data == "fashion_mnist" else self.digits
        own = {name: values[name] for name in self.own if name in values}
        if self.build is not None and own:
            settings = dataclasses.replace(settings, build=partial(self.build, **own))
        return dataclasses.replace(settings, max_lr=values.get("lr", settings.max_lr))


def _mlp(generator: Generator, width: int) -> Module:
    return MLP((784, width, max(1, width // 2), 10), generator=generator)


def _alexnet(generator: Generator, width: int = 256, dropout: float = 0.5) -> Module:
    return SmallAlexNet(hidden=width, dropout=dropout, generator=generator)


def _vgg(generator: Generator, width: int = 128, dropout: float = 0.5) -> Module:
    return SmallVGG(hidden=width, dropout=dropout, generator=generator)


_TANH, _RELU = lenet.SETTINGS, lenet.ON_CLOTHES
NETWORKS = {
    "mlp": Network(mlp.SETTINGS, mlp.ON_CLOTHES, ("width",), _mlp),
    "lenet": Network(_TANH, dataclasses.replace(_TANH, transform=RandomHorizontalFlip())),
    "lenet-relu": Network(dataclasses.replace(_RELU, transform=_TANH.transform), _RELU),
    "alexnet": Network(alexnet.SETTINGS, alexnet.ON_CLOTHES, ("width", "dropout"), _alexnet),
    "vgg": Network(vgg.SETTINGS, vgg.ON_CLOTHES, ("width", "dropout"), _vgg),
    "resnet": Network(resnet.SETTINGS, resnet.ON_CLOTHES),
}
WORDS = {
    "lr": "highest learning rate",
    "batch-size": "batch size",
    "epochs": "epochs",
    "width": "units of the first dense layer",
    "dropout": "dropout",
}
WHOLE = ("batch-size", "epochs", "width")
DEFAULT_NETWORKS = ("mlp", "lenet", "lenet-relu")
DEFAULT_GRID: dict[str, tuple[float, ...]] = {"lr": (0.0003, 0.001, 0.003, 0.01, 0.03)}


def parse_values(text: str) -> tuple[str, tuple[float, ...]]:
    """A hyperparameter and its values, from "lr=0.001,0.003": raises ValueError for what is no such text."""
    name, equals, listed = text.partition("=")
    if name not in WORDS or not equals:
        raise ValueError(f"expected NAME=VALUE,VALUE,..., with a NAME among {', '.join(WORDS)}, got {text!r}")
    values = tuple(_value(name, part.strip()) for part in listed.split(","))
    if len(set(values)) < len(values):
        raise ValueError(f"expected every value of {name} once, got {listed!r}")
    return name, values


def _value(name: str, text: str) -> float:
    try:
        value = int(text) if name in WHOLE else float(text)
    except ValueError:
        kind = "an integer" if name in WHOLE else "a number"
        raise ValueError(f"expected {kind} as a value of {name}, got {text!r}") from None
    if name == "dropout":
        if not 0 <= value < 1:
            raise ValueError(f"expected a dropout of 0 or more and below 1, got {text!r}")
    elif not (0 < value < math.inf):
        raise ValueError(f"expected values of {name} above 0, got {text!r}")
    return value


@dataclass(frozen=True)
class Plan:
    """What a sweep does. Two sweeps with equal plans give the same bits.

    Raises ValueError for no networks, unknown ones, no values, and hyperparameters that a network does not have.
    """

    networks: tuple[str, ...] = DEFAULT_NETWORKS
    grid: dict[str, tuple[float, ...]] = field(default_factory=lambda: dict(DEFAULT_GRID))
    epochs: int = 10
    batch_size: int = 64
    seed: int = 0
    data: str = "mnist"
    source: Literal["embedded", "full"] = "embedded"

    def __post_init__(self) -> None:
        if not self.networks or not self.grid or not all(self.grid.values()):
            raise ValueError("sweep: expected one network or more, and a grid with one value or more")
        if len(set(self.networks)) < len(self.networks):
            raise ValueError(f"sweep: expected every network once, got {' '.join(self.networks)}")
        for name in self.networks:
            if name not in NETWORKS:
                raise ValueError(f"sweep: unknown network {name!r}; there are {', '.join(NETWORKS)}")
            for hyperparameter in self.grid:
                if hyperparameter in ("width", "dropout") and hyperparameter not in NETWORKS[name].own:
                    having = [n for n, network in NETWORKS.items() if hyperparameter in network.own]
                    raise ValueError(f"sweep: {name} has no {hyperparameter}; {', '.join(having)} have one")

    def cells(self) -> list[Values]:
        """Every choice of values: each is tried with each network."""
        return [
            dict(zip(self.grid, choice, strict=True)) for choice in itertools.product(*self.grid.values())
        ]

    def facts(self) -> dict[str, Any]:
        """The plan as JSON says it."""
        return {
            **dataclasses.asdict(self),
            "networks": list(self.networks),
            "grid": {name: list(values) for name, values in self.grid.items()},
        }

    def command(self) -> str:
        """The command that asks for this plan."""
        grid = " ".join(
            f"--grid {name}={','.join(map(shortest, values))}" for name, values in self.grid.items()
        )
        return (
            f"tinydl sweep {' '.join(self.networks)} {grid} --epochs {self.epochs} "
            f"--batch-size {self.batch_size} --seed {self.seed} --data {self.data} --source {self.source}"
        )


def said(values: Values) -> str:
    """Values as a folder and a line of text name them: lr=0.003."""
    return " ".join(f"{name}={shortest(value)}" for name, value in values.items())


def shortest(value: float) -> str:
    """The number as people write it, and such that no other has the same text."""
    text = f"{value:g}"
    return text if float(text) == value else repr(value)
