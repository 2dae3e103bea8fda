"""`tinydl removebg`: any picture in, RGBA out, or one sentence; and the recipe that it needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.cli import main
from tinydl.data import picture_file
from tinydl.data.errors import DataError
from tinydl.models import LeNet5
from tinydl.recipes import Options
from tinydl.recipes import removebg as recipe
from tinydl.recipes.removebg import LEARNED_FROM, build, overlaps
from tinydl.removebg import cut_out, remove_background, trained
from tinydl.tensor import Tensor
from tinydl.train import Trainer
from tinydl.train.checkpoint import save_checkpoint


class Lightness(td.nn.Module):
    """Stands in for the network: what is light belongs to the object."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape == (1, 3, 64, 64)
        assert 0 <= float(x.min()) <= float(x.max()) <= 1
        return 40.0 * (x.mean(1, keepdims=True) - 0.5)


def save(folder: Path, model: td.nn.Module) -> None:
    optimizer = td.optim.Adam(model.parameters())
    save_checkpoint(folder / "checkpoint.safetensors", Trainer(model, td.losses.mse, optimizer))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network that has learned nothing yet."""
    folder = tmp_path_factory.mktemp("run")
    save(folder, build(0))
    return folder


def opaque(rgb: np.ndarray) -> np.ndarray:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255)]).astype(np.uint8)


def white_square(height: int, width: int) -> np.ndarray:
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 255
    return rgb


# ---- the cut


@pytest.mark.parametrize("size", [(64, 64), (200, 200), (300, 90), (31, 120), (17, 16), (500, 640)])
def test_the_mask_lies_where_the_object_is_at_any_size(size: tuple[int, int]) -> None:
    pixels = opaque(white_square(*size))
    before = pixels.copy()
    rgba = cut_out(Lightness(), pixels)
    assert (rgba.dtype, rgba.shape) == (np.uint8, (*size, 4))
    assert (rgba[..., :3] == pixels[..., :3]).all()
    assert (pixels == before).all()
    inside, kept = pixels[..., 0] > 0, rgba[..., 3] > 127
    assert (inside & kept).sum() / (inside | kept).sum() > 0.8
    assert rgba[size[0] // 2, size[1] // 2, 3] == 255
    assert rgba[0, 0, 3] == 0


def test_what_was_transparent_stays_so() -> None:
    pixels = opaque(np.full((80, 80, 3), 255))
    pixels[:, :40, 3] = 0
    pixels[:, 40:60, 3] = 100
    rgba = cut_out(Lightness(), pixels)
    assert (rgba[..., 3] == pixels[..., 3]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 3000), (3000, 1), (2, 2), (3, 500), (64, 65)])
def test_tiny_and_thin_pictures(size: tuple[int, int]) -> None:
    assert cut_out(Lightness(), opaque(np.full((*size, 3), 255)))[..., 3].min() == 255
    assert cut_out(Lightness(), opaque(np.zeros((*size, 3))))[..., 3].max() == 0


def test_a_picture_without_pixels() -> None:
    with pytest.raises(DataError, match=r"^p\.png: the picture has no pixels"):
        cut_out(Lightness(), np.zeros((0, 3, 4), np.uint8), "p.png")


def test_the_network_is_that_of_the_run(run: Path) -> None:
    model = trained(run)
    assert not model.training
    x = td.Generator(0).random((1, 3, 64, 64))
    with td.no_grad():
        assert (model(td.tensor(x)).numpy() == build(0).eval()(td.tensor(x)).numpy()).all()
    pixels = opaque((255 * x[0].transpose(1, 2, 0)).astype(np.uint8))
    seen = pixels[..., :3].transpose(2, 0, 1)[None].astype(np.float32) / 255
    with td.no_grad():
        p = td.functional.sigmoid(model(td.tensor(np.ascontiguousarray(seen)))).numpy()[0, 0]
    assert np.abs(cut_out(model, pixels)[..., 3] - 255 * p).max() <= 0.5 + 1e-3


# ---- the command


def says(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said by a command that must end with status 1: one sentence and nothing else."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinydl: ")
    assert err.count("\n") == 1
    return err


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(white_square(40, 60)).save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_any_mode_becomes_rgba(
    mode: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.tiff", tmp_path / "out.png"
    square = white_square(40, 60)
    if mode == "I;16":
        Image.fromarray(square[..., 0].astype(np.uint16) * 257).save(source)
    elif mode == "LA":
        source = source.with_suffix(".png")
        Image.fromarray(square).convert(mode).save(source)
    else:
        Image.fromarray(square).convert(mode).save(source)
    assert main(["removebg", str(source), "-o", str(out), "--run", str(run)]) == 0
    said = capsys.readouterr().out
    with Image.open(out) as written:
        assert (written.format, written.mode, written.size) == ("PNG", "RGBA", (60, 40))
        pixels = np.asarray(written)
    assert np.abs(pixels[..., :3].astype(int) - square).max() <= 1
    assert f"{out} keeps {pixels[..., 3].mean() / 255:.0%} of {source}" in said
    assert LEARNED_FROM in said


def test_a_photo_that_lies_on_its_side_is_turned(run: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(white_square(40, 60)).save(tmp_path / "in.jpg", exif=exif)
    remove_background(run, tmp_path / "in.jpg", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert written.size == (40, 60)


def test_what_can_not_be_done_is_one_sentence(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "half.png").write_bytes(picture.read_bytes()[:60])
    files = sorted(tmp_path.iterdir())
    for name, sentence in {
        "nothing.png": "nothing.png: No such file or directory",
        "text.png": "text.png: not a picture that can be read",
        "empty.png": "empty.png: not a picture that can be read",
        "half.png": "half.png: not a picture that can be read",
        "folder.png": "folder.png: Is a directory",
    }.items():
        assert sentence in says(["removebg", tmp_path / name, "-o", out, "--run", run], capsys)
    for name, sentence in {
        "missing/out.png": f"there is no folder {tmp_path / 'missing'}; make it first",
        "out.jpg": "out.jpg: expected a name that ends in .png",
        "out": "expected a name that ends in .png",
        "folder.png": "folder.png: Is a directory",
        "text.png/out.png": f"there is no folder {tmp_path / 'text.png'}",
        "n" * 300 + ".png": "File name too long",
        "picture.png": "picture.png: this is the picture itself; give another name",
    }.items():
        assert sentence in says(["removebg", picture, "-o", tmp_path / name, "--run", run], capsys)
    assert sorted(tmp_path.iterdir()) == files


def test_the_picture_is_not_overwritten_by_another_of_its_names(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = picture.read_bytes()
    (tmp_path / "link.png").symlink_to(picture)
    os.link(picture, tmp_path / "same.png")
    for name in ("link.png", "same.png"):
        assert "this is the picture itself" in says(
            ["removebg", picture, "-o", tmp_path / name, "--run", run], capsys
        )
    assert picture.read_bytes() == before


def test_an_output_that_can_not_be_written_leaves_nothing(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    (tmp_path / "out.png").write_bytes(b"earlier")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    said = says(["removebg", picture, "-o", tmp_path / "out.png", "--run", run], capsys)
    assert said == f"tinydl: {tmp_path / 'out.png'}: No space left on device\n"
    assert (tmp_path / "out.png").read_bytes() == b"earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.png", "picture.png"]


def test_a_huge_picture_is_refused_before_it_is_decoded(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(picture_file, "MAX_PIXELS", 1000)
    said = says(["removebg", picture, "-o", tmp_path / "out.png", "--run", run], capsys)
    assert "60 x 40 pixels; expected at most" in said


def test_a_run_that_is_missing_or_another(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    ask = ["removebg", picture, "-o", tmp_path / "out.png"]
    assert "train first: tinydl train removebg --out runs/removebg" in says(ask, capsys)
    ask += ["--run", tmp_path]
    (tmp_path / "checkpoint.safetensors").write_bytes(b"rubbish")
    assert "not a safetensors file" in says(ask, capsys)
    save(tmp_path, LeNet5(generator=0))
    assert "missing keys: " in says(ask, capsys)
    broken = build(0)
    broken.output.bias.data = td.full(1, float("nan"))
    save(tmp_path, broken)
    assert "holds numbers that are none" in says(ask, capsys)
    assert not (tmp_path / "out.png").exists()


def test_the_output_must_be_named(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["removebg", str(picture)])
    assert ended.value.code == 2
    assert "-o/--out" in capsys.readouterr().err


# ---- the recipe


def test_overlaps_by_hand() -> None:
    found = np.array([[[1, 1], [0, 0]], [[0, 0], [0, 0]], [[1, 0], [0, 0]]], bool)
    truth = np.array([[[1, 0], [1, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]], bool)
    assert overlaps(found, truth).tolist() == [1 / 3, 1, 0]


def test_a_short_training_beats_the_rules_of_thumb_on_nothing_but_writes_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Path
) -> None:
    for name, count in {"TRAIN": 48, "VALIDATION": 12, "TEST": 12}.items():
        monkeypatch.setattr(recipe, name, count)
    out = tmp_path / "run"
    metrics = recipe.run(Options(out, epochs=2, batch_size=8, progress=False))
    assert {"cutouts.png", "curves.png", "history.csv", "checkpoint.safetensors"} == {
        path.name for path in out.iterdir()
    }
    names = (
        "test",
        "test_digits",
        "test_clothes",
        "test_nuclei",
        "baseline_threshold",
        "baseline_border_colour",
    )
    assert all(0 <= metrics[f"{name}_iou"] <= 1 for name in names)
    kinds = [metrics[f"test_{kind}_iou"] for kind in ("digits", "clothes", "nuclei")]
    assert metrics["test_iou"] == pytest.approx(np.mean(kinds))
    losses = np.loadtxt(out / "history.csv", delimiter=",", skiprows=1)[:, 1]
    assert losses[1] < losses[0]
    remove_background(out, picture, tmp_path / "out.png")
