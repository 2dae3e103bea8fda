from __future__ import annotations

import dataclasses
import gzip
import http.server
import io
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tinydl.data import DataError, DataNotFound, sources
from tinydl.data.sources import (
    FASHION_MNIST,
    MNIST,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    FullSet,
    find_full,
    full_file,
)

Lay = Callable[..., None]
Served = tuple[str, dict[str, bytes], list[str]]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("subfolder", ["", "small", "small-set"])
@pytest.mark.parametrize("place", ["root", "variable", "cache", "system"])
def test_finds_files_in_every_place(
    bare_machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_set: FullSet,
    lay: Lay,
    place: str,
    subfolder: str,
    compressed: bool,
) -> None:
    folder = bare_machine / ("cache/tinydl" if place == "cache" else place) / subfolder
    lay(folder, compressed)
    if place == "variable":
        monkeypatch.setenv("TINYDL_DATA", str(bare_machine / "variable"))
    root = bare_machine / "root" if place == "root" else None
    array, path = full_file(small_set, TRAIN_IMAGES, root)
    assert array.shape == (7, 28, 28)
    assert path == folder / (TRAIN_IMAGES + ".gz" * compressed)
    assert find_full(small_set, root) == folder


def test_places_are_looked_in_in_order(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, small_set: FullSet, lay: Lay
) -> None:
    monkeypatch.setenv("TINYDL_DATA", str(bare_machine / "variable"))
    for place in ("system", "cache/tinydl", "variable", "root"):
        lay(bare_machine / place)
        assert full_file(small_set, TRAIN_LABELS, bare_machine / "root")[1].parent == bare_machine / place


