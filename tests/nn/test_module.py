"""Modules: the tree that knows its parameters, training and evaluation, hooks, and errors that name the layer."""

from __future__ import annotations

import copy
import gc
import inspect
import re
import weakref
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing.point import host

NAMES = ["scale", "features.0.weight", "features.0.bias", "heads.0.weight", "heads.0.bias", "heads.1.weight"]


# ---- the tree


def test_parameters_have_dotted_names_in_the_order_of_definition(make_net: Any) -> None:
    net = make_net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [p.shape for p in net.parameters()] == [(3,), (2, 1, 3, 3), (2,), (3, 18), (3,), (3, 18)]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf for p in net.parameters())


def test_modules_and_children(make_net: Any) -> None:
    net = make_net()
    names = [name for name, _ in net.named_modules()]
    assert names == ["", "features", "features.0", "features.1", "features.2", "heads", "heads.0", "heads.1"]
    assert [name for name, _ in net.children()] == ["features", "heads"]
    assert next(iter(net.modules())) is net
    assert [name for name, _ in net.named_modules("net")][:2] == ["net", "net.features"]


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


def test_a_module_needs_no_super_init(device: str) -> None:
    class Bare(nn.Module):
        def forward(self, x: td.Tensor) -> td.Tensor:
            return x * 2

    net = Bare()
    assert net(td.ones(1, device=device)).item() == 2.0
    assert net.parameters() == []
    assert net.training


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(td.ones(1))


def test_listing_parameters_leaves_no_garbage(make_net: Any) -> None:
    net = make_net()
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


def test_a_network_dies_by_reference_counting(make_net: Any, device: str) -> None:
    gc.disable()
    try:
        net = make_net()
        watched = weakref.ref(net.features[0].weight)
        net(td.zeros(1, 1, 8, 8, device=device)).sum().backward()
        del net
        assert watched() is None
    finally:
        gc.enable()


# ---- training and evaluation, dtype, buffers


def test_train_and_eval_reach_all_modules(make_net: Any) -> None:
    net = make_net()
    assert all(m.training for m in net.modules())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train() is net
    assert all(m.training for m in net.modules())
    net.train(False)
    assert not net.features[1].training


def test_astype_converts_floating_parameters_and_buffers(make_net: Any, device: str) -> None:
    net, x = make_net(), td.zeros(1, 1, 8, 8, device=device)
    net.register_buffer("count", td.tensor(3, device=device))
    net(x).sum().backward()
    parameters = net.parameters()
    assert net.astype("float64") is net
    assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))
    assert all(p.dtype == np.float64 and p.grad is None for p in net.parameters())
    assert net.offset.dtype == np.float64
    assert net.count.dtype == np.int64
    assert net(x.astype("float64")).dtype == np.float64
    with pytest.raises(TypeError, match="float32 with float64"):
        net(x)
    for wrong in ("float16", "int64", "complex128"):
        with pytest.raises(TypeError, match="expected float32 or float64"):
            net.astype(wrong)


def test_to_moves_parameters_and_buffers_and_keeps_their_values(make_net: Any, device: str) -> None:
    net = make_net()
    before, parameters = net.state_dict(), net.parameters()
    for target in (device, "strict", "cpu", device):
        assert net.to(target) is net
        assert {t.device.name for t in (*net.parameters(), *dict(net.named_buffers()).values())} == {target}
        assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))
        assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())


def test_to_forgets_gradients_only_when_it_moves(make_net: Any, device: str) -> None:
    net, other = make_net(), {"cpu": "strict", "strict": "cpu"}[device]
    net(td.ones(1, 1, 8, 8, device=device)).sum().backward()
    assert all(p.grad is not None for p in net.to(device).parameters())
    assert all(p.grad is None for p in net.to(other).parameters())


def test_to_knows_device_names(make_net: Any) -> None:
    with pytest.raises(ValueError, match="device 'nowhere'"):
        make_net().to("nowhere")


