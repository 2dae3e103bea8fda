"""What all tests share: Hypothesis profiles, and fixtures for devices, tables of functions and PyTorch.

`TINYDL_HYPOTHESIS=intense` runs every property a thousand times.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from types import ModuleType
from typing import Any

# Two workers with two threads each would wait for one another; set before NumPy loads, and for child processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host

_slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "default", max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=_slow
)
settings.register_profile(
    "intense", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=_slow
)
settings.load_profile(os.environ.get("TINYDL_HYPOTHESIS", "default"))


@pytest.fixture(params=["cpu", "strict"], scope="module")  # Hypothesis refuses fixtures made for one test
def device(request: pytest.FixtureRequest) -> str:
    """Where the test computes: on the CPU, and on the strict device, which refuses what a GPU would."""
    name: str = request.param
    return name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """On the strict device the textbook's kernels run: on the device's own arrays, and so through what it refuses."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    with td.textbook() if params.get("device") == "strict" else nullcontext():
        return (yield)


@pytest.fixture(scope="session")
def public_functions() -> Callable[[ModuleType], set[str]]:
    """The names of the public functions that a module defines itself."""

    def names(module: ModuleType) -> set[str]:
        return {
            name
            for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
        }

    return names


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch; tests that ask for it are skipped where it is not installed."""
    module: ModuleType = pytest.importorskip(
        "torch", reason="PyTorch is not installed: no comparison with it (pip install '.[torch]')"
    )
    module.set_num_threads(1)
    return module


@pytest.fixture(scope="session")
def agrees_with_torch(torch: ModuleType) -> Callable[..., bool]:
    """Whether a function or layer and PyTorch's have the same value and, for a random cotangent, gradients.

    It computes on the device of the inputs. Layers must have PyTorch's state names; theirs gets our weights, and
    the gradients of the parameters are compared as well.
    """

    def compare(
        fn: Callable[..., td.Tensor],
        torch_fn: Callable[..., Any],
        inputs: Sequence[td.Tensor],
        tol: float = 1e-10,
    ) -> bool:
        theirs = [
            torch.tensor(host(x).copy(), requires_grad=x.requires_grad and x.dtype.kind == "f")
            for x in inputs
        ]
        wanted = [(x, a) for x, a in zip(inputs, theirs, strict=True) if x.requires_grad]
        if isinstance(fn, nn.Module) and isinstance(torch_fn, torch.nn.Module):
            assert list(fn.state_dict()) == list(torch_fn.state_dict())
            torch_fn.load_state_dict({name: torch.tensor(a) for name, a in fn.state_dict().items()})
            wanted += zip(fn.parameters(), torch_fn.parameters(), strict=True)
        out, want = fn(*inputs), torch_fn(*theirs)
        assert out.shape == tuple(want.shape), f"shape {out.shape}, PyTorch's is {tuple(want.shape)}"
        np.testing.assert_allclose(host(out), want.detach().numpy(), rtol=tol, atol=tol)
        if want.requires_grad:
            cotangent = td.Generator(1).normal(out.shape, np.float64)
            leaves, their_leaves = zip(*wanted, strict=True)
            ours = td.grad(out, leaves, td.tensor(cotangent, device=out.device), allow_unused=True)
            grads = torch.autograd.grad(want, their_leaves, torch.tensor(cotangent), allow_unused=True)
            for a, b in zip(ours, grads, strict=True):
                b = np.zeros(a.shape) if b is None else b.numpy()
                np.testing.assert_allclose(host(a), b, rtol=tol, atol=tol)
        return True

    return compare


@pytest.fixture(scope="session")
def random() -> Callable[..., td.Tensor]:
    """Makes float64 tensors of normal numbers that require gradients: random(2, 3, seed=1, device="cpu")."""

    def make(*shape: int, seed: int = 0, device: str = "cpu") -> td.Tensor:
        return td.tensor(td.Generator(seed).normal(shape, np.float64), requires_grad=True, device=device)

    return make
