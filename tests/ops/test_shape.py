"""Operations that move elements: reshape, transpose, broadcast, join, split, pad."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.ops import shape as ops
from tinydl.testing import check_function, memory_order, strategies

Case = tuple[list[td.Tensor], Callable[..., Any], Callable[..., Any], Callable[..., Any]]


def draw_tensor(data: Any, min_dims: int = 0) -> td.Tensor:
    x: td.Tensor = data.draw(strategies.tensors(strategies.shapes(min_dims, 4, max_side=3)))
    return x


def reshape(data: Any, torch: Any) -> Case:
    x = draw_tensor(data)
    to = data.draw(st.permutations([*x.shape, 1]))
    if data.draw(st.booleans()) and x.size:
        to[data.draw(st.integers(0, len(to) - 1))] = -1
    given_as = data.draw(st.sampled_from((lambda x: ops.reshape(x, *to), lambda x: x.reshape(tuple(to)))))
    full = [n if n >= 0 else x.size // math.prod(m for m in to if m >= 0) for n in to]
    return [x], given_as, lambda a: np.array(list(a.flat)).reshape(full), lambda a: a.reshape(full)


def transpose(data: Any, torch: Any) -> Case:
    x = draw_tensor(data)
    axes = data.draw(st.permutations(range(x.ndim)))

    def plain(a: Any) -> Any:
        out = np.empty([a.shape[i] for i in axes])
        for place in np.ndindex(*a.shape):
            out[tuple(place[i] for i in axes)] = a[place]
        return out

    signed = [i - x.ndim if data.draw(st.booleans()) else i for i in axes]
    given_as = data.draw(
        st.sampled_from((lambda x: x.transpose(*signed), lambda x: td.transpose(x, tuple(signed))))
    )
    return [x], given_as, plain, lambda a: a.permute(axes)


def squeeze(data: Any, torch: Any) -> Case:
    x = draw_tensor(data)
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    axes = data.draw(st.none() | st.permutations(ones).map(tuple))
    axes = axes[0] if axes and len(axes) == 1 and data.draw(st.booleans()) else axes
    gone = ones if axes is None else (axes,) if isinstance(axes, int) else axes
    key = tuple(0 if i in gone else slice(None) for i in range(x.ndim))
    return [x], lambda x: td.squeeze(x, axes), lambda a: a[key], lambda a: a[key]


def unsqueeze(data: Any, torch: Any) -> Case:
    x = draw_tensor(data)
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    key = (slice(None),) * (axis % (x.ndim + 1)) + (None,)
    return [x], lambda x: x.unsqueeze(axis), lambda a: a[key], lambda a: a.unsqueeze(axis)


def flatten(data: Any, torch: Any) -> Case:
    x = draw_tensor(data)
    start = data.draw(st.integers(-x.ndim, x.ndim - 1)) if x.ndim else 0
    lead = x.shape[: start % x.ndim] if x.ndim else ()
    full = (*lead, math.prod(x.shape[len(lead) :]))
    return (
        [x],
        lambda x: td.flatten(x, start),
        lambda a: np.array(list(a.flat)).reshape(full),
        lambda a: a.reshape(full),
    )


def broadcast_to(data: Any, torch: Any) -> Case:
    small, other = data.draw(strategies.broadcastable_shapes(2, max_side=3))
    full = np.broadcast_shapes(small, other)
    x = data.draw(strategies.tensors(small))
    return [x], lambda x: x.broadcast_to(full), lambda a: a + np.zeros(full), lambda a: a.expand(full)


def flip(data: Any, torch: Any) -> Case:
    x = draw_tensor(data, 1)
    axis = data.draw(strategies.axis(x.ndim))
    backwards = lambda a: np.take(a, range(a.shape[axis] - 1, -1, -1), axis)  # noqa: E731
    return [x], lambda x: td.flip(x, axis), backwards, lambda a: torch.flip(a, (axis,))


def cat(data: Any, torch: Any) -> Case:
    shape = list(draw_tensor(data, 1).shape)
    axis = data.draw(strategies.axis(len(shape)))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    xs = []
    for n in lengths:
        shape[axis] = n
        xs.append(data.draw(strategies.tensors(tuple(shape))))

    def plain(*arrays: Any) -> Any:
        slices = [s for a in arrays for s in np.moveaxis(a, axis, 0)]
        empty = np.moveaxis(arrays[0], axis, 0)[:0]
        return np.moveaxis(np.array(slices) if slices else empty, 0, axis)

    return xs, lambda *xs: td.cat(xs, axis), plain, lambda *xs: torch.cat(xs, axis)


def stack(data: Any, torch: Any) -> Case:
    x = draw_tensor(data)
    xs = [x, *(data.draw(strategies.tensors(x.shape)) for _ in range(data.draw(st.integers(0, 2))))]
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    plain = lambda *xs: np.moveaxis(np.array(xs), 0, axis)  # noqa: E731
    return xs, lambda *xs: td.stack(xs, axis), plain, lambda *xs: torch.stack(xs, axis)


def split(data: Any, torch: Any) -> Case:
    x = draw_tensor(data, 1)
    axis = data.draw(strategies.axis(x.ndim))
    n = x.shape[axis]
    cuts: Any
    if data.draw(st.booleans()):
        cuts = data.draw(st.lists(st.integers(0, n + 1), max_size=3).map(sorted))
        at = cuts
    else:
        cuts = data.draw(st.sampled_from([d for d in range(1, n + 2) if n % d == 0]))
        at = [n // cuts * i for i in range(1, cuts)]
    part = data.draw(st.integers(0, len(at)))
    start, stop = ([0, *at])[part], ([*at, n])[part]
    plain = lambda a: np.take(a, range(min(start, n), max(min(stop, n), min(start, n))), axis)  # noqa: E731
    pieces = len(at) + 1

    def ours(x: td.Tensor) -> td.Tensor:
        found = td.split(x, cuts, axis)
        assert len(found) == pieces
        return found[part]

    return [x], ours, plain, lambda a: torch.tensor_split(a, at, axis)[part]


def pad(data: Any, torch: Any) -> Case:
    x = draw_tensor(data)
    mode = data.draw(st.sampled_from(("constant", "edge", "reflect")))
    most = {
        "constant": lambda n: 2,
        "edge": lambda n: 2 * (n > 0),
        "reflect": lambda n: max(0, min(2, n - 1)),
    }[mode]
    pairs = [(data.draw(st.integers(0, most(n))), data.draw(st.integers(0, most(n)))) for n in x.shape]
    value = data.draw(st.sampled_from((0.0, -1.5)))

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

    def theirs(a: Any) -> Any:
        # PyTorch's edge and reflect modes take images only; the places are tested above, the gradient here.
        if mode == "constant":
            flat = [w for pair in reversed(pairs) for w in pair]
            return torch.nn.functional.pad(a, flat, value=value) if a.ndim else a * 1.0
        for axis, (b, e) in enumerate(pairs):
            n = a.shape[axis]
            a = a.index_select(axis, torch.tensor([place(i, n) for i in range(-b, n + e)], dtype=torch.int64))
        return a

    return [x], lambda x: td.pad(x, pairs, mode, value), plain, theirs


ROWS = [reshape, transpose, squeeze, unsqueeze, flatten, broadcast_to, flip, cat, stack, split, pad]


def test_every_public_function_has_a_row(public_functions: Any) -> None:
    helpers = {"normalize_axes"}
    assert public_functions(ops) - helpers == {row.__name__ for row in ROWS}


@pytest.mark.parametrize("row", ROWS)
@given(data=st.data())
def test_values_and_derivatives(row: Any, data: Any) -> None:
    inputs, fn, plain, _ = row(data, None)
    assert check_function(fn, inputs, plain)


@pytest.mark.parametrize("row", ROWS)
@given(data=st.data())
def test_agreement_with_torch(row: Any, data: Any, torch: Any, agrees_with_torch: Any) -> None:
    inputs, fn, _, theirs = row(data, torch)
    assert agrees_with_torch(fn, theirs, inputs)


def test_integers_and_booleans_are_moved_as_they_are() -> None:
    for values in (
        np.arange(6).reshape(2, 3),
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.ones((2, 3), bool),
    ):
        x = td.tensor(values)
        results = [
            x.reshape(3, 2), x.T, x.unsqueeze(0), x.unsqueeze(0).squeeze(0), x.flatten(), td.flip(x, 1),
            x.broadcast_to((4, 2, 3)), td.cat([x, x]), td.stack([x, x]), td.split(x, 2)[0], td.pad(x, 1),
            td.pad(x, 1, "edge"),
        ]  # fmt: skip
        assert {y.dtype for y in results} == {values.dtype}
    assert td.cat([td.tensor([1]), td.tensor([1.5])]).dtype == np.float32
    with pytest.raises(TypeError, match="cat: float32 with float64"):
        td.cat([td.ones(2), td.ones(2, dtype="float64")])


def test_views_share_memory_and_copies_do_not() -> None:
    x = td.ones(2, 3)
    for y in (x.reshape(6), x.T, x.broadcast_to((2, 2, 3)), x.unsqueeze(0), x.flatten(), td.flip(x, 0)):
        assert np.shares_memory(y.numpy(), x.numpy())
    for y in (td.cat([x]), td.stack([x]), td.pad(x, 0), td.pad(x, [(1, 0), (0, 0)])):
        assert not np.shares_memory(y.numpy(), x.numpy())


def test_transposed_and_padded_images_keep_their_memory() -> None:
    values = np.arange(120.0).reshape(2, 3, 4, 5)
    for layout in strategies.IMAGE_LAYOUTS:
        x = td.Tensor(strategies.lay_out(values, layout))
        for y in (
            td.pad(x, [(0, 0), (0, 0), (1, 1), (2, 1)]),
            td.cat([x, x], axis=1),
            td.split(x, 2)[0].broadcast_to((1, 3, 4, 5)),
        ):
            assert memory_order(y) == tuple(i for i in memory_order(x) if y.shape[i] > 1)


SHAPE_ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "reshape": (
        lambda: td.ones(2, 3).reshape(4, 2),
        r"reshape: 6 elements of shape \(2, 3\) do not fit shape \(4, 2\)",
    ),
    "reshape -1": (lambda: td.ones(2, 3).reshape(4, -1), r"reshape: 6 elements .* \(4, -1\)"),
    "reshape -1 -1": (lambda: td.ones(2, 3).reshape(-1, -1), r"reshape: 6 elements .* \(-1, -1\)"),
    "reshape -2": (lambda: td.ones(2, 3).reshape(-2, -3), r"reshape: 6 elements .* \(-2, -3\)"),
    "reshape 0": (lambda: td.ones(0).reshape(0, -1), r"reshape: 0 elements .* \(0, -1\)"),
    "transpose": (lambda: td.ones(2, 3).transpose(0), r"transpose: expected an order of 2 axes, got \(0,\)"),
    "transpose twice": (
        lambda: td.ones(2, 3).transpose(0, 0),
        r"transpose: axis \(0, 0\) names an axis twice",
    ),
    "transpose range": (
        lambda: td.ones(2, 3).transpose(0, 2),
        "transpose: axis 2 is out of range for 2 axes",
    ),
    "squeeze": (lambda: td.ones(2, 1).squeeze(0), r"squeeze: axis 0 of shape \(2, 1\) is not of length 1"),
    "squeeze range": (lambda: td.ones(2, 1).squeeze(2), "squeeze: axis 2 is out of range for 2 axes"),
    "unsqueeze": (lambda: td.ones(2).unsqueeze(3), "unsqueeze: axis 3 is out of range for 2 axes"),
    "flatten": (lambda: td.ones(2, 3).flatten(2), "flatten: axis 2 is out of range for 2 axes"),
    "broadcast": (
        lambda: td.ones(2, 3).broadcast_to((3, 3)),
        r"broadcast_to: shape \(2, 3\) can't be broadcast to \(3, 3\)",
    ),
    "broadcast ndim": (
        lambda: td.ones(2, 3).broadcast_to((3,)),
        r"broadcast_to: shape \(2, 3\) can't be broadcast to \(3,\)",
    ),
    "flip": (lambda: td.flip(td.ones(2), 1), "flip: axis 1 is out of range for 1 axes"),
    "cat": (
        lambda: td.cat([td.ones(2, 3), td.ones(2, 4)]),
        r"cat: shapes \(2, 3\), \(2, 4\) differ along other axes than 0",
    ),
    "cat ndim": (lambda: td.cat([td.ones(2, 3), td.ones(3)]), r"cat: shapes \(2, 3\), \(3,\) differ"),
    "cat axis": (lambda: td.cat([td.ones(2)], axis=1), "cat: axis 1 is out of range for 1 axes"),
    "cat 0-d": (lambda: td.cat([td.tensor(1.0)]), "cat: axis 0 is out of range for 0 axes"),
    "cat none": (lambda: td.cat([]), "cat: expected one tensor or more, got none"),
    "stack": (
        lambda: td.stack([td.ones(2), td.ones(3)]),
        r"stack: expected tensors of one shape, got \[\(2,\), \(3,\)\]",
    ),
    "stack none": (lambda: td.stack([]), r"stack: expected tensors of one shape, got \[\]"),
    "stack axis": (lambda: td.stack([td.ones(2)], 2), "stack: axis 2 is out of range for 2 axes"),
    "split": (lambda: td.split(td.ones(5), 2), r"split: length 5 \(axis 0 of \(5,\)\) has no 2 equal parts"),
    "split 0": (lambda: td.split(td.ones(5), 0), "split: length 5 .* has no 0 equal parts"),
    "split axis": (lambda: td.split(td.ones(5), 1, 1), "split: axis 1 is out of range for 1 axes"),
    "pad": (lambda: td.pad(td.ones(5), -1), "pad: expected 1 pairs of widths of 0 or more, got -1"),
    "pad pairs": (lambda: td.pad(td.ones(5), [(1, 1), (1, 1)]), "pad: expected 1 pairs"),
    "pad mode": (
        lambda: td.pad(td.ones(5), 1, "wrap"),
        "pad: mode must be 'constant', 'edge' or 'reflect', got 'wrap'",
    ),
    "reflect": (
        lambda: td.pad(td.ones(2), 2, "reflect"),
        r"pad: axis 0 of length 2 can't be padded by \(2, 2\), mode 'reflect'",
    ),
    "edge": (
        lambda: td.pad(td.ones(0), 1, "edge"),
        r"pad: axis 0 of length 0 can't be padded by \(1, 1\), mode 'edge'",
    ),
}


@pytest.mark.parametrize("case", SHAPE_ERRORS)
def test_errors(case: str) -> None:
    wrong, sentence = SHAPE_ERRORS[case]
    with pytest.raises(ValueError, match="^" + sentence):
        wrong()


def test_what_is_no_tensor() -> None:
    for wrong in (
        lambda: td.reshape(np.ones(2), 2),
        lambda: td.broadcast_to(np.ones(2), (2, 2)),
        lambda: td.cat([td.ones(2), np.ones(2)]),
    ):
        with pytest.raises(TypeError, match="expected tensors, got a plain array"):
            wrong()


@pytest.mark.parametrize("join", [td.cat, td.stack])
@pytest.mark.parametrize("strange", [1.0, [1.0], None])
def test_joining_what_is_no_tensor_is_refused_by_name(join: Any, strange: Any) -> None:
    with pytest.raises(TypeError, match=f"{join.__name__}: expected tensors, got {type(strange).__name__}"):
        join([td.ones(1), strange])