# ---- hooks


def test_a_forward_hook_sees_inputs_and_output_and_can_be_taken_off(device: str) -> None:
    layer = nn.Dense(2, 3).to(device)
    seen: list[Any] = []
    remove = layer.register_forward_hook(lambda m, i, o: seen.append((m, i, o)))
    x = td.ones(1, 2, device=device)
    y = layer(x)
    assert seen[0][0] is layer
    assert seen[0][1] == (x,)
    assert seen[0][2] is y
    remove()
    remove()  # twice is harmless
    layer(x)
    assert len(seen) == 1


def test_what_hooks_return_replaces_the_output_in_order(device: str) -> None:
    layer = nn.ReLU()
    layer.register_forward_hook(lambda m, i, o: o + 1)
    layer.register_forward_hook(lambda m, i, o: o * 10)
    layer.register_forward_hook(lambda m, i, o: None)
    assert layer(td.tensor([1.0], device=device)).item() == 20.0


def test_a_hook_may_take_itself_off_while_it_runs(device: str) -> None:
    layer, x = nn.ReLU(), td.ones(1, device=device)
    calls = []
    removers: list[Any] = []
    removers.append(layer.register_forward_hook(lambda m, i, o: (calls.append(1), removers[0]())[1]))
    layer.register_forward_hook(lambda m, i, o: calls.append(2))
    layer(x)
    layer(x)
    assert calls == [1, 2, 2]


def test_hooks_belong_to_one_module_only(device: str) -> None:
    a, b = nn.ReLU(), nn.ReLU()
    a.register_forward_hook(lambda m, i, o: o + 1)
    assert b(td.ones(1, device=device)).item() == 1.0


# ---- errors


def test_a_shape_error_names_the_layer_and_the_layout(device: str) -> None:
    with pytest.raises(ValueError, match="channel") as caught:
        nn.Conv2d(3, 16, kernel_size=3).to(device)(td.zeros(8, 1, 28, 28, device=device))
    assert str(caught.value).startswith(
        "Conv2d(3, 16, kernel_size=3): input has 1 channel, expected 3 (input shape (8, 1, 28, 28), layout N, C, H, W"
    )


def test_the_innermost_layer_is_named_in_a_network(device: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Dense(4, 3), nn.Dense(5, 2))).to(device)
    with pytest.raises(ValueError, match=r"^Dense\(5, 2\): "):
        net(td.zeros(1, 4, device=device))


def test_an_error_in_a_networks_own_forward_names_the_operation(device: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Dense(2, 3)

        def forward(self, x: td.Tensor) -> td.Tensor:
            return self.layer(x) + td.ones(4, device=device)

    with pytest.raises(ValueError, match=r"^add: shapes \(1, 3\) and \(4,\)"):
        nn.Sequential(Net()).to(device)(td.zeros(1, 2, device=device))


def test_an_error_is_named_once(device: str) -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Dense(2, 2)

        def forward(self, x: td.Tensor) -> td.Tensor:
            return self.inner(x)

    with pytest.raises(td.ShapeError) as caught:
        nn.Sequential(Careful()).to(device)(td.zeros(1, 3, device=device))
    assert str(caught.value).count("Dense(2, 2)") == 1


def test_a_layer_that_is_called_from_a_module_that_does_not_own_it_keeps_its_name(device: str) -> None:
    layer = nn.Dense(2, 2).to(device)

    class Caller(nn.Module):
        def forward(self, x: td.Tensor) -> td.Tensor:
            return layer(x)

    with pytest.raises(ValueError, match=r"^Dense\(2, 2\): "):
        Caller()(td.zeros(1, 3, device=device))


# Every layer with weights and an input that fits it; Embedding takes integers, and has a test of its own.
LAYERS: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Dense(2, 3), (4, 2)),
    (nn.Conv2d(2, 3, 1), (1, 2, 4, 4)),
    (nn.ConvTranspose2d(2, 3, 1), (1, 2, 4, 4)),
    (nn.BatchNorm1d(2), (4, 2)),
    (nn.BatchNorm2d(2), (4, 2, 3, 3)),
    (nn.LayerNorm(2), (4, 2)),
    (nn.GroupNorm(1, 2), (4, 2)),
]


