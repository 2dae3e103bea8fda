"""Errors that begin with the name of the op or layer that raises them."""

from __future__ import annotations


class NamedError(Exception):
    """`who: what`, where `who` is an op until the layer that called it puts its own name there."""

    def __init__(self, who: str, what: str) -> None:
        super().__init__(who, what)
        self.who = who
        self.what = what
        self.named_by_layer = False

    def __str__(self) -> str:
        return f"{self.who}: {self.what}"


class ShapeError(NamedError, ValueError):
    """Shapes that do not fit each other or the op."""


class DTypeError(NamedError, TypeError):
    """A dtype that the op can't take, or dtypes that must not be mixed."""


class DeviceError(NamedError, RuntimeError):
    """Tensors on different devices, or a device that can't be used."""


class GraphError(NamedError, RuntimeError):
    """A backward pass that can't be made, with what to do instead."""
