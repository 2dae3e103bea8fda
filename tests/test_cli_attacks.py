"""The command line where it hurts: odd folders, closed outputs, poor terminals, Ctrl-C, other options on resuming."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tinydl as td
from tinydl.cli import main
from tinydl.models import LeNet5
from tinydl.train import Trainer
from tinydl.train.checkpoint import save_checkpoint

SHORT = ["train", "xor", "--epochs", "3", "--quiet"]
XOR_FILES = ["boundary.png", "checkpoint.safetensors", "curves.png", "history.csv", "metrics.json"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


def says(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that must end with status 1: one sentence."""
    capsys.readouterr()
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("tinydl: ")
    assert error.count("\n") == 1
    return error


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tinydl.cli", *arguments]


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a line of sh, `tinydl` standing for the command."""
    line = line.replace("tinydl", f"'{sys.executable}' -m tinydl.cli")
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, env={**os.environ, **environment}, check=False
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run of `train xor`."""
    out = tmp_path_factory.mktemp("xor") / "run"
    assert main([*SHORT, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A run and a picture for `predict`."""
    out = tmp_path_factory.mktemp("lenet")
    model = LeNet5(generator=0)
    save_checkpoint(
        out / "checkpoint.safetensors",
        Trainer(model, td.losses.cross_entropy, td.optim.Adam(model.parameters())),
    )
    picture = Image.new("L", (30, 30))
    picture.paste(255, (10, 5, 14, 25))
    picture.save(out / "one.png")
    return str(out), str(out / "one.png")


# ---- folders


def test_a_folder_that_can_not_be_made_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for out in ("file", "file/sub", "n" * 300):
        assert out in says([*SHORT, "--out", str(tmp_path / out)], capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_can_not_be_written_to_is_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):  # the superuser may write everywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    try:
        assert "this folder can't be written to" in says([*SHORT, "--out", str(tmp_path)], capsys)
    finally:
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = says([*SHORT, "--out", str(tmp_path)], capsys)
    assert said == f"tinydl: {tmp_path / 'checkpoint.safetensors'}: No space left on device\n"
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_is_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoint.safetensors").mkdir()
    assert "checkpoint.safetensors: Is a directory" in says([*SHORT, "--out", str(tmp_path)], capsys)
    assert "Is a directory" in says([*SHORT, "--resume", "--out", str(tmp_path)], capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@posix
@pytest.mark.parametrize("name", ["a\nb", " ", "-x", "ü", "b[*]?%s {x}", "bad\udcff", "a.png", "$(x)`y`\\"])
def test_strange_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, f"--out={name}"]) == 0
    assert sorted(p.name for p in (tmp_path / name).iterdir()) == XOR_FILES


def test_no_name_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([*SHORT, "--out", ""], ["predict", "", "x.png"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "expected the name of a folder, got nothing" in capsys.readouterr().err


# ---- resuming


def test_other_options_on_resuming_are_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their result would be that of no run at all."""
    before = (finished / "checkpoint.safetensors").read_bytes()
    resume = ["train", "xor", "--quiet", "--resume", "--out", str(finished)]
    for options, begun in (
        (["--epochs", "5"], "--epochs 3"),
        (["--epochs", "2"], "--epochs 3"),
        (["--epochs", "3", "--batch-size", "2"], "--batch-size 4"),
        (["--epochs", "3", "--seed", "1"], "--seed 0"),
        (["--seed", "1"], "--epochs 3 --seed 0"),
    ):
        assert f"this run was begun with {begun}; give the same, or leave" in says(
            [*resume, *options], capsys
        )
    assert (finished / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("network", "differences"),
    [
        ("mlp", ["wrong: 1.weight: shape (4, 2), expected (256, ", "missing keys: 5.weight, 5.bias"]),
        ("lenet", ["missing keys: ", "unexpected keys: "]),
    ],
)
def test_another_network_on_resuming_is_refused_with_every_difference(
    network: str, differences: list[str], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "checkpoint.safetensors").read_bytes()
    said = says(["train", network, "--quiet", "--resume", "--out", str(finished)], capsys)
    assert str(finished / "checkpoint.safetensors") in said
    assert "schedule" not in said
    for difference in differences:
        assert difference in said
    assert (finished / "checkpoint.safetensors").read_bytes() == before


def test_a_finished_run_resumed_only_draws_its_pictures_again(finished: Path) -> None:
    files = {name: (finished / name).read_bytes() for name in XOR_FILES if name != "metrics.json"}
    assert main([*SHORT, "--resume", "--out", str(finished)]) == 0
    assert {name: (finished / name).read_bytes() for name in files} == files


def test_perceptron_says_what_it_has_no_use_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--resume"], ["--batch-size", "2"]):
        said = says(["train", "perceptron", "--out", str(tmp_path), *option], capsys)
        assert f"train perceptron: it{'' if option == ['--resume'] else 's rule'} takes" in said
        assert f"leave {option[0]} out" in said
    assert "--data and --source are for mlp, lenet, alexnet" in says(
        ["train", "xor", "--data", "fashion_mnist"], capsys
    )


# ---- Ctrl-C


def interrupted(out: Path, *arguments: str) -> tuple[int, str]:
    """Ctrl-C as soon as the run has made its folder; the exit status, and what was said."""
    process = subprocess.Popen(command(*arguments, "--out", str(out)), stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        return process.returncode, said
    finally:
        process.kill()


@posix
@pytest.mark.parametrize(
    "arguments",
    [
        ["lenet", "--epochs", "1000000000000"],
        ["xor", "--epochs", str(10**30)],
        ["perceptron", "--epochs", "1000000000"],
    ],
)
def test_ctrl_c_before_anything_was_saved_says_so(arguments: list[str], tmp_path: Path) -> None:
    status, said = interrupted(tmp_path / "run", "train", *arguments, "--quiet")
    assert (status, said) == (130, "\nstopped before anything was saved\n")
    assert list((tmp_path / "run").iterdir()) == []


def test_ctrl_c_does_not_take_the_checkpoint_of_an_earlier_run_for_its_own(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_epoch", stop)
    before = (finished / "checkpoint.safetensors").read_bytes()
    assert main([*SHORT, "--out", str(finished)]) == 130
    assert capsys.readouterr().err == "\nstopped before anything was saved\n"
    assert (finished / "checkpoint.safetensors").read_bytes() == before


def test_ctrl_c_of_a_resumed_run_says_how_to_go_on(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "fit", stop)
    assert main([*SHORT, "--resume", "--out", str(finished)]) == 130
    assert "give the same command with --resume" in capsys.readouterr().err


def test_an_interruption_anywhere_else_is_one_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tinydl import cli

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "versions", stop)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


# ---- what goes wrong inside


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FloatingPointError("the loss of epoch 1 is nan"), "the loss of epoch 1 is nan"),
        (MemoryError(), "not enough memory"),
        (MemoryError("unable to allocate 9 GiB"), "unable to allocate 9 GiB"),
        (KeyError("missing keys: a"), "missing keys: a"),
        (OverflowError("too large"), "too large"),
        (PermissionError(13, "Permission denied", "x"), "x: Permission denied"),
        (OSError("the disk is gone"), "the disk is gone"),
        (IsADirectoryError(21, "Is a directory", ".c.tmp", None, "c"), "c: Is a directory"),
    ],
)
def test_every_error_is_one_sentence(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tinydl import cli

    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "versions", fail)
    assert says(["info"], capsys) == f"tinydl: {sentence}\n"