def test_all_layers_with_weights_are_in_the_table() -> None:
    made = {type(layer).__name__ for layer, _ in LAYERS}
    with_weights = {
        name
        for name in nn.__all__
        if {"bias", "elementwise_affine", "affine"} & set(inspect.signature(getattr(nn, name)).parameters)
    }
    assert made == with_weights


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=repr)
def test_an_input_on_another_device_names_the_layer_and_both_devices(
    layer: nn.Module, shape: Any, device: str
) -> None:
    layer.to(device).astype("float32")
    before = layer.state_dict()
    other = {"cpu": "strict", "strict": "cpu"}[device]
    with pytest.raises(td.errors.DeviceError, match=rf"^{re.escape(repr(layer))}: .*\.to\(") as caught:
        layer(td.randn(*shape, generator=0, device=other))
    assert device in caught.value.what
    assert other in caught.value.what
    assert all(np.array_equal(before[k], v) for k, v in layer.state_dict().items())


@pytest.mark.parametrize(("own", "other"), [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=repr)
def test_an_input_of_another_float_names_the_layer_and_both_dtypes(
    layer: nn.Module, shape: Any, own: str, other: str, device: str
) -> None:
    layer.to(device).astype(own)
    before = layer.state_dict()
    with pytest.raises(td.DTypeError, match=rf"^{re.escape(repr(layer))}: .*\.astype\(") as caught:
        layer(td.randn(*shape, generator=0, dtype=other, device=device))
    assert own in caught.value.what
    assert other in caught.value.what
    assert all(np.array_equal(before[k], v) for k, v in layer.state_dict().items())
    assert layer(td.randn(*shape, generator=0, dtype=own, device=device)).dtype == own


# ---- containers and repr


def test_sequential_runs_in_order_and_is_a_list(device: str) -> None:
    net = nn.Sequential(nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 1)).to(device)
    assert len(net) == 3
    assert isinstance(net[1], nn.ReLU)
    assert net[-1] is list(net)[2]
    with pytest.raises(IndexError):
        net[3]
    x = td.ones(4, 2, device=device)
    assert np.array_equal(host(net(x)), host(net[2](net[1](net[0](x)))))
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


def test_a_parameter_takes_over_the_values(device: str) -> None:
    values = td.tensor([1.0, 2.0], device=device)
    p = nn.Parameter(values)
    assert p.requires_grad
    assert p.data is values.data
    assert p.device == device
    assert isinstance(p * 2, td.Tensor)
    assert not isinstance(p * 2, nn.Parameter)
    with pytest.raises(TypeError, match="floating"):
        nn.Parameter(td.tensor([1, 2], device=device))


def test_a_plain_array_can_not_take_the_place_of_a_buffer(device: str) -> None:
    module = nn.BatchNorm2d(2).to(device)
    with pytest.raises(TypeError, match="running_mean is a buffer; assign a Tensor or None, got ndarray"):
        module.running_mean = np.zeros(2, np.float32)
    module.running_mean = td.zeros(2, device=device)
    assert "running_mean" in module.state_dict()


def test_a_deep_copy_is_a_network_of_its_own_on_the_same_device(device: str) -> None:
    model = nn.Sequential(nn.Dense(2, 3), nn.Tanh()).to(device)
    twin = copy.deepcopy(model)
    x = td.ones(1, 2, device=device)
    assert (host(twin(x)) == host(model(x))).all()
    assert twin[0].weight.device is model[0].weight.device
    twin[0].weight.data = td.zeros(3, 2, device=device)
    assert host(model[0].weight).any()
