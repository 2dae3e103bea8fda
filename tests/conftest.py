"""What all tests share: Hypothesis profiles, and fixtures for devices, tables of functions and PyTorch.

`TINYDL_HYPOTHESIS=intense` runs every property a thousand times, `few` five times. `--device strict` runs all tests
there (on_device.py).
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from types import ModuleType
from typing import Any

# Two workers with two threads each would wait for one another; set before NumPy loads, and for child processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import on_device
import tinydl as td
from tinydl import nn
from tinydl.testing.point import host

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # As in a shell's background job. Processes that tests start and interrupt would ignore it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "default", max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=_slow
)
settings.register_profile(
    "intense", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=_slow
)
settings.register_profile(
    "few", max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=_slow
)
settings.load_profile(os.environ.get("TINYDL_HYPOTHESIS", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", default="cpu", help="the device of all tests: cpu, strict, cuda (on_device.py)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.device != "cpu":
        patch = pytest.MonkeyPatch()
        config.add_cleanup(patch.undo)
        try:
            on_device.make_default(config.option.device, patch)
        except (RuntimeError, ValueError) as error:
            raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that ask for a device run on the CPU and on the strict one, or on the chosen one alone."""
    own = any("device" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "device" in metafunc.fixturenames and not own:
        chosen = metafunc.config.option.device
        names = ["cpu", "strict"] if chosen == "cpu" else [chosen]
        metafunc.parametrize("device", names, indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.device != "cpu":
        for item in items:
            if reason := on_device.why_cpu_only(item):
                item.add_marker(pytest.mark.skip(reason))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if terminalreporter.config.option.device != "cpu":
        for line in on_device.summary(terminalreporter.stats.get("skipped", [])):
            terminalreporter.write_line(line)


@pytest.fixture(scope="module")  # Hypothesis refuses fixtures made for one test
def device(request: pytest.FixtureRequest) -> str:
    """Where the test computes: on the CPU, and on the strict device, which refuses what a GPU would."""
    name: str = request.param
    return name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """On the strict device the textbook's kernels run: on the device's own arrays, and so through what it refuses.

    But recipes train longer, and get the fast ones.
    """
    params = getattr(getattr(item, "callspec", None), "params", {})
    strict = params.get("device", item.config.option.device) == "strict"
    trains = item.nodeid.startswith(("tests/recipes/", "tests/sweep/"))
    with td.textbook() if strict and not trains else nullcontext():
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

    def make(*shape: int, seed: int = 0, device: str | None = None) -> td.Tensor:
        return td.tensor(td.Generator(seed).normal(shape, np.float64), requires_grad=True, device=device)

    return make
