"""Errors begin with the name of who raises them, and are of the types that people catch."""

from __future__ import annotations

import pickle

import pytest

import tinydl as td
from tinydl.errors import NamedError


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (td.ShapeError, ValueError),
        (td.DTypeError, TypeError),
        (td.DeviceError, RuntimeError),
        (td.GraphError, RuntimeError),
    ],
)
def test_errors_are_of_the_usual_types_and_say_who(error: type[NamedError], base: type[Exception]) -> None:
    raised = error("add", "shapes do not fit")
    assert isinstance(raised, base)
    assert isinstance(raised, NamedError)
    assert str(raised) == "add: shapes do not fit"
    assert (raised.who, raised.what) == ("add", "shapes do not fit")


def test_a_layer_may_put_its_name_there() -> None:
    raised = td.ShapeError("conv2d", "no")
    raised.who = "Conv2d(1, 2)"
    assert str(raised) == "Conv2d(1, 2): no"


def test_errors_can_be_pickled() -> None:
    back = pickle.loads(pickle.dumps(td.ShapeError("add", "no")))
    assert isinstance(back, td.ShapeError)
    assert str(back) == "add: no"
