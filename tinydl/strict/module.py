"""The array module of the strict device: `xp`, with CuPy's names and parameters and NumPy's values.

Each name is looked up in the manifest when it is first asked for. One that CuPy lacks is an AttributeError, a
parameter that CuPy lacks a TypeError, host memory among the arguments a `LeakError`: also where CuPy would let it
pass and compute on the host, as `cupy.sum(numpy_array)` does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from tinydl.strict import index, manifest
from tinydl.strict.array import StrictArray
from tinydl.strict.call import check_cast, hosts, run, twin, write
from tinydl.strict.sync import LeakError, crossing

# Results that may share memory with an argument, or have its layout.
_LAYOUT = {
    "array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "copy", "astype", "empty", "empty_like",
    "zeros", "zeros_like", "ones", "ones_like", "full", "full_like", "eye", "identity", "reshape", "ravel", "transpose",
    "permute_dims", "matrix_transpose", "moveaxis", "rollaxis", "swapaxes", "squeeze", "expand_dims", "broadcast_to",
    "broadcast_arrays", "atleast_1d", "atleast_2d", "atleast_3d", "split", "array_split", "hsplit", "vsplit", "dsplit",
    "flip", "fliplr", "flipud", "rot90", "diagonal", "real", "imag", "as_strided", "sliding_window_view",
    "real_if_close", "diag", "einsum",
}  # fmt: skip
_SYNCING = {
    "nonzero", "flatnonzero", "argwhere", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    "extract", "compress", "setdiff1d", "intersect1d", "union1d", "setxor1d", "trim_zeros", "bincount", "histogram",
    "histogram2d", "histogramdd", "delete", "array_repr", "array_str", "array2string",
}  # fmt: skip
_TRUTHS = {"allclose", "array_equal", "array_equiv"}  # arrays on a GPU, Python's True or False in NumPy
_UPLOADS = {"array", "asarray", "asanyarray"}
_WRITES = {"put", "put_along_axis", "place", "putmask", "copyto", "fill_diagonal"}
_ABSENT = {  # files, text and NumPy's classes: nothing that an engine computes with
    "load", "loadtxt", "save", "savetxt", "savez", "savez_compressed", "genfromtxt", "fromfile", "frombuffer",
    "fromstring", "fromiter", "fromfunction", "from_dlpack", "show_config", "vectorize", "DataSource", "broadcast",
    "ndindex", "flatiter", "poly1d", "format_parser", "apply_along_axis", "apply_over_axes", "piecewise", "info",
}  # fmt: skip
_HIDDEN = {  # what functions that only say **kwargs take, by CuPy's documentation
    "einsum": {"dtype", "optimize"},
    "pad": {"stat_length", "constant_values", "end_values", "reflect_type"},
    "meshgrid": {"indexing", "sparse", "copy"},
    "array2string": set(),
}
_UFUNC_KEYWORDS = ("out", "dtype", "casting")
_HOST_LISTS = {
    "a",
    "x",
    "y",
    "x1",
    "x2",
    "ary",
    "arr",
    "m",
    "array",
    "condition",
    "v",
    "indices",
    "prototype",
    "b",
}


class StrictUfunc:
    """A ufunc with CuPy's keywords and methods: `reduce` and `accumulate` for add and multiply only, and so on."""

    def __init__(self, name: str, inputs: int, outputs: int) -> None:
        self.name, self.nin, self.nout, self.nargs = name, inputs, outputs, inputs + outputs
        self._ufunc = getattr(np, name)

    def __repr__(self) -> str:
        return f"<strict ufunc {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _check_keywords(self.name, kwargs, _UFUNC_KEYWORDS)
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"{self.name}: expected {self.nin} arrays or numbers, got {len(args)}")
        if len(args) > self.nin:
            args, kwargs["out"] = args[: self.nin], args[self.nin :]
        for x in args:
            _refuse_list(self.name, x)
        return run(self.name, self._ufunc, args, kwargs, StrictArray)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        """The array reduced along the axis."""
        self._only(("add", "multiply"), "reduce")
        options = {"axis": axis, "dtype": dtype, "out": out, "keepdims": keepdims}
        return run(f"{self.name}.reduce", self._ufunc.reduce, (array,), options, StrictArray)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """Running results along the axis."""
        self._only(("add", "multiply"), "accumulate")
        options = {"axis": axis, "dtype": dtype, "out": out}
        return run(f"{self.name}.accumulate", self._ufunc.accumulate, (array,), options, StrictArray)

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """Results over slices of the axis."""
        self._only(("add",), "reduceat")
        _refuse_list("reduceat", indices)
        options = {"axis": axis, "dtype": dtype, "out": out}
        return run(f"{self.name}.reduceat", self._ufunc.reduceat, (array, indices), options, StrictArray)

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        """The ufunc of all pairs."""
        _check_keywords(f"{self.name}.outer", kwargs, _UFUNC_KEYWORDS)
        return run(f"{self.name}.outer", self._ufunc.outer, (A, B), kwargs, StrictArray)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """a[indices] = ufunc(a[indices], b), once for each time that an index stands there."""
        index.ufunc_at(self._ufunc, a, indices, b)

    def _only(self, names: tuple[str, ...], method: str) -> None:
        if self.name not in names:
            raise NotImplementedError(
                f"CuPy has {method} for {' and '.join(names)} only, not for {self.name}"
            )


