"""Axes and keys: valid for the shape, every kind of them, small when shrunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.testing import strategies

# ---- axes


@given(st.data())
def test_axes_are_valid(data: Any) -> None:
    ndim = data.draw(st.integers(0, 4))
    x = np.zeros((2,) * ndim)
    x.sum(axis=data.draw(strategies.axes(ndim)))  # NumPy knows which are
    if ndim:
        x.sum(axis=data.draw(strategies.axis(ndim)))


AXES: dict[str, Callable[[Any], bool]] = {
    "None": lambda a: a is None,
    "the first": lambda a: a == 0,
    "the last from the back": lambda a: a == -1,
    "the first from the back": lambda a: a == -3,
    "no axis": lambda a: a == (),
    "one axis in a tuple, from the back": lambda a: a in ((-1,), (-2,), (-3,)),
    "out of order": lambda a: isinstance(a, tuple) and [i % 3 for i in a] != sorted(i % 3 for i in a),
    "counted from both ends": lambda a: isinstance(a, tuple) and len(a) > 1 and min(a) < 0 <= max(a),
    "all": lambda a: isinstance(a, tuple) and len(a) == 3,
}


@pytest.fixture(scope="module")
def three_axes(examples: Any) -> Any:
    return examples(strategies.axes(3))


@pytest.mark.parametrize("edge", AXES)
def test_axes_reach(edge: str, three_axes: list[Any]) -> None:
    assert any(map(AXES[edge], three_axes))


def test_axes_shrink(smallest: Any, examples: Any) -> None:
    some = strategies.axes(3)
    assert smallest(some) is None
    assert smallest(some, lambda a: a is not None) == 0
    assert smallest(some, lambda a: isinstance(a, int) and a < 0) == -1
    assert smallest(some, lambda a: isinstance(a, tuple)) == ()
    assert smallest(some, lambda a: isinstance(a, tuple) and len(a) == 2) == (0, 1)
    assert smallest(strategies.axis(3)) == 0
    assert set(examples(strategies.axis(3))) == {-3, -2, -1, 0, 1, 2}
    assert set(examples(strategies.axes(0))) == {None, ()}


# ---- keys


def parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def places(key: Any) -> list[Any]:
    """The integer arrays of a key; lists, too."""
    found = [np.array(p, np.int64) for p in parts(key) if isinstance(p, list)]
    return found + [p for p in parts(key) if isinstance(p, np.ndarray) and p.dtype != bool]


def masks(key: Any) -> list[Any]:
    return [p for p in parts(key) if isinstance(p, np.ndarray) and p.dtype == bool]


def slices(key: Any) -> list[slice]:
    return [p for p in parts(key) if isinstance(p, slice)]


def integers(key: Any) -> list[int]:
    return [p for p in parts(key) if isinstance(p, int)]


KINDS = {
    "basic": strategies.basic_indices,
    "advanced": strategies.advanced_indices,
    "all": strategies.indices,
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_keys_are_valid(kind: str, data: Any) -> None:
    """NumPy and tinydl read the same, on the strict device as well."""
    shape = data.draw(strategies.shapes())
    key = data.draw(KINDS[kind](shape))
    values = np.arange(float(np.prod(shape))).reshape(shape)
    want = values[key]
    for device in ("cpu", "strict"):
        assert np.array_equal(td.tensor(values, device=device)[key].to("cpu").numpy(), want)
    assert (len(places(key)) + len(masks(key)) > 0) == (kind == "advanced") or kind == "all"


BASIC: dict[str, Callable[[Any], bool]] = {
    "None": lambda k: None in parts(k),
    "None twice": lambda k: parts(k).count(None) == 2,
    "None behind an axis": lambda k: None in parts(k)[1:] and parts(k)[0] not in (None, Ellipsis),
    "Ellipsis first": lambda k: len(parts(k)) > 1 and parts(k)[0] is Ellipsis,
    "Ellipsis in the middle": lambda k: Ellipsis in parts(k)[1:-1],
    "Ellipsis for no axis": lambda k: Ellipsis in parts(k) and len(slices(k)) + len(integers(k)) == 3,
    "Ellipsis for two axes": lambda k: Ellipsis in parts(k) and len(slices(k)) + len(integers(k)) == 1,
    "negative step": lambda k: any((s.step or 1) < 0 for s in slices(k)),
    "step of 2 or more": lambda k: any((s.step or 1) > 1 for s in slices(k)),
    "negative bound": lambda k: any((s.start or 0) < 0 or (s.stop or 0) < 0 for s in slices(k)),
    "a slice with nothing in it": lambda k: 0 in np.zeros((3, 4, 2))[k].shape,
    "negative integer": lambda k: any(i < 0 for i in integers(k)),
    "axes left out": lambda k: Ellipsis not in parts(k) and len(parts(k)) - parts(k).count(None) < 3,
    "no part": lambda k: k == (),
    "bare": lambda k: not isinstance(k, tuple),
    "one part in a tuple": lambda k: isinstance(k, tuple) and len(k) == 1,
    "one element": lambda k: np.zeros((3, 4, 2))[k].shape == (),
}
ADVANCED: dict[str, Callable[[Any], bool]] = {
    "repeated index": lambda k: any(len(set(a.flat)) < a.size for a in places(k)),
    "indices from both ends": lambda k: any(a.size and a.min() < 0 <= a.max() for a in places(k)),
    "negative index": lambda k: any(a.size and a.min() < 0 for a in places(k)),
    "no index": lambda k: any(a.size == 0 for a in places(k)),
    "an empty list": lambda k: [] in [p for p in parts(k) if isinstance(p, list)],
    "a list": lambda k: any(isinstance(p, list) and len(p) > 1 for p in parts(k)),
    "a list, bare": lambda k: isinstance(k, list),
    "two axes of indices": lambda k: any(a.ndim == 2 and a.size > 1 for a in places(k)),
    "two arrays": lambda k: len(places(k)) == 2,
    "three arrays": lambda k: len(places(k)) == 3,
    "arrays that broadcast": lambda k: len({a.shape for a in places(k) if a.size}) > 1,
    "arrays apart": lambda k: len(places(k)) == 2 and isinstance(parts(k)[1], slice) and len(parts(k)) == 3,
    "an array and an integer": lambda k: len(places(k)) > 0 and len(integers(k)) > 0,
    "an array and a negative step": lambda k: (
        len(places(k)) > 0 and any((s.step or 1) < 0 for s in slices(k))
    ),
    "an array and Ellipsis": lambda k: len(places(k)) > 0 and any(p is Ellipsis for p in parts(k)),
    "an array and None": lambda k: len(places(k)) > 0 and any(p is None for p in parts(k)),
    "a mask of all axes": lambda k: any(m.shape == (3, 4, 2) for m in masks(k)),
    "a mask of the last axis": lambda k: any(m.shape == (2,) for m in masks(k)),
    "a mask of two axes": lambda k: any(m.shape == (3, 4) for m in masks(k)),
    "a mask, 0-d": lambda k: any(m.shape == () for m in masks(k)),
    "a mask, nothing True": lambda k: any(m.ndim and not m.any() for m in masks(k)),
    "a mask, all True": lambda k: any(m.ndim and m.all() for m in masks(k)),
    "a mask and an integer": lambda k: len(masks(k)) > 0 and len(integers(k)) > 0,
    "a mask, bare": lambda k: isinstance(k, np.ndarray) and k.dtype == bool,
}


@pytest.fixture(scope="module")
def basic(examples: Any) -> Any:
    return examples(strategies.basic_indices((3, 4, 2)))


@pytest.fixture(scope="module")
def advanced(examples: Any) -> Any:
    """Also for one axis: keys of one part are rare where all other axes must be left out."""
    one, three = (examples(strategies.advanced_indices(shape)) for shape in ((3,), (3, 4, 2)))
    return one + three


@pytest.mark.parametrize("edge", BASIC)
def test_basic_keys_reach(edge: str, basic: list[Any]) -> None:
    assert any(map(BASIC[edge], basic))


@pytest.mark.parametrize("edge", ADVANCED)
def test_advanced_keys_reach(edge: str, advanced: list[Any]) -> None:
    assert any(map(ADVANCED[edge], advanced))


def test_ellipsis_alone_is_reached(examples: Any) -> None:
    assert any(k is Ellipsis for k in examples(strategies.basic_indices((3,))))


def test_indices_are_of_both_kinds(examples: Any) -> None:
    some = examples(strategies.indices((3, 4)))
    assert len(some) / 4 < sum(not places(k) and not masks(k) for k in some) < len(some) * 3 / 4
    assert any(places(k) for k in some)
    assert any(masks(k) for k in some)


def test_keys_shrink(smallest: Any) -> None:
    some = strategies.indices((3, 4))
    assert smallest(some) == ()
    assert smallest(some, integers) == 0
    assert smallest(some, lambda k: any(p is None for p in parts(k))) is None
    middle = smallest(strategies.basic_indices((3, 4)), BASIC["Ellipsis in the middle"])
    assert len(middle) <= 4
    assert all(part in (None, Ellipsis, 0, slice(None)) for part in middle)
    back = smallest(strategies.basic_indices((4,)), BASIC["negative step"])
    assert back == slice(None, None, -1)
    twice = smallest(some, ADVANCED["repeated index"])
    assert repr(twice) in ("array([0, 0])", "array([[0, 0]])")
    empty = smallest(some, ADVANCED["no index"])
    assert repr(empty) == "array([], dtype=int64)"
    pair = smallest(some, lambda k: [a.size for a in places(k)] == [1, 1])
    assert repr(pair) == "(array([0]), array([0]))"
    assert smallest(strategies.advanced_indices((2,)), masks).shape == (2,)
    assert smallest(strategies.advanced_indices(())).shape == ()
