"""All tests on one device: `pytest --device strict`, and `--device cuda` where there is a GPU.

A test that names no device is written for the CPU, and most are true anywhere. Here no device means the chosen one, for
all that tests make: tensors, parameters, loaders, the runs of recipes. Tests may still look at values from outside,
with `numpy()`, `np.asarray` and `np.testing`; the engine may not. What is about the CPU itself is skipped, and
CPU_ONLY says why.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import cli
from tinydl import device as devices
from tinydl.recipes.recipe import Options

LAYOUT = "the memory layout: NumPy's results follow their operands, CuPy's are in C order"
# Why tests are about the CPU, and the beginnings of their ids.
CPU_ONLY: dict[str, tuple[str, ...]] = {
    LAYOUT: (
        "ops/test_logits.py::test_images_keep_their_layout",
        "testing/strategies/test_tensors.py",
    ),
    "kernels by themselves: the CPU's, and a GPU's as g++ builds them for the CPU": (
        "kernels/",
        "cuda/",
        "benchmarks/test_profile.py::test_kernels_of_a_step",
        "test_trace.py::test_a_fast_kernel",
        "test_trace.py::test_the_fast_kernel",
        "optim/test_optimizer_blocks.py",
    ),
    "processes share a batch on the CPU only": (
        "train/test_shards.py",
        "train/test_gradient_flow.py::test_training_computes_the_same_bits_as_without[2]",
    ),
    "what is written into an array that .data or .numpy() gave is noticed on the CPU only": (
        "test_in_place.py::test_a_change",
        "test_in_place.py::test_a_computed_tensor_changed",
        "test_in_place.py::test_a_constant_changed",
        "test_in_place.py::test_a_living_graph",
        "test_in_place.py::test_a_part_that_was_read_first",
        "test_in_place.py::test_indices_changed_after_indexing",
        "test_in_place.py::test_new_weights",
        "test_in_place.py::test_reading_nan",
        "test_in_place.py::test_the_tensor_that_a_parameter_was_made_of",
        "test_graphs.py",
    ),
    "a NumPy array is the memory of a CPU tensor, or is assigned to it": (
        "test_init.py::test_large_weights_are_held_once",
        "test_tensor.py::test_assigning_data",
        "test_tensor.py::test_numpy_shares_memory",
    ),
    "it names the CPU, or the device is not shown where it is the CPU": (
        "test_cli.py::test_the_device_that_was_asked_for",
        "test_tensor.py::test_attributes",
        "test_tensor.py::test_repr",
        "recipes/test_gan.py::test_two_epochs_of_the_cycle",
        "recipes/test_imbalance.py::test_weights_make",
        "recipes/test_unet.py::test_a_small_u_net",
        "recipes/test_unet.py::test_orientations",
    ),
    "an operation of the test itself, written with NumPy, or a tensor that it leaves on another device": (
        "testing/test_complex_step.py::test_a_conjugate",
        "testing/test_complex_step.py::test_a_function_that_drops_the_imaginary_part",
        "testing/test_complex_step.py::test_a_part_too_small",
        "testing/test_complex_step.py::test_differences_find",
        "testing/test_complex_step.py::test_small_errors",
        "testing/test_gradcheck.py::test_a_function_that_misreads_strides",
        "testing/test_gradcheck.py::test_a_gradient_that_shares_memory",
        "testing/test_gradcheck.py::test_a_wrong_gradient_is_found_at_kinks",
        "testing/test_gradcheck.py::test_check_function",
        "testing/test_gradcheck.py::test_errors_in_second_derivatives",
        "testing/test_gradcheck.py::test_one_wrong_element",
        "testing/test_wrong_operations.py",
    ),
    "there tests may look at a tensor, and this one expects to be refused": (
        "strict/test_engine.py::test_mixed_devices",
        "strict/test_leaks.py::test_a_planted_leak_is_caught[numpy() off the CPU]",
    ),
    "Rosenblatt's neuron learns on the CPU, one row after the other": (
        "examples/test_gallery.py::test_a_network_becomes",
        "recipes/test_perceptron.py",
        "test_cli_attacks.py::test_perceptron_says",
    ),
    "its bits are compared with those of another process, which computes on the CPU": (
        "test_cli.py::test_a_run_can_be_resumed",
    ),
    "CuPy can't add complex numbers at indices": (
        "testing/test_complex_step.py::test_the_operations_that_are_analytic_take_the_complex_step[places]",
    ),
}


def make_default(name: str, patch: pytest.MonkeyPatch) -> None:
    """Lets no device mean this one. Raises RuntimeError when it can't be used here, ValueError when there is none."""
    home = devices.get_device(name)
    patch.setitem(devices._devices, None, home)
    defaults = Options.__init__.__defaults__ or ()
    patch.setattr(Options.__init__, "__defaults__", tuple(name if d == "cpu" else d for d in defaults))

    command = cli.get_device  # the device of a run is the CPU where nobody says another
    patch.setattr(cli, "get_device", lambda asked: home if asked == "cpu" else command(asked))

    of_the_cpu = td.Tensor.numpy

    @functools.wraps(of_the_cpu)
    def numpy(self: td.Tensor) -> np.ndarray[Any, Any]:
        return home.to_host(self._data) if self.device is home and _a_test_looks() else of_the_cpu(self)

    patch.setattr(td.Tensor, "numpy", numpy)

    def tensor(host: Any, device: devices.Device = home, requires_grad: bool = False) -> td.Tensor:
        return td.Tensor(home.asarray(host), home, requires_grad)

    for module in _ON_THE_CPU:
        patch.setattr(importlib.import_module(module), "Tensor", tensor)


# They make tensors of the memory of NumPy arrays, and so name the CPU.
_ON_THE_CPU = ("tinydl.init", "tinydl.testing.strategies.labels", "tinydl.testing.strategies.tensors")


def _a_test_looks() -> bool:
    """Whether a test asks for the values of a tensor, or NumPy on its behalf, and not the engine.

    Older versions of NumPy call their own test functions through contextlib.
    """
    frame = sys._getframe(2)
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ("numpy", "on_device", "contextlib") and frame.f_code.co_name != "__array__":
            return package != "tinydl"
        frame = frame.f_back
    return False


def why_cpu_only(item: pytest.Item) -> str | None:
    """Why a test is about the CPU, or None."""
    if getattr(getattr(item, "callspec", None), "params", {}).get("device") == "cpu":
        return "it names the CPU itself, as tests of memory layouts do"
    found = item.nodeid.removeprefix("tests/")
    return next((reason for reason, beginnings in CPU_ONLY.items() if found.startswith(beginnings)), None)


def summary(skipped: list[Any]) -> list[str]:
    """A line for each reason: how many tests did not run."""
    reasons = Counter(
        r.longrepr[2].removeprefix("Skipped: ") for r in skipped if isinstance(r.longrepr, tuple)
    )
    return [f"{n:5} skipped: {reason}" for reason, n in reasons.most_common()]
