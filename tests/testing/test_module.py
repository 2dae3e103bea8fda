"""check_module: layers with state and chance in them, deliberately wrong ones, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.testing import GradientError, check_module


class Times(td.Op):
    """out = a b,  da = g b times a factor that should be 1."""

    __slots__ = ("factor",)
    broadcasts = True

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, a: Any, b: Any) -> Any:
        return a * b

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        return g * b * self.factor, g * a


class Scale(nn.Module):
    """out = x times a weight for each column, the gradient wrong by a factor in one mode."""

    def __init__(self, n: int = 3, in_train: float = 1.0, in_eval: float = 1.0) -> None:
        self.weight = nn.Parameter(td.ones(n))
        self.in_train, self.in_eval = in_train, in_eval

    def forward(self, x: Any) -> Any:
        return Times(self.in_train if self.training else self.in_eval)(self.weight, x)


class Function(nn.Module):
    """A function of the module and x as a layer with a weight, a bias and a buffer."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.weight = nn.Parameter(td.randn(3, 3, generator=1))
        self.bias = nn.Parameter(td.zeros(3))
        self.register_buffer("seen", td.zeros(3))
        self.calls = 0
        self.fn = fn

    def forward(self, *xs: Any) -> Any:
        return self.fn(self, *xs)


class Network(nn.Module):
    """All that has state: batch norm, dropout, a shared layer; and a layer with a parameter below."""

    def __init__(self, layer: nn.Module) -> None:
        self.conv1 = nn.Conv2d(1, 3, 2, generator=1)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5, generator=2)
        self.head = nn.Sequential(nn.Dense(3, 3, generator=3), layer)
        self.again = self.head

    def forward(self, x: Any) -> Any:
        x = self.drop(td.tanh(self.norm(self.conv1(x)))).mean(axis=(2, 3))
        return self.again(self.head(x))


X = td.randn(4, 3, generator=5)
IMAGES = td.randn(4, 1, 3, 3, generator=6)


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (nn.Dense(3, 2, generator=1), X),
        (nn.Conv2d(1, 2, 2, generator=1), IMAGES),
        (nn.ConvTranspose2d(1, 2, 2, generator=1), IMAGES),
        (nn.BatchNorm1d(3), X),
        (nn.BatchNorm1d(3, momentum=None), X),
        (nn.BatchNorm1d(3, affine=False, track_running_stats=False), X),
        (nn.GroupNorm(1, 3), X),
        (nn.LayerNorm(3), X),
        (nn.Dropout(0.5), X),
        (nn.Embedding(4, 2, generator=1), td.tensor([0, 3, 3])),
        (nn.MaxPool2d(2, 1), IMAGES),
        (nn.ReLU(), td.zeros(2, 3)),
        (Scale(), X),
        (Network(Scale()), IMAGES),
    ],
    ids=lambda p: type(p).__name__ if isinstance(p, nn.Module) else "",
)
def test_right_layers_pass(module: nn.Module, inputs: Any) -> None:
    assert check_module(module, inputs) is True


