"""The array type of the strict device: what CuPy's arrays would do, on a machine without a GPU.

Code that is written for NumPy and CuPy alike tends to run on NumPy alone, and nobody notices: `np.sum(x)` instead
of `xp.sum(x)`, a Python list as an index, `if loss < best`, an assignment through repeated indices. On a GPU such
code fails, or copies silently at every step, or gives other numbers. A `StrictArray` holds a NumPy array and does
with it what CuPy's array would do, by its names and parameters (read from CuPy itself: `manifest.json`), except
where CuPy is too kind: there it raises.

It is no subclass of NumPy's array, so that NumPy can't take it for one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from tinydl.strict import index, manifest
from tinydl.strict.call import Host, Wrapped, check_cast, run, write
from tinydl.strict.sync import LeakError, UndefinedError, crossing

_NUMBERS = bool | int | float | complex | np.generic


class Flags:
    """The memory layout of an array, with the attributes of CuPy's: there is no `writeable`."""

    def __init__(self, host: Host) -> None:
        self.c_contiguous, self.f_contiguous = host.flags.c_contiguous, host.flags.f_contiguous
        self.owndata, self.fnc, self.forc = host.flags.owndata, host.flags.fnc, host.flags.forc


class StrictArray(Wrapped):
    """An array of the strict device. `Device.asarray` makes it and `Device.to_host` reads it; nothing else does."""

    __slots__ = ()
    # NumPy's ufuncs refuse such operands; its scalars and arrays leave `number * array` to the array.
    __array_ufunc__ = None
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]  # as CuPy's

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        return self._host.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._host.dtype

    @property
    def ndim(self) -> int:
        return self._host.ndim

    @property
    def size(self) -> int:
        return self._host.size

    @property
    def itemsize(self) -> int:
        return self._host.itemsize

    @property
    def nbytes(self) -> int:
        return self._host.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        return self._host.strides

    @property
    def flags(self) -> Flags:
        return Flags(self._host)

    @property
    def base(self) -> StrictArray | None:
        """The array whose memory this one views, or None."""
        base = self._host.base
        return None if base is None else StrictArray(base if isinstance(base, np.ndarray) else self._host)

    @property
    def device(self) -> str:
        return "strict"

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[StrictArray]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # ---- elements

    def __getitem__(self, key: Any) -> StrictArray:
        found: StrictArray = index.getitem(self, key, StrictArray)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        index.setitem(self, key, value)

    def fill(self, value: Any) -> None:
        """Sets all elements to one number."""
        self[...] = value

    # ---- conversions

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> StrictArray:
        """The array in another dtype."""
        check_cast("astype", self._host, np.dtype(dtype))
        options = {} if casting is None else {"casting": casting}
        out: StrictArray = run(
            "astype",
            lambda x: x.astype(dtype, order=order, copy=copy, **options),
            (self,),
            {},
            StrictArray,
            True,
        )
        return out

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Host:
        """The values in host memory."""
        crossing("get()")
        host: Host = np.array(self._host, order="F" if order == "F" else "C")
        return host

    def item(self) -> Any:
        """The only element as a Python number."""
        crossing("item()")
        return self._host.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        crossing("tolist()")
        return self._host.tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        """The values as bytes."""
        crossing("tobytes()")
        return self._host.tobytes(order)

    def __bool__(self) -> bool:
        crossing("bool(array): an `if`, `and`, `max` or `in`")
        return bool(self._host)

    def __int__(self) -> int:
        crossing("int(array)")
        return int(self._host)

    def __float__(self) -> float:
        crossing("float(array)")
        return float(self._host)

    def __complex__(self) -> complex:
        crossing("complex(array)")
        return complex(self._host)

    def __repr__(self) -> str:
        crossing("repr(array)")
        return repr(self._host)

    def __str__(self) -> str:
        crossing("str(array)")
        return str(self._host)

    def __format__(self, spec: str) -> str:
        crossing("an array in an f-string")
        return format(self._host, spec)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise LeakError(
            "a device array was given to NumPy, which would copy it to the host; use Device.to_host"
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> NoReturn:
        raise LeakError(
            f"np.{function.__name__} was called on a device array; use the array's own module: xp"
        )

    def __reduce__(self) -> NoReturn:
        raise LeakError(
            "a device array can't be pickled: it would be uploaded where it is loaded; save Device.to_host"
        )

    def __copy__(self) -> StrictArray:
        return StrictArray(self._host.copy())

    def __deepcopy__(self, memo: Any) -> StrictArray:
        return StrictArray(self._host.copy())

    def __getattr__(self, name: str) -> Any:
        """The methods of CuPy's arrays that NumPy's have too, with CuPy's parameters; made when first asked for."""
        kind, parameters = manifest.entry("ndarray", name)
        if (
            kind == "method"
            and hasattr(np.ndarray, name)
            and not name.startswith("__")
            and name not in _NO_METHODS
        ):
            setattr(StrictArray, name, _method(name, parameters))
            return getattr(self, name)
        if name in _VIEWS and kind == "attribute":
            return run(name, operator.attrgetter(name), (self,), {}, StrictArray, True)
        raise AttributeError(f"CuPy's arrays have {name}, those of the strict device have not")


_NO_METHODS = {"dump", "dumps", "tofile", "byteswap", "searchsorted", "choose"}
_VIEWS = {"T", "mT", "real", "imag", "reshape", "transpose", "ravel", "squeeze", "swapaxes", "diagonal", "view", "copy",
          "flatten"}  # fmt: skip
_IN_PLACE = {"sort", "partition", "put"}
_SYNCING = {"nonzero": "nonzero(): a data-dependent shape", "compress": "compress(): a data-dependent shape"}


def _method(name: str, parameters: str) -> Callable[..., Any]:
    """A method with CuPy's parameters that calls NumPy's of the same name."""
    signature = manifest.signature(parameters)
    function = getattr(np.ndarray, name)

    def method(self: StrictArray, *args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"CuPy's ndarray.{name}({parameters}): {error}") from None
        if name in _SYNCING:
            crossing(_SYNCING[name])
        if name in ("take", "dot", "repeat") and args and isinstance(args[0], list | tuple | range):
            raise LeakError(f"{name}: a {type(args[0]).__name__} would be copied to the device at every call")
        if name == "take":
            kwargs["mode"] = "wrap"
        if name in _IN_PLACE:
            return _in_place(self, name, args, kwargs)
        if name == "repeat" and args and isinstance(args[0], StrictArray):
            crossing("repeat() with counts in an array: a data-dependent shape")
        return run(f"ndarray.{name}", function, (self, *args), kwargs, StrictArray, name in _VIEWS)

    method.__name__ = name
    return method


def _in_place(array: StrictArray, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if name == "put":
        places, values = args[0], args[1]
        if not isinstance(places, StrictArray):
            raise LeakError(
                f"put: indices of type {type(places).__name__} would be copied to the device at every call"
            )
        if isinstance(values, StrictArray) and len(np.unique(places._host % array.size)) < places.size:
            raise UndefinedError(
                "put: an index stands there twice, and which of its values wins is undefined"
            )
        kwargs.setdefault("mode", "wrap")
    values = array._host.copy()
    run(f"ndarray.{name}", lambda *a, **k: getattr(values, name)(*a, **k), args, kwargs, StrictArray)
    write(name, array, ..., values)


# ---- operators


def _operator(function: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
    name = function.__name__.strip("_")

    def method(self: StrictArray, other: Any) -> Any:
        if not isinstance(other, StrictArray | _NUMBERS):
            if isinstance(other, np.ndarray):
                raise LeakError(
                    f"{name}: a device array and a NumPy array; move one with Device.asarray or to_host"
                )
            return NotImplemented
        return run(name, function, (other, self) if swapped else (self, other), {}, StrictArray)

    return method


def _in_place_operator(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    binary, name = _operator(function, False), function.__name__.strip("_")

    def method(self: StrictArray, other: Any) -> Any:
        result = binary(self, other)
        if result is not NotImplemented:
            write(f"{name} in place", self, ..., result._host, "same_kind")
            return self
        return result

    return method


def _bind_operators() -> None:
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
    ):
        function = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(StrictArray, f"__{name}__", _operator(function, False))
        setattr(StrictArray, f"__r{name}__", _operator(function, True))
        setattr(StrictArray, f"__i{name}__", _in_place_operator(function))
    for name, function in (("matmul", operator.matmul), ("divmod", divmod)):  # CuPy has no @=
        setattr(StrictArray, f"__{name}__", _operator(function, False))
        setattr(StrictArray, f"__r{name}__", _operator(function, True))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(StrictArray, f"__{name}__", _operator(getattr(operator, name), False))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(StrictArray, f"__{name}__", _unary(getattr(operator, name)))


def _unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda self: run(function.__name__, function, (self,), {}, StrictArray)


_bind_operators()
