"""What recipes share: their options, and the files they write."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from tinydl.serialization import write_atomically
from tinydl.train import Callback
from tinydl.version import VERSION

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Options:
    """What a user chose for a run."""

    out: Path
    epochs: int
    batch_size: int
    seed: int = 0
    data: str = "mnist"
    source: Literal["embedded", "full"] = "embedded"
    device: str = "cpu"
    resume: bool = False
    progress: bool = True

    @property
    def checkpoint(self) -> Path:
        """Where the run keeps its state."""
        return self.out / CHECKPOINT

    def resume_from(self) -> Path | None:
        """The checkpoint to go on from; raises FileNotFoundError when one was asked for and there is none."""
        if not self.resume:
            return None
        if not self.checkpoint.exists():
            raise FileNotFoundError(
                f"--resume: there is no {self.checkpoint}; leave --resume out to start anew"
            )
        return self.checkpoint

    def parts(self, *names: str) -> list[Options]:
        """Options for networks that one run trains one after the other: each has a folder of its own below `out`.

        Those that a resumed run had not begun yet start anew; raises FileNotFoundError when it had begun none.
        """
        parts = [replace(self, out=self.out / name) for name in names]
        parts[0].resume_from()
        return [replace(part, resume=self.resume and part.checkpoint.exists()) for part in parts]


class SameRun(Callback):
    """Lets a checkpoint be resumed only as the run that it belongs to.

    With another seed the network would have seen its validation images, with another batch size or number of
    epochs the schedule would jump. List it before the Checkpoint.
    """

    def __init__(self, options: Options) -> None:
        self.settings = {
            name: getattr(options, name) for name in ("epochs", "batch_size", "seed", "data", "source")
        }

    def state_dict(self) -> dict[str, Any]:
        return dict(self.settings)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        begun = [
            f"--{name.replace('_', '-')} {state.get(name)}"
            for name, value in self.settings.items()
            if state.get(name) != value
        ]
        if begun:
            raise ValueError(
                f"this run was begun with {' '.join(begun)}; give the same, or leave --resume out to start anew"
            )


@dataclass(frozen=True)
class Recipe:
    """A network, its data and the settings that were chosen for it.

    `run` trains, writes pictures and checkpoint into `options.out`, and returns the numbers for metrics.json.
    """

    name: str
    summary: str
    epochs: int
    batch_size: int
    run: Callable[[Options], dict[str, Any]]
    images: bool = False  # whether --data and --source choose its images


def write_metrics(options: Options, metrics: dict[str, Any]) -> None:
    """Writes metrics.json: the numbers of the run, its seed, and the versions that they depend on."""
    facts = {
        **metrics,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "seed": options.seed,
        "device": options.device,
        "versions": versions(),
    }
    text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
    write_atomically(options.out / "metrics.json", text.encode())


def versions() -> dict[str, str]:
    """The versions that bits and seconds depend on."""
    packages = {name: version(name) for name in ("numpy", "pillow", "matplotlib", "safetensors")}
    return {
        "tinydl": VERSION,
        "python": platform.python_version(),
        **packages,
        "machine": platform.machine(),
    }
