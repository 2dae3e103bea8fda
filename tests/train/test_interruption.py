"""Nothing is lost: not by SIGKILL, not by a full disk, not by Ctrl-C."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import tinydl as td
from tinydl import serialization

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def memory_folder(tmp_path):
    """A folder in memory where there is one: a busy disk can take a second for every fsync."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


def test_a_hundred_kills_at_random_moments_lose_nothing(memory_folder):
    script = Path(__file__).with_name("killing.py")
    process = subprocess.run(
        [sys.executable, str(script), str(memory_folder), "100"],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=300, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert process.stdout == "killed 100 times, nothing lost\n"
    assert not list(memory_folder.glob(".*.tmp"))


def test_ctrl_c_leaves_a_checkpoint_that_goes_on_to_the_same_bits(memory_folder):
    tmp_path = memory_folder

    def command(folder, *more):
        return [
            sys.executable, "-m", "tinydl.cli", "train", "xor", "--quiet",
            "--epochs", "600", "--out", str(tmp_path / folder), *more,
        ]  # fmt: skip

    subprocess.run(command("whole"), check=True, capture_output=True, env=ENVIRONMENT)
    process = subprocess.Popen(command("stopped"), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    checkpoint = tmp_path / "stopped" / "checkpoint.safetensors"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in said
    assert "Traceback" not in said
    subprocess.run(command("stopped", "--resume"), check=True, capture_output=True, env=ENVIRONMENT)
    whole, stopped = (td.load(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys()
    assert all(whole[name].tobytes() == stopped[name].tobytes() for name in whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit on file sizes, as POSIX has")
def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path):
    """A limit on the size of files stands in for a full disk: the write fails after some of the bytes."""
    program = (
        "import resource, sys, numpy as np, tinydl as td\n"
        f"td.save({{'x': np.zeros(10, np.float32)}}, {str(tmp_path / 'c')!r})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        f"td.save({{'x': np.ones(10_000, np.float32)}}, {str(tmp_path / 'c')!r})\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "OSError" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert td.load(tmp_path / "c")["x"].shape == (10,)


def test_an_error_while_saving_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "c"
    serialization.write_atomically(path, b"old")

    def fail(handle):
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        serialization.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
