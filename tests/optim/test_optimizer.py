"""What all optimisers share: parameters, buffers, saving, and what they refuse."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn, optim
from tinydl.testing.point import host


def parameters(device: str = "cpu", dtype: str = "float32") -> list[td.Tensor]:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(dtype) for s in ((3, 2), (4,), ())]
    return [td.tensor(a, requires_grad=True, device=device) for a in arrays]


def train(optimizer: optim.Optimizer, steps: int, start: int = 0) -> None:
    for i in range(start, start + steps):
        rng = np.random.default_rng(i)
        for p in optimizer.params:
            p.grad = td.tensor(np.asarray(rng.normal(size=p.shape), p.dtype), device=p.device)
        optimizer.step()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_stay(kind: Any, dtype: str, device: str) -> None:
    params = parameters(device, dtype)
    arrays = [p.data for p in params]
    optimizer = kind(params)
    train(optimizer, 3)
    for p, array in zip(params, arrays, strict=True):
        assert p.dtype == dtype
        assert p.data is array  # in place
        assert np.isfinite(host(p)).all()
    assert all(b.dtype == dtype for b in optimizer.state_dict()["buffers"].values())


def test_gradients_are_not_changed(kind: Any, device: str) -> None:
    params = parameters(device)
    optimizer = kind(params)
    for _ in range(2):
        grads = []
        for p in params:
            p.grad = td.ones_like(p)
            grads.append(p.grad)
        optimizer.step()
        assert all((host(g) == 1).all() and g is p.grad for g, p in zip(grads, params, strict=True))


def test_memory_layout_does_not_matter(kind: Any, device: str) -> None:
    array = np.random.default_rng(0).normal(size=(3, 4))
    c, f = (td.tensor(np.array(array, order=o), requires_grad=True, device=device) for o in ("C", "F"))
    train(kind([c]), 3)
    train(kind([f]), 3)
    assert np.array_equal(host(c), host(f))
    assert f.data.flags.f_contiguous


def test_parameters_without_a_gradient_stay(kind: Any, device: str) -> None:
    params = parameters(device)
    before = [host(p).copy() for p in params]
    optimizer = kind(params)
    optimizer.step()
    assert all(np.array_equal(host(p), b) for p, b in zip(params, before, strict=True))
    params[1].grad = td.ones_like(params[1])
    optimizer.step()
    assert np.array_equal(host(params[0]), before[0])
    assert not np.array_equal(host(params[1]), before[1])


def test_the_rate_can_be_set_between_steps(kind: Any, device: str) -> None:
    params = parameters(device)
    optimizer = kind(params)
    optimizer.lr = 0.0
    before = [host(p).copy() for p in params]
    train(optimizer, 2)
    assert all(np.array_equal(host(p), b) for p, b in zip(params, before, strict=True))
    optimizer.lr = 0.1
    train(optimizer, 1)
    assert not any(np.array_equal(host(p), b) for p, b in zip(params, before, strict=True))


def test_a_quadratic_gets_smaller(kind: Any, device: str) -> None:
    x = td.tensor([3.0, -2.0], requires_grad=True, dtype="float64", device=device)
    optimizer = kind([x])
    first = float((x * x).sum())
    for _ in range(20):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
    assert float((x * x).sum()) < 0.99 * first


def test_zero_grad_forgets(device: str) -> None:
    params = parameters(device)
    optimizer = optim.SGD(params, lr=0.1)
    train(optimizer, 1)
    kept = params[0].grad
    values = host(kept).copy()
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)
    assert np.array_equal(host(kept), values)


# ---- saving


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_restored_optimiser_goes_on_to_the_bit(kind: Any, dtype: str, device: str) -> None:
    params = parameters(device, dtype)
    optimizer = kind(params)
    train(optimizer, 4)
    values, state = [host(p).copy() for p in params], optimizer.state_dict()
    train(optimizer, 4, start=4)

    others = [td.tensor(v, requires_grad=True, device=device) for v in values]
    restored = kind(others)
    restored.lr = 123.0
    restored.load_state_dict(state)
    train(restored, 4, start=4)
    for p, q in zip(params, others, strict=True):
        assert host(p).tobytes() == host(q).tobytes()
    assert restored.lr == optimizer.lr


def test_a_state_can_pass_through_json_and_safetensors(kind: Any, device: str, tmp_path: Any) -> None:
    params = parameters(device)
    optimizer = kind(params)
    train(optimizer, 3)
    state = optimizer.state_dict()
    td.save(state["buffers"], tmp_path / "b")
    rest = json.loads(json.dumps({k: v for k, v in state.items() if k != "buffers"}))
    others = [td.tensor(p, requires_grad=True, device=device) for p in params]
    restored = kind(others)
    restored.load_state_dict({**rest, "buffers": td.load(tmp_path / "b")})
    train(optimizer, 2, start=3)
    train(restored, 2, start=3)
    assert all(host(p).tobytes() == host(q).tobytes() for p, q in zip(params, others, strict=True))


def test_a_state_is_a_copy(kind: Any, device: str) -> None:
    optimizer = kind(parameters(device))
    train(optimizer, 2)
    state = optimizer.state_dict()
    before = {k: v.copy() for k, v in state["buffers"].items()}
    train(optimizer, 2)
    assert all(np.array_equal(before[k], v) for k, v in state["buffers"].items())
    optimizer.load_state_dict(state)
    for v in state["buffers"].values():
        v[...] = 77.0
    assert not any((v == 77.0).any() for v in optimizer.state_dict()["buffers"].values())


def test_the_state_names_every_hyperparameter(kind: Any) -> None:
    """An option that is not saved would change silently on resume."""
    optimizer = kind(parameters())
    own = {k for k in vars(optimizer) if not k.startswith("_")} - {"params", "steps", "taken"}
    assert own == set(optimizer.state_dict()["hyperparameters"])


def test_a_foreign_state_is_refused_and_changes_nothing(device: str) -> None:
    optimizer = optim.Adam(parameters(device))
    train(optimizer, 2)
    before = optimizer.state_dict()
    other = optim.SGD(parameters(device), lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=r"Adam\.load_state_dict: .*another kind"):
        optimizer.load_state_dict(other.state_dict())
    fewer = optim.Adam(parameters(device)[:2])
    train(fewer, 1)
    with pytest.raises(ValueError, match=r"Adam\.load_state_dict: .*other parameters"):
        optimizer.load_state_dict(fewer.state_dict())
    larger = optim.Adam([td.ones(5, 2, requires_grad=True, device=device), *parameters(device)[1:]])
    with pytest.raises(ValueError, match=r"Adam\.load_state_dict: .*other parameters"):
        optimizer.load_state_dict(larger.state_dict())
    with pytest.raises(ValueError, match=r"Adam\.load_state_dict: .*other parameters"):
        optimizer.load_state_dict({**before, "taken": [2, 2]})
    with pytest.raises(ValueError, match="Adam"):
        optimizer.load_state_dict({})
    after = optimizer.state_dict()
    assert {k: v for k, v in after.items() if k != "buffers"} == {
        k: v for k, v in before.items() if k != "buffers"
    }
    assert all(np.array_equal(after["buffers"][k], v) for k, v in before["buffers"].items())


# ---- what is refused


def test_no_parameters(kind: Any) -> None:
    for nothing in ([], (), iter([]), nn.ReLU().parameters()):
        with pytest.raises(ValueError, match="no parameters"):
            kind(nothing)


def test_duplicates(kind: Any) -> None:
    p = parameters()
    with pytest.raises(ValueError, match="listed twice"):
        kind([p[0], p[1], p[0]])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: [td.ones(2)],
        lambda: [td.ones(2, requires_grad=True) * 2],
        lambda: [np.ones(2)],
        lambda: [None],
        lambda: ["weight"],
    ],
)
def test_only_leaves_that_require_gradients(wrong: Any) -> None:
    with pytest.raises(TypeError, match="SGD: expected leaf tensors that require gradients"):
        optim.SGD(wrong(), lr=0.1)


def test_generators_and_single_tensors_are_fine() -> None:
    params = parameters()
    assert len(optim.SGD((p for p in params), lr=0.1).params) == 3
    (alone,) = optim.SGD(params[0], lr=0.1).params
    assert alone is params[0]


def test_a_list_of_parameters_that_grew_is_refused_before_anything_changes() -> None:
    optimizer = optim.SGD(parameters(), lr=0.1)
    optimizer.params.append(td.ones(2, requires_grad=True))
    before = [host(p).copy() for p in optimizer.params]
    with pytest.raises(ValueError, match="shorter"):
        train(optimizer, 1)
    assert optimizer.steps == 0
    for p, was in zip(optimizer.params, before, strict=True):
        assert np.array_equal(host(p), was)


def test_options_out_of_range() -> None:
    p = parameters()
    for make in (
        lambda: optim.SGD(p, lr=-0.1),
        lambda: optim.SGD(p, lr=0.1, momentum=-0.1),
        lambda: optim.SGD(p, lr=0.1, nesterov=True),
        lambda: optim.SGD(p, lr=0.1, weight_decay=-1.0),
        lambda: optim.Adam(p, betas=(1.0, 0.9)),
        lambda: optim.Adam(p, betas=(-0.1, 0.9)),
        lambda: optim.Adam(p, betas=(0.9, 1.0)),
        lambda: optim.Adam(p, betas=(0.9, -0.1)),
        lambda: optim.Adam(p, eps=-1e-8),
        lambda: optim.AdamW(p, lr=-1.0),
        lambda: optim.RMSprop(p, alpha=-0.1),
        lambda: optim.RMSprop(p, eps=-1e-8),
        lambda: optim.RMSprop(p, momentum=-0.1),
        lambda: optim.Adagrad(p, lr_decay=-0.1),
        lambda: optim.Adagrad(p, eps=-0.1),
    ):
        with pytest.raises(ValueError, match="must be"):
            make()
    with pytest.raises(TypeError, match="lr"):
        optim.SGD(p)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.0}),
        ("Adam", {"betas": (0.0, 0.0), "eps": 0.0}),
        ("RMSprop", {"alpha": 0.0, "eps": 0.0, "momentum": 0.0}),
        ("Adagrad", {"lr_decay": 0.0, "eps": 0.0}),
    ],
)
def test_options_at_the_ends_of_their_ranges_are_taken(name: str, options: dict[str, Any]) -> None:
    params = parameters()
    before = [host(p).copy() for p in params]
    train(getattr(optim, name)(params, lr=0.0, weight_decay=0.0, **options), 2)
    assert all(np.array_equal(host(p), b) for p, b in zip(params, before, strict=True))


def test_a_network_converted_after_its_optimiser_was_made(kind: Any, device: str) -> None:
    net = nn.Dense(2, 2).to(device)
    optimizer = kind(net.parameters())
    net.astype("float64")
    before = net.state_dict()
    net(td.ones(1, 2, dtype="float64", device=device)).sum().backward()
    with pytest.raises(
        RuntimeError, match=rf"float32 on {device} is now .*float64.*make the optimiser after"
    ):
        optimizer.step()
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())
    assert optimizer.state_dict()["steps"] == 0


def test_a_network_moved_after_its_optimiser_was_made(kind: Any, device: str) -> None:
    net, other = nn.Dense(2, 2).to(device), {"cpu": "strict", "strict": "cpu"}[device]
    optimizer = kind(net.parameters())
    train(optimizer, 1)
    before, state = net.to(other).state_dict(), optimizer.state_dict()
    net(td.ones(1, 2, device=other)).sum().backward()
    with pytest.raises(RuntimeError, match=rf"float32 on {device} is now .* on {other}; make the optimiser"):
        optimizer.step()
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())
    optimizer.load_state_dict(state)  # its buffers stay where it was made
    after = optimizer.state_dict()
    assert after["steps"] == 1
    assert all(np.array_equal(after["buffers"][k], v) for k, v in state["buffers"].items())


def test_an_optimiser_keeps_no_gradients_or_graphs_alive(device: str) -> None:
    gc.disable()
    try:
        x = td.tensor([1.0], requires_grad=True, device=device)
        optimizer = optim.Adam([x])
        (x * x).backward()
        watched = weakref.ref(x.grad)
        optimizer.step()
        optimizer.zero_grad()
        assert watched() is None
    finally:
        gc.enable()


def test_two_optimisers_may_share_a_parameter(device: str) -> None:
    """State belongs to the optimiser, not to the parameter or its id."""
    x = td.tensor([1.0], requires_grad=True, dtype="float64", device=device)
    a, b = optim.Adam([x], lr=0.1), optim.Adam([x], lr=0.1)
    x.grad = td.tensor([1.0], dtype="float64", device=device)
    a.step()
    before = x.item()
    b.step()
    assert x.item() == pytest.approx(before - 0.1, rel=1e-6)  # the first step of b, not the second of a
