"""Checkpoints: one safetensors file with everything that training needs to go on.

Arrays are named "model/...", "callbacks/..." and "optimizer/..." (a trainer with several optimisers names them);
numbers, the history and the places of the random generators stand as JSON in the file's metadata.
`tinydl.load(path)` reads it like any other file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinydl.nn.module import Module
from tinydl.random import Generator, as_generator
from tinydl.serialization import FileError, load_with_metadata, save
from tinydl.train.history import History

if TYPE_CHECKING:
    from tinydl.train.trainer import Trainer

FORMAT = "1"
Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]]


def save_checkpoint(path: str | os.PathLike[str], trainer: Trainer) -> None:
    """Writes the state of a trainer into one file, atomically. Raises OSError when it can't be written."""
    arrays, facts = _state(trainer)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save(arrays, path, {"tinydl_checkpoint": FORMAT, "facts": json.dumps(facts)})


def load_checkpoint(path: str | os.PathLike[str], trainer: Trainer) -> None:
    """Puts a trainer into the state of a checkpoint.

    Raises: FileNotFoundError; ValueError for a damaged or foreign file, or one of another optimiser or
    schedule; KeyError or ValueError that lists the differences for one of another network. The trainer is
    as it was then.
    """
    arrays, facts = read_checkpoint(path)
    name = os.fspath(path)
    before = _state(trainer)
    _set_model(name, trainer.model, arrays)  # first of all: another network differs in the rest as well
    try:
        if (trainer.schedule is None) != (facts["schedule"] is None):
            raise ValueError(f"trained {'with' if facts['schedule'] else 'without'} a schedule")
        _set_rest(trainer, arrays, facts)
        if not _alike(before[1], _state(trainer)[1], ("schedule", *trainer.optimizers())):
            raise TypeError("text where numbers belong")
    except BaseException as error:
        trainer.model.load_state_dict(_under("model/", before[0]))
        _set_rest(trainer, *before)
        if isinstance(error, ValueError):
            raise FileError(f"{name}: {error}") from error
        if isinstance(error, TypeError | LookupError | AttributeError | ArithmeticError):
            raise FileError(f"{name}: a damaged checkpoint ({type(error).__name__}: {error})") from error
        raise


def load_model(path: str | os.PathLike[str], model: Module) -> None:
    """Puts the parameters and buffers of a checkpoint into a model of the same structure."""
    _set_model(os.fspath(path), model, read_checkpoint(path)[0])


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the facts of a checkpoint file; raises ValueError when it is none."""
    arrays, metadata = load_with_metadata(path)
    if metadata.get("tinydl_checkpoint") != FORMAT:
        raise FileError(
            f"{os.fspath(path)}: a safetensors file, but not a checkpoint of this version of tinydl"
        )
    try:
        facts = json.loads(metadata["facts"])
        for name in ("optimizer", "schedule", "callbacks", "generators", "history", "first_epoch"):
            facts[name]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FileError(f"{os.fspath(path)}: a damaged checkpoint ({error})") from error
    return arrays, facts


def _state(trainer: Trainer) -> tuple[Arrays, dict[str, Any]]:
    """Everything that training needs to go on: arrays by name, and what can stand in JSON."""
    arrays = {f"model/{name}": array for name, array in trainer.model.state_dict().items()}
    facts: dict[str, Any] = {}
    for role, optimizer in trainer.optimizers().items():
        facts[role] = optimizer.state_dict()
        arrays |= {f"{role}/{name}": array for name, array in facts[role].pop("buffers").items()}
    callbacks = []
    for i, callback in enumerate(trainer.callbacks):
        state = callback.state_dict()
        arrays |= {f"callbacks/{i}/{k}": v for k, v in state.items() if isinstance(v, np.ndarray)}
        callbacks.append({k: v for k, v in state.items() if not isinstance(v, np.ndarray)})
    facts |= {
        "schedule": trainer.schedule.state_dict() if trainer.schedule is not None else None,
        "callbacks": callbacks,
        "generators": {name: g.get_state() for name, g in _generators(trainer).items()},
        "history": trainer.history.rows,
        "first_epoch": trainer.first_epoch,
    }
    return arrays, facts


def _set_model(name: str, model: Module, arrays: Arrays) -> None:
    """Puts parameters and buffers into the model; all of them or, with an error that names the file, none."""
    try:
        model.load_state_dict(_under("model/", arrays))
    except KeyError as error:
        raise KeyError(f"{name}: {error.args[0]}") from error
    except ValueError as error:
        raise FileError(f"{name}: {error}") from error


def _set_rest(trainer: Trainer, arrays: Arrays, facts: dict[str, Any]) -> None:
    """Puts everything but the model's parameters and buffers into the trainer."""
    for role, optimizer in trainer.optimizers().items():
        if role not in facts:
            raise ValueError(f"trained without a {role.replace('_', ' ')}")
        buffers = _under(f"{role}/", arrays)
        if any(a.dtype.kind != "f" for a in buffers.values()):
            raise TypeError("the optimiser's buffers are not floats")
        optimizer.load_state_dict({**facts[role], "buffers": buffers})
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(facts["schedule"])
    for i, (callback, state) in enumerate(zip(trainer.callbacks, facts["callbacks"], strict=False)):
        callback.load_state_dict({**state, **_under(f"callbacks/{i}/", arrays)})
    for name, generator in _generators(trainer).items():
        if name in facts["generators"]:
            generator.set_state(facts["generators"][name])
    rows, first = facts["history"], facts["first_epoch"]
    if not all(isinstance(value, int | float) for row in rows for value in row.values()):
        raise TypeError("a history of something else than numbers")
    if not (isinstance(first, int) and 0 <= first <= len(rows)):
        raise ValueError(f"a first epoch of {first!r} in a history of {len(rows)}")
    trainer.history, trainer.first_epoch = History(rows), first


def _alike(own: Any, other: Any, names: tuple[str, ...]) -> bool:
    """Whether numbers stand where numbers should, in the facts of these names."""

    def kinds(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: kinds(v) for name, v in value.items()}
        if isinstance(value, list | tuple):
            return [kinds(v) for v in value]
        return float if isinstance(value, int | float) else type(value)

    return all(kinds(own[name]) == kinds(other[name]) for name in names)


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _generators(trainer: Trainer) -> dict[str, Generator]:
    """Every generator that training draws from, by a name that a later process finds again."""
    found = {"default": as_generator(None)}
    if trainer.loader is not None:
        found["loader"] = trainer.loader.generator
    for name, module in trainer.model.named_modules():
        generator = vars(module).get("generator")
        if isinstance(generator, Generator):
            found[f"model.{name}"] = generator
    return found
