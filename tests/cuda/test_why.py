"""Without a GPU: one sentence, no other device instead, and nothing of CuPy before somebody asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import device as devices
from tinydl.cli import main
from tinydl.cuda import device as cuda_device
from tinydl.cuda.why import find_cupy


class Fake(ModuleType):
    """A CuPy that counts `devices` GPUs, on which ones are `ones`."""

    __version__ = "14.2.0"

    def __init__(self, devices: Any, ones: Any = np.ones) -> None:
        super().__init__("cupy")

        def count() -> int:
            if isinstance(devices, Exception):
                raise devices
            return int(devices)

        self.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count))
        self.ones = ones


def broken(*_: Any, **__: Any) -> Any:
    raise ImportError("libnvrtc.so.13: cannot open shared object file\nmore lines")


class CUDARuntimeError(RuntimeError):
    """What CuPy raises."""


PROBLEMS: dict[str, tuple[Any, str]] = {
    "not installed": (None, 'CuPy is not installed: pip install "cupy-cuda13x[ctk]"'),
    "no driver": (
        Fake(CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")),
        "CuPy 14.2.0 is installed, and there is no NVIDIA driver that it can use (cudaErrorInsufficientDriver: CUDA",
    ),
    "no device": (Fake(0), "no GPU is visible; see `nvidia-smi` and CUDA_VISIBLE_DEVICES"),
    "no compiler": (
        Fake(1, broken),
        "a product of two matrices fails on it (ImportError: libnvrtc.so.13: cannot open shared object file); its",
    ),
    "wrong answers": (
        Fake(1, lambda *args, **kwargs: 2 * np.ones(*args, **kwargs)),
        "computes wrongly: A A + A of four ones adds up to 40, not 12",
    ),
}


@pytest.fixture(params=PROBLEMS)
def problem(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sentence; inside it, CuPy has that problem."""
    cupy, sentence = PROBLEMS[request.param]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    if cupy is None:  # as if there were none, on machines that have one
        monkeypatch.delitem(sys.modules, "cupy")
        monkeypatch.setattr(sys, "meta_path", [Nowhere(), *sys.meta_path])
    monkeypatch.setattr(devices, "_devices", {"cpu": devices.cpu, None: devices.cpu})
    return sentence


class Nowhere:
    """Finds no CuPy."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "cupy":
            raise ModuleNotFoundError("No module named 'cupy'", name="cupy")


WAYS = {
    "tensor": lambda device: td.tensor([1.0], device=device),
    "to": lambda device: td.ones(2).to(device),
    "model": lambda device: td.nn.Dense(2, 2).to(device),
    "zeros": lambda device: td.zeros(2, device=device),
    "randn": lambda device: td.randn(2, device=device),
    "loader": lambda device: td.data.DataLoader((np.zeros(3),), 1, device=device),
    "compile": lambda device: td.compile(lambda: None, device=device),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_every_way_says_why(problem: str, way: str, name: str) -> None:
    for _ in range(2):  # nothing is remembered that would let the second pass
        with pytest.raises(RuntimeError) as error:
            WAYS[way](name)
        assert str(error.value).startswith("device 'cuda': ")
        assert problem in str(error.value)
        assert "\n" not in str(error.value)


def test_the_command_says_why_and_writes_nothing(
    problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", "lenet", "--device", "cuda", "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("tinydl: device 'cuda': ")
    assert problem in said.err
    assert said.err.count("\n") == 1
    assert not said.out
    assert not out.exists()


def test_a_broken_cupy_says_what_broke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for text, said in (
        ("raise OSError('damaged')", "can't be imported (OSError: damaged)"),
        ("import no_such_part", "can't be imported (ModuleNotFoundError: No module named 'no_such_part')"),
    ):
        (tmp_path / "cupy.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        sys.modules.pop("cupy", None)
        with pytest.raises(RuntimeError) as error:
            find_cupy()
        assert said in str(error.value)


def test_other_gpus_are_chosen_from_outside() -> None:
    for name in ("cuda:1", "gpu", "CUDA"):
        with pytest.raises(ValueError, match=f"device '{name}': expected .*CUDA_VISIBLE_DEVICES"):
            td.zeros(1, device=name)


def test_a_device_that_fails_while_it_is_made_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_device, "find_cupy", lambda: Fake(1))
    monkeypatch.setattr(cuda_device, "load", lambda: broken())
    with pytest.raises(RuntimeError, match="device 'cuda': libnvrtc"):
        cuda_device.open_cuda()


def test_import_tinydl_loads_nothing_of_it() -> None:
    asked = "('cupy', 'tinydl.cuda', 'tinydl.kernels.cuda')"
    code = f"import sys, tinydl; print([m for m in sys.modules if m.startswith({asked})])"
    root = Path(td.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
