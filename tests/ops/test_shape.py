"""Operations that move elements: reshape, transpose, broadcast, join, split, pad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.testing import memory_order, strategies
from tinydl.testing.point import host


def test_integers_and_booleans_are_moved_as_they_are(on: Any) -> None:
    for values in (
        np.arange(6).reshape(2, 3),
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.ones((2, 3), bool),
    ):
        x = on.tensor(values)
        results = [
            x.reshape(3, 2), x.T, x.unsqueeze(0), x.unsqueeze(0).squeeze(0), x.flatten(), td.flip(x, 1),
            x.broadcast_to((4, 2, 3)), td.cat([x, x]), td.stack([x, x]), td.split(x, 2)[0], td.pad(x, 1),
            td.pad(x, 1, "edge"),
        ]  # fmt: skip
        assert {y.dtype for y in results} == {values.dtype}
    assert td.cat([on.tensor([1]), on.tensor([1.5])]).dtype == np.float32
    with pytest.raises(TypeError, match="cat: float32 with float64"):
        td.cat([on.ones(2), on.ones(2, dtype="float64")])


def test_views_share_memory_and_copies_do_not(on: Any) -> None:
    x = on.ones(2, 3)
    for y in (x.reshape(6), x.T, x.broadcast_to((2, 2, 3)), x.unsqueeze(0), x.flatten(), td.flip(x, 0)):
        assert on.share_memory(y, x)
    unpadded = [td.pad(x, 0, mode) for mode in ("constant", "edge", "reflect")]
    for y in (td.cat([x]), td.stack([x]), *unpadded, td.pad(x, [(1, 0), (0, 0)])):
        assert not on.share_memory(y, x)


@pytest.mark.parametrize("device", ["cpu"], indirect=True)  # CuPy computes in C order
def test_transposed_and_padded_images_keep_their_memory(on: Any) -> None:
    values = np.arange(120.0).reshape(2, 3, 4, 5)
    for layout in strategies.IMAGE_LAYOUTS:
        x = on.leaf(strategies.lay_out(values, layout))
        for y in (
            td.pad(x, [(0, 0), (0, 0), (1, 1), (2, 1)]),
            td.cat([x, x], axis=1),
            td.split(x, 2)[0].broadcast_to((1, 3, 4, 5)),
        ):
            assert memory_order(y) == tuple(i for i in memory_order(x) if y.shape[i] > 1)


SHAPE_ERRORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "reshape": (
        lambda on: on.ones(2, 3).reshape(4, 2),
        r"reshape: 6 elements of shape \(2, 3\) do not fit shape \(4, 2\)",
    ),
    "reshape -1": (lambda on: on.ones(2, 3).reshape(4, -1), r"reshape: 6 elements .* \(4, -1\)"),
    "reshape -1 -1": (lambda on: on.ones(2, 3).reshape(-1, -1), r"reshape: 6 elements .* \(-1, -1\)"),
    "reshape -2": (lambda on: on.ones(2, 3).reshape(-2, -3), r"reshape: 6 elements .* \(-2, -3\)"),
    "reshape 0": (lambda on: on.ones(0).reshape(0, -1), r"reshape: 0 elements .* \(0, -1\)"),
    "transpose": (
        lambda on: on.ones(2, 3).transpose(0),
        r"transpose: expected an order of 2 axes, got \(0,\)",
    ),
    "transpose twice": (
        lambda on: on.ones(2, 3).transpose(0, 0),
        r"transpose: axis \(0, 0\) names an axis twice",
    ),
    "transpose range": (
        lambda on: on.ones(2, 3).transpose(0, 2),
        "transpose: axis 2 is out of range for 2 axes",
    ),
    "squeeze": (lambda on: on.ones(2, 1).squeeze(0), r"squeeze: axis 0 of shape \(2, 1\) is not of length 1"),
    "squeeze range": (lambda on: on.ones(2, 1).squeeze(2), "squeeze: axis 2 is out of range for 2 axes"),
    "unsqueeze": (lambda on: on.ones(2).unsqueeze(3), "unsqueeze: axis 3 is out of range for 2 axes"),
    "flatten": (lambda on: on.ones(2, 3).flatten(2), "flatten: axis 2 is out of range for 2 axes"),
    "broadcast": (
        lambda on: on.ones(2, 3).broadcast_to((3, 3)),
        r"broadcast_to: shape \(2, 3\) can't be broadcast to \(3, 3\)",
    ),
    "broadcast ndim": (
        lambda on: on.ones(2, 3).broadcast_to((3,)),
        r"broadcast_to: shape \(2, 3\) can't be broadcast to \(3,\)",
    ),
    "flip": (lambda on: td.flip(on.ones(2), 1), "flip: axis 1 is out of range for 1 axes"),
    "cat": (
        lambda on: td.cat([on.ones(2, 3), on.ones(2, 4)]),
        r"cat: shapes \(2, 3\), \(2, 4\) differ along other axes than 0",
    ),
    "cat ndim": (lambda on: td.cat([on.ones(2, 3), on.ones(3)]), r"cat: shapes \(2, 3\), \(3,\) differ"),
    "cat axis": (lambda on: td.cat([on.ones(2)], axis=1), "cat: axis 1 is out of range for 1 axes"),
    "cat 0-d": (lambda on: td.cat([on.tensor(1.0)]), "cat: axis 0 is out of range for 0 axes"),
    "cat none": (lambda on: td.cat([]), "cat: expected one tensor or more, got none"),
    "stack": (
        lambda on: td.stack([on.ones(2), on.ones(3)]),
        r"stack: expected tensors of one shape, got \[\(2,\), \(3,\)\]",
    ),
    "stack none": (lambda on: td.stack([]), r"stack: expected tensors of one shape, got \[\]"),
    "stack axis": (lambda on: td.stack([on.ones(2)], 2), "stack: axis 2 is out of range for 2 axes"),
    "split": (
        lambda on: td.split(on.ones(5), 2),
        r"split: length 5 \(axis 0 of \(5,\)\) has no 2 equal parts",
    ),
    "split 0": (lambda on: td.split(on.ones(5), 0), "split: length 5 .* has no 0 equal parts"),
    "split axis": (lambda on: td.split(on.ones(5), 1, 1), "split: axis 1 is out of range for 1 axes"),
    "pad": (lambda on: td.pad(on.ones(5), -1), "pad: expected 1 pairs of widths of 0 or more, got -1"),
    "pad pairs": (lambda on: td.pad(on.ones(5), [(1, 1), (1, 1)]), "pad: expected 1 pairs"),
    "pad mode": (
        lambda on: td.pad(on.ones(5), 1, "wrap"),
        "pad: mode must be 'constant', 'edge' or 'reflect', got 'wrap'",
    ),
    "reflect": (
        lambda on: td.pad(on.ones(2), 2, "reflect"),
        r"pad: axis 0 of length 2 can't be padded by \(2, 2\), mode 'reflect'",
    ),
    "reflect further": (
        lambda on: td.pad(on.ones(4, 2), [(0, 0), (0, 4)], "reflect"),
        r"pad: axis 1 of length 2 can't be padded by \(0, 4\), mode 'reflect'",
    ),
    "edge": (
        lambda on: td.pad(on.ones(0), 1, "edge"),
        r"pad: axis 0 of length 0 can't be padded by \(1, 1\), mode 'edge'",
    ),
}


@pytest.mark.parametrize("case", SHAPE_ERRORS)
def test_errors(case: str, on: Any) -> None:
    wrong, sentence = SHAPE_ERRORS[case]
    with pytest.raises(ValueError, match="^" + sentence):
        wrong(on)


TYPE_ERRORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "reshape": (lambda on: on.ones(2, 3).reshape(3.5, 2), "reshape: a length must be an integer, got 3.5"),
    "transpose": (
        lambda on: on.ones(2, 3).transpose(0.5, 1), "transpose: an axis must be an integer, got 0.5"
    ),
    "transpose tuple": (
        lambda on: td.transpose(on.ones(2, 3), (1.0, 0)), "transpose: an axis must be an integer, got 1.0"
    ),
    "squeeze": (lambda on: on.ones(2, 1).squeeze(1.0), "squeeze: an axis must be an integer, got 1.0"),
    "squeeze tuple": (
        lambda on: on.ones(2, 1).squeeze((1.0,)), "squeeze: an axis must be an integer, got 1.0"
    ),
    "unsqueeze": (lambda on: on.ones(2).unsqueeze(0.0), "unsqueeze: an axis must be an integer, got 0.0"),
    "unsqueeze None": (
        lambda on: on.ones(2).unsqueeze(None), "unsqueeze: an axis must be an integer, got None"
    ),
    "flatten": (lambda on: on.ones(2, 3).flatten(1.0), "flatten: an axis must be an integer, got 1.0"),
    "flip": (lambda on: td.flip(on.ones(2, 3), (0, 1)), r"flip: an axis must be an integer, got \(0, 1\)"),
    "cat": (lambda on: td.cat([on.ones(2, 3)], axis=0.0), "cat: an axis must be an integer, got 0.0"),
    "cat None": (lambda on: td.cat([on.ones(2, 3)], None), "cat: an axis must be an integer, got None"),
    "stack": (lambda on: td.stack([on.ones(2)], (0,)), r"stack: an axis must be an integer, got \(0,\)"),
    "split": (lambda on: td.split(on.ones(2), 1, 0.0), "split: an axis must be an integer, got 0.0"),
    "pad": (lambda on: td.pad(on.ones(2), 1.0), "pad: a width must be an integer, got 1.0"),
    "pad pairs": (lambda on: td.pad(on.ones(2), [(0.5, 1)]), "pad: a width must be an integer, got 0.5"),
    "pad value": (
        lambda on: td.pad(on.ones(2), 1, value=on.tensor(2.0)), "pad: the value must be a number, got Tensor"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TYPE_ERRORS)
def test_axes_lengths_and_widths_are_integers(case: str, on: Any) -> None:
    wrong, sentence = TYPE_ERRORS[case]
    with pytest.raises(TypeError, match="^" + sentence):
        wrong(on)


def test_integers_of_numpy_are_axes_lengths_and_widths(on: Any) -> None:
    x, one = on.ones(2, 3), np.int64(1)
    assert x.transpose(one, 0).shape == (3, 2)
    assert x.reshape(np.int8(3), -1).shape == (3, 2)
    assert x.unsqueeze(one).squeeze(one).shape == (2, 3)
    assert td.cat([x, x], one).shape == (2, 6)
    assert td.pad(x, one).shape == td.pad(x, np.ones((2, 2), int)).shape == (4, 5)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int64", 0.5), ("int64", 2.0**63), ("int64", 2**63), ("uint8", 300), ("uint8", 300.0), ("uint8", -1),
        ("uint8", np.float32(-0.5)), ("int8", float("nan")), ("int32", float("inf")), ("bool", 2),
        ("bool", 0.5),
    ],
)  # fmt: skip
def test_pad_refuses_a_value_that_integers_can_not_hold(dtype: str, value: Any, on: Any) -> None:
    with pytest.raises(ValueError, match=rf"^pad: {dtype} can't hold the value "):
        td.pad(on.ones(2, dtype=dtype), 1, value=value)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int64", 2.0), ("int64", 2**53 + 1), ("uint8", 255), ("uint8", np.float32(255)), ("int8", -128.0),
        ("bool", True), ("bool", 1), ("bool", 0.0), ("int64", True), ("float32", 0.5),
        ("float32", float("inf")), ("float64", 0.1), ("float32", 2**24), ("float32", np.float64(0.5)),
    ],
)  # fmt: skip
def test_pad_takes_values_that_the_dtype_holds(dtype: str, value: Any, on: Any) -> None:
    out = td.pad(on.zeros(1, dtype=dtype), 1, value=value)
    assert out.dtype == dtype
    assert host(out).tolist() == [value, 0, value]


def test_what_is_no_tensor(on: Any) -> None:
    for wrong in (
        lambda: td.reshape(on.ones(2).data, 2),
        lambda: td.broadcast_to(on.ones(2).data, (2, 2)),
        lambda: td.cat([on.ones(2), on.ones(2).data]),
        lambda: td.cat([on.ones(2), np.ones(2)]),
    ):
        with pytest.raises(TypeError, match="expected tensors, got a plain array"):
            wrong()


@pytest.mark.parametrize("join", [td.cat, td.stack])
@pytest.mark.parametrize(("strange", "got"), [(1.0, "float"), ([1.0], "list"), (None, "None")])
def test_joining_what_is_no_tensor_is_refused_by_name(join: Any, strange: Any, got: str, on: Any) -> None:
    with pytest.raises(TypeError, match=f"{join.__name__}: expected tensors, got {got}"):
        join([on.ones(1), strange])
