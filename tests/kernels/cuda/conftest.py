"""The CUDA kernels for all tests of this folder: on the CPU, as g++ builds them.

`TINYDL_KERNELS=gpu pytest tests/kernels/cuda` runs the same tests with the kernels on a GPU. All else stays on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from kernels.cuda.gpu import GpuLauncher
from kernels.cuda.host import HostLauncher, compiler

from tinydl import device
from tinydl.cuda.why import find_cupy
from tinydl.kernels import cuda
from tinydl.kernels.cuda.launch import launchers


@pytest.fixture(scope="module")  # Hypothesis refuses fixtures made for one test
def launcher() -> Iterator[HostLauncher | GpuLauncher]:
    """Inside it, the functions of tinydl.kernels.cuda compute on NumPy arrays."""
    with pytest.MonkeyPatch.context() as patch:
        found = GpuLauncher(find_cupy()) if os.environ.get("TINYDL_KERNELS") == "gpu" else _on_the_host()
        patch.setitem(launchers, "numpy", found)
        yield found


@pytest.fixture(scope="module")
def host() -> HostLauncher:
    """The launcher that runs kernels on the CPU, for tests of itself."""
    return _on_the_host()


@pytest.fixture(scope="module")
def on_cuda_kernels(launcher: HostLauncher | GpuLauncher) -> Iterator[HostLauncher | GpuLauncher]:
    """Inside it, all of tinydl computes with them on "cpu"; inside `td.textbook()` with reference.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device.cpu, "_kernels", cuda)
        yield launcher


def _on_the_host() -> HostLauncher:
    if compiler() is None:
        pytest.skip("there is no g++: the CUDA kernels can't run on this CPU")
    return HostLauncher()
