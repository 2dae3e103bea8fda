"""CUDA kernels on the CPU: the same .cu files, built by g++ with checks for undefined behaviour, on NumPy arrays."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tinydl.kernels.cuda.launch import arguments, check_count
from tinydl.kernels.cuda.source import source

_FLAGS = (
    "-std=c++17", "-O1", "-shared", "-fPIC",
    "-fsanitize=undefined,float-divide-by-zero,float-cast-overflow", "-fno-sanitize-recover=all", "-fno-sanitize=vptr",
)  # fmt: skip
_AROUND = 8  # numbers before and behind an array that no kernel may touch


def compiler() -> str | None:
    """g++, or None."""
    return shutil.which("g++")


def build() -> Path:
    """The kernels as a shared library; built once for each text, whoever asks first."""
    text = f'#include "{Path(__file__).with_name("host.h")}"\n' + source()
    header = Path(__file__).with_name("host.h").read_bytes()
    name = hashlib.sha256(header + " ".join((*_FLAGS, text)).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"tinydl-kernels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{name}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made, program = Path(scratch, library.name), Path(scratch, "kernels.cpp")
            program.write_text(text)
            done = subprocess.run(
                [str(compiler()), *_FLAGS, "-o", str(made), str(program)], capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(done.stderr)
            made.rename(library)  # at once: another process sees all of it or nothing
    return library


class HostLauncher:
    """Runs kernels on copies of the arrays with walls around them, and finds what is written into a wall.

    A wall is NaN, or a large integer: what is read there spoils the result. `calls` lists the kernels that ran.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(build()))
        self.calls: list[str] = []
        self.products = 0

    def launch(self, name: str, threads: int, *args: Any) -> None:
        check_count(name, threads)
        self.calls.append(name)
        if threads == 0:
            return
        walled: dict[int, tuple[Any, Any]] = {}
        values = [_for_c(value, walled) for value in arguments(name, args)]
        self._library[name](*values)
        for array, room in walled.values():
            assert _is_wall(room[:_AROUND]), f"{name} writes before an array"
            assert _is_wall(room[-_AROUND:]), f"{name} writes behind an array"
            inside = room[_AROUND:-_AROUND].reshape(array.shape)
            if inside.tobytes() != array.tobytes():
                array[...] = inside

    def product(self, a: Any, b: Any) -> Any:
        for m in (a, b):
            assert m.size == 0 or m.itemsize in m.strides[-2:] or 1 in m.shape[-2:], "would be copied"
        self.products += 1
        return np.matmul(a, b)


def _for_c(value: Any, walled: dict[int, tuple[Any, Any]]) -> Any:
    """An argument for ctypes."""
    if isinstance(value, np.generic):
        kind = {"int32": ctypes.c_int, "float64": ctypes.c_double, "uint64": ctypes.c_void_p}[
            value.dtype.name
        ]
        return kind(value.item())
    address = value.ctypes.data
    if address not in walled:
        room = np.empty(value.size + 2 * _AROUND, value.dtype)
        room.view(np.uint8)[...] = _wall(room)
        room[_AROUND:-_AROUND] = value.reshape(-1)
        walled[address] = value, room
    return ctypes.c_void_p(walled[address][1].ctypes.data + _AROUND * value.itemsize)


def _wall(room: Any) -> int:
    return 0xFF if room.dtype.kind == "f" else 0x7B


def _is_wall(room: Any) -> bool:
    return set(room.tobytes()) == {_wall(room)}
