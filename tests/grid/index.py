"""Rows of tinydl/ops/index.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.testing import strategies


def places_read(shape: tuple[int, ...], key: Any) -> Any:
    """The flat place of every element that the key reads: NumPy's rule, on integers."""
    return np.arange(int(np.prod(shape))).reshape(shape)[key]


def of_torch(torch: Any, key: Any) -> Any:
    """The key for PyTorch's tensors."""
    parts = key if isinstance(key, tuple) else (key,)
    arrays = any(isinstance(part, list | np.ndarray) for part in parts)

    def converted(part: Any) -> Any:
        if isinstance(part, list | np.ndarray):
            array = np.asarray(part)
            return torch.tensor(array if array.dtype == bool else array.astype("int64"))
        # Beside arrays NumPy broadcasts an integer as one more array, PyTorch takes it away first.
        return torch.tensor([part]) if arrays and isinstance(part, int) else part

    return tuple(converted(part) for part in parts)


def means_something_else_to_torch(key: Any, ndim: int) -> bool:
    """Slices that go backwards, which it refuses; and an Ellipsis for no axes, which parts arrays in NumPy only."""
    parts = key if isinstance(key, tuple) else (key,)
    backward = any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts)
    masks = [part for part in parts if isinstance(part, np.ndarray) and part.dtype.kind == "b"]
    read = sum(part is not None and part is not Ellipsis for part in parts)
    read += sum(mask.ndim - 1 for mask in masks)
    return backward or (read == ndim and any(part is Ellipsis for part in parts))


def repeated(shape: tuple[int, ...]) -> Any:
    """Keys that read some place twice: an array for one axis."""
    axes = [i for i, n in enumerate(shape) if n > 0]
    if not axes:
        return st.nothing()

    def key(axis: int) -> Any:
        places = st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=3)
        return places.map(lambda at: (*(slice(None),) * axis, np.array([*at, at[0]])))

    return st.sampled_from(axes).flatmap(key)


def getitem(data: Any) -> Case:
    least = data.draw(st.sampled_from((1, 1, 1, 0)))  # 0-d ones have few keys: not too often
    x = data.draw(strategies.tensors(strategies.shapes(least, 3)))
    key = data.draw(strategies.indices(x.shape) | repeated(x.shape))
    at = places_read(x.shape, key)
    peer = lambda library, a: a[key]
    return Case(
        [x],
        lambda x: x[key],
        lambda a: np.array([a.flat[i] for i in at.flat]).reshape(at.shape),
        torch=None
        if means_something_else_to_torch(key, x.ndim)
        else lambda torch, a: a[of_torch(torch, key)],
        autograd=peer,
        mygrad=peer,
    )


def take_along_axis(data: Any) -> Case:
    x = data.draw(strategies.tensors(strategies.shapes(1, 3)))
    axis = data.draw(strategies.axis(x.ndim))
    n = x.shape[axis]
    shape = [m if data.draw(st.booleans()) else 1 for m in x.shape]
    shape[axis] = data.draw(st.integers(0, 3)) if n else 0
    places = data.draw(strategies.arrays(tuple(shape), np.int64, -n, max(n - 1, 0)))
    shape = [m if i != axis % x.ndim else shape[axis] for i, m in enumerate(x.shape)]
    full = np.broadcast_to(places, shape)

    def plain(a: Any) -> Any:
        out = np.empty(shape)
        for at in np.ndindex(*shape):
            source = list(at)
            source[axis] = full[at]
            out[at] = a[tuple(source)]
        return out

    return Case(
        [x],
        lambda x: td.take_along_axis(x, td.tensor(places, device=x.device), axis),
        plain,
        torch=lambda torch, a: a.gather(axis, torch.tensor(full % n)),
    )


def one_hot(data: Any) -> Case:
    dtype = data.draw(st.sampled_from(("int64", "int32", "uint8")))
    labels = data.draw(strategies.tensors(strategies.shapes(max_dims=3), dtype, 0, 3))
    needed = int(labels.numpy().max()) + 1 if labels.size else 1
    choices = [needed, needed + 2, *([-1] if labels.size else [])]
    given = data.draw(st.sampled_from(choices))
    classes = needed if given == -1 else given

    def plain(a: Any) -> Any:
        out = np.zeros((*a.shape, classes), "int64")
        for at in np.ndindex(*a.shape):
            out[(*at, a[at])] = 1
        return out

    return Case(
        [labels],
        lambda a: td.functional.one_hot(a) if given == -1 else td.functional.one_hot(a, given),
        plain,
        torch=lambda torch, a: torch.nn.functional.one_hot(a.long(), given),
        order=0,
    )


ROWS: dict[str, Row] = {"getitem": getitem, "take_along_axis": take_along_axis, "one_hot": one_hot}
