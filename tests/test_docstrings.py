"""Public docstrings say what goes in and what is refused: shapes or dtypes, and what raises."""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import tinydl as td
from tinydl import errors, serialization

MODULES = (
    td, td.functional, td.losses, td.nn, td.optim, td.metrics, td.init, td.plot, td.explain, td.train, td.data,
    td.data.augment, td.testing
)  # fmt: skip
ARRAYS = re.compile(r"\b(Tensors?|Parameter|Array|ArrayLike|NDArray|ndarray)\b")
ERRORS = re.compile(r"\b(raises?|refuses)\b", re.IGNORECASE)
SHAPES = re.compile(
    r"\b(shapes?|dtypes?|float32|float64|u?int\d+|integers|booleans?)\b"
    r"|\((N|C|H|M|\w+,|\.\.\.,)[^()]*\)",  # (N, C, ...), (out, in), (N,)
    re.IGNORECASE,
)
NOT_ASKED = {
    "tinydl.Device.asarray",  # what operations use, not users; any array is taken
    "tinydl.Device.to_host",
    "tinydl.nn.Module.parameters",  # they walk the tree: any shape, and nothing can be raised
    "tinydl.nn.Module.named_parameters",
    "tinydl.nn.Module.named_buffers",
    "tinydl.nn.Module.multiply_adds",  # asked by `summary` with what went in and came out
}


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The names that a module promises; of those without a list, the functions that it defines."""
    for name in getattr(module, "__all__", vars(module)):
        thing = getattr(module, name)
        here = hasattr(module, "__all__") or getattr(thing, "__module__", "") == module.__name__
        if here and not name.startswith("_") and callable(thing) and not isinstance(thing, ModuleType):
            yield f"{module.__name__}.{name}", thing


def methods(name: str, cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class is the first to have."""
    for part, method in vars(cls).items():
        function = method.fget if isinstance(method, property) else method
        in_its_class = part == "forward" or cls is td.Op  # described in the text of the class
        inherited = any(part in vars(base) for base in cls.__mro__[1:])  # described in the base
        if inspect.isfunction(function) and not (part.startswith("_") or in_its_class or inherited):
            yield f"{name}.{part}", function


def takes_or_gives_arrays(thing: Any) -> bool:
    """Whether an annotation of a function names tensors or arrays: for a class, of what makes and calls it."""
    functions = [thing]
    if isinstance(thing, type):
        functions = [getattr(thing, name, None) for name in ("__init__", "forward", "__call__", "__iter__")]
    texts = [a for f in functions for a in getattr(f, "__annotations__", {}).values()]
    return any(ARRAYS.search(str(text)) for text in texts)


THINGS = {name: thing for module in MODULES for name, thing in public(module)}
CLASSES = {name: thing for name, thing in THINGS.items() if isinstance(thing, type)}
METHODS = {name: method for owner, cls in CLASSES.items() for name, method in methods(owner, cls)}
ALL = THINGS | METHODS
OF_ARRAYS = {
    name: thing for name, thing in ALL.items() if takes_or_gives_arrays(thing) and name not in NOT_ASKED
}


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_it_says_what_raises_and_names_shapes_or_dtypes(name: str) -> None:
    doc = OF_ARRAYS[name].__doc__ or ""
    assert ERRORS.search(doc), f"{name} does not say what raises:\n{doc}"
    assert SHAPES.search(doc), f"{name} names neither shapes nor dtypes:\n{doc}"


@pytest.mark.parametrize("name", ALL)
def test_the_errors_that_are_named_exist(name: str) -> None:
    known = {**vars(builtins), **vars(errors), **vars(serialization), **vars(td.data), **vars(td.testing)}
    for error in re.findall(r"\b[A-Z]\w*Error\b", ALL[name].__doc__ or ""):
        assert issubclass(known[error], Exception), error


def test_what_a_tensor_is_made_of_is_described() -> None:
    for name in ("shape", "ndim", "size", "dtype", "is_leaf", "requires_grad", "grad", "data"):
        assert getattr(td.Tensor, name).__doc__, name
    assert "device" in (td.Tensor.__doc__ or "")  # an attribute of its own, not a property


def test_the_walk_finds_what_users_call() -> None:
    found = {name.removeprefix("tinydl.") for name in OF_ARRAYS}
    for name in ("zeros", "exp", "functional.conv2d", "losses.mse", "nn.Dense", "optim.Adam", "metrics.psnr",
                 "init.orthogonal", "plot.images", "train.Trainer.predict", "data.TensorDataset",
                 "testing.memory_order", "Tensor.numpy", "nn.Module.state_dict", "Generator.normal"):  # fmt: skip
        assert name in found, name
    assert len(found) > 150
    assert all(name in ALL for name in NOT_ASKED)
