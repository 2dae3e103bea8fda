"""What modules save and load: names, copies on the host, shared parameters, and states that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host


def test_state_dict_round_trip(make_net: Any, device: str) -> None:
    a, b = make_net(0), make_net(5)
    x = td.randn(2, 1, 8, 8, generator=0, device=device)
    assert not np.array_equal(host(a(x)), host(b(x)))
    b.load_state_dict(a.state_dict())
    assert np.array_equal(host(a(x)), host(b(x)))


def test_state_dict_gives_copies_on_the_host_in_order(make_net: Any) -> None:
    net = make_net()
    state = net.state_dict()
    assert list(state) == [
        "scale", "offset", "features.0.weight", "features.0.bias", "heads.0.weight", "heads.0.bias", "heads.1.weight",
    ]  # fmt: skip
    assert all(type(v) is np.ndarray for v in state.values())
    state["scale"][...] = 99.0
    assert host(net.scale).tolist() == [2.0, 2.0, 2.0]


def test_loading_copies_into_the_existing_arrays(make_net: Any) -> None:
    net = make_net()
    parameters, arrays = net.parameters(), [p.data for p in net.parameters()]
    state = {k: v + 1 for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))
    assert all(p.data is a for p, a in zip(parameters, arrays, strict=True))
    state["scale"][...] = 0.0
    assert host(net.scale).tolist() == [3.0, 3.0, 3.0]


def test_buffers_are_saved_but_not_trained(make_net: Any, device: str) -> None:
    net = make_net()
    assert [name for name, _ in net.named_buffers()] == ["offset"]
    assert "offset" in net.state_dict()
    assert not any(p is net.offset for p in net.parameters())
    net.register_buffer("array", np.arange(3))
    assert isinstance(net.array, td.Tensor)
    net.to(device).array.data[0] = 7
    assert net.state_dict()["array"].tolist() == [7, 1, 2]


def test_shared_parameters_are_listed_once_and_saved_under_every_name(device: str) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.a = nn.Dense(2, 2)
            self.b = nn.Dense(2, 2)
            self.b.weight = self.a.weight

        def forward(self, x: td.Tensor) -> td.Tensor:
            return self.b(self.a(x))

    net = Tied().to(device)
    assert [name for name, _ in net.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert len(td.optim.SGD(net.parameters(), lr=0.1).params) == 3
    other = Tied().to(device)
    other.load_state_dict(net.state_dict())
    assert np.array_equal(host(other.a.weight), host(net.a.weight))
    assert other.b.weight is other.a.weight


def test_a_shared_module_is_listed_once_and_saved_under_every_name_as_torchs(device: str, torch: Any) -> None:
    layer, theirs = nn.Dense(2, 2).to(device), torch.nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    twin = torch.nn.Sequential(theirs, torch.nn.Tanh(), theirs)
    assert len(net.parameters()) == 2
    assert [n for n, _ in net.named_parameters()] == [n for n, _ in twin.named_parameters()]
    assert [n for n, _ in net.named_modules()] == [n for n, _ in twin.named_modules()]
    assert list(net.state_dict()) == list(twin.state_dict())
    net.load_state_dict({k: v.numpy() for k, v in twin.state_dict().items()})
    assert np.array_equal(host(layer.weight), theirs.weight.detach().numpy())


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_names_order_and_values_are_torchs(
    dtype: str, tolerance: float, device: str, torch: Any, make_net: Any
) -> None:
    class Twin(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.full((3,), 2.0))
            self.features = torch.nn.Sequential(
                torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
            )
            self.heads = torch.nn.ModuleList([torch.nn.Linear(18, 3), torch.nn.Linear(18, 3, bias=False)])
            self.register_buffer("offset", torch.zeros(3))

        def forward(self, x: Any) -> Any:
            h = self.features(x).flatten(1)
            return self.scale * (self.heads[0](h) + self.heads[1](h)) + self.offset

    twin = Twin().to(getattr(torch, dtype))
    net = make_net().astype(dtype)
    assert [n for n, _ in net.named_parameters()] == [n for n, _ in twin.named_parameters()]
    assert [n for n, _ in net.named_modules()] == [n for n, _ in twin.named_modules()]
    assert set(net.state_dict()) == set(twin.state_dict())
    net.load_state_dict({k: v.numpy() for k, v in twin.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype(dtype)
    expected = twin(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(
        host(net(td.tensor(x, device=device))), expected, rtol=tolerance, atol=tolerance
    )
    twin.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})  # and back
    np.testing.assert_allclose(twin(torch.tensor(x)).detach().numpy(), expected, rtol=0)


# ---- loading


@pytest.mark.parametrize("source", ["cpu", "strict"])
def test_tensors_of_any_device_and_the_other_float_can_be_loaded(
    source: str, make_net: Any, device: str
) -> None:
    net, state = make_net(), make_net().state_dict()
    net.load_state_dict({k: td.tensor(v.astype("float64") + 1, device=source) for k, v in state.items()})
    assert (net.scale.dtype, net.scale.device) == (np.float32, device)
    assert host(net.scale).tolist() == [3.0, 3.0, 3.0]


def test_a_failed_load_lists_everything_and_changes_nothing(make_net: Any) -> None:
    net = make_net()
    before = net.state_dict()
    state = {k: v + 1 for k, v in before.items()}
    del state["heads.0.bias"], state["offset"]
    state["extra"] = np.ones(1)
    state["another"] = np.ones(1)
    state["scale"] = np.ones(4)
    state["heads.1.weight"] = np.ones((3, 18), "int64")
    with pytest.raises(KeyError) as caught:
        net.load_state_dict(state)
    said = str(caught.value)
    parts = ["Net.load_state_dict", "heads.0.bias", "offset", "extra", "another"]
    parts += ["scale: shape (4,), expected (3,)", "heads.1.weight: int64, expected float32"]
    for part in parts:
        assert part in said
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize("strict", [True, False])
def test_wrong_shapes_are_a_value_error_that_changes_nothing(strict: bool, make_net: Any) -> None:
    net = make_net()
    before = net.state_dict()
    state = {k: v + 1 for k, v in before.items()}
    state["scale"] = np.ones((3, 1), "float32")  # would broadcast
    state["heads.0.bias"] = np.ones((), "float32")
    with pytest.raises(ValueError, match=r"scale: shape \(3, 1\), expected \(3,\)") as caught:
        net.load_state_dict(state, strict=strict)
    assert "heads.0.bias: shape (), expected (3,)" in str(caught.value)
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())


def test_without_strict_what_one_side_lacks_is_left_alone(make_net: Any) -> None:
    net = make_net()
    weight = host(net.heads[0].weight).copy()
    net.load_state_dict({"scale": np.full(3, 5.0, "float32"), "unknown": np.ones(1)}, strict=False)
    assert host(net.scale).tolist() == [5.0, 5.0, 5.0]
    assert np.array_equal(host(net.heads[0].weight), weight)
