"""What the tests of data files share: IDX files made by hand, small full sets, and a machine without any."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tinydl.data import sources

Encode = Callable[[npt.NDArray[np.uint8]], bytes]


@pytest.fixture(scope="session")
def idx_bytes() -> Encode:
    """Writes an array in the IDX format, independently of the reader."""

    def encode(array: npt.NDArray[np.uint8]) -> bytes:
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()

    return encode


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any data, whatever the real one has; returns an empty folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "SYSTEM", tmp_path / "system")
    monkeypatch.delenv("TINYDL_DATA", raising=False)
    monkeypatch.delenv("TINYDL_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


@pytest.fixture(scope="session")
def small_files(idx_bytes: Encode) -> dict[str, bytes]:
    """The four files of a full set of 7 and 3 images, not compressed."""
    rng = np.random.default_rng(0)
    return {
        sources.TRAIN_IMAGES: idx_bytes(rng.integers(0, 256, (7, 28, 28), np.uint8)),
        sources.TRAIN_LABELS: idx_bytes(rng.integers(0, 10, 7, np.uint8)),
        sources.TEST_IMAGES: idx_bytes(rng.integers(0, 256, (3, 28, 28), np.uint8)),
        sources.TEST_LABELS: idx_bytes(rng.integers(0, 10, 3, np.uint8)),
    }


@pytest.fixture(scope="session")
def small_set(small_files: dict[str, bytes]) -> sources.FullSet:
    """The full set to which `small_files` belong."""
    files = {
        name: sources.RemoteFile(len(data), hashlib.sha256(data).hexdigest())
        for name, data in small_files.items()
    }
    return sources.FullSet("Small", ("small", "small-set"), files, mirrors=(), package="dataset-small")


@pytest.fixture(scope="session")
def lay(small_files: dict[str, bytes]) -> Callable[..., None]:
    """Writes the four small files into a folder, compressed or not."""

    def write(folder: Path, compressed: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in small_files.items():
            if compressed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)

    return write
