"""Files of named arrays: whole or not at all, and one clear error for anything else."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import serialization
from tinydl.serialization import FileError, load_with_metadata, write_atomically

ARRAYS: dict[str, Any] = {
    "float32": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "float64": np.array([np.nan, np.inf, -0.0, 5e-324]),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "int8": np.arange(-3, 3, dtype=np.int8),
    "uint8": np.arange(5, dtype=np.uint8),
    "bool": np.array([[True], [False]]),
    "scalar": np.float32(2.5),
    "zero-d": np.array(7.0),
    "empty": np.zeros((0, 3), np.float32),
    "a.dotted name with spaces, ü": np.ones(1),
}


def test_round_trip_keeps_names_values_shapes_and_dtypes(tmp_path: Path) -> None:
    td.save(ARRAYS, tmp_path / "x.safetensors")
    back = td.load(tmp_path / "x.safetensors")
    assert set(back) == set(ARRAYS)
    for name, value in ARRAYS.items():
        assert back[name].dtype == value.dtype
        assert back[name].shape == value.shape
        assert back[name].tobytes() == np.asarray(value).tobytes()  # NaN and -0.0 included


def test_tensors_and_odd_strides(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    x = td.tensor(array.transpose(2, 0, 1), requires_grad=True)
    td.save({"x": x, "y": x * 2, "slice": array[:, ::2, ::-1]}, tmp_path / "f")
    back = td.load(str(tmp_path / "f"))
    assert np.array_equal(back["x"], x.numpy())
    assert np.array_equal(back["y"], 2 * x.numpy())
    assert np.array_equal(back["slice"], array[:, ::2, ::-1])


def test_loaded_arrays_are_writable_and_independent(tmp_path: Path) -> None:
    td.save({"a": np.zeros(2)}, tmp_path / "f")
    first = td.load(tmp_path / "f")["a"]
    first[0] = 5.0
    assert td.load(tmp_path / "f")["a"].tolist() == [0.0, 0.0]


def test_big_endian_arrays_keep_their_values(tmp_path: Path) -> None:
    td.save({"a": np.array([1.5, -2.0], ">f4")}, tmp_path / "f")
    assert td.load(tmp_path / "f")["a"].tolist() == [1.5, -2.0]


def test_nothing_saved_is_nothing_loaded(tmp_path: Path) -> None:
    td.save({}, tmp_path / "f")
    assert td.load(tmp_path / "f") == {}


def test_metadata(tmp_path: Path) -> None:
    td.save({"a": np.ones(1)}, tmp_path / "f", {"note": "ünïcode", "json": json.dumps({"x": 1})})
    arrays, metadata = load_with_metadata(tmp_path / "f")
    assert metadata == {"note": "ünïcode", "json": '{"x": 1}'}
    assert list(arrays) == ["a"]
    td.save({"a": np.ones(1)}, tmp_path / "f")
    assert load_with_metadata(tmp_path / "f")[1] == {}


def test_state_dict_round_trip(tmp_path: Path) -> None:
    model = td.nn.Sequential(td.nn.Conv2d(1, 2, 3, generator=0), td.nn.Dense(3, 2, generator=1))
    td.save(model.state_dict(), tmp_path / "model")
    other = td.nn.Sequential(td.nn.Conv2d(1, 2, 3, generator=5), td.nn.Dense(3, 2, generator=6))
    other.load_state_dict(td.load(tmp_path / "model"))
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


def test_the_format_is_safetensors(tmp_path: Path) -> None:
    """Read by hand, from the format's description: size, JSON header, bytes."""
    td.save({"a": np.array([1.0, 2.0], np.float32)}, tmp_path / "f", {"k": "v"})
    data = (tmp_path / "f").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert header["a"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert header["__metadata__"] == {"k": "v"}
    assert np.frombuffer(data[8 + size :], "<f4").tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", [[1.0, 2.0], 1.0, "text", None, {"a": np.ones(1)}])
def test_what_is_no_array_is_a_type_error_and_writes_nothing(value: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="save: 'b' must be a Tensor or a NumPy array"):
        td.save({"a": np.ones(1), "b": value}, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "array",
    [
        np.ones(2, np.complex64), np.ones(2, np.complex128), np.array("text"), np.array(b"text"),
        np.array([object()]), np.ones(1, [("a", "i4")]), np.zeros(1, "M8[s]"),
    ],
)  # fmt: skip
def test_what_the_format_does_not_keep_is_a_type_error_and_writes_nothing(array: Any, tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match=rf"^save: 'b' has dtype {re.escape(str(array.dtype))}; the format keeps"
    ):
        td.save({"a": np.ones(1), "b": array}, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
def test_an_interrupted_save_leaves_the_old_file_and_no_other(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    td.save({"a": np.ones(2)}, path)

    def fails(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(serialization.os, "fsync", fails)
        elif step == "replace":
            patch.setattr(Path, "replace", fails)
        else:
            patch.setattr(serialization.os, "fdopen", fails)
        with pytest.raises(KeyboardInterrupt):
            td.save({"a": np.zeros(2)}, path)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert td.load(path)["a"].tolist() == [1.0, 1.0]


def test_the_file_is_complete_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    replace = Path.replace

    def watching(self: Path, target: Any) -> Path:
        seen.append((self.parent, self.read_bytes(), Path(target).exists()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watching)
    write_atomically(tmp_path / "f", b"abc")
    assert seen == [(tmp_path, b"abc", False)]
    assert (tmp_path / "f").read_bytes() == b"abc"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        td.save({"a": np.ones(1)}, tmp_path / "f")
        assert os.umask(0o027) == 0o027  # and the mask is as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        td.save({"a": np.ones(1)}, tmp_path / "none" / "f")
    assert caught.value.filename == str(tmp_path / "none" / "f")


@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, OSError), (errno.EACCES, PermissionError)])
def test_what_the_system_refuses_names_the_file(
    owner: Any, step: str, number: int, kind: type[OSError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = os.strerror(number)

    def fails(*_: Any) -> None:
        raise OSError(number, reason)

    monkeypatch.setattr(owner, step, fails)
    with pytest.raises(kind, match=re.escape(f"{reason}: {str(tmp_path / 'f')!r}")) as caught:
        td.save({"a": np.zeros(2)}, tmp_path / "f")
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "f"))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        td.load(tmp_path / "none")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        b"\x00" * 8,
        b"\x00" * 100,
        b"\xff" * 100,
        b"PK\x03\x04" + bytes(50),
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        (2).to_bytes(8, "little") + b"{}" + b"junk",
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"null",
        (10**15).to_bytes(8, "little") + b"{}",
        b"{}" * 50,
    ],
)
def test_foreign_files_are_one_clear_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.bin"
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"foreign\.bin: not a safetensors file, or a damaged one"):
        td.load(path)