def test_a_relative_xdg_folder_counts_for_nothing(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, small_set: FullSet, lay: Lay
) -> None:
    monkeypatch.chdir(bare_machine)
    monkeypatch.setenv("HOME", str(bare_machine / "home"))
    lay(bare_machine / "near" / "tinydl")
    for value in ("near", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert find_full(small_set) is None
    lay(bare_machine / "home" / ".cache" / "tinydl")
    assert find_full(small_set) == bare_machine / "home" / ".cache" / "tinydl"


def test_not_found_names_every_place_and_every_way_out(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, small_set: FullSet
) -> None:
    monkeypatch.setenv("TINYDL_DATA", "/variable")
    with pytest.raises(DataNotFound) as caught:
        full_file(small_set, TRAIN_IMAGES, "/root-folder")
    said = str(caught.value)
    places = ["/root-folder", "/variable", str(bare_machine / "cache/tinydl"), str(bare_machine / "system")]
    ways = ["apt-get install dataset-small", "download=True", "root=", "$TINYDL_DATA", "`load()`"]
    for part in ["the full Small", TRAIN_IMAGES, "small or small-set", *places, *ways]:
        assert part in said
    assert "passed over" not in said


def test_files_of_another_set_are_passed_over_and_reported(
    bare_machine: Path, small_set: FullSet, small_files: dict[str, bytes], lay: Lay
) -> None:
    wrong = bytearray(small_files[TRAIN_IMAGES])
    wrong[-1] ^= 1
    (bare_machine / "root").mkdir()
    (bare_machine / "root" / TRAIN_IMAGES).write_bytes(wrong)
    (bare_machine / "root" / f"{TRAIN_IMAGES}.gz").mkdir()
    reported = r"passed over\n.*Is a directory.*\n.*expected contents with sha256"
    with pytest.raises(DataNotFound, match=reported):
        full_file(small_set, TRAIN_IMAGES, bare_machine / "root")
    assert find_full(small_set, bare_machine / "root") is None
    lay(bare_machine / "system")
    assert find_full(small_set, bare_machine / "root") == bare_machine / "system"


def test_a_set_is_found_only_if_all_its_files_are(bare_machine: Path, small_set: FullSet, lay: Lay) -> None:
    lay(bare_machine / "system")
    (bare_machine / "system" / f"{TRAIN_LABELS}.gz").unlink()
    assert find_full(small_set) is None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server on this machine: its address, the answers by path, and the paths that were asked for."""
    answers: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path not in answers:
                self.send_error(404)
                return
            body = answers[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + 100 * self.path.startswith("/broken/")))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setattr(sources, "TIMEOUT", 5.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", answers, asked
        httpd.shutdown()
        thread.join()


def _with_mirrors(full: FullSet, address: str, *names: str) -> FullSet:
    return dataclasses.replace(full, mirrors=tuple(f"{address}/{name}/" for name in names))


def test_downloads_into_the_cache_once(
    bare_machine: Path, server: Served, small_set: FullSet, small_files: dict[str, bytes]
) -> None:
    address, answers, asked = server
    full = _with_mirrors(small_set, address, "good")
    packed = gzip.compress(small_files[TRAIN_LABELS])
    answers[f"/good/{TRAIN_LABELS}.gz"] = packed
    with pytest.raises(DataNotFound):
        full_file(full, TRAIN_LABELS)
    assert asked == []
    for _ in range(2):
        array, path = full_file(full, TRAIN_LABELS, download=True)
        assert path == bare_machine / "cache" / "tinydl" / "small" / f"{TRAIN_LABELS}.gz"
        assert path.read_bytes() == packed
        np.testing.assert_array_equal(array, np.frombuffer(small_files[TRAIN_LABELS][8:], np.uint8))
    assert asked == [f"/good/{TRAIN_LABELS}.gz"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_downloads_into_root_and_replaces_a_damaged_file(
    bare_machine: Path, server: Served, small_set: FullSet, small_files: dict[str, bytes]
) -> None:
    address, answers, _ = server
    damaged = bare_machine / "root" / "small" / f"{TRAIN_LABELS}.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"\x1f\x8bdamaged")
    answers[f"/good/{TRAIN_LABELS}.gz"] = gzip.compress(small_files[TRAIN_LABELS])
    full = _with_mirrors(small_set, address, "good")
    assert full_file(full, TRAIN_LABELS, bare_machine / "root", download=True)[1] == damaged


def _wrong(data: bytes) -> bytes:
    return gzip.compress(data[:-1] + bytes([data[-1] ^ 1]))


BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "wrong": (_wrong, "expected contents with sha256"),
    "longer": (lambda data: gzip.compress(data + b"x"), "after decompression, found more"),
    "trailing": (lambda data: gzip.compress(data) + b"x", "after decompression, found more"),
    "bomb": (lambda data: gzip.compress(data + bytes(32 << 20), 1), "after decompression, found more"),
    "endless": (lambda data: gzip.compress(data)[:10] + b"\0\0\0\xff\xff" * 40_000, "the download goes on"),
    "cut": (lambda data: gzip.compress(data)[:-4], "the download broke off"),
    "broken": (lambda data: gzip.compress(data)[:12], "the download broke off"),
    "empty": (lambda data: b"", "the download broke off at 0"),
    "plain": (lambda data: data, "incorrect header check"),
    "missing": (lambda data: data, "404"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_download_leaves_nothing_behind(
    bare_machine: Path, server: Served, small_set: FullSet, small_files: dict[str, bytes], name: str
) -> None:
    address, answers, asked = server
    spoil, message = BAD[name]
    if name != "missing":
        answers[f"/{name}/{TRAIN_LABELS}.gz"] = spoil(small_files[TRAIN_LABELS])
    full = _with_mirrors(small_set, address, name)
    with pytest.raises(DataNotFound, match=message) as caught:
        full_file(full, TRAIN_LABELS, bare_machine / "root", download=True)
    assert f"{address}/{name}/{TRAIN_LABELS}.gz" in str(caught.value)
    assert [path for path in (bare_machine / "root").rglob("*") if path.is_file()] == []

    answers[f"/good/{TRAIN_LABELS}.gz"] = gzip.compress(small_files[TRAIN_LABELS])
    asked.clear()
    full_file(_with_mirrors(small_set, address, name, "good"), TRAIN_LABELS, download=True)
    assert asked == [f"/{name}/{TRAIN_LABELS}.gz", f"/good/{TRAIN_LABELS}.gz"]


def test_a_downloaded_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(32 << 20), 9)
    tracemalloc.start()
    with pytest.raises(DataError, match="found more"):
        sources._copy_verified(io.BytesIO(bomb), io.BytesIO(), sources.RemoteFile(100, "00"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_an_interrupted_download_leaves_nothing_behind(
    bare_machine: Path, server: Served, small_set: FullSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    address, answers, _ = server
    answers[f"/good/{TRAIN_LABELS}.gz"] = b"some"
    monkeypatch.setattr(sources, "_copy_verified", interrupt)
    with pytest.raises(KeyboardInterrupt):
        full_file(_with_mirrors(small_set, address, "good"), TRAIN_LABELS, download=True)
    assert [path for path in (bare_machine / "cache").rglob("*") if path.is_file()] == []


def test_a_mirror_that_does_not_answer_is_passed_over(bare_machine: Path, small_set: FullSet) -> None:
    nobody = dataclasses.replace(small_set, mirrors=("http://127.0.0.1:1/",))
    with pytest.raises(DataNotFound, match=r"from any mirror:\n  http://127\.0\.0\.1:1/"):
        full_file(nobody, TRAIN_LABELS, download=True)


def test_the_offline_switch_forbids_downloads_and_nothing_else(
    bare_machine: Path, server: Served, small_set: FullSet, lay: Lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _, asked = server
    full = _with_mirrors(small_set, address, "good")
    monkeypatch.setenv("TINYDL_OFFLINE", "1")
    with pytest.raises(DataNotFound, match="TINYDL_OFFLINE forbids a download; unset TINYDL_OFFLINE, or"):
        full_file(full, TRAIN_LABELS, download=True)
    assert asked == []
    assert not (bare_machine / "cache").exists()
    lay(bare_machine / "system")
    assert full_file(full, TRAIN_LABELS, download=True)[1].parent == bare_machine / "system"
    (bare_machine / "system" / f"{TRAIN_LABELS}.gz").unlink()
    monkeypatch.setenv("TINYDL_OFFLINE", "0")
    with pytest.raises(DataNotFound, match="404"):
        full_file(full, TRAIN_LABELS, download=True)


@pytest.mark.parametrize("full", [MNIST, FASHION_MNIST])
def test_the_tables_of_the_full_sets_are_well_formed(full: FullSet) -> None:
    sizes = {name: file.size for name, file in full.files.items()}
    assert list(sizes.values()) == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in full.files.values())
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in full.mirrors)
    assert len({file.sha256 for each in (MNIST, FASHION_MNIST) for file in each.files.values()}) == 8