def test_several_inputs_and_outputs_and_other_arguments() -> None:
    def fn(self: Any, x: Any, places: Any, power: int) -> Any:
        return (x @ self.weight) ** power + self.bias, x[places], places

    assert check_module(Function(fn), [X, td.tensor([2, 0]), 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_module_is_left_as_it_was(dtype: str) -> None:
    module = Network(Scale(3)).astype(dtype)
    module.norm.eval()
    module(IMAGES.astype(dtype)).sum().backward()
    grads = [p.grad for p in module.parameters()]
    objects = [*module.parameters(), *(b for _, b in module.named_buffers())]
    arrays = [x._data for x in objects]
    state, modes = module.state_dict(), [m.training for m in module.modules()]
    place, default, x = (
        module.drop.generator.get_state(),
        td.manual_seed(3).get_state(),
        IMAGES.numpy().copy(),
    )
    assert check_module(module, IMAGES, order=1)
    with pytest.raises(GradientError):
        check_module(Network(Scale(in_eval=2.0)), IMAGES, order=1)
    assert [p.grad for p in module.parameters()] == grads
    assert all(p.grad is not None for p in module.parameters())
    assert all(x._data is a and x.dtype in (dtype, "int64") for x, a in zip(objects, arrays, strict=True))
    assert all(np.array_equal(state[name], a) for name, a in module.state_dict().items())
    assert [m.training for m in module.modules()] == modes
    assert module.drop.generator.get_state() == place
    assert td.manual_seed(3).get_state() == default
    assert np.array_equal(IMAGES.numpy(), x)
    assert IMAGES.dtype == np.float32
    assert not IMAGES.requires_grad


def test_the_default_generator_is_left_where_it_was() -> None:
    td.manual_seed(3)
    expected = td.rand(2).numpy().copy()
    td.manual_seed(3)
    assert check_module(
        Function(lambda m, x: td.functional.dropout(x @ m.weight + m.bias, 0.5, m.training)), X
    )
    assert np.array_equal(td.rand(2).numpy(), expected)


def test_wrong_in_one_mode_only() -> None:
    with pytest.raises(
        GradientError, match=r"check_module\(Scale\) in train mode: parameter weight of shape \(3,\)"
    ):
        check_module(Scale(in_train=1.0 + 1e-7), X)
    with pytest.raises(
        GradientError, match=r"check_module\(Scale\) in eval mode: parameter weight of shape \(3,\)"
    ):
        check_module(Scale(in_eval=1.0 + 1e-7), X)


def test_parameters_have_their_dotted_names() -> None:
    with pytest.raises(
        GradientError, match=r"\(Network\) in train mode: parameter head.1.weight of shape \(3,\): "
    ):
        check_module(Network(Scale(in_train=2.0)), IMAGES, order=1)


def test_wrong_for_the_input_only() -> None:
    with pytest.raises(GradientError, match="in train mode: input 0 of shape"):
        check_module(Function(lambda m, x: Times(3.0)(x, m.weight[0]) + m.bias), X)


class Cutting(td.Op):
    """out = a b, with a second derivative lost."""

    def forward(self, a: Any, b: Any) -> Any:
        return a * b

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        return (g.detach() if isinstance(g, td.Tensor) else g) * b, g * a


def test_wrong_second_derivatives() -> None:
    module = Function(lambda m, x: Cutting()(m.weight, x @ m.weight + m.bias))
    assert check_module(module, X[:3], order=1)
    with pytest.raises(
        GradientError, match="in train mode, second derivatives: the cotangent of output 0 of shape"
    ):
        check_module(module, X[:3])


class ZeroNorm(td.Op):
    """Batch norm's forward pass, and a gradient of 0, which a sum() of its outputs would confirm."""

    def forward(self, x: Any) -> Any:
        return (x - x.mean(axis=0)) / x.std(axis=0)

    def backward(self, g: Any) -> Any:
        return g * 0.0


def test_a_zero_gradient_of_a_norm() -> None:
    with pytest.raises(GradientError, match=r"input 0 of shape \(4, 3\): 0 by backward"):
        check_module(Function(lambda m, x: ZeroNorm()(x @ m.weight) + m.bias), X)


def test_a_module_that_changes_its_parameters() -> None:
    def forward(module: Any, x: Any) -> Any:
        out = x @ module.weight + module.bias
        module.bias._data += 1.0
        return out

    with pytest.raises(GradientError, match=r"parameter bias (was changed in place|of shape)"):
        check_module(Function(forward), X)


def test_a_parameter_that_is_cut_off() -> None:
    with pytest.raises(GradientError, match=r"parameter weight of shape \(3, 3\): 0 by backward"):
        check_module(Function(lambda m, x: x @ m.weight.detach() + m.bias), X)


def test_a_parameter_that_nothing_depends_on() -> None:
    module = Function(lambda m, x: x @ m.weight)
    with pytest.raises(
        GradientError, match="no output depends on parameter bias, neither in train nor in eval"
    ):
        check_module(module, X)
    module.bias.requires_grad = False
    assert check_module(module, X)
    assert check_module(Function(lambda m, x: x @ m.weight + m.bias if m.training else x @ m.weight), X)
    with pytest.raises(GradientError, match="no output depends on parameter weight, parameter bias"):
        check_module(Function(lambda m, x: x.detach() * 0.0), X)


def test_eval_mode_must_give_the_same_twice() -> None:
    noise = Function(lambda m, x: td.functional.dropout(x @ m.weight + m.bias, 0.5, training=True))
    with pytest.raises(GradientError, match="in eval mode: output 0 differs between two calls"):
        check_module(noise, X)

    def counting(module: Any, x: Any) -> Any:
        module.seen.data = module.seen.data + 1.0
        return x @ module.weight + module.bias

    with pytest.raises(GradientError, match="in eval mode: a call changed seen"):
        check_module(Function(counting), X)


def test_a_module_that_counts_its_calls_gives_the_same_each_time() -> None:
    def forward(module: Any, x: Any) -> Any:
        if module.training:
            module.calls += 1
        return (x @ module.weight + module.bias) * (1.0 + module.calls)

    module = Function(forward)
    assert check_module(module, X)
    assert module.calls == 0


def test_a_module_that_asks_for_its_parameters() -> None:
    def forward(module: Any, x: Any) -> Any:
        decay = td.stack([(p * p).sum() for p in module.parameters()]).sum()
        return x @ module.weight + module.bias, decay

    assert check_module(Function(forward), X)


def test_float32_must_stay_float32() -> None:
    def forward(module: Any, x: Any) -> Any:
        return (x @ module.weight + module.bias).astype("float64")

    with pytest.raises(GradientError, match="in train mode: output 0 of the float32 module is float64"):
        check_module(Function(forward), X)
    assert check_module(Function(forward).astype("float64"), X.astype("float64"))
    with pytest.raises(TypeError, match="in train mode: output 0 is float32"):
        check_module(Function(lambda m, x: (x @ m.weight + m.bias).astype("float32")), X)


def test_layers_with_state_and_chance_take_the_complex_step() -> None:
    notes: list[str] = []
    assert check_module(Network(Scale()), IMAGES, notes=notes, order=1)
    assert {note.split(": ")[2] for note in notes} == {"checked by complex step"}


def test_what_can_not_be_checked() -> None:
    with pytest.raises(
        ValueError, match=r"check_module\(Flatten\) in train mode: no input requires a gradient"
    ):
        check_module(nn.Flatten(), td.tensor([[1, 2]]))
    with pytest.raises(TypeError, match=r"check_module\(Function\) .*must return tensors, got dict"):
        check_module(Function(lambda m, x: {"out": x}), X)


def test_notes_and_options() -> None:
    notes: list[str] = []
    assert check_module(Function(lambda m, x: (x @ m.weight).abs() + m.bias), X, notes=notes, order=1)
    assert notes[2] == "train mode: parameter bias: checked by complex step"
    assert notes[3].startswith("eval mode: input 0: checked by differences, not by complex step (")
    assert len(notes) == 6
    slightly = Scale(in_train=1.001)
    assert check_module(slightly, X, rtol=1e-2, full=True)
    assert check_module(slightly, X, atol=1.0, directions=1)
    with pytest.raises(GradientError):
        check_module(slightly, X, rtol=1e-4)


def test_the_strict_device() -> None:
    module = nn.Sequential(nn.Dense(3, 2, generator=1), nn.BatchNorm1d(2)).to("strict")
    assert check_module(module, X.to("strict"))
    with pytest.raises(GradientError, match="parameter weight"):
        check_module(Scale(in_train=2.0).to("strict"), X.to("strict"))
