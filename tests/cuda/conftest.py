"""A GPU played on the CPU: the device "cuda" over the strict device's arrays.

Arrays refuse what CuPy's refuse; kernels are the .cu files, built by g++; cuBLAS is a function that multiplies matrices
stored by columns, from their addresses; and a CUDA graph is a tape of what was done to arrays, which plays it again on
the same memory. What only a GPU can show, no stand-in can: speed, races, and whether CuPy and cuBLAS do as they say.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernels.cuda.host import HostLauncher, compiler

from tinydl import device as devices
from tinydl.capture import Capture
from tinydl.cuda import blas
from tinydl.cuda.device import CudaDevice
from tinydl.kernels.cuda.launch import CupyLauncher, launchers
from tinydl.strict import array, index, module, no_sync
from tinydl.strict.array import StrictArray
from tinydl.strict.call import Wrapped

_PATCHED = [
    (array, "run"), (module, "run"), (array, "write"), (module, "write"),
    (index, "getitem"), (index, "setitem"), (index, "ufunc_at"),
]  # fmt: skip


class Tape:
    """What was done to arrays, to be done again: on the same memory, with the same numbers of Python."""

    def __init__(self) -> None:
        self.entries: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]] = []
        self.recording = False
        self.inside = False
        self.before: list[tuple[Any, Any]] = []

    def wrap(
        self, function: Callable[..., Any], changed: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    ) -> Any:
        """`function`, which is noted when it is called while the tape records; `changed` are arrays it writes to."""

        def noted(*args: Any, **kwargs: Any) -> Any:
            if not self.recording or self.inside:
                return function(*args, **kwargs)
            self.inside = True
            try:
                for target in changed(args, kwargs):
                    self.before.append((target, target.copy()))
                again = tuple(
                    dict(a) if isinstance(a, dict) else a for a in args
                )  # `run` takes `out` out of it
                result = function(*args, **kwargs)
            finally:
                self.inside = False
            self.entries.append((function, again, dict(kwargs), result))
            return result

        return noted

    def rewind(self) -> None:
        """Nothing has been computed yet."""
        for target, values in reversed(self.before):
            target[...] = values
        self.before.clear()

    def play(self) -> None:
        for function, args, kwargs, result in self.entries:
            new = function(*(dict(a) if isinstance(a, dict) else a for a in args), **kwargs)
            for a, b in zip(_arrays(result), _arrays(new), strict=True):
                if not np.may_share_memory(a._host, b._host):
                    a._host[...] = b._host


def _arrays(result: Any) -> list[Wrapped]:
    if isinstance(result, Wrapped):
        return [result]
    return [a for r in result for a in _arrays(r)] if isinstance(result, list | tuple) else []


def _written(name: str) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    if name == "run":
        return lambda args, kwargs: [a._host for a in _arrays(args[3].get("out"))]
    if name == "getitem":
        return lambda args, kwargs: []
    return lambda args, kwargs: [args[1 if name in ("write", "ufunc_at") else 0]._host]


class Stream:
    """A stream of CuPy's, as far as it is used; `capturing` while a graph is made."""

    ptr = 7

    def __init__(self, tape: list[Tape], non_blocking: bool) -> None:
        assert non_blocking  # the default stream waits for all others, and can't be captured
        self._tape, self.capturing, self._quiet = tape, False, no_sync()

    def use(self) -> None: ...

    def synchronize(self) -> None:
        assert not self.capturing

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None: ...

    def begin_capture(self) -> None:
        self._tape.append(Tape())
        self._tape[-1].recording = self.capturing = True
        self._quiet = no_sync()
        self._quiet.__enter__()

    def end_capture(self) -> Any:
        tape = self._tape[-1]
        tape.recording = self.capturing = False
        self._quiet.__exit__(None, None, None)
        tape.rewind()
        return SimpleNamespace(upload=lambda stream: None, launch=lambda stream: tape.play())