class StrictModule(ModuleType):
    """The names of one of CuPy's modules."""

    def __init__(self, section: str, of_numpy: ModuleType) -> None:
        super().__init__(section, f"{section}, as the strict device has it.")
        self._section, self._numpy = section, of_numpy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._find(name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted(manifest.sections()[self._section])

    def _find(self, name: str) -> Any:
        kind, parameters = manifest.entry(self._section, name)
        if name == "ndarray":
            return StrictArray
        if name in _OWN and self._section == "cupy":
            return _OWN[name]
        if kind == "module" and name in ("linalg", "lib", "fft"):
            return _SUBMODULES[name]
        if name not in _ABSENT and hasattr(self._numpy, name):
            theirs = getattr(self._numpy, name)
            if kind == "ufunc":
                return StrictUfunc(theirs.__name__, *map(int, parameters.split(",")))
            if kind in ("function", "gufunc"):
                return _function(name, theirs, parameters)
            if kind in ("constant", "type") or name in ("s_", "index_exp"):
                return theirs
        raise AttributeError(f"{self._section} has {name}, the strict device has not")


def _function(name: str, theirs: Callable[..., Any], parameters: str) -> Callable[..., Any]:
    """NumPy's function with CuPy's parameters."""
    signature = manifest.signature(parameters)
    places = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    moved = _moved(places, theirs)
    hidden = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"CuPy's {name}({parameters}): {error}") from None
        if hidden:
            _check_keywords(name, bound.get("kwargs", {}), tuple(_HIDDEN.get(name, ())))
        wrong = [p for p in places[: len(args)] if p in moved]
        if wrong:
            raise TypeError(f"{name}: {wrong[0]} stands in another place in NumPy; pass it by name")
        if name not in _UPLOADS:
            for parameter, value in bound.items():
                if parameter in _HOST_LISTS:
                    _refuse_list(name, value)
        elif not isinstance(args[0], StrictArray):
            return _upload(name, theirs, args, kwargs)
        if name in _SYNCING or (name == "where" and len(bound) == 1):
            crossing(f"{name}: a data-dependent shape")
        if name == "repeat" and isinstance(bound["repeats"], StrictArray):
            crossing("repeat with counts in an array: a data-dependent shape")
        if name == "clip" and bound["a_min"] is None and bound["a_max"] is None:
            raise ValueError("clip: CuPy wants one bound or both")
        return _called(name, theirs, args, kwargs)

    function.__name__ = name
    return function


