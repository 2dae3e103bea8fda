"""Planted leaks: mistakes that a CPU lets pass, and that fail, race or copy silently on a GPU.

Each row has a name, the code, and the error that the strict device answers with. What makes the host wait is in
test_no_sync.py, what only a look at the source can find in test_lint.py.
"""

from __future__ import annotations

import pickle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import tinydl as td
from tinydl.device import get_device
from tinydl.strict import LeakError, UndefinedError

strict = get_device("strict")


def things() -> dict[str, Any]:
    """What the rows speak of, made anew for each."""
    host = np.arange(6, dtype=np.float32).reshape(2, 3)
    return {
        "np": np, "xp": strict.xp, "td": td, "pickle": pickle, "plt": plt, "device": strict,
        "host": host,  # a NumPy array; the others are on the device
        "x": strict.asarray(host),
        "row": strict.asarray(host[0]),
        "mask": strict.asarray(host > 2),
        "i": strict.asarray(np.array([0, 1])),
        "twice": strict.asarray(np.array([1, 1])),
        "there": td.tensor(host, device="strict"),
        "here": td.tensor(host, device="cpu"),
    }  # fmt: skip


# name: code, error, what it says
LEAKS: dict[str, tuple[str, type[Exception], str]] = {
    # host and device arrays meet
    "NumPy converts": ("np.asarray(x)", LeakError, "given to NumPy.*Device.to_host"),
    "NumPy makes a list an array": ("np.array([x, x])", LeakError, "given to NumPy"),
    "NumPy compares": ("np.testing.assert_array_equal(x, host)", LeakError, "given to NumPy"),
    "NumPy shuffles": ("np.random.default_rng(0).permutation(x)", LeakError, "given to NumPy"),
    "matplotlib draws": ("plt.plot(x)", LeakError, "given to NumPy"),
    "assigned to the host": ("host[...] = x", LeakError, "given to NumPy"),
    "indexes the host": ("host[i]", LeakError, "given to NumPy"),
    "added to the host": ("host += x", TypeError, "does not support ufuncs"),
    "device and host": ("x + host", LeakError, "move one with Device.asarray or to_host"),
    "host and device": ("host * x", LeakError, "move one with"),
    "a 0-d host array": ("x * np.array(2.0)", LeakError, "move one with"),
    "a product with the host": ("x @ host.T", LeakError, "move one with"),
    "compared with the host": ("x == host", LeakError, "move one with"),
    "changed by the host": ("x -= host", LeakError, "move one with"),
    "a method with the host": ("x.dot(host.T)", LeakError, "move it with Device.asarray"),
    "a function with the host": ("xp.add(x, host)", LeakError, "a device array is due"),
    "a list with the host in it": ("xp.concatenate([x, host])", LeakError, "device arrays are due"),
    "out on the host": ("x.sum(axis=0, out=host[0])", LeakError, "out must be a device array"),
    # CuPy uploads silently, at every call
    "indexed by the host": ("x[np.array([0, 1])]", LeakError, "copied to the device at every call"),
    "a mask of the host": ("x[host > 2]", LeakError, "copied to the device at every call"),
    "indexed by a list": ("x[[0, 1]]", LeakError, "index of type list"),
    "indexed by a range": ("x[:, range(2)]", LeakError, "index of type range"),
    "assigned from the host": ("x[i] = host", LeakError, "at every call"),
    "assigned from a list": ("x[0] = [1.0, 2.0, 3.0]", LeakError, "at every call"),
    "assigned at a list": ("x[[0, 1]] = 1.0", LeakError, "index of type list"),
    "take with a list": ("x.take([0, 1])", LeakError, "copied to the device at every call"),
    "put with a list": ("x.put([0, 1], 1.0)", LeakError, "copied to the device at every call"),
    "add.at with the host": ("xp.add.at(row, np.array([0]), 1.0)", LeakError, "at every call"),
    # it half works: NumPy sends the call on to CuPy, or CuPy computes on the host
    "NumPy's function": ("np.sum(x)", LeakError, r"np\.sum was called on a device array.*xp"),
    "NumPy's ufunc": ("np.exp(x)", TypeError, "does not support ufuncs"),
    "NumPy's zeros_like": ("np.zeros_like(x)", LeakError, r"np\.zeros_like was called"),
    "NumPy's where": ("np.where(mask, x, 0)", LeakError, r"np\.where was called"),
    "NumPy's einsum": ("np.einsum('ij->j', x)", LeakError, r"np\.einsum was called"),
    "xp on the host": ("xp.sum(host)", LeakError, "sum: got a ndarray"),
    "xp on a list": ("xp.sum([1, 2])", LeakError, "sum: got a list"),
    "xp.asarray of the host": ("xp.asarray(host)", LeakError, "Device.asarray is the only way in"),
    # names and parameters that CuPy lacks
    "no such function": ("xp.einsum_path('ij->i', x)", AttributeError, r"no cupy\.einsum_path"),
    "no errstate": ("xp.errstate(all='ignore')", AttributeError, r"no cupy\.errstate"),
    "no such method": ("x.resize(6)", AttributeError, r"no ndarray\.resize"),
    "no C pointer": ("x.ctypes.data", AttributeError, r"no ndarray\.ctypes"),
    "nothing is read-only": ("x.setflags(write=False)", AttributeError, r"no ndarray\.setflags"),
    "no random numbers here": ("xp.random.normal(size=3)", AttributeError, "has not"),
    "sum(where=)": ("xp.sum(x, where=mask)", TypeError, "unexpected keyword argument 'where'"),
    "max(initial=)": ("x.max(initial=0.0)", TypeError, "unexpected keyword argument 'initial'"),
    "var(correction=)": ("xp.var(x, correction=1)", TypeError, "unexpected keyword argument 'correction'"),
    "clip(min=)": ("xp.clip(x, min=0.0)", TypeError, "CuPy's clip"),
    "sort(stable=)": ("xp.sort(x, stable=True)", TypeError, "unexpected keyword argument 'stable'"),
    "zeros(device=)": ("xp.zeros(3, device='cpu')", TypeError, "unexpected keyword argument 'device'"),
    "add(where=)": ("xp.add(x, x, where=mask)", TypeError, "no parameter 'where'"),
    "einsum(out=)": ("xp.einsum('ij->j', x, out=row)", TypeError, "no parameter 'out'"),
    "as_strided(writeable=)": (
        "xp.lib.stride_tricks.as_strided(x, writeable=False)",
        TypeError,
        "argument 'writeable'",
    ),
    "another third parameter": ("xp.argmax(x, 1, row)", TypeError, "another place in NumPy"),
    "maximum.reduce": ("xp.maximum.reduce(x)", NotImplementedError, "add and multiply only"),
    "multiply.at": ("xp.multiply.at(row, i, 2.0)", NotImplementedError, "CuPy has none"),
    "subtract.at of floats": ("xp.subtract.at(row, i, 1.0)", TypeError, "no atomic operation on float32"),
    "add.at of booleans": ("xp.add.at(mask, i, True)", TypeError, "no atomic operation on bool"),
    # the result would depend on chance
    "an index twice": ("row[twice] = row[:2]", UndefinedError, "which of its values wins"),
    "an index twice, added": ("row[twice] += row[:2]", UndefinedError, r"xp\.add\.at"),
    "put at an index twice": ("row.put(twice, row[:2])", UndefinedError, "which of its values wins"),
    "into a broadcast array": ("xp.broadcast_to(row, (2, 3))[...] = x", UndefinedError, "threads would race"),
    "added to a broadcast array": (
        "wide = xp.broadcast_to(row, (2, 3)); wide += 1.0",
        UndefinedError,
        "threads would race",
    ),
    "infinity as an integer": ("(x / 0.0).astype('int64')", UndefinedError, "NaN, infinity or a number out"),
    "-1 as an unsigned one": ("(x - 1.0).astype('uint8')", UndefinedError, "out of range"),
    # what an array is
    "text": ("device.asarray(np.array(['a']))", TypeError, "CuPy has no arrays of <U1"),
    "objects": ("device.asarray(np.array([None]))", TypeError, "CuPy has no arrays of object"),
    "80 bits": ("device.asarray(np.zeros(1, np.longdouble))", TypeError, "CuPy has no arrays of"),
    "dates": ("device.asarray(np.zeros(1, 'datetime64[s]'))", TypeError, "CuPy has no arrays of datetime64"),
    "a list goes in": ("device.asarray([1.0])", LeakError, "expected a NumPy array, got list"),
    "the host comes out": ("device.to_host(host)", LeakError, "expected an array of the strict device"),
    "pickle": ("pickle.dumps(x)", LeakError, "can't be pickled"),
    "counts to an array": ("range(i[0])", TypeError, "interpreted as an integer"),
    "a key of a dictionary": ("{x: 1}", TypeError, "unhashable"),
    "looped over a number": ("list(x.sum())", TypeError, "0-d"),
    # tensors
    "two devices": ("there + here", RuntimeError, r"inputs on strict and cpu; move one with \.to"),
    "two devices joined": ("td.cat([there, here])", RuntimeError, "inputs on strict and cpu"),
    "an index elsewhere": ("there[td.tensor([0], device='cpu')]", RuntimeError, "an index on cpu"),
    "a tensor and the host": ("there + host", TypeError, r"wrap it with td\.tensor"),
    "numpy() off the CPU": ("there.numpy()", RuntimeError, r"call \.to\('cpu'\) first"),
    "data from the host": ("there.data = host", TypeError, "an array of the device strict"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_caught(name: str) -> None:
    code, error, says = LEAKS[name]
    with pytest.raises(error, match=says):
        exec(code, things())


def test_there_are_enough_and_none_twice() -> None:
    assert len(LEAKS) >= 30
    assert len({code for code, _, _ in LEAKS.values()}) == len(LEAKS)
