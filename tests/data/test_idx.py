from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tinydl.data import DataError
from tinydl.data.idx import LIMIT, read_idx, read_pair

Encode = Callable[[npt.NDArray[np.uint8]], bytes]
IMAGES = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
LABELS = np.array([7, 0, 255], np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


@pytest.mark.parametrize("array", [IMAGES, LABELS, np.zeros(0, np.uint8), np.zeros((0, 28, 28), np.uint8)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_images_and_labels(
    folder: Path, idx_bytes: Encode, array: npt.NDArray[np.uint8], pack: Callable[[bytes], bytes]
) -> None:
    path = folder / "file.whatever"
    path.write_bytes(pack(idx_bytes(array)))
    found = read_idx(path)
    assert found.dtype == np.uint8
    assert found.flags.writeable
    np.testing.assert_array_equal(found, array, strict=True)


def test_the_name_does_not_tell_whether_it_is_compressed(folder: Path, idx_bytes: Encode) -> None:
    (folder / "plain.gz").write_bytes(idx_bytes(LABELS))
    (folder / "packed").write_bytes(gzip.compress(idx_bytes(LABELS)))
    np.testing.assert_array_equal(read_idx(folder / "plain.gz"), LABELS)
    np.testing.assert_array_equal(read_idx(str(folder / "packed")), LABELS)


def test_sha256_is_that_of_the_decompressed_bytes(folder: Path, idx_bytes: Encode) -> None:
    path, data = folder / "x.gz", idx_bytes(IMAGES)
    path.write_bytes(gzip.compress(data))
    np.testing.assert_array_equal(read_idx(path, sha256=hashlib.sha256(data).hexdigest()), IMAGES)
    with pytest.raises(DataError, match=r"x\.gz: expected contents with sha256 00, found [0-9a-f]{64}; "):
        read_idx(path, sha256="00")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected 4 more bytes, found 0"),
        (b"\0\0\x08", "expected 4 more bytes, found 3"),
        (b"\0\0\x08\x01\0\0", "expected 4 more bytes, found 2"),
        (b"\0\0\x08\x01\0\0\0\x03ab", "expected 3 more bytes, found 2"),
        (b"\0\0\x08\x01\0\0\0\x03abcd", "expected the end of the file after the 3 values"),
        (b"\0\0\x08\x02\0\0\0\x03abc", "found 00000802"),
        (b"\0\0\x0d\x03" + bytes(12), "found 00000d03"),
        (b"PK\x03\x04", "found 504b0304"),
    ],
)
def test_refuses_other_contents(
    folder: Path, data: bytes, message: str, pack: Callable[[bytes], bytes]
) -> None:
    path = folder / "bad-file"
    path.write_bytes(pack(data))
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("cut", [2, 5, 12, -9, -1])
def test_refuses_a_truncated_gzip_file(folder: Path, idx_bytes: Encode, cut: int) -> None:
    path = folder / "cut.gz"
    path.write_bytes(gzip.compress(idx_bytes(IMAGES))[:cut])
    with pytest.raises(DataError, match=r"cut\.gz: expected a whole gzip file"):
        read_idx(path)


def test_refuses_a_gzip_file_with_a_wrong_checksum(folder: Path, idx_bytes: Encode) -> None:
    path, data = folder / "crc.gz", bytearray(gzip.compress(idx_bytes(IMAGES)))
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="CRC"):
        read_idx(path)


def test_a_missing_file_is_an_ordinary_file_error(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(folder / "none")


def _peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BIG = b"\xff\xff\xff\xff"


@pytest.mark.parametrize("sizes", [BIG * 3, BIG + bytes(4) + BIG, bytes(4) + BIG * 2])
def test_refuses_huge_sizes_before_taking_memory(folder: Path, sizes: bytes) -> None:
    path = folder / "huge"
    path.write_bytes(b"\0\0\x08\x03" + sizes)
    assert _peak(lambda: read_idx(path)) < 2_500_000
    with pytest.raises(DataError, match="expected at most 94,080,000 values, but its header announces shape"):
        read_idx(path)


def test_takes_memory_only_for_bytes_that_are_there(folder: Path) -> None:
    path = folder / "short"
    path.write_bytes(b"\0\0\x08\x01" + LIMIT.to_bytes(4, "big") + b"few")
    assert _peak(lambda: read_idx(path)) < 2_500_000


def test_a_gzip_bomb_is_not_unpacked(folder: Path, idx_bytes: Encode) -> None:
    path = folder / "bomb.gz"
    path.write_bytes(gzip.compress(idx_bytes(LABELS) + bytes(64 << 20), 1))
    assert _peak(lambda: read_idx(path)) < 2_500_000


def test_limit_is_inclusive(folder: Path, idx_bytes: Encode) -> None:
    path = folder / "limit"
    path.write_bytes(idx_bytes(LABELS))
    assert len(read_idx(path, limit=3)) == 3
    with pytest.raises(DataError, match="expected at most 2 values"):
        read_idx(path, limit=2)
    assert LIMIT >= 60_000 * 28 * 28


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        place, value = int(rng.integers(len(out))), (0, 1, 255, int(rng.integers(256)))[rng.integers(4)]
        match rng.integers(8):
            case 0:
                del out[place + 1 :]
            case 1:
                out += rng.bytes(rng.integers(1, 4))
            case 2:
                out[place:place] = bytes([value])
            case 3:
                out[place] ^= 1 << int(rng.integers(8))
            case _:
                out[place] = value
    return bytes(out)


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)], ids=["plain", "gzip"])
@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
def test_thousands_of_damaged_files_give_the_right_array_or_a_data_error(
    folder: Path, idx_bytes: Encode, array: npt.NDArray[np.uint8], pack: Callable[[bytes], bytes]
) -> None:
    rng, path = np.random.default_rng(0), folder / "fuzz"
    data, refused = pack(idx_bytes(array)), 0
    for _ in range(2000):
        path.write_bytes(mutated(data, rng))
        try:
            found = read_idx(path)
        except DataError as error:
            refused += 1
            sentence = str(error)
        else:
            if pack is bytes:  # whatever was read must be all that the file says
                assert idx_bytes(found) == path.read_bytes()
            else:  # its checksum guards the contents
                np.testing.assert_array_equal(found, array, strict=True)
            continue
        assert sentence.startswith(f"{path}: ")
        assert "\n" not in sentence
    assert 1000 < refused < 2000


def test_pair(folder: Path, idx_bytes: Encode) -> None:
    (folder / "x").write_bytes(idx_bytes(IMAGES))
    (folder / "two").write_bytes(idx_bytes(LABELS[:2]))
    (folder / "three").write_bytes(idx_bytes(LABELS))
    x, y = read_pair(folder / "x", folder / "two")
    np.testing.assert_array_equal(x, IMAGES)
    np.testing.assert_array_equal(y, LABELS[:2])
    with pytest.raises(DataError, match=r"got shape \(2, 3, 5\) from .*x and \(3,\) from .*three"):
        read_pair(folder / "x", folder / "three")
    with pytest.raises(DataError, match="expected images"):
        read_pair(folder / "two", folder / "x")
    with pytest.raises(DataError, match="expected images"):
        read_pair(folder / "x", folder / "x")
    with pytest.raises(DataError, match="expected images"):
        read_pair(folder / "two", folder / "two")