def test_every_truncation_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "f"
    td.save({"a": np.arange(5.0), "b": np.arange(3)}, path, {"k": "v"})
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        with pytest.raises(FileError):
            td.load(path)
    path.write_bytes(data + b"\x00")
    with pytest.raises(FileError):
        td.load(path)


def test_mutations_give_arrays_or_one_kind_of_error(tmp_path: Path) -> None:
    path = tmp_path / "f"
    td.save({"a": np.arange(5.0), "b.c": np.arange(3, dtype=np.uint8)}, path, {"k": "v"})
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    failures = 0
    for _ in range(600):
        data = bytearray(good)
        for _ in range(int(rng.integers(1, 4))):
            kind, place = rng.integers(4), int(rng.integers(len(data)))
            if kind == 0:
                data[place] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                data[place] = int(rng.integers(256))
            elif kind == 2:
                del data[place : place + int(rng.integers(1, 9))]
            else:
                data[place:place] = rng.bytes(int(rng.integers(1, 9)))
            if not data:
                break
        path.write_bytes(bytes(data))
        try:
            arrays = td.load(path)
        except FileError:
            failures += 1
        else:
            assert all(isinstance(a, np.ndarray) for a in arrays.values())
    assert failures > 300


@pytest.mark.parametrize(
    "header",
    [
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 99999]}}',
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}',
        '{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}',
        '{"a": 3}',
        '{"__metadata__": 3}',
        '{"__metadata__": {"a": 3}}',
        '["a"]',
        "{",
        "\u00e4",
    ],
)
def test_hand_made_headers_are_refused(header: str, tmp_path: Path) -> None:
    raw = header.encode()
    (tmp_path / "f").write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(8))
    with pytest.raises(FileError):
        td.load(tmp_path / "f")


def test_file_error_is_a_value_error() -> None:
    assert issubclass(FileError, ValueError)
