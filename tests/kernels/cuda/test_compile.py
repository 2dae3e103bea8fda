"""The program compiles for a GPU, here: by NVRTC from CuPy's wheels, or by nvcc."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tinydl.kernels import cuda
from tinydl.kernels.cuda.source import parameters, source

FOLDER = Path(cuda.__file__).parent
ARCHITECTURE = "sm_90"  # H100


def test_every_file_is_part_of_the_program() -> None:
    for path in FOLDER.glob("*.cu"):
        assert source().count(path.read_text()) == (2 if "KERNEL(" in path.read_text() else 1), path.name
    assert (
        len(parameters()) == source().count("KERNEL(") - 2 + source().count('extern "C" __global__ void ') - 2
    )


def test_nvrtc_compiles_it() -> None:
    compiler = pytest.importorskip(
        "cupy.cuda.compiler",
        reason="CuPy is not installed: no NVRTC (pip install cupy-cuda13x nvidia-cuda-nvrtc)",
        exc_type=ImportError,
    )
    try:
        program = compiler._NVRTCProgram(source(), "kernels.cu", method="cubin")
        binary, _ = program.compile(("-std=c++17", f"--gpu-architecture={ARCHITECTURE}"))
    except (ImportError, RuntimeError) as error:
        if isinstance(error, compiler.CompileException):
            raise
        pytest.skip(f"CuPy is installed, NVRTC is not: {error}")
    assert all(name.encode() in binary for name in parameters())


def test_nvcc_compiles_it_without_spills(tmp_path: Path) -> None:
    """No warnings, and all variables of a kernel fit in registers."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("there is no nvcc")
    (tmp_path / "kernels.cu").write_text(source())
    options = [
        "-std=c++17",
        f"-arch={ARCHITECTURE}",
        "-cubin",
        "-Xptxas=-v",
        "-Werror=all-warnings",
        "-o",
        "out.cubin",
    ]
    done = subprocess.run([nvcc, *options, "kernels.cu"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    binary = (tmp_path / "out.cubin").read_bytes()
    assert all(name.encode() in binary for name in parameters())
    assert set(re.findall(r"(\d+) bytes spill", done.stderr)) <= {"0"}
