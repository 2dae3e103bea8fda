"""Modules: the tree that knows its parameters, saving and loading, hooks, and errors that name the layer."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn


class Net(nn.Module):
    """Layers in layers, a bare parameter and a buffer."""

    def __init__(self, seed: int = 0) -> None:
        self.scale = nn.Parameter(td.full(3, 2.0))
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3, generator=seed), nn.ReLU(), nn.MaxPool2d(2))
        self.heads = nn.ModuleList(
            [nn.Dense(18, 3, generator=seed + 1), nn.Dense(18, 3, bias=False, generator=seed)]
        )
        self.register_buffer("offset", td.zeros(3))

    def forward(self, x: td.Tensor) -> td.Tensor:
        h = self.features(x).flatten(1)
        return self.scale * (self.heads[0](h) + self.heads[1](h)) + self.offset


NAMES = ["scale", "features.0.weight", "features.0.bias", "heads.0.weight", "heads.0.bias", "heads.1.weight"]


# ---- the tree


def test_parameters_have_dotted_names_in_the_order_of_definition() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [p.shape for p in net.parameters()] == [(3,), (2, 1, 3, 3), (2,), (3, 18), (3,), (3, 18)]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf for p in net.parameters())


def test_names_and_order_are_torchs() -> None:
    torch = pytest.importorskip("torch")

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

    for dtype, tolerance in (("float32", 1e-6), ("float64", 1e-12)):
        twin = Twin().to(getattr(torch, dtype))
        net = Net().astype(dtype)
        assert [n for n, _ in net.named_parameters()] == [n for n, _ in twin.named_parameters()]
        assert [n for n, _ in net.named_modules()] == [n for n, _ in twin.named_modules()]
        assert set(net.state_dict()) == set(twin.state_dict())
        net.load_state_dict({k: v.numpy() for k, v in twin.state_dict().items()})
        x = np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype(dtype)
        expected = twin(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(net(td.tensor(x)).data, expected, rtol=tolerance, atol=tolerance)
        twin.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})  # and back
        np.testing.assert_allclose(twin(torch.tensor(x)).detach().numpy(), expected, rtol=0)


def test_modules_and_children() -> None:
    net = Net()
    names = [name for name, _ in net.named_modules()]
    assert names == ["", "features", "features.0", "features.1", "features.2", "heads", "heads.0", "heads.1"]
    assert [name for name, _ in net.children()] == ["features", "heads"]
    assert next(iter(net.modules())) is net
    assert [name for name, _ in net.named_modules("net")][:2] == ["net", "net.features"]


def test_shared_parameters_are_listed_once_and_saved_under_every_name() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.a = nn.Dense(2, 2)
            self.b = nn.Dense(2, 2)
            self.b.weight = self.a.weight

        def forward(self, x: td.Tensor) -> td.Tensor:
            return self.b(self.a(x))

    net = Tied()
    assert [name for name, _ in net.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert len(td.optim.SGD(net.parameters(), lr=0.1).params) == 3
    other = Tied()
    other.load_state_dict(net.state_dict())
    assert np.array_equal(other.a.weight.data, net.a.weight.data)
    assert other.b.weight is other.a.weight


def test_a_shared_module_is_listed_once_and_saved_under_every_name_as_torchs() -> None:
    torch = pytest.importorskip("torch")
    layer, theirs = nn.Dense(2, 2), torch.nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    twin = torch.nn.Sequential(theirs, torch.nn.Tanh(), theirs)
    assert len(net.parameters()) == 2
    assert [n for n, _ in net.named_parameters()] == [n for n, _ in twin.named_parameters()]
    assert [n for n, _ in net.named_modules()] == [n for n, _ in twin.named_modules()]
    assert list(net.state_dict()) == list(twin.state_dict())
    net.load_state_dict({k: v.numpy() for k, v in twin.state_dict().items()})
    assert np.array_equal(layer.weight.data, theirs.weight.detach().numpy())


def test_a_module_that_knows_its_parent_is_no_endless_loop() -> None:
    child = nn.Dense(2, 2)
    net = nn.Sequential(child)
    child.parent = net
    assert len(net.parameters()) == 2
    assert [name for name, _ in net.named_modules()] == ["", "0"]
    assert list(net.state_dict()) == ["0.weight", "0.bias"]


@pytest.mark.parametrize(
    "value",
    [
        lambda: [nn.Dense(1, 1)],
        lambda: (nn.ReLU(), nn.Tanh()),
        lambda: {"a": nn.Dense(1, 1)},
        lambda: [nn.Parameter(td.ones(1))],
        lambda: [1, nn.Dense(1, 1)],
    ],
)
def test_layers_in_a_plain_list_would_not_be_trained_and_raise(value: Any) -> None:
    net = nn.Module()
    with pytest.raises(TypeError, match=r"Module\.layers: .*nn\.ModuleList"):
        net.layers = value()
    assert not hasattr(net, "layers")


@pytest.mark.parametrize("value", [[1, 2], (3, 4), {"a": 1}, [], "text", None, [td.ones(1)]])
def test_other_lists_are_fine(value: Any) -> None:
    net = nn.Module()
    net.options_of_mine = value
    assert net.options_of_mine is value
    assert net.parameters() == []


def test_a_plain_tensor_is_no_parameter() -> None:
    net = nn.Module()
    net.constant = td.ones(2)
    assert net.parameters() == []
    assert net.state_dict() == {}


def test_replacing_a_layer_replaces_its_parameters() -> None:
    net = nn.Sequential(nn.Dense(2, 3))
    setattr(net, "0", nn.Dense(2, 5))
    assert [p.shape for p in net.parameters()] == [(5, 2), (5,)]
    net[0].bias = None
    assert [p.shape for p in net.parameters()] == [(5, 2)]


def test_a_module_needs_no_super_init() -> None:
    class Bare(nn.Module):
        def forward(self, x: td.Tensor) -> td.Tensor:
            return x * 2

    net = Bare()
    assert net(td.ones(1)).item() == 2.0
    assert net.parameters() == []
    assert net.training


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(td.ones(1))


def test_listing_parameters_leaves_no_garbage() -> None:
    net = Net()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            net.parameters()
            net.state_dict()
            list(net.named_buffers())
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = [o for o in gc.garbage if getattr(o, "__module__", "") == "tinydl.nn.module"]
        assert ours == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_a_network_dies_by_reference_counting() -> None:
    gc.disable()
    try:
        net = Net()
        watched = weakref.ref(net.features[0].weight)
        net(td.zeros(1, 1, 8, 8)).sum().backward()
        del net
        assert watched() is None
    finally:
        gc.enable()


# ---- training and evaluation, dtype, buffers


def test_train_and_eval_reach_all_modules() -> None:
    net = Net()
    assert all(m.training for m in net.modules())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train() is net
    assert all(m.training for m in net.modules())
    net.train(False)
    assert not net.features[1].training


def test_astype_converts_floating_parameters_and_buffers() -> None:
    net = Net()
    net.register_buffer("count", td.tensor(3))
    net(td.zeros(1, 1, 8, 8)).sum().backward()
    parameters = net.parameters()
    assert net.astype("float64") is net
    assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))
    assert all(p.dtype == np.float64 and p.grad is None for p in net.parameters())
    assert net.offset.dtype == np.float64
    assert net.count.dtype == np.int64
    assert net(td.zeros(1, 1, 8, 8, dtype="float64")).dtype == np.float64
    with pytest.raises(TypeError, match="float32 with float64"):
        net(td.zeros(1, 1, 8, 8))
    for wrong in ("float16", "int64", "complex128"):
        with pytest.raises(TypeError, match="expected float32 or float64"):
            net.astype(wrong)


def test_to_moves_nothing_on_the_cpu_and_knows_device_names() -> None:
    net = Net()
    before = net.state_dict()
    assert net.to("cpu") is net
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())
    with pytest.raises(ValueError, match="device 'nowhere'"):
        net.to("nowhere")


def test_buffers_are_saved_but_not_trained() -> None:
    net = Net()
    assert [name for name, _ in net.named_buffers()] == ["offset"]
    assert "offset" in net.state_dict()
    assert not any(p is net.offset for p in net.parameters())
    net.register_buffer("array", np.arange(3))
    assert isinstance(net.array, td.Tensor)
    net.array.data[0] = 7
    assert net.state_dict()["array"].tolist() == [7, 1, 2]


# ---- state


def test_state_dict_round_trip() -> None:
    a, b = Net(0), Net(5)
    x = td.randn(2, 1, 8, 8, generator=0)
    assert not np.array_equal(a(x).data, b(x).data)
    b.load_state_dict(a.state_dict())
    assert np.array_equal(a(x).data, b(x).data)


def test_state_dict_gives_copies_in_order() -> None:
    net = Net()
    state = net.state_dict()
    assert list(state) == [
        "scale", "offset", "features.0.weight", "features.0.bias", "heads.0.weight", "heads.0.bias", "heads.1.weight",
    ]  # fmt: skip
    assert all(type(v) is np.ndarray for v in state.values())
    state["scale"][...] = 99.0
    assert net.scale.data.tolist() == [2.0, 2.0, 2.0]


def test_loading_copies_into_the_existing_arrays() -> None:
    net = Net()
    parameters, arrays = net.parameters(), [p.data for p in net.parameters()]
    state = {k: v + 1 for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))
    assert all(p.data is a for p, a in zip(parameters, arrays, strict=True))
    state["scale"][...] = 0.0
    assert net.scale.data.tolist() == [3.0, 3.0, 3.0]


def test_tensors_and_the_other_float_can_be_loaded() -> None:
    net = Net()
    net.load_state_dict({k: td.tensor(v.astype("float64") + 1) for k, v in net.state_dict().items()})
    assert net.scale.dtype == np.float32
    assert net.scale.data.tolist() == [3.0, 3.0, 3.0]


def test_a_failed_load_lists_everything_and_changes_nothing() -> None:
    net = Net()
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
def test_wrong_shapes_are_a_value_error_that_changes_nothing(strict: bool) -> None:
    net = Net()
    before = net.state_dict()
    state = {k: v + 1 for k, v in before.items()}
    state["scale"] = np.ones((3, 1), "float32")  # would broadcast
    state["heads.0.bias"] = np.ones((), "float32")
    with pytest.raises(ValueError, match=r"scale: shape \(3, 1\), expected \(3,\)") as caught:
        net.load_state_dict(state, strict=strict)
    assert "heads.0.bias: shape (), expected (3,)" in str(caught.value)
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())


def test_without_strict_what_one_side_lacks_is_left_alone() -> None:
    net = Net()
    weight = net.heads[0].weight.data.copy()
    net.load_state_dict({"scale": np.full(3, 5.0, "float32"), "unknown": np.ones(1)}, strict=False)
    assert net.scale.data.tolist() == [5.0, 5.0, 5.0]
    assert np.array_equal(net.heads[0].weight.data, weight)


# ---- hooks


def test_a_forward_hook_sees_inputs_and_output_and_can_be_taken_off() -> None:
    layer = nn.Dense(2, 3)
    seen: list[Any] = []
    remove = layer.register_forward_hook(lambda m, i, o: seen.append((m, i, o)))
    x = td.ones(1, 2)
    y = layer(x)
    assert seen[0][0] is layer
    assert seen[0][1] == (x,)
    assert seen[0][2] is y
    remove()
    remove()  # twice is harmless
    layer(x)
    assert len(seen) == 1


def test_what_hooks_return_replaces_the_output_in_order() -> None:
    layer = nn.ReLU()
    layer.register_forward_hook(lambda m, i, o: o + 1)
    layer.register_forward_hook(lambda m, i, o: o * 10)
    layer.register_forward_hook(lambda m, i, o: None)
    assert layer(td.tensor([1.0])).item() == 20.0


def test_a_hook_may_take_itself_off_while_it_runs() -> None:
    layer = nn.ReLU()
    calls = []
    removers: list[Any] = []
    removers.append(layer.register_forward_hook(lambda m, i, o: (calls.append(1), removers[0]())[1]))
    layer.register_forward_hook(lambda m, i, o: calls.append(2))
    layer(td.ones(1))
    layer(td.ones(1))
    assert calls == [1, 2, 2]


def test_hooks_belong_to_one_module_only() -> None:
    a, b = nn.ReLU(), nn.ReLU()
    a.register_forward_hook(lambda m, i, o: o + 1)
    assert b(td.ones(1)).item() == 1.0


# ---- errors


def test_a_shape_error_names_the_layer_and_the_layout() -> None:
    with pytest.raises(ValueError, match="channel") as caught:
        nn.Conv2d(3, 16, kernel_size=3)(td.zeros(8, 1, 28, 28))
    assert str(caught.value).startswith(
        "Conv2d(3, 16, kernel_size=3): input has 1 channel, expected 3 (input shape (8, 1, 28, 28), layout N, C, H, W"
    )


def test_the_innermost_layer_is_named_in_a_network() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Dense(4, 3), nn.Dense(5, 2)))
    with pytest.raises(ValueError, match=r"^Dense\(5, 2\): "):
        net(td.zeros(1, 4))


def test_an_error_in_a_networks_own_forward_names_the_operation() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Dense(2, 3)

        def forward(self, x: td.Tensor) -> td.Tensor:
            return self.layer(x) + td.ones(4)

    with pytest.raises(ValueError, match=r"^add: shapes \(1, 3\) and \(4,\)"):
        nn.Sequential(Net())(td.zeros(1, 2))


def test_an_error_is_named_once() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Dense(2, 2)

        def forward(self, x: td.Tensor) -> td.Tensor:
            return self.inner(x)

    with pytest.raises(td.ShapeError) as caught:
        nn.Sequential(Careful())(td.zeros(1, 3))
    assert str(caught.value).count("Dense(2, 2)") == 1


def test_a_layer_that_is_called_from_a_module_that_does_not_own_it_keeps_its_name() -> None:
    layer = nn.Dense(2, 2)

    class Caller(nn.Module):
        def forward(self, x: td.Tensor) -> td.Tensor:
            return layer(x)

    with pytest.raises(ValueError, match=r"^Dense\(2, 2\): "):
        Caller()(td.zeros(1, 3))


# ---- containers and repr


def test_sequential_runs_in_order_and_is_a_list() -> None:
    net = nn.Sequential(nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 1))
    assert len(net) == 3
    assert isinstance(net[1], nn.ReLU)
    assert net[-1] is list(net)[2]
    with pytest.raises(IndexError):
        net[3]
    x = td.ones(4, 2)
    assert np.array_equal(net(x).data, net[2](net[1](net[0](x))).data)
    assert nn.Sequential()(x) is x


def test_sequential_grows() -> None:
    net = nn.Sequential()
    net.append(nn.Dense(2, 2))
    net.append(nn.ReLU())
    assert [name for name, _ in net.children()] == ["0", "1"]


@pytest.mark.parametrize("wrong", [td.relu, None, 3, [nn.ReLU()]])
def test_containers_take_modules_only(wrong: Any) -> None:
    with pytest.raises(TypeError, match="Sequential: expected a Module"):
        nn.Sequential(wrong)
    with pytest.raises(TypeError, match="ModuleList: expected a Module"):
        nn.ModuleList([wrong])


def test_repr_is_a_tree() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Dense(2, 3, bias=False)))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 2, kernel_size=3, padding=1)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dense(2, 3, bias=False)\n"
        "  )\n"
        ")"
    )


# ---- parameters


def test_a_parameter_takes_over_the_values() -> None:
    values = td.tensor([1.0, 2.0])
    p = nn.Parameter(values)
    assert p.requires_grad
    assert np.shares_memory(p.data, values.data)
    assert isinstance(p * 2, td.Tensor)
    assert not isinstance(p * 2, nn.Parameter)
    with pytest.raises(TypeError, match="floating"):
        nn.Parameter(td.tensor([1, 2]))


def test_a_plain_array_can_not_take_the_place_of_a_buffer() -> None:
    module = nn.BatchNorm2d(2)
    with pytest.raises(TypeError, match="running_mean is a buffer; assign a Tensor or None, got ndarray"):
        module.running_mean = np.zeros(2, np.float32)
    module.running_mean = td.zeros(2)
    assert "running_mean" in module.state_dict()


def test_a_deep_copy_is_a_network_of_its_own_on_the_same_device() -> None:
    model = nn.Sequential(nn.Dense(2, 3), nn.Tanh())
    twin = copy.deepcopy(model)
    x = td.ones(1, 2)
    assert (twin(x).numpy() == model(x).numpy()).all()
    assert twin[0].weight.device is model[0].weight.device
    twin[0].weight.data = np.zeros((3, 2), np.float32)
    assert model[0].weight.numpy().any()
