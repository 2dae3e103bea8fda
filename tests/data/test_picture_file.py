"""Any file may be given as a picture: out comes RGBA or one sentence, in bounded memory."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tinydl.data import picture_file
from tinydl.data.errors import DataError
from tinydl.data.picture_file import read_picture

GREY = np.array([[0, 60, 120], [180, 240, 255]], np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


def encode(picture: Image.Image, form: str, **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **how)
    return file.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], npt.NDArray[np.uint8]]:
    def read_bytes(data: bytes) -> npt.NDArray[np.uint8]:
        (tmp_path / "picture").write_bytes(data)
        return read_picture(tmp_path / "picture")

    return read_bytes


Read = Callable[[bytes], npt.NDArray[np.uint8]]


def opaque(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


# ---- formats and modes


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "JPEG"])
def test_every_format(form: str, read: Read) -> None:
    big = np.kron(COLOUR, np.ones((16, 16, 1), np.uint8))  # JPEG keeps flat squares
    how = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    pixels = read(encode(Image.fromarray(big), form, **how))
    assert (pixels.dtype, pixels.shape) == (np.uint8, (32, 48, 4))
    assert (pixels[..., 3] == 255).all()
    assert np.abs(pixels[..., :3].astype(int) - big).max() <= (6 if form == "JPEG" else 0)


def test_grey_modes(read: Read) -> None:
    want = opaque(np.dstack([GREY] * 3))
    assert (read(encode(Image.fromarray(GREY), "PNG")) == want).all()
    assert (
        read(encode(Image.fromarray(GREY > 100), "PNG")) == opaque(np.dstack([(GREY > 100) * 255] * 3))
    ).all()
    assert (read(encode(Image.fromarray(GREY.astype(np.int32) * 1000), "TIFF")) == want).all()
    assert (read(encode(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF")) == want).all()
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    for form in ("PNG", "TIFF"):
        assert (read(encode(deep, form)) == want).all()
    ascii_grey = b"P2\n# by hand\n3 2\n255\n0 60 120\n180 240 255\n"
    assert (read(ascii_grey) == want).all()


def test_alpha_is_kept(read: Read) -> None:
    rgba = np.dstack([COLOUR, GREY])
    assert (read(encode(Image.fromarray(rgba), "PNG")) == rgba).all()
    grey = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())))
    assert (read(encode(grey, "PNG")) == np.dstack([GREY] * 3 + [GREY[::-1]])).all()


def test_palettes_with_and_without_a_transparent_colour(read: Read) -> None:
    palette = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "L").convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert read(encode(palette, "PNG")).tolist() == [
        [[255, 0, 0, 255], [0, 255, 0, 255]], [[0, 0, 255, 255], [0, 255, 0, 255]]
    ]  # fmt: skip
    for form in ("PNG", "GIF"):
        assert read(encode(palette, form, transparency=1))[..., 3].tolist() == [[255, 0], [255, 0]]
    gradual = read(encode(palette, "PNG", transparency=bytes([10, 20, 30])))
    assert gradual[..., 3].tolist() == [[10, 20], [30, 20]]


def test_cmyk_and_lab(read: Read) -> None:
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for form in ("TIFF", "JPEG"):
        red = read(encode(flat, form))[8, 8].astype(int)
        assert np.abs(red - [255, 0, 0, 255]).max() <= 6
    lab = read(encode(Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF"))
    assert (lab.dtype, lab.shape) == (np.uint8, (4, 4, 4))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation: int, read: Read) -> None:
    upright = np.kron(GREY, np.ones((16, 16), np.uint8))
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.ascontiguousarray(stored))
    assert (
        np.abs(read(encode(picture, "JPEG", exif=exif, quality=95))[..., 0].astype(int) - upright).max() < 9
    )
    deep = Image.fromarray(stored.astype(np.uint16) * 257)
    assert (read(encode(deep, "PNG", exif=exif))[..., 0] == upright).all()


def test_damaged_exif_data_leave_the_picture_as_it_is(read: Read) -> None:
    picture = Image.fromarray(GREY)
    for rubbish in (b"Exif\0\0", b"Exif\0\0XX*\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40, b"\0"):
        pixels = read(encode(picture, "PNG", exif=rubbish))
        assert (pixels[..., 0] == GREY).all()


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first(form: str, read: Read) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    how = {"lossless": True} if form == "WEBP" else {}
    data = encode(frames[0], form, save_all=True, append_images=frames[1:], **how)
    assert read(data)[0, 0].tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([[np.nan, np.inf, -np.inf, 1.0]], [0, 0, 0, 255]),
        ([[-1.0, 0.0, 1.0]], [0, 127, 255]),
        ([[3e38, -3e38, 0.0]], [255, 0, 127]),
        ([[1e-45, 0.0]], [255, 0]),
        ([[0.0, 0.0]], [0, 0]),
        ([[np.nan, np.nan]], [0, 0]),
    ],
)
def test_floats_of_any_size(values: list[list[float]], want: list[int], read: Read) -> None:
    pixels = read(encode(Image.fromarray(np.array(values, np.float32)), "TIFF"))
    assert pixels[0, :, 0].tolist() == want


# ---- what is no picture


def test_missing_files_folders_and_secrets_are_what_python_says(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        read_picture(tmp_path)
    secret = tmp_path / "secret.png"
    secret.write_bytes(encode(Image.fromarray(GREY), "PNG"))
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(PermissionError):
        read_picture(secret)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.png", encode(Image.fromarray(GREY), "PNG"))
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"no picture", bytes(1000), b"\xff" * 1000, Path(__file__).read_bytes(), archive(),
        b"%PDF-1.7\n%\xe2\xe3", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\0\1\0\0\0\x0fOS/2" + bytes(99),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"GIF89a", b"BM", b"\x89PNG\r\n\x1a\n", b"P6", b"P6 2",
        b"P6\n2 2\n255\n", b"P6\n-2 2\n255\n", b"P6\n2 2\n99999999\n" + bytes(99), b"II*\0", b"\xff\xd8\xff\xd9",
        b"RIFF\x10\0\0\0WEBPVP8 ", b"P2\n2 2\n255\n1 2 3 x\n",
    ],
)  # fmt: skip
def test_other_files_are_one_sentence_with_their_name(data: bytes, read: Read) -> None:
    with pytest.raises(DataError, match=r"picture: not a picture that can be read") as caught:
        read(data)
    assert "\n" not in str(caught.value)
    assert "<_io" not in str(caught.value)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_every_truncation_is_found(form: str, read: Read) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    data = encode(Image.fromarray(noise), form)
    for tenth in range(10):
        with pytest.raises(DataError):
            read(data[: len(data) * tenth // 10])


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG with any header, made by hand; the checksums are right."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def test_a_picture_made_by_hand_is_read(read: Read) -> None:
    assert read(png(2, 2, b"\0\1\2\0\3\4"))[..., 0].tolist() == [[1, 2], [3, 4]]


def gif(width: int, height: int) -> bytes:
    data = bytearray(encode(Image.fromarray(GREY), "GIF"))
    struct.pack_into("<HH", data, 6, width, height)
    struct.pack_into("<HH", data, data.index(b",\0\0\0\0") + 5, width, height)
    return bytes(data)


@pytest.mark.parametrize(
    "bomb",
    [
        png(100_000, 100_000), png(2**31 - 1, 2**31 - 1), png(10_000, 6_000), png(13_000, 10_000), png(2**31 - 1, 1),
        gif(65_535, 65_535), b"P6\n100000 100000\n255\n" + bytes(100), b"P5\n1000000000 1000000000\n255\n",
        b"BM" + struct.pack("<IHHIIiiHHIIIIII", 999, 0, 0, 54, 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0),
    ],
)  # fmt: skip
def test_too_many_pixels_are_refused_before_memory_is_taken(bomb: bytes, tmp_path: Path) -> None:
    """In a process that may take little more memory than it starts with."""
    (tmp_path / "bomb").write_bytes(bomb)
    resource = pytest.importorskip("resource", reason="limits on memory are POSIX's")
    process = os.fork()
    if process == 0:
        try:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000,) * 2)
            read_picture(tmp_path / "bomb")
        except DataError as error:
            os._exit(0 if "pixels; expected at most 50 million, give a smaller picture" in str(error) else 3)
        except BaseException:
            os._exit(2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_header_of_many_pixels_without_them_is_refused(read: Read) -> None:
    with pytest.raises(DataError, match="damaged"):
        read(png(7_000, 7_000))


def test_huge_files_and_endless_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.write(encode(Image.fromarray(GREY), "PNG"))
        file.truncate(10**11)  # a hole: it takes no room on the disk
    with pytest.raises(DataError, match=r"huge\.png: larger than 200 MB; give a smaller picture"):
        read_picture(huge)
    if Path("/dev/zero").exists():
        monkeypatch.setattr(picture_file, "MAX_BYTES", 2_000_000)
        with pytest.raises(DataError, match="/dev/zero: larger than 2 MB"):
            read_picture("/dev/zero")


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    program = (
        "from tinydl.data.picture_file import read_picture\n"
        "print(read_picture('/dev/stdin')[..., 0].tolist())"
    )
    if not Path("/dev/stdin").exists():
        pytest.skip("no /dev/stdin here")
    process = subprocess.run(
        [sys.executable, "-c", program],
        input=encode(Image.fromarray(GREY), "PNG"),
        capture_output=True,
        check=False,
    )
    assert process.stdout.decode() == f"{GREY.tolist()}\n", process.stderr


# ---- thousands of damaged files


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one to four injuries."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(max(1, len(out))))
        match rng.integers(6):
            case 0:
                out[place : place + 1] = bytes([rng.integers(256)])
            case 1:
                del out[place : place + int(rng.integers(1, 20))]
            case 2:
                out[place:place] = rng.bytes(int(rng.integers(1, 9)))
            case 3:
                out[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
            case 4:
                del out[place:]
            case _:
                other = int(rng.integers(max(1, len(out))))
                out[place : place + 8] = out[other : other + 8]
    return bytes(out)


SEEDS = {
    "PNG": [{}, {"interlace": 1}],
    "JPEG": [{}, {"progressive": True}],
    "GIF": [{}],
    "BMP": [{}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}, {"compression": "jpeg"}],
    "WEBP": [{}, {"lossless": True}],
    "PPM": [{}],
}


@pytest.mark.parametrize("form", SEEDS)
def test_damaged_files_give_pixels_or_one_sentence(
    form: str, read: Read, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(len(form))
    pixels = rng.integers(0, 256, (9, 11, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a text"
    whole = []
    for how in SEEDS[form]:
        for mode in ("RGB", "L", "RGBA", "P", "1", "I;16"):
            try:
                picture = Image.fromarray(pixels)
                picture = (
                    Image.fromarray(pixels[..., 0].astype(np.uint16) * 99)
                    if mode == "I;16"
                    else picture.convert(mode)
                )
                whole.append(
                    encode(picture, form, **({} if form in ("BMP", "PPM", "GIF") else {"exif": exif}), **how)
                )
            except (OSError, RuntimeError, ValueError):
                continue  # this format has no such mode
    assert len(whole) >= 3
    capfd.readouterr()
    read_well = 0
    for i in range(500):
        data = mutated(whole[i % len(whole)], rng)
        try:
            got = read(data)
        except DataError:
            continue
        else:
            assert got.dtype == np.uint8
            assert got.ndim == 3
            assert got.shape[2] == 4
            assert got.size > 0
            read_well += 1
    assert 0 < read_well < 500
    if form != "TIFF":  # libtiff writes its warnings to the process's standard error itself
        assert capfd.readouterr() == ("", "")
