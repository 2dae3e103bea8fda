"""Rows of tinydl/ops/shape.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.ops import shape as ops
from tinydl.testing import strategies


def draw_tensor(data: Any, min_dims: int = 0) -> td.Tensor:
    x: td.Tensor = data.draw(strategies.tensors(strategies.shapes(min_dims, 4, max_side=3)))
    return x


def in_order(a: Any, shape: Any) -> Any:
    """The elements, read one by one in C order, in another shape."""
    return np.array([a[at] for at in np.ndindex(*a.shape)]).reshape(shape)


def reshape(data: Any) -> Case:
    x = draw_tensor(data)
    to = data.draw(st.permutations([*x.shape, 1]))
    if data.draw(st.booleans()) and x.size:
        to[data.draw(st.integers(0, len(to) - 1))] = -1
    full = [n if n >= 0 else x.size // math.prod(m for m in to if m >= 0) for n in to]
    return Case(
        [x],
        data.draw(st.sampled_from((lambda x: ops.reshape(x, *to), lambda x: x.reshape(tuple(to))))),
        lambda a: in_order(a, full),
        torch=lambda torch, a: a.reshape(full),
        autograd=lambda np, a: np.reshape(a, to),
        mygrad=lambda mg, a: mg.reshape(a, to),
    )


def transpose(data: Any) -> Case:
    x = draw_tensor(data)
    if data.draw(st.booleans()):
        axes = tuple(data.draw(st.permutations(range(x.ndim))))
        signed = tuple(i - x.ndim if data.draw(st.booleans()) else i for i in axes)
        ways = (lambda x: x.transpose(*signed), lambda x: td.transpose(x, signed))
    else:
        axes = signed = tuple(reversed(range(x.ndim)))
        ways = (lambda x: x.T, lambda x: td.transpose(x))

    def plain(a: Any) -> Any:
        out = np.empty([a.shape[i] for i in axes])
        for place in np.ndindex(*a.shape):
            out[tuple(place[i] for i in axes)] = a[place]
        return out

    return Case(
        [x],
        data.draw(st.sampled_from(ways)),
        plain,
        torch=lambda torch, a: a.permute(axes),
        autograd=lambda np, a: np.transpose(a, axes),
        mygrad=lambda mg, a: mg.transpose(a, axes),
    )


def squeeze(data: Any) -> Case:
    x = draw_tensor(data)
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    axes = data.draw(st.none() | st.permutations(ones).map(tuple))
    if axes is not None:
        axes = tuple(
            i - x.ndim if data.draw(st.booleans()) else i for i in axes[: data.draw(st.integers(0, 4))]
        )
    if axes and len(axes) == 1 and data.draw(st.booleans()):
        axes = axes[0]
    gone = ones if axes is None else [axes % x.ndim] if isinstance(axes, int) else [i % x.ndim for i in axes]
    shape = [n for i, n in enumerate(x.shape) if i not in gone]
    return Case(
        [x],
        data.draw(st.sampled_from((lambda x: td.squeeze(x, axes), lambda x: x.squeeze(axes)))),
        lambda a: in_order(a, shape),
        torch=lambda torch, a: a.squeeze() if axes is None else a.squeeze(axes),
        autograd=lambda np, a: np.squeeze(a, axes),
        mygrad=lambda mg, a: mg.squeeze(a, axes),
    )


def unsqueeze(data: Any) -> Case:
    x = draw_tensor(data)
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    place = axis % (x.ndim + 1)
    return Case(
        [x],
        data.draw(st.sampled_from((lambda x: x.unsqueeze(axis), lambda x: td.unsqueeze(x, axis)))),
        lambda a: in_order(a, (*a.shape[:place], 1, *a.shape[place:])),
        torch=lambda torch, a: a.unsqueeze(axis),
        autograd=lambda np, a: np.expand_dims(a, axis),
        mygrad=lambda mg, a: mg.expand_dims(a, axis),
    )


def flatten(data: Any) -> Case:
    x = draw_tensor(data)
    start = data.draw(st.integers(-x.ndim, x.ndim - 1)) if x.ndim else 0
    lead = x.shape[: start % x.ndim] if x.ndim else ()
    full = (*lead, math.prod(x.shape[len(lead) :]))
    given = () if start == 0 else (start,)
    return Case(
        [x],
        data.draw(st.sampled_from((lambda x: td.flatten(x, *given), lambda x: x.flatten(*given)))),
        lambda a: in_order(a, full),
        torch=lambda torch, a: torch.flatten(a, start),
        autograd=lambda np, a: np.reshape(a, full),
        mygrad=lambda mg, a: mg.reshape(a, full),
    )


def broadcast_to(data: Any) -> Case:
    small, other = data.draw(strategies.broadcastable_shapes(2, max_side=3))
    full = np.broadcast_shapes(small, other)

    def plain(a: Any) -> Any:
        out = np.empty(full)
        for at in np.ndindex(*full):
            tail = at[len(full) - a.ndim :]
            out[at] = a[tuple(0 if n == 1 else i for i, n in zip(tail, a.shape, strict=True))]
        return out

    return Case(
        [data.draw(strategies.tensors(small))],
        data.draw(st.sampled_from((lambda x: x.broadcast_to(full), lambda x: td.broadcast_to(x, full)))),
        plain,
        torch=lambda torch, a: a.expand(full),
        # autograd's can't add leading axes, and fails on repeating something 0 times
        autograd=(lambda np, a: np.broadcast_to(a, full))
        if len(small) == len(full) and 0 not in full
        else None,
        mygrad=lambda mg, a: mg.broadcast_to(a, full),
    )


def flip(data: Any) -> Case:
    x = draw_tensor(data, 1)
    axis = data.draw(strategies.axis(x.ndim))
    key = (slice(None),) * (axis % x.ndim) + (slice(None, None, -1),)
    return Case(
        [x],
        lambda x: td.flip(x, axis),
        lambda a: np.take(a, range(a.shape[axis] - 1, -1, -1), axis),
        torch=lambda torch, a: torch.flip(a, (axis,)),
        autograd=lambda np, a: a[key],
        mygrad=lambda mg, a: a[key],
    )


def cat(data: Any) -> Case:
    shape = list(draw_tensor(data, 1).shape)
    axis = data.draw(strategies.axis(len(shape)))
    xs = []
    for n in data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)):
        shape[axis] = n
        xs.append(data.draw(strategies.tensors(tuple(shape))))

    def plain(*arrays: Any) -> Any:
        slices = [s for a in arrays for s in np.moveaxis(a, axis, 0)]
        empty = np.moveaxis(arrays[0], axis, 0)[:0]
        return np.moveaxis(np.array(slices) if slices else empty, 0, axis)

    given = () if axis == 0 else (axis,)
    return Case(
        xs,
        lambda *xs: td.cat(xs, *given),
        plain,
        torch=lambda torch, *xs: torch.cat(xs, axis),
        autograd=lambda np, *xs: np.concatenate(xs, axis),
        mygrad=lambda mg, *xs: mg.concatenate(xs, axis),
    )


def stack(data: Any) -> Case:
    x = draw_tensor(data)
    xs = [x, *(data.draw(strategies.tensors(x.shape)) for _ in range(data.draw(st.integers(0, 2))))]
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    place = axis % (x.ndim + 1)

    def plain(*arrays: Any) -> Any:
        out = np.empty((*x.shape[:place], len(arrays), *x.shape[place:]))
        for i, a in enumerate(arrays):
            for at in np.ndindex(*x.shape):
                out[(*at[:place], i, *at[place:])] = a[at]
        return out

    given = () if axis == 0 else (axis,)
    return Case(
        xs,
        lambda *xs: td.stack(xs, *given),
        plain,
        torch=lambda torch, *xs: torch.stack(xs, axis),
        autograd=lambda np, *xs: np.stack(xs, axis),
        mygrad=lambda mg, *xs: mg.stack(xs, axis),
    )


def split(data: Any) -> Case:
    """All parts, joined in reverse order: so a cut at another place shows."""
    x = draw_tensor(data, 1)
    axis = data.draw(strategies.axis(x.ndim))
    n = x.shape[axis]
    cuts: Any
    if data.draw(st.booleans()):
        at = cuts = data.draw(st.lists(st.integers(0, n + 1), max_size=3).map(sorted))
    else:
        cuts = data.draw(st.sampled_from([d for d in range(1, n + 2) if n % d == 0]))
        at = [n // cuts * i for i in range(1, cuts)]
    ends = list(zip([0, *at], [*at, n], strict=True))
    given = () if axis == 0 else (axis,)

    def ours(x: td.Tensor) -> td.Tensor:
        parts = td.split(x, cuts, *given)
        assert [p.shape[axis] for p in parts] == [len(range(n)[a:b]) for a, b in ends]
        return td.cat(parts[::-1], axis)

    return Case(
        [x],
        ours,
        lambda a: np.take(a, [i for a, b in reversed(ends) for i in range(n)[a:b]], axis),
        torch=lambda torch, a: torch.cat(torch.tensor_split(a, at, axis)[::-1], axis),
        autograd=lambda np, a: np.concatenate(np.split(a, cuts, axis)[::-1], axis),
    )


def pad(data: Any) -> Case:
    x = draw_tensor(data)
    mode = data.draw(st.sampled_from(("constant", "edge", "reflect")))
    value = data.draw(st.sampled_from((0.0, -1.5)))
    most = [{"constant": 2, "edge": 2 if n else 0, "reflect": max(0, min(2, n - 1))}[mode] for n in x.shape]
    widths: Any
    if data.draw(st.booleans()):
        widths = pairs = [(data.draw(st.integers(0, m)), data.draw(st.integers(0, m))) for m in most]
    else:
        widths = data.draw(st.integers(0, min(most, default=2)))
        pairs = [(widths, widths)] * x.ndim
    given = {"mode": (mode, "constant"), "value": (value, 0.0)}
    options = {k: v for k, (v, default) in given.items() if v != default}

    def place(i: int, n: int) -> int | None:
        """Which element shows at place i, from the definition of each mode."""
        if mode == "constant":
            return i if 0 <= i < n else None
        if mode == "edge":
            return 0 if i < 0 else n - 1 if i >= n else i
        return abs(i) if i < n else n - 1 - (i - (n - 1))

    def plain(a: Any) -> Any:
        out = np.full([b + n + e for (b, e), n in zip(pairs, a.shape, strict=True)], value)
        for at in np.ndindex(*out.shape):
            source = [place(i - b, n) for i, (b, _), n in zip(at, pairs, a.shape, strict=True)]
            if None not in source:
                out[at] = a[tuple(source)]
        return out

    def of_torch(torch: Any, a: Any) -> Any:
        # PyTorch's edge and reflect modes take images only; the places are tested by `plain`, the gradient here.
        if mode == "constant":
            flat = [w for pair in reversed(pairs) for w in pair]
            return torch.nn.functional.pad(a, flat, value=value) if a.ndim else a * 1.0
        for axis, (b, e) in enumerate(pairs):
            n = a.shape[axis]
            a = a.index_select(axis, torch.tensor([place(i, n) for i in range(-b, n + e)], dtype=torch.int64))
        return a

    return Case(
        [x],
        lambda x: td.pad(x, widths, **options),
        plain,
        torch=of_torch,
        # autograd has this mode alone; NumPy can't pad a 0-d array by no pairs
        autograd=(lambda np, a: np.pad(a, pairs, "constant", constant_values=value))
        if mode == "constant" and x.ndim
        else None,
    )


ROWS: dict[str, Row] = {
    "reshape": reshape,
    "transpose": transpose,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "flatten": flatten,
    "broadcast_to": broadcast_to,
    "flip": flip,
    "cat": cat,
    "stack": stack,
    "split": split,
    "pad": pad,
}