def _called(name: str, theirs: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if name == "take":
        kwargs["mode"] = "wrap"
    if name == "take_along_axis":
        return _take_along_axis(*args, **kwargs)
    if name in _WRITES:
        return _write(name, theirs, args, kwargs)
    if name == "astype":
        check_cast(name, args[0]._host, args[1])
    for unused in ("blocking", "writeable"):
        kwargs.pop(unused, None)
    result = run(name, theirs, args, kwargs, StrictArray, name in _LAYOUT)
    return StrictArray(np.asarray(result)) if name in _TRUTHS else result


def _upload(
    name: str, theirs: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> StrictArray:
    """array and asarray of Python numbers and lists of them."""
    if isinstance(args[0], np.ndarray):
        raise LeakError(f"{name}: got a NumPy array; Device.asarray is the only way in")
    crossing(f"an upload, {name} of {type(args[0]).__name__}")
    kwargs.pop("blocking", None)
    if type(args[0]) in (list, tuple) and any(isinstance(x, StrictArray) for x in args[0]):
        return StrictArray(theirs([hosts(x, twin, name) for x in args[0]], *args[1:], **kwargs))
    return StrictArray(theirs(hosts(args[0], twin, name), *args[1:], **kwargs).copy())


def _take_along_axis(a: StrictArray, indices: StrictArray, axis: int | None) -> Any:
    n = a.size if axis is None else a.shape[axis]
    wrapped = StrictArray(indices._host % n if n else indices._host)
    return run("take_along_axis", np.take_along_axis, (a, wrapped, axis), {}, StrictArray)


def _write(name: str, theirs: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Functions that change their first argument."""
    if name == "put":
        args[0].put(*args[1:], **kwargs)
        return
    target, values = args[0], args[0]._host.copy()
    run(name, lambda *a, **k: theirs(values, *a, **k), args[1:], kwargs, StrictArray)
    write(name, target, ..., values)


def _moved(places: list[str], theirs: Callable[..., Any]) -> set[str]:
    """Parameters that stand in different places in CuPy and in NumPy."""
    try:
        names = [
            p.name for p in inspect.signature(theirs).parameters.values() if p.kind is not p.KEYWORD_ONLY
        ]
    except (TypeError, ValueError):
        return set()
    pairs = zip(places, names, strict=False)
    return {a for a, b in pairs if a != b and (a in names or b in places)}


def _check_keywords(name: str, kwargs: dict[str, Any], allowed: tuple[str, ...]) -> None:
    unknown = [key for key in kwargs if key not in allowed]
    if unknown:
        raise TypeError(
            f"CuPy's {name} has no parameter {unknown[0]!r}; it takes {', '.join(sorted(allowed))}"
        )


def _refuse_list(name: str, value: Any) -> None:
    if isinstance(value, np.ndarray | range) or (
        type(value) in (list, tuple) and not any(isinstance(x, StrictArray) for x in value)
    ):
        raise LeakError(
            f"{name}: got a {type(value).__name__} where a device array is due; use Device.asarray"
        )


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Any:
    """The values in host memory."""
    return a.get() if isinstance(a, StrictArray) else np.asarray(a)


def get_array_module(*args: Any) -> ModuleType:
    """This module when one of the arguments is a device array, else NumPy."""
    return xp if any(isinstance(x, StrictArray) for x in args) else np


_OWN = {"asnumpy": asnumpy, "get_array_module": get_array_module, "ufunc": StrictUfunc}
_lib = ModuleType("cupy.lib")
_lib.stride_tricks = StrictModule("cupy.lib.stride_tricks", np.lib.stride_tricks)  # type: ignore[attr-defined]
_SUBMODULES = {
    "linalg": StrictModule("cupy.linalg", np.linalg),
    "fft": StrictModule("cupy.fft", np.fft),
    "lib": _lib,
}

xp = StrictModule("cupy", np)
