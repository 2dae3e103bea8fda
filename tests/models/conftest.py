"""What tests of the classifiers share: a PyTorch twin with the same weights, compared in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host

Compare = Callable[..., None]


def differs(ours: Any, theirs: Any) -> float:
    """The largest difference, relative to the largest number."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def shuffled(state: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """A state in which batch norm is not what it starts as: other scales, shifts and running values."""
    rng = np.random.default_rng(seed)
    for name, value in state.items():
        if name.endswith(".running_mean"):
            prefix = name.removesuffix("running_mean")
            shape, dtype = value.shape, value.dtype
            state[name] = rng.normal(0.0, 0.3, shape).astype(dtype)
            state[f"{prefix}running_var"] = rng.uniform(0.5, 1.5, shape).astype(dtype)
            state[f"{prefix}weight"] = rng.uniform(0.5, 1.0, shape).astype(dtype)
            state[f"{prefix}bias"] = rng.normal(0.0, 0.3, shape).astype(dtype)
    return state


@pytest.fixture(scope="session")
def twin_of(torch: ModuleType) -> Callable[..., Any]:
    """Makes a PyTorch network with the weights of ours; both must have the same names, in the same order."""

    def make(ours: nn.Module, build: Callable[[], Any]) -> Any:
        with torch.device("meta"):  # no weights of its own
            theirs = build()
        state = ours.state_dict()
        assert [(name, value.shape) for name, value in state.items()] == [
            (name, tuple(value.shape)) for name, value in theirs.state_dict().items()
        ]
        theirs.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()}, assign=True)
        return theirs

    return make


@pytest.fixture(scope="session")
def equals_torch(torch: ModuleType, twin_of: Callable[..., Any]) -> Compare:
    """Holds scores and the gradients of images and of every weight against PyTorch's, to 1e-9 in float64."""

    def compare(
        ours: nn.Module, build: Callable[[], Any], *shape: int, train: bool = False, device: str = "cpu"
    ) -> None:
        ours.astype("float64")
        ours.load_state_dict(shuffled(ours.state_dict()))
        theirs = twin_of(ours, build).train(train)
        ours.to(device).train(train)
        images = np.random.default_rng(1).normal(size=shape)
        x, y = td.tensor(images, requires_grad=True, device=device), torch.tensor(images, requires_grad=True)
        a, b = ours(x), theirs(y)
        assert a.shape == tuple(b.shape)
        assert differs(host(a), b.detach().numpy()) < 1e-9

        cotangent = np.random.default_rng(2).normal(size=a.shape)
        a.backward(td.tensor(cotangent, device=device))
        b.backward(torch.tensor(cotangent))
        assert x.grad is not None
        assert differs(host(x.grad), y.grad.numpy()) < 1e-9
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert p.grad is not None
            assert differs(host(p.grad), q.grad.numpy()) < 1e-9, name
        for (name, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            np.testing.assert_allclose(host(p), q.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)

    return compare


@pytest.fixture
def goes_both_ways(torch: ModuleType, tmp_path: Path) -> Compare:
    """A file of PyTorch's weights runs here as it is, and a file of ours runs there."""
    files = pytest.importorskip("safetensors.torch")

    def exchange(make: Callable[[int], nn.Module], build: Callable[[], Any], *shape: int) -> None:
        images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        x, y = td.tensor(images), torch.tensor(images)

        def same_scores(ours: nn.Module, theirs: Any) -> bool:
            with td.no_grad(), torch.no_grad():
                return differs(ours.eval()(x).numpy(), theirs.eval()(y).numpy()) < 1e-5

        def same_states(ours: nn.Module, theirs: dict[str, Any]) -> None:
            for name, value in ours.state_dict().items():
                other = theirs[name].numpy()
                assert (value.dtype, value.shape) == (other.dtype, other.shape), name
                assert np.array_equal(value, other), name
                if name.endswith("num_batches_tracked"):
                    assert (value.dtype, value.shape, int(value)) == (np.int64, (), 1)

        torch.manual_seed(0)
        theirs, ours = build(), make(0)
        theirs(y)  # batch norm has seen a batch
        assert not same_scores(ours, theirs)
        files.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
        ours.load_state_dict(td.load(tmp_path / "theirs.safetensors"))
        assert same_scores(ours, theirs)
        same_states(ours, theirs.state_dict())

        ours = make(1)
        ours(x)
        assert not same_scores(ours, theirs)
        td.save(ours.state_dict(), tmp_path / "ours.safetensors")
        arrived = files.load_file(tmp_path / "ours.safetensors")
        theirs.load_state_dict(arrived)
        assert same_scores(ours, theirs)
        same_states(ours, arrived)

    return exchange


@pytest.fixture(scope="session")
def seen_shapes() -> Callable[..., dict[str, tuple[int, ...]]]:
    """The output shapes of the direct parts of a network, for one image of that size."""

    def look(model: nn.Module, *shape: int) -> dict[str, tuple[int, ...]]:
        seen: dict[str, tuple[int, ...]] = {}
        remove = [
            child.register_forward_hook(lambda m, i, out, name=name: seen.update({name: out.shape[1:]}))
            for name, child in model.children()
        ]
        with td.no_grad():
            model.eval()(td.zeros(1, *shape))
        for take_off in remove:
            take_off()
        return seen

    return look


@pytest.fixture(scope="session")
def totals() -> Callable[..., tuple[int, int]]:
    """Parameters and multiply-adds, from the last line of the summary."""

    def read(model: nn.Module, *shape: int) -> tuple[int, int]:
        _, parameters, made = td.nn.module.summary(model, shape).splitlines()[-1].split()
        return int(parameters.replace(",", "")), int(made.replace(",", ""))

    return read
