"""The strict device's arrays: answers are CuPy's where they differ from NumPy's. Leaks are in test_leaks.py."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl.device import device_of, get_device
from tinydl.strict import LeakError, UndefinedError, manifest
from tinydl.strict.array import StrictArray

strict = get_device("strict")
xp = strict.xp
HOST = np.arange(6, dtype=np.float32).reshape(2, 3)


def there(values: Any, dtype: Any = None) -> StrictArray:
    array: StrictArray = strict.asarray(np.asarray(values, dtype))
    return array


def test_only_the_device_moves_arrays() -> None:
    x = strict.asarray(HOST)
    back = strict.to_host(x)
    assert type(x) is StrictArray
    assert not isinstance(x, np.ndarray)
    assert np.array_equal(back, HOST)
    back[...] = 0
    assert np.array_equal(strict.to_host(x), HOST), "memory is shared"
    with pytest.raises(LeakError, match="asarray: expected a NumPy array"):
        strict.asarray(x)
    with pytest.raises(LeakError, match="to_host: expected an array of the strict device"):
        strict.to_host(HOST)
    assert device_of(x) is strict
    assert device_of(HOST) == "cpu"


def test_upload_keeps_strides() -> None:
    assert there(np.zeros((2, 3, 4), np.float32).transpose(2, 0, 1)).strides == (4, 48, 16)


NUMBERS = [2, 2.5, True, np.float32(2.0), np.float64(2.0), np.int64(2)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: type(n).__name__)
def test_numbers_pass(number: Any) -> None:
    x = there(HOST)
    for ours, theirs in (
        (x * number, HOST * number),
        (number - x, number - HOST),
        (x > number, number < HOST),
    ):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(strict.to_host(ours), theirs)


def test_its_names_are_cupys() -> None:
    x = there(HOST)
    for name in (
        "resize",
        "setflags",
        "__imatmul__",
        "__contains__",
        "__index__",
        "__array_interface__",
        "ctypes",
    ):
        with pytest.raises(AttributeError, match="CuPy"):
            getattr(x, name)
    special = {n for n in manifest.sections()["ndarray"] if n.startswith("__")} - NOT_HERE
    assert all(hasattr(StrictArray, n) for n in special), "an operator is missing"
    own = {n for n in vars(StrictArray) if not n.startswith("_")}
    assert own <= set(manifest.sections()["ndarray"]), "a method that CuPy has not"


NOT_HERE = {
    "__cuda_array_interface__",
    "__dlpack__",
    "__dlpack_device__",
    "__div__",
    "__idiv__",
    "__hex__",
    "__oct__",
    "__bytes__",
    "__delitem__",
    "__array_finalize__",
    "__class_getitem__",
}


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sum(initial=1.0), lambda x: x.max(where=True), lambda x: x.mean(where=True),
        lambda x: x.var(correction=1), lambda x: x.sort(stable=True), lambda x: x.clip(minimum=0),
        lambda x: x.item(0), lambda x: x.all(where=True),
    ],
)  # fmt: skip
def test_parameters_that_cupy_lacks_are_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(there(HOST))


def test_reductions_give_arrays_that_alias() -> None:
    s = there(HOST).sum()
    t = s
    s += 1
    assert type(t) is StrictArray
    assert t.shape == ()
    assert t.item() == 16.0, "in-place on a result changes all names of it, as on a GPU"
    assert type(there(HOST)[1, 2]) is StrictArray


def test_an_element_is_a_view() -> None:
    x = there(HOST)
    part = x[1, 2]
    part += 10
    assert x[1, 2].item() == 15.0


def test_indices_out_of_range_wrap() -> None:
    x = there([10.0, 11.0, 12.0])
    assert x[there([3, -4, 7])].tolist() == [10.0, 12.0, 11.0]
    assert x.take(there([3])).tolist() == [10.0]
    x[there([4])] = 5.0
    assert x.tolist() == [10.0, 5.0, 12.0]
    with pytest.raises(IndexError):
        x[3]


def test_indices_find_their_axis() -> None:
    host = np.arange(24).reshape(2, 3, 4)
    x = there(host)
    assert strict.to_host(x[..., there([5])]).tolist() == host[..., [1]].tolist()
    assert strict.to_host(x[:, None, there([4, 0])]).tolist() == host[:, None, [1, 0]].tolist()
    assert strict.to_host(x[there(host[0, :, 0] > 3, bool)[:2], there([3])]).shape == (1, 4)


def test_repeated_indices_in_an_assignment_are_undefined() -> None:
    x = there(np.zeros(3, np.float32))
    with pytest.raises(UndefinedError, match=r"xp\.add\.at"):
        x[there([1, 1])] = there([1.0, 2.0], np.float32)
    with pytest.raises(UndefinedError, match="twice"):
        x[there([1, 4])] += there([1.0, 2.0], np.float32)  # 4 wraps round to 1
    with pytest.raises(UndefinedError, match="twice"):
        x.put(there([1, 1]), there([1.0, 2.0], np.float32))
    x[there([1, 1])] = 3.0  # every write writes the same
    x[there([0, 2])] = there([1.0, 2.0], np.float32)
    assert x.tolist() == [1.0, 3.0, 2.0]


def test_nothing_is_read_only_and_racing_writes_raise() -> None:
    row = there(np.zeros(3, np.float32))
    wide = xp.broadcast_to(row, (2, 3))
    with pytest.raises(UndefinedError, match="share memory"):
        wide += 1.0
    with pytest.raises(UndefinedError, match="share memory"):
        wide[0, 0] = 1.0
    same = xp.broadcast_to(row, (1, 3))  # nothing is shared: NumPy says read-only, CuPy writes
    same += 1.0
    assert row.tolist() == [1.0, 1.0, 1.0]
    assert not hasattr(wide.flags, "writeable")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 300.0])
def test_casts_out_of_range_are_undefined(value: float) -> None:
    x = there([value])
    with pytest.raises(UndefinedError, match="cast"):
        x.astype("uint8")
    with pytest.raises(UndefinedError, match="cast"):
        there([1], "uint8")[...] = x


def test_results_are_in_c_order_and_sum_as_numpys() -> None:
    host = np.random.default_rng(0).normal(size=(7, 5, 6, 3)).astype(np.float32).transpose(1, 0, 3, 2)
    x = there(host)
    y, z = x * 2.0, host * np.float32(2.0)
    assert not z.flags.c_contiguous
    assert y.flags.c_contiguous
    assert y.strides == np.zeros(y.shape, np.float32).strides
    for axis in ((0, 2, 3), 1, None):
        assert strict.to_host(y.sum(axis=axis)).tobytes() == z.sum(axis=axis).tobytes()
    assert (
        strict.to_host(y[1:, :, ::-1].sum(axis=(0, 2))).tobytes() == z[1:, :, ::-1].sum(axis=(0, 2)).tobytes()
    )


def test_views_share_memory_as_cupys_do() -> None:
    x = there(HOST)
    y = there(HOST.T.copy()).T * 1.0  # in C order here, in F order in NumPy
    for view in (x.reshape(3, 2), x.T, x[1:], x.ravel(), x.transpose(1, 0), y.reshape(-1)):
        view[...] = 0.0
    assert not strict.to_host(x).any()
    assert not strict.to_host(y).any(), "reshape of an array in C order is a view"
    assert x.base is None
    assert x[1:].base is not None


def test_copies() -> None:
    x = there(HOST)
    for copied in (x.copy(), copy.copy(x), copy.deepcopy(x), x.astype("float32"), x.flatten()):
        copied[...] = 0.0
    assert np.array_equal(strict.to_host(x), HOST)
    assert x.astype("float32", copy=False).base is x.base


def test_in_place_keeps_the_dtype_or_raises() -> None:
    x = there([1, 2])
    with pytest.raises(TypeError, match="cast"):
        x += 0.5
    x += 1
    x.fill(7)
    assert x.tolist() == [7, 7]


def test_iteration_and_length() -> None:
    rows = list(there(HOST))
    assert [type(r) for r in rows] == [StrictArray, StrictArray]
    assert len(there(HOST)) == 2
    with pytest.raises(TypeError, match="0-d"):
        iter(there(1.0))
    with pytest.raises(TypeError):
        range(there(3))
    with pytest.raises(TypeError):
        hash(there(3))
