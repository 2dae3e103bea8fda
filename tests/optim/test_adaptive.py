"""Adam, AdamW, RMSprop and Adagrad: PyTorch's numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import optim
from tinydl.testing.point import host

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3}),
    ("Adam", {"weight_decay": 0.1}),
    ("Adam", {"betas": (0.0, 0.0)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.2, "betas": (0.7, 0.99), "eps": 1e-4}),
    ("AdamW", {"weight_decay": 0.0}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3}),
    ("RMSprop", {"momentum": 0.8, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "eps": 1e-3}),
    ("Adagrad", {"weight_decay": 0.1, "lr_decay": 0.01}),
]


def run(torch: Any, name: str, options: Any, dtype: str, skips: bool, device: str) -> Any:
    rng = np.random.default_rng(0)
    start = [rng.normal(size=s).astype(dtype) for s in ((3, 2), (4,))] + [np.array(0.7, dtype)]
    ours = [td.tensor(a, requires_grad=True, device=device) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for i in range(50):
        for j, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            p.grad = q.grad = None
            if not skips or j == 0 or (j == 1 and i > 20) or (j == 2 and i % 3):
                g = np.asarray(rng.normal(size=p.shape) * 10.0 ** rng.integers(-4, 2), dtype)
                p.grad, q.grad = td.tensor(g, device=device), torch.tensor(g)
        a.step()
        b.step()
        yield [host(p) for p in ours], [q.detach().numpy() for q in theirs]


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
@pytest.mark.parametrize("skips", [False, True], ids=["all", "some without gradient"])
def test_fifty_steps_are_torchs(
    name: str, options: dict[str, Any], skips: bool, device: str, torch: Any
) -> None:
    for ours, theirs in run(torch, name, options, "float64", skips, device):
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_fifty_steps_in_float32_stay_close_to_torchs(
    name: str, options: dict[str, Any], device: str, torch: Any
) -> None:
    for ours, theirs in run(torch, name, options, "float32", False, device):
        for p, q in zip(ours, theirs, strict=True):
            assert p.dtype == np.float32
            np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adagrad"])
def test_defaults_and_the_order_of_options_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    import inspect

    ours = list(inspect.signature(getattr(optim, name)).parameters.values())
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    assert [p.name for p in ours] == [n for n in theirs if n in {p.name for p in ours}]
    for p in ours[1:]:
        assert p.default == theirs[p.name].default, p.name


def leaf(device: str, values: list[float], grad: list[float]) -> td.Tensor:
    """A float64 parameter with a gradient."""
    x = td.tensor(values, requires_grad=True, dtype="float64", device=device)
    x.grad = td.tensor(grad, dtype="float64", device=device)
    return x


def test_the_first_step_of_adam_is_the_rate_in_every_direction(device: str) -> None:
    x = leaf(device, [0.0, 0.0, 0.0], grad=[1e-3, -5.0, 200.0])
    optim.Adam([x], lr=0.1).step()
    np.testing.assert_allclose(host(x), [-0.1, 0.1, -0.1], rtol=1e-4)


def test_adams_epsilon_stands_outside_the_root(device: str) -> None:
    x = leaf(device, [0.0], grad=[1e-8])
    optim.Adam([x], lr=1.0, eps=1e-8).step()
    assert x.item() == pytest.approx(-0.5, rel=1e-12)


def test_adamws_decay_does_not_pass_through_the_moments(device: str) -> None:
    x = leaf(device, [2.0], grad=[0.0])
    optim.AdamW([x], lr=0.1, weight_decay=0.5).step()
    assert x.item() == pytest.approx(2.0 * (1 - 0.05), rel=1e-15)
    y = leaf(device, [2.0], grad=[0.0])
    optim.Adam([y], lr=0.1, weight_decay=0.5).step()
    assert y.item() == pytest.approx(1.9, rel=1e-6)  # through them: a whole step of lr


def test_adagrad_by_hand(device: str) -> None:
    x = leaf(device, [1.0], grad=[3.0])
    optimizer = optim.Adagrad([x], lr=0.1, lr_decay=1.0, eps=0.0)
    optimizer.step()
    optimizer.step()
    assert x.item() == pytest.approx(1.0 - 0.1 - 0.05 / math.sqrt(2), rel=1e-14)


def test_zero_gradients_give_no_nan(device: str) -> None:
    for name in ("Adam", "AdamW", "RMSprop", "Adagrad"):
        x = td.tensor([1.0], requires_grad=True, device=device)
        optimizer = getattr(optim, name)([x])
        for _ in range(3):
            x.grad = td.zeros(1, device=device)
            optimizer.step()
        assert np.isfinite(host(x)).all()
