"""The strict device's array module: CuPy's names and parameters, nothing from the host, NumPy's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl.device import get_device
from tinydl.strict import LeakError, UndefinedError
from tinydl.strict.array import StrictArray

strict = get_device("strict")
xp = strict.xp
HOST = np.arange(6, dtype=np.float32).reshape(2, 3)


def there(values: Any, dtype: Any = None) -> StrictArray:
    array: StrictArray = strict.asarray(np.asarray(values, dtype))
    return array


X = there(HOST)

# CuPy computes the first group on the host and returns a NumPy value; of the others some raise, some copy.
HOST_ARRAYS: dict[str, Callable[[], Any]] = {
    **{
        f"xp.{name}(host)": lambda name=name: getattr(xp, name)(HOST)
        for name in (
            "sum",
            "mean",
            "max",
            "std",
            "var",
            "transpose",
            "ravel",
            "squeeze",
            "argmax",
            "cumsum",
            "any",
            "exp",
        )
    },
    "xp.clip(host)": lambda: xp.clip(HOST, 0, 1),
    "xp.reshape(host)": lambda: xp.reshape(HOST, (3, 2)),
    "xp.take(host, x)": lambda: xp.take(HOST, there([0])),
    "xp.swapaxes(host)": lambda: xp.swapaxes(HOST, 0, 1),
    "xp.matmul(x, host)": lambda: xp.matmul(X, HOST.T),
    "xp.add(x, host)": lambda: xp.add(X, HOST),
    "xp.where(x, x, host)": lambda: xp.where(X > 0, X, HOST),
    "xp.concatenate([x, host])": lambda: xp.concatenate([X, HOST]),
    "xp.einsum(host)": lambda: xp.einsum("ij->i", HOST),
    "xp.zeros_like(host)": lambda: xp.zeros_like(HOST),
    "xp.asarray(host)": lambda: xp.asarray(HOST),
    "xp.array(host)": lambda: xp.array(HOST),
    "xp.add(x, x, out=host)": lambda: xp.add(X, X, out=HOST.copy()),
    "xp.add.at(x, host, 1)": lambda: xp.add.at(X.copy(), np.array([0]), 1.0),
    "xp.add.at(x, list, 1)": lambda: xp.add.at(X.copy(), [0], 1.0),
    "xp.add.at(x, i, host)": lambda: xp.add.at(X.copy(), there([0]), HOST[:1]),
    "xp.sum(list)": lambda: xp.sum([1, 2]),
    "xp.take(x, list)": lambda: xp.take(X, [0, 1]),
    "xp.add(list, x)": lambda: xp.add([1, 2, 3], X),
    "xp.linalg.norm(host)": lambda: xp.linalg.norm(HOST),
    "sliding_window_view(host)": lambda: xp.lib.stride_tricks.sliding_window_view(HOST, 2, 1),
}


@pytest.mark.parametrize("what", HOST_ARRAYS)
def test_host_arrays_are_refused(what: str) -> None:
    with pytest.raises(LeakError):
        HOST_ARRAYS[what]()


@pytest.mark.parametrize(
    "name",
    [
        "einsum_path",
        "vecdot",
        "block",
        "insert",
        "nditer",
        "errstate",
        "geomspace",
        "frompyfunc",
        "longdouble",
    ],
)
def test_names_that_cupy_lacks_are_refused(name: str) -> None:
    assert hasattr(np, name)
    with pytest.raises(AttributeError, match=f"CuPy 14.* has no cupy.{name}"):
        getattr(xp, name)


@pytest.mark.parametrize("name", ["RawKernel", "fuse", "load", "random", "ElementwiseKernel"])
def test_names_that_only_a_gpu_can_have_say_so(name: str) -> None:
    with pytest.raises(AttributeError, match="the strict device has not"):
        getattr(xp, name)


PARAMETERS: dict[str, Callable[[], Any]] = {
    "sum(where=)": lambda: xp.sum(X, where=X > 0),
    "sum(initial=)": lambda: xp.sum(X, initial=1.0),
    "max(initial=)": lambda: xp.max(X, initial=0.0),
    "var(correction=)": lambda: xp.var(X, correction=1),
    "std(mean=)": lambda: xp.std(X, mean=X),
    "clip(min=)": lambda: xp.clip(X, min=0.0),
    "sort(stable=)": lambda: xp.sort(X, stable=True),
    "zeros(device=)": lambda: xp.zeros(3, device="cpu"),
    "zeros(like=)": lambda: xp.zeros(3, like=X),
    "add(where=)": lambda: xp.add(X, X, where=X > 0),
    "exp(order=)": lambda: xp.exp(X, order="K"),
    "einsum(out=)": lambda: xp.einsum("ij->i", X, out=X[:, 0]),
    "einsum(order=)": lambda: xp.einsum("ij->i", X, order="C"),
    "broadcast_to(subok=)": lambda: xp.broadcast_to(X, (2, 3), subok=True),
    "as_strided(writeable=)": lambda: xp.lib.stride_tricks.as_strided(X, writeable=False),
    "concatenate(arrays=)": lambda: xp.concatenate(arrays=[X, X]),
    "reduce(initial=)": lambda: xp.add.reduce(X, initial=0.0),
}


@pytest.mark.parametrize("what", PARAMETERS)
def test_parameters_that_cupy_lacks_are_refused(what: str) -> None:
    with pytest.raises(TypeError):
        PARAMETERS[what]()


def test_parameters_in_another_place_are_refused() -> None:
    out = xp.zeros(2, dtype="int64")
    with pytest.raises(TypeError, match="another place"):
        xp.argmax(X, 1, out)  # CuPy's third parameter is dtype
    assert xp.argmax(X, 1, out=out) is out
    assert out.tolist() == [2, 2]


def test_ufunc_methods_are_cupys() -> None:
    assert xp.add.reduce(X, axis=1).tolist() == [3.0, 12.0]
    assert xp.multiply.accumulate(X, axis=1)[1].tolist() == [3.0, 12.0, 60.0]
    assert xp.subtract.outer(X[0], X[0]).shape == (3, 3)
    for call in (
        lambda: xp.maximum.reduce(X),
        lambda: xp.maximum.accumulate(X),
        lambda: xp.multiply.reduceat(X, X),
    ):
        with pytest.raises(NotImplementedError, match="CuPy has"):
            call()


def test_add_at_adds_repeated_indices_and_wraps() -> None:
    x = there(np.zeros(3, np.float32))
    xp.add.at(x, there([1, 1, 4]), 1.0)
    assert x.tolist() == [0.0, 3.0, 0.0]
    y = there(np.zeros((2, 3)))
    xp.add.at(y, (slice(None), there([0, 0])), there(np.ones((2, 2))))
    assert y.tolist() == [[2.0, 0.0, 0.0]] * 2
    with pytest.raises(UndefinedError, match="share memory"):
        xp.add.at(xp.broadcast_to(x, (2, 3)), there([0]), 1.0)


@pytest.mark.parametrize(("ufunc", "dtype"), [("add", "bool"), ("add", "int8"), ("add", "complex128"),
                                              ("subtract", "float32"), ("subtract", "int64")])  # fmt: skip
def test_atomic_operations_have_few_dtypes(ufunc: str, dtype: str) -> None:
    with pytest.raises(TypeError, match="no atomic operation"):
        getattr(xp, ufunc).at(there(np.zeros(3, dtype)), there([0]), 1)


@pytest.mark.parametrize("ufunc", ["multiply", "divide", "exp"])
def test_most_ufuncs_have_no_at(ufunc: str) -> None:
    with pytest.raises(NotImplementedError, match="CuPy has none"):
        getattr(xp, ufunc).at(there(np.ones(3)), there([0]), 2.0)


def test_functions_that_write() -> None:
    x = there(np.zeros(4, np.float32))
    xp.copyto(x, 1.0, where=there([True, False, True, False]))
    xp.put(x, there([5]), 7.0)
    assert x.tolist() == [1.0, 7.0, 1.0, 0.0]
    with pytest.raises(UndefinedError, match="share memory"):
        xp.copyto(xp.broadcast_to(x, (2, 4)), 1.0)


def test_out_is_filled_and_returned() -> None:
    out = xp.empty((2, 3), dtype="float32")
    assert xp.multiply(X, 2.0, out=out) is out
    assert xp.multiply(X, 2.0, out) is out
    assert np.array_equal(strict.to_host(out), HOST * 2)
    with pytest.raises(TypeError, match="cast"):
        xp.add(X, 0.5, out=xp.empty((2, 3), dtype="int64"))
    with pytest.raises(ValueError, match="shape"):
        xp.add(X, 0.5, out=xp.empty((3, 2, 3), dtype="float32"))


def test_clip_wants_a_bound() -> None:
    assert xp.clip(X, 1, None).min().item() == 1.0
    with pytest.raises(ValueError, match="one bound"):
        xp.clip(X, None, None)


def test_take_along_axis_wraps() -> None:
    assert xp.take_along_axis(X, there([[3], [4]]), 1).tolist() == [[0.0], [4.0]]


def test_truths_are_arrays() -> None:
    for answer in (xp.allclose(X, X), xp.array_equal(X, X), X.any(), xp.isfinite(X).all()):
        assert type(answer) is StrictArray
        assert bool(answer)


def test_layouts() -> None:
    x = xp.asarray(X.T)
    assert x.strides == (4, 12)
    assert xp.empty_like(x).strides == (4, 12)
    assert xp.exp(x).strides == (8, 4)
    assert x.copy("K").strides == (4, 12)
    assert x.copy().strides == (8, 4)
    assert xp.asfortranarray(X).flags.f_contiguous
    assert xp.ascontiguousarray(x).flags.c_contiguous


def test_warnings_are_for_the_host() -> None:
    with np.errstate(all="raise"):
        assert xp.log(xp.zeros(1)).item() == -np.inf
        assert np.isnan((xp.zeros(1) / xp.zeros(1)).item())


def test_constants_types_and_dtypes() -> None:
    assert xp.float32 is np.float32
    assert xp.pi == np.pi
    assert xp.newaxis is None
    assert xp.ndarray is StrictArray
    assert xp.result_type(X, 1.0) == np.float32
    assert xp.get_array_module(X) is xp
    assert isinstance(xp.asnumpy(X), np.ndarray)
    assert xp.asarray([1.0, 2.0], dtype="float32").dtype == np.float32
    assert xp.stack([X, X]).shape == (2, 2, 3)
    assert [part.shape for part in xp.split(X, 3, axis=1)] == [(2, 1)] * 3
    assert "einsum" in dir(xp)
    assert xp.sum is xp.sum, "made once"