@pytest.mark.parametrize("options", [["--seed", "-1"], ["--seed", str(2**128)], ["--epochs", "9" * 400]])
def test_numbers_beyond_all_bounds(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    says(["train", "lenet", "--quiet", "--out", str(tmp_path), *options], capsys)


@pytest.mark.parametrize(
    "options",
    [["--epochs", "1.5"], ["--epochs", "-1"], ["--epochs", "²"], ["--batch-size", "0"], ["--seed", "1e5"]],
)
def test_numbers_that_are_none(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "xor", *options])
    assert ended.value.code == 2


def test_a_huge_batch_is_all_rows(tmp_path: Path) -> None:
    assert main([*SHORT, "--out", str(tmp_path), "--batch-size", str(10**20)]) == 0


# ---- outputs


@posix
def test_output_that_nobody_reads_ends_quietly() -> None:
    for unbuffered in ("", "1"):
        process = shell("tinydl data list | true; tinydl data list | head -1", PYTHONUNBUFFERED=unbuffered)
        assert process.stderr == b""
        assert process.stdout.startswith(b"mnist ")


@posix
def test_closed_and_full_outputs(tmp_path: Path) -> None:
    assert shell("tinydl info >&-").returncode == 0
    process = shell("tinydl nothing 2>&-")
    assert process.returncode == 2
    process = shell(f"tinydl train xor --epochs 3 --out {tmp_path}/closed 2>&-")
    assert process.returncode == 0
    assert (tmp_path / "closed" / "metrics.json").exists()
    if Path("/dev/full").exists():
        process = shell("tinydl info >/dev/full")
        assert (process.returncode, process.stderr) == (1, b"tinydl: No space left on device\n")


