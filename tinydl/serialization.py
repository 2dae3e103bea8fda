"""Named arrays in one safetensors file: no code is ever loaded, and a file is written whole or not at all."""

from __future__ import annotations

import glob
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinydl.tensor import Tensor

_MAX_HEADER = 100_000_000  # bytes; the limit of the format


class FileError(ValueError):
    """A file that is not what it should be."""


def save(
    tensors: Mapping[str, Tensor | np.ndarray[Any, Any]],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes named tensors or NumPy arrays, and texts as `metadata`, into the file `path`.

    The file appears under its name only when it is complete and on the disk: until then an earlier file of
    that name stays as it was. Shapes and dtypes are kept. Raises OSError when it can't be written, TypeError for
    what is neither a tensor nor an array of real numbers or booleans (no complex numbers, no texts).
    """
    from safetensors.numpy import save as to_bytes

    if not isinstance(tensors, Mapping):
        raise TypeError(f"save: expected tensors by name, as {{'weight': w}}, got {type(tensors).__name__}")
    host = {}
    for name, value in tensors.items():
        array = value.device.to_host(value._data) if isinstance(value, Tensor) else value
        if not isinstance(array, np.ndarray | np.generic):
            raise TypeError(f"save: {name!r} must be a Tensor or a NumPy array, got {type(array).__name__}")
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise TypeError(
                f"save: {name!r} has dtype {array.dtype}; the format keeps booleans, integers and floats of up to "
                "64 bits"
            )
        host[name] = np.asarray(array, order="C")
    write_atomically(path, _with_metadata(to_bytes(host), metadata) if metadata else to_bytes(host))


def _with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """The file with texts in its header, in their order: safetensors itself writes them in a random one."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": dict(metadata), **json.loads(data[8 : 8 + length])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """The named NumPy arrays of a safetensors file, in the shapes and dtypes that were saved, in their order.

    Raises: FileNotFoundError; `FileError`, a ValueError, when the file is truncated, corrupt or something else.
    """
    return load_with_metadata(path)[0]


def load_with_metadata(
    path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """The named arrays and the texts that `save` wrote beside them. Raises what `load` raises."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    with Path(path).open("rb") as file:
        try:
            header = _header(file)
            file.seek(0)
            loaded = from_bytes(file.read())
            arrays = {name: loaded[name] for name in header if name in loaded}  # one order in every process
        except (SafetensorError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
                RecursionError) as error:  # fmt: skip
            raise FileError(
                f"{os.fspath(path)}: not a safetensors file, or a damaged one ({error})"
            ) from error
    return arrays, header.get("__metadata__", {})


def _header(file: BinaryIO) -> dict[str, Any]:
    """What the file says it holds, if it is exactly as long as that: a foreign file is not read to its end."""
    there = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if length > min(there - 8, _MAX_HEADER):
        raise ValueError(f"its header would have {length:,} bytes")
    header: dict[str, Any] = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    announced = 8 + length + max(ends, default=0)
    if announced != there:
        raise ValueError(f"it announces {announced:,} bytes and has {there:,}")
    return header


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` under a temporary name in the same folder, flushes it to the disk, then renames it.

    Raises: OSError when it can't be written; an earlier file stays as it was.
    """
    try:
        _write(Path(path), data)
    except OSError as error:  # the system names the temporary file, or none
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error


def _write(target: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # mkstemp makes files that only their owner can read
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Deletes temporary files of `path` that a killed process left behind; no other process may be writing it."""
    target = Path(path)
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself outlive a power cut, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
