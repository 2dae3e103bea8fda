"""Where the full MNIST and Fashion-MNIST files are found, and, only when asked, downloaded from.

Files are known by the sha256 of their decompressed bytes, so it does not matter who compressed them or what
folder they lie in: a file of the right name with other contents is passed over and reported.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tinydl.data.errors import DataError, DataNotFound
from tinydl.data.idx import read_idx

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

SYSTEM = Path("/usr/share/datasets")
TIMEOUT = 30.0  # seconds without an answer

_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """What the decompressed bytes of a file must be."""

    size: int
    sha256: str


@dataclass(frozen=True)
class FullSet:
    """A full data set: its files, the names its folder may have, and the mirrors to download from."""

    title: str
    folders: tuple[str, ...]
    files: Mapping[str, RemoteFile]
    mirrors: tuple[str, ...]
    package: str = ""


MNIST = FullSet(
    title="MNIST",
    folders=("mnist",),
    files={
        TRAIN_IMAGES: RemoteFile(
            47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        TRAIN_LABELS: RemoteFile(60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        TEST_IMAGES: RemoteFile(
            7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        TEST_LABELS: RemoteFile(10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    },
    # MNIST's original host is left out: it refuses downloads.
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)

FASHION_MNIST = FullSet(
    title="Fashion-MNIST",
    folders=("fashion-mnist", "fashion_mnist"),
    files={
        TRAIN_IMAGES: RemoteFile(
            47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        TRAIN_LABELS: RemoteFile(60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        TEST_IMAGES: RemoteFile(
            7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        TEST_LABELS: RemoteFile(10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    },
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    package="dataset-fashion-mnist",
)


def embedded(folder: str, name: str) -> Path:
    """The path of a file that is part of this package."""
    return Path(__file__).parent / "files" / folder / name


def full_file(
    full: FullSet, name: str, root: str | os.PathLike[str] | None = None, download: bool = False
) -> tuple[npt.NDArray[np.uint8], Path]:
    """One file of a full data set: its array and the path it was read from.

    Looked for, with or without `.gz` and with or without a subfolder named after the set, in `root`, the
    folder `$TINYDL_DATA`, the user's cache and the system's folder of data sets. If it is in none of them,
    `download=True` fetches it into `root` or, without one, the user's cache.

    Raises: DataNotFound, which names every place looked in and every way out.
    """
    passed_over: list[str] = []
    for place in _places(root):
        for folder in (*(place / folder for folder in full.folders), place):
            for path in (folder / f"{name}.gz", folder / name):
                found = _verified(path, full.files[name], passed_over)
                if found is not None:
                    return found, path
    if download:
        folder = (Path(root) if root is not None else _cache()) / full.folders[0]
        path = _download(full, name, folder)
        return read_idx(path, sha256=full.files[name].sha256), path
    raise DataNotFound(_ways_out(full, name, root, passed_over))


def find_full(full: FullSet, root: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder that holds the full data set, verified, or None; never downloads anything."""
    try:
        folders = [full_file(full, name, root)[1].parent for name in full.files]
    except DataNotFound:
        return None
    return folders[0]


def _places(root: str | os.PathLike[str] | None) -> list[Path]:
    """The folders to look in, in this order."""
    places = [] if root is None else [Path(root)]
    if os.environ.get("TINYDL_DATA"):
        places.append(Path(os.environ["TINYDL_DATA"]))
    return [*places, _cache(), SYSTEM]


def _cache() -> Path:
    """The user's cache by the XDG rules, by which a relative `$XDG_CACHE_HOME` counts for nothing."""
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "tinydl"


def _verified(path: Path, expected: RemoteFile, passed_over: list[str]) -> npt.NDArray[np.uint8] | None:
    try:
        return read_idx(path, sha256=expected.sha256)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (DataError, OSError) as error:
        passed_over.append(str(error))
        return None


def _ways_out(full: FullSet, name: str, root: str | os.PathLike[str] | None, passed_over: list[str]) -> str:
    lines = [f"the full {full.title} was not found: expected {name} or {name}.gz, looked in"]
    lines += [f"  {place} (also in its subfolder {' or '.join(full.folders)})" for place in _places(root)]
    if passed_over:
        lines += ["passed over", *(f"  {reason}" for reason in passed_over)]
    lines += ["ways out:"]
    if full.package:
        lines += [f"  on Debian and Ubuntu, `apt-get install {full.package}`"]
    lines += [
        '  `load(source="full", download=True)` downloads it',
        "  give the folder of your files by `root=` or $TINYDL_DATA",
        "  `load()` is the embedded subset, which needs no files",
    ]
    return "\n".join(lines)


def _download(full: FullSet, name: str, folder: Path) -> Path:
    """Downloads one file into `folder` from the first mirror that has the right contents."""
    # here, because few programs download and the two take longer to import than the rest of this package
    import http.client
    import urllib.request

    if os.environ.get("TINYDL_OFFLINE", "0") not in ("", "0"):
        raise DataNotFound(
            f"{name} of the full {full.title} is not on this machine, and TINYDL_OFFLINE forbids a download; "
            "unset TINYDL_OFFLINE, or give the folder of your files by root= or $TINYDL_DATA"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.gz"
    failures: list[str] = []
    for mirror in full.mirrors:
        url = f"{mirror}{name}.gz"
        # A unique name in the same folder: two downloads at once do not meet, and replacing is atomic.
        temporary = folder / f".{name}.{os.urandom(8).hex()}.part"
        try:
            with temporary.open("xb") as file:
                with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
                    _copy_verified(response, file, full.files[name])
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            return path
        except (OSError, http.client.HTTPException, zlib.error, DataError) as error:
            failures.append(f"  {url}: {error}")
        finally:
            temporary.unlink(missing_ok=True)
    raise DataNotFound(
        "\n".join(
            [
                f"{name} of the full {full.title} could not be downloaded from any mirror:",
                *failures,
                "try again later, or give the folder of your files by root= or $TINYDL_DATA",
            ]
        )
    )


def _copy_verified(response: BinaryIO, file: BinaryIO, expected: RemoteFile) -> None:
    """Copies a gzip stream, and checks while it flows that it holds the expected bytes and no byte more."""
    unzip, digest, size, received = zlib.decompressobj(wbits=31), hashlib.sha256(), 0, 0
    while piece := response.read(_CHUNK):
        received += len(piece)
        # gzip makes nothing longer by more than a few bytes, so a longer download can't be right
        if received > expected.size + _CHUNK:
            raise DataError(f"expected at most {expected.size + _CHUNK:,} bytes, the download goes on")
        file.write(piece)
        data = unzip.decompress(piece, expected.size + 1 - size)
        digest.update(data)
        size += len(data)
        if size > expected.size or unzip.unused_data:
            raise DataError(f"expected {expected.size:,} bytes after decompression, found more")
    if not unzip.eof:
        raise DataError(
            f"expected {expected.size:,} bytes after decompression, the download broke off at {size:,}"
        )
    if digest.hexdigest() != expected.sha256:
        raise DataError(f"expected contents with sha256 {expected.sha256}, found {digest.hexdigest()}")