@posix
@pytest.mark.parametrize(
    ("environment", "block"),
    [
        ({"LC_ALL": "C"}, "█"),  # Python writes UTF-8 there
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "#"),
        ({"PYTHONIOENCODING": "ascii"}, "#"),
        ({"PYTHONIOENCODING": "latin-1"}, "#"),
        ({"PYTHONIOENCODING": "cp437"}, "█"),
        ({"PYTHONIOENCODING": "utf-8"}, "█"),
    ],
)
def test_bars_show_on_every_terminal(environment: dict[str, str], block: str, asked: tuple[str, str]) -> None:
    process = subprocess.run(
        command("predict", *asked), capture_output=True, check=False, env={**os.environ, **environment}
    )
    assert (process.returncode, process.stderr) == (0, b"")
    text = process.stdout.decode(environment.get("PYTHONIOENCODING", "utf-8"))
    assert len(text.splitlines()) == 11
    assert block in text
    assert ("#" if block == "█" else "█") not in text


@posix
def test_names_that_the_terminal_can_not_show(asked: tuple[str, str], tmp_path: Path) -> None:
    picture = tmp_path / "ü\udcff.png"
    picture.write_bytes(Path(asked[1]).read_bytes())
    for encoding in ("ascii", "utf-8"):
        process = subprocess.run(
            command("predict", asked[0], str(picture)),
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert process.returncode == 0, process.stderr
        assert b"\\udcff.png looks like a " in process.stdout


# ---- surroundings


@posix
@pytest.mark.parametrize(
    "environment",
    [{"PYTHONWARNINGS": "error"}, {"COLUMNS": "20"}, {"HOME": ""}],
    ids=lambda e: "=".join(next(iter(e.items()))),
)
def test_any_surroundings(environment: dict[str, str], tmp_path: Path, asked: tuple[str, str]) -> None:
    surroundings = {**os.environ, **environment, "MPLCONFIGDIR": str(tmp_path / "m")}
    if environment.get("HOME") == "":
        del surroundings["HOME"]
    run = ["train", "xor", "--epochs", "3", "--out", str(tmp_path / "run")]
    for arguments in (["info"], ["train", "--help"], ["predict", *asked], run):
        process = subprocess.run(
            command(*arguments), capture_output=True, text=True, check=False, env=surroundings
        )
        assert process.returncode == 0, process.stderr
        assert "Traceback" not in process.stderr
        assert "arning" not in process.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["epochs"] == 3
