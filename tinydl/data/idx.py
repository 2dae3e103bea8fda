"""The IDX format of MNIST and Fashion-MNIST, plain or gzip-compressed: one parser for every source.

A file is a magic number, one size per axis, and the values, one byte each. All integers are big-endian:

    0x00000801  n                labels, shape (n,)
    0x00000803  n  rows  cols    images, shape (n, rows, cols)

Files may come from anywhere, so nothing in them is believed: the sizes are checked before memory is taken,
memory grows only with bytes that are really there, and reading stops at the first byte too many.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from tinydl.data.errors import DataError

# Twice the largest file of MNIST, 60,000 images of 28x28 pixels.
LIMIT = 2 * 60_000 * 28 * 28

_AXES = {0x00000801: 1, 0x00000803: 3}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


def read_idx(
    path: str | os.PathLike[str], *, limit: int = LIMIT, sha256: str | None = None
) -> npt.NDArray[np.uint8]:
    """The array in the IDX file `path`, plain or gzip-compressed (told by its content, not by its name).

    Returns: uint8, writable, shape (n, rows, cols) for images and (n,) for labels.

    Raises: DataError, which names the file, when it is damaged, truncated, followed by further bytes, larger
    than `limit` values, of another kind, or when its decompressed bytes do not have the given `sha256`.
    OSError when it cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as raw:
        compressed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        if not compressed:
            return _parse(raw, path, limit, sha256)
        try:
            with gzip.GzipFile(fileobj=raw) as unzipped:
                return _parse(cast(BinaryIO, unzipped), path, limit, sha256)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(
                f"{path}: expected a whole gzip file, but it is damaged or truncated ({error}); get it anew"
            ) from error


def read_pair(
    images: str | os.PathLike[str], labels: str | os.PathLike[str]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (n, rows, cols) and their labels (n,), both uint8, from two IDX files.

    Raises: DataError as `read_idx` does, when the files are swapped, or when their counts differ.
    """
    x, y = read_idx(images), read_idx(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise DataError(
            f"expected images (n, rows, cols) and as many labels (n,), got shape {x.shape} from {images} and "
            f"{y.shape} from {labels}; check that the two files belong together"
        )
    return x, y


def _parse(file: BinaryIO, path: Path, limit: int, sha256: str | None) -> npt.NDArray[np.uint8]:
    magic = _exactly(file, 4, path)
    axes = _AXES.get(int.from_bytes(magic, "big"))
    if axes is None:
        raise DataError(
            f"{path}: expected an IDX file that begins with 00000801 (labels) or 00000803 (images), "
            f"found {magic.hex()}; give the file of that kind"
        )
    header = _exactly(file, 4 * axes, path)
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(0, len(header), 4))
    # a size of 0 must not hide absurd sizes beside it, which NumPy would refuse in its own words
    if math.prod(max(n, 1) for n in shape) > limit:
        raise DataError(
            f"{path}: expected at most {limit:,} values, but its header announces shape {shape}; "
            "the file is damaged, or give a larger limit"
        )
    values = _exactly(file, math.prod(shape), path)
    if file.read(1):
        raise DataError(
            f"{path}: expected the end of the file after the {len(values):,} values of shape {shape}, "
            "found further bytes; get it anew"
        )
    if sha256 is not None:
        digest = hashlib.sha256(magic + header)
        digest.update(values)
        if digest.hexdigest() != sha256:
            raise DataError(
                f"{path}: expected contents with sha256 {sha256}, found {digest.hexdigest()}; "
                "the file is damaged or belongs to another data set"
            )
    return np.frombuffer(values, np.uint8).reshape(shape)


def _exactly(file: BinaryIO, size: int, path: Path) -> bytearray:
    """The next `size` bytes, read in pieces, so that memory is taken only for bytes that arrive."""
    data = bytearray()
    while len(data) < size:
        piece = file.read(min(_CHUNK, size - len(data)))
        if not piece:
            raise DataError(f"{path}: expected {size:,} more bytes, found {len(data):,}; get the file anew")
        data += piece
    return data