class StandIn(ModuleType):
    """A module like CuPy: the strict device's, with a way in and out, and streams."""

    __version__ = "14.2.0"

    def __init__(self, tapes: list[Tape]) -> None:
        super().__init__("cupy")
        self.pools: list[str] = []
        stack: list[str] = ["default"]

        @contextmanager
        def using(malloc: Any) -> Iterator[None]:
            self.pools.append("private")
            stack.append("private")
            yield
            stack.pop()

        self.cuda = SimpleNamespace(
            Stream=lambda non_blocking: Stream(tapes, non_blocking),
            MemoryPool=lambda: SimpleNamespace(malloc=None, total_bytes=lambda: 1000),
            using_allocator=using,
            Event=lambda: SimpleNamespace(record=lambda stream: None, synchronize=lambda: None),
            get_elapsed_time=lambda begin, end: 1.0,
        )
        self.get_default_memory_pool = lambda: SimpleNamespace(total_bytes=lambda: 24)

    def array(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(host, np.ndarray | np.generic):
            return StrictArray(np.array(host, order="C"))
        return module.xp.array(host, *args, **kwargs)

    def asnumpy(self, x: Any) -> Any:
        return x.get()

    def __getattr__(self, name: str) -> Any:
        return getattr(module.xp, name)


class Library:
    """cuBLAS: column-major products from addresses. `calls` are the names and compute types that were asked for."""

    def __init__(self, status: int = 0) -> None:
        self.calls: list[tuple[str, int]] = []
        self.setup: list[str] = []
        self.status = status

    def cublasCreate_v2(self, handle: Any) -> int:
        self.setup.append("create")
        return self.status

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:
        self.setup.append(f"stream {stream.value}")
        return 0

    def cublasSetWorkspace_v2(self, handle: Any, where: Any, size: Any) -> int:
        self.setup.append(f"workspace {size.value}")
        return 0

    def cublasGemmEx(
        self, handle: Any, op_a: Any, op_b: Any, m: Any, n: Any, k: Any, alpha: Any, *rest: Any
    ) -> int:
        a, b, beta, c, (compute, _) = rest[:3], rest[3:6], rest[6], rest[7:10], rest[10:]
        self.calls.append(("cublasGemmEx", compute.value))
        self._product(op_a, op_b, m, n, k, alpha, a, b, beta, c)
        return 0

    def cublasGemmStridedBatchedEx(
        self, handle: Any, op_a: Any, op_b: Any, m: Any, n: Any, k: Any, alpha: Any, *rest: Any
    ) -> int:
        a, b, beta, c, (count, compute, _) = rest[:4], rest[4:8], rest[8], rest[9:13], rest[13:]
        self.calls.append(("cublasGemmStridedBatchedEx", compute.value))
        for i in range(count.value):
            moved = []
            for where, data, leading, stride in (a, b, c):
                assert stride.value >= 0  # what cuBLAS says of others is nowhere written
                size = 4 if data.value == 0 else 8
                moved.append((ctypes.c_void_p(where.value + i * stride.value * size), data, leading))
            self._product(op_a, op_b, m, n, k, alpha, moved[0], moved[1], beta, moved[2])
        return 0

    def _product(
        self, op_a: Any, op_b: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, b: Any, beta: Any, c: Any
    ) -> None:
        left = _columns(*a, *((k, m) if op_a.value else (m, k)))
        right = _columns(*b, *((n, k) if op_b.value else (k, n)))
        out = _columns(*c, m, n)
        out[...] = alpha._obj.value * ((left.T if op_a.value else left) @ (right.T if op_b.value else right))
        assert beta._obj.value == 0


def _columns(where: Any, data: Any, leading: Any, rows: Any, columns: Any) -> Any:
    """A matrix stored by columns, `leading` elements apart, at an address; as cuBLAS, refuses too small a distance."""
    rows, columns, leading = rows.value, columns.value, leading.value
    assert leading >= max(1, rows), "cuBLAS would refuse this leading dimension"
    dtype = np.dtype(np.float32 if data.value == 0 else np.float64)
    count = leading * (columns - 1) + rows
    memory = (ctypes.c_byte * (count * dtype.itemsize)).from_address(where.value)
    flat = np.frombuffer(memory, dtype)
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), (dtype.itemsize, leading * dtype.itemsize))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """A cuBLAS for arrays of NumPy and of the strict device."""
    monkeypatch.setattr(
        blas,
        "address",
        lambda x: (x._host if isinstance(x, StrictArray) else x).__array_interface__["data"][0],
    )
    monkeypatch.setattr(blas, "WORKSPACE", 64)
    return Library()


@pytest.fixture
def cuda(request: pytest.FixtureRequest) -> CudaDevice:
    """The device "cuda": the stand-in, registered under that name, or with `--device cuda` the real one."""
    if request.config.getoption("--device") == "cuda":
        real = devices.get_device("cuda")
        assert isinstance(real, CudaDevice)
        return real
    played: CudaDevice = request.getfixturevalue("played")
    return played


@pytest.fixture
def played(library: Library, monkeypatch: pytest.MonkeyPatch) -> CudaDevice:
    """The stand-in for a GPU, for tests that look behind it."""
    if compiler() is None:
        pytest.skip("there is no g++: the CUDA kernels can't run on this CPU")
    tapes: list[Tape] = []
    monkeypatch.setattr(
        StrictArray, "set", lambda self, host, stream: self._host.__setitem__(..., host), raising=False
    )
    kernels = HostLauncher()

    def launch(launcher: Any, name: str, threads: int, *args: Any) -> None:
        arrays = {id(a): a._host for a in args if isinstance(a, StrictArray)}

        def run() -> None:
            kernels.launch(name, threads, *(arrays[id(a)] if isinstance(a, StrictArray) else a for a in args))

        (tapes[-1] if tapes else Tape()).wrap(run, lambda a, k: arrays.values())()

    monkeypatch.setattr(CupyLauncher, "launch", launch)
    original = blas.Blas._product

    def product(self: Any, xp: Any, *stacks: Any) -> None:
        run = (tapes[-1] if tapes else Tape()).wrap(
            lambda: original(self, xp, *stacks), lambda a, k: [stacks[2]._host]
        )
        run()

    monkeypatch.setattr(blas.Blas, "_product", product)
    for where, name in _PATCHED:
        function = getattr(where, name)

        def noted(*args: Any, _function: Any = function, _name: str = name, **kwargs: Any) -> Any:
            if not tapes:
                return _function(*args, **kwargs)
            return tapes[-1].wrap(_function, _written(_name))(*args, **kwargs)

        monkeypatch.setattr(where, name, noted)
    each = Capture.each

    def seen_at_once(capture: Any, host: Any) -> Any:
        """A tape computes while it records, unlike a GPU, and so needs the numbers then."""
        found = each(capture, host)
        capture.memory._host[: capture.numbers().size] = capture.numbers()
        return found

    monkeypatch.setattr(Capture, "each", seen_at_once)
    monkeypatch.setitem(launchers, "cupy", None)
    found = CudaDevice(StandIn(tapes), library)
    monkeypatch.setattr(
        devices, "_devices", {"cpu": devices.cpu, None: devices.cpu, "cuda": found, "cuda:0": found}
    )
    return found
