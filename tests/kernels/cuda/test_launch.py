"""Launchers: what CuPy is asked for, without CuPy; and that the host's walls and checks catch what they should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernels.cuda.gpu import GpuLauncher
from kernels.cuda.host import HostLauncher

from tinydl.kernels.cuda import launch
from tinydl.kernels.cuda.source import source


class Recorder(ModuleType):
    """As much of CuPy as a launcher uses."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.compiled: list[tuple[str, tuple[str, ...]]] = []
        self.fetched: list[str] = []
        self.launched: list[tuple[Any, Any, Any]] = []

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:
        self.compiled.append((code, options))
        return self

    def get_function(self, name: str) -> Any:
        self.fetched.append(name)
        return lambda *call: self.launched.append(call)

    def matmul(self, a: Any, b: Any) -> Any:
        return "product", a, b


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr(launch, "launchers", {})
    return Recorder()


X, OUT = np.ones((3, 2)), np.zeros((1, 2))
SUMS = (X, OUT, 2, 3, 2)


def test_the_program_is_compiled_once_at_the_first_launch(cupy: Recorder) -> None:
    launcher = launch.launcher(cupy)
    assert launch.launcher(cupy) is launcher
    assert cupy.compiled == []
    for _ in range(2):
        launcher.launch("sum_rows_float64", 2, *SUMS)
        launcher.launch("random_words", 1, np.zeros(6, np.uint64), np.zeros(1, np.uint64), 1)
    assert cupy.compiled == [(source(), ("-std=c++17",))]
    assert cupy.fetched == ["sum_rows_float64", "random_words"]
    assert len(cupy.launched) == 4


def test_arguments_have_the_types_of_the_kernels(cupy: Recorder) -> None:
    """A Python integer would be 64 bits wide, and every argument behind it in the wrong place."""
    launch.launcher(cupy).launch("bias_activation_float64", 2, OUT, None, OUT, 2, True, 0, 1)
    ((_, _, arguments),) = cupy.launched
    assert arguments[0] is arguments[2] is OUT
    assert [type(a) for a in (arguments[1], *arguments[3:])] == [np.uintp, *[np.int32] * 3, np.float64]
    assert [a.item() for a in arguments[3:]] == [2, 1, 0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((X, OUT, 2, 3), "expected 5 arguments, got 4"),
        ((X.astype(np.float32), OUT, 2, 3, 2), "expected an array of float64 in C order, got one of float32"),
        ((X.T, OUT, 2, 3, 2), "got one of float64, not in C order"),
        ((X, OUT, 2.0, 3, 2), "'float' object cannot be interpreted as an integer"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: Any, said: str, cupy: Recorder) -> None:
    with pytest.raises(TypeError, match=said):
        launch.launcher(cupy).launch("sum_rows_float64", 2, *arguments)
    assert cupy.launched == []


@pytest.mark.parametrize(("threads", "blocks"), [(1, 1), (256, 1), (257, 2), (2**31 - 65, 2**16)])
def test_blocks(threads: int, blocks: int, cupy: Recorder) -> None:
    launch.launcher(cupy).launch("sum_rows_float64", threads, *SUMS)
    ((grid, block, _),) = cupy.launched
    assert (grid, block) == ((blocks,), (256,))


def test_nothing_is_launched_for_nothing_and_too_much_is_refused(cupy: Recorder) -> None:
    launch.launcher(cupy).launch("sum_rows_float64", 0, *SUMS)
    with pytest.raises(ValueError, match="2147483584 elements"):
        launch.launcher(cupy).launch("sum_rows_float64", 2**31 - 64, *SUMS)
    assert cupy.launched == cupy.fetched == []


def test_products_are_cupys_and_another_module_needs_an_entry(cupy: Recorder) -> None:
    assert launch.launcher(cupy).product(1, 2) == ("product", 1, 2)
    with pytest.raises(KeyError, match="numpy"):
        launch.launcher(np)


# ---- the host's launcher


def test_a_write_behind_or_before_an_array_is_found(host: HostLauncher) -> None:
    x, out = np.ones((64, 2)), np.zeros((1, 2))
    host.launch("sum_rows_float64", 2, x, out, 2, 64, 2)
    assert out.tolist() == [[64, 64]]
    with pytest.raises(AssertionError, match="writes behind"):
        host.launch("sum_rows_float64", 2, x, out, 3, 64, 2)
    with pytest.raises(AssertionError, match="writes before"):
        host.launch("moments_float64", 1, x, out, 1, 1, -1)  # -1 channels


def test_a_read_beyond_an_array_spoils_the_result(host: HostLauncher) -> None:
    out = np.zeros((1, 2))
    host.launch("sum_rows_float64", 2, np.ones((63, 2)), out, 2, 64, 2)
    assert np.isnan(out).all()


def test_the_launcher_for_gpus_copies_there_and_back(host: HostLauncher) -> None:
    """With a stand-in for CuPy: arrays that only `array` and `get` carry over, and kernels that the host runs."""

    class Remote(np.ndarray[Any, Any]):
        def get(self) -> Any:
            return np.array(self)

    def function(name: str) -> Any:
        return lambda grid, block, args: host.launch(
            name, 1, *(None if isinstance(a, np.uintp) else a for a in args)
        )

    module = SimpleNamespace(get_function=function)
    cupy: Any = SimpleNamespace(array=lambda a: a.copy().view(Remote), RawModule=lambda **options: module)
    launcher = GpuLauncher(cupy)
    p, g, v, lr = np.ones(3), np.full(3, 2.0), np.zeros(3), np.array(0.5)
    g.flags.writeable = False
    launcher.launch("sgd_float64", 3, p, g, v, lr, 3, 0.5, 0, 0.0)
    launcher.launch("sgd_float64", 3, p, g, None, lr, 3, 0, 0, 0)
    assert (p.tolist(), v.tolist()) == ([-1.0] * 3, [2.0] * 3)
    launcher.launch("bias_activation_float64", 3, p, None, p, 3, 1, 1, 0.0)  # out is x
    assert p.tolist() == [0.0] * 3


def test_undefined_behaviour_ends_the_process(host: HostLauncher) -> None:
    """A division by 0, as one example of what g++ checks."""
    code = "import numpy as np; from kernels.cuda.host import HostLauncher; x = np.ones(4); "
    code += "HostLauncher().launch('bias_activation_float64', 4, x, x, x, 4, 0, 0, 0.0)"
    paths = [str(Path(launch.__file__).parents[3]), str(Path(__file__).parents[2])]
    code = f"import sys; sys.path[:0] = {paths!r}; {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert "activation.cu" in done.stderr
    assert "division by zero" in done.stderr
