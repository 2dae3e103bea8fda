"""The checker must find every kind of wrong gradient, and must not find fault with right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import autograd
from tinydl.testing import GradientError, check_function, gradcheck, gradgradcheck, memory_order


class Planted(td.Op):
    """out = a * b with a gradient of a's own that the test gives."""

    __slots__ = ("da",)
    broadcasts = True

    def __init__(self, da: Any) -> None:
        self.da = da

    def forward(self, a: Any, b: Any) -> Any:
        return a * b

    def backward(self, g: Any, a: Any, b: Any) -> Any:
        return self.da(g, a, b), g * a


@pytest.mark.parametrize(
    ("da", "right"),
    [
        (lambda g, a, b: g * b, True),
        (lambda g, a, b: -g * b, False),  # sign
        (lambda g, a, b: 2.0 * g * b, False),  # factor
        (lambda g, a, b: g * b * (1 + 1e-5), False),  # a small factor
        (lambda g, a, b: g, False),  # factor left out
        (lambda g, a, b: b * 1.0, False),  # g left out
        (lambda g, a, b: g * a, False),  # the other operand
        (lambda g, a, b: g * 0.0, False),
        (lambda g, a, b: None, False),
    ],
)
def test_wrong_gradients_are_found(da: Any, right: bool, random: Any) -> None:
    inputs = [random(3, 4), random(3, 4, seed=1)]
    if right:
        assert gradcheck(lambda a, b: Planted(da)(a, b), inputs) is True
    else:
        with pytest.raises(GradientError, match="input 0 of shape"):
            gradcheck(lambda a, b: Planted(da)(a, b), inputs)


def test_one_wrong_element_of_many_is_found_and_named(random: Any) -> None:
    def da(g: Any, a: Any, b: Any) -> Any:
        factor = np.ones(a.shape)
        factor[17, 5] = 1.5
        return g * b * factor

    inputs = [random(30, 40), random(30, 40, seed=1)]
    with pytest.raises(GradientError, match=r"most wrong element is \[17, 5\]"):
        gradcheck(lambda a, b: Planted(da)(a, b), inputs)


def test_the_message_names_input_numbers_and_direction() -> None:
    a = td.tensor(np.array([3.0]), requires_grad=True)
    b = td.tensor(np.array([2.0]), requires_grad=True)
    with pytest.raises(GradientError) as info:
        gradcheck(lambda b, a: Planted(lambda g, a, b: 2 * g * b)(a, b), [b, a])
    text = str(info.value)
    cotangent = td.Generator(0).fork().normal((1,), np.float64)[0]
    assert "input 1 of shape (1,)" in text
    assert f"[0]: {4 * cotangent:.13g} by backward, {2 * cotangent:.13g} by complex step" in text
    assert "by complex step, along the direction\n[-1.]" in text
    assert isinstance(info.value, AssertionError)


def test_a_missing_sum_over_broadcast_axes_is_found(random: Any) -> None:
    def only_the_first_row(g: Any, a: Any, b: Any) -> Any:
        return (g * b)[:1]

    inputs = [random(1, 4), random(3, 4, seed=1)]
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(lambda a, b: Planted(only_the_first_row)(a, b), inputs)
    assert gradcheck(lambda a, b: Planted(lambda g, a, b: g * b)(a, b), inputs)


def test_a_gradient_that_shares_memory_is_found(random: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(grad: Any, device: Any, sole_owner: bool, earlier: Any = None) -> td.Tensor:
        return td.Tensor(grad, device)

    monkeypatch.setattr(autograd, "_tensor_of", careless)
    with pytest.raises(GradientError, match="input 0 shares memory with the cotangent of output 0"):
        gradcheck(lambda a: a + 1.0, random(3))
    with pytest.raises(GradientError, match="input 1 shares memory with"):
        gradcheck(lambda a, b: a * 2.0 + b, [random(3), random(3, seed=1)])
    with pytest.raises(GradientError, match="shares memory with input 1"):
        gradcheck(lambda a, b: Planted(lambda g, a, b: b)(a, b), [random(3), random(3, seed=1)])


def test_a_changed_input_is_found(random: Any) -> None:
    def forward(a: td.Tensor) -> td.Tensor:
        out = a * 2.0
        a.data = a.data + 1.0
        return out

    with pytest.raises(GradientError, match="input 0 was changed in place"):
        gradcheck(forward, random(3))


def test_an_input_that_backward_changes_is_found(random: Any) -> None:
    def da(g: Any, a: Any, b: Any) -> Any:
        a += 1.0
        return g * b

    with pytest.raises(GradientError, match="input 0 was changed in place"):
        gradcheck(lambda a: Planted(da)(a, td.tensor(np.ones(3))), random(3))


def test_a_changed_cotangent_is_found(random: Any) -> None:
    def da(g: Any, a: Any, b: Any) -> Any:
        g *= 2.0
        return g * b / 2.0

    with pytest.raises(GradientError, match="came in from output 0 was changed"):
        gradcheck(lambda a: Planted(da)(a, td.tensor(np.ones(3))), random(3))


def test_a_function_that_is_not_the_same_twice_is_found(random: Any) -> None:
    noise = td.Generator(3)
    with pytest.raises(GradientError, match="output 0 differs between two calls"):
        gradcheck(lambda a: a + float(noise.normal()), random(3))


def test_a_function_that_misreads_strides_is_found(random: Any) -> None:
    class Flat(td.Op):
        def forward(self, x: Any) -> Any:
            return np.ravel(x, order="K") * 2.0

        def backward(self, g: Any, x: Any) -> Any:
            return (g * 2.0).reshape(x.shape)

    x = random(3, 4)
    assert gradcheck(lambda x: Flat()(x), x)
    with pytest.raises(GradientError, match="another memory layout"):
        gradcheck(lambda x: Flat()(x), td.Tensor(np.asfortranarray(x.numpy()), requires_grad=True))


def test_a_cut_graph_is_found(random: Any) -> None:
    with pytest.raises(GradientError, match="0 by backward"):
        gradcheck(lambda a: a.detach() * 2.0, random(3))
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(lambda a, b: (a * b, a.detach() * b), [random(3), random(3, seed=1)])


def test_infinite_outputs_are_refused() -> None:
    with pytest.raises(GradientError, match="output 0 is not finite"), np.errstate(divide="ignore"):
        gradcheck(td.log, td.tensor(np.zeros(3), requires_grad=True))


def normalised(x: td.Tensor) -> td.Tensor:
    """Batch norm without its affine part."""
    deviation = x - x.mean(axis=0)
    return deviation / (deviation * deviation).mean(axis=0).sqrt()


class NoNormGradient(td.Op):
    """Batch norm's forward pass, and a gradient of 0."""

    def forward(self, x: Any) -> Any:
        return (x - x.mean(axis=0)) / x.std(axis=0)

    def backward(self, g: Any) -> Any:
        return g * 0.0


def test_a_sum_would_miss_what_random_cotangents_find(random: Any) -> None:
    x = random(5, 3)
    assert gradcheck(normalised, x)
    assert gradgradcheck(normalised, x)
    assert gradcheck(lambda x: NoNormGradient()(x).sum(), x)  # the sum of normalised values is always 0
    with pytest.raises(GradientError):
        gradcheck(lambda x: NoNormGradient()(x), x, generator=0)  # the seed that x was made from


class Square(td.Op):
    """out = x^2. The first derivative is right; a saved intermediate has no derivative of its own."""

    __slots__ = ("twice",)

    def forward(self, x: Any) -> Any:
        self.twice = 2 * x
        return x * x

    def backward(self, g: Any) -> Any:
        return g * (td.Tensor(self.twice) if isinstance(g, td.Tensor) else self.twice)


class Forgetful(td.Op):
    """out = x^2, with another gradient under create_graph."""

    def forward(self, x: Any) -> Any:
        return x * x

    def backward(self, g: Any, x: Any) -> Any:
        return g * x * 3.0 if isinstance(x, td.Tensor) else g * x * 2.0


def test_errors_in_second_derivatives_only_are_found(random: Any) -> None:
    x = random(2, 3)
    for op in (Square, Forgetful):
        assert gradcheck(lambda x, op=op: op()(x), x)
    with pytest.raises(GradientError, match="gradgradcheck: input 0"):
        gradgradcheck(lambda x: Square()(x), x)
    with pytest.raises(GradientError, match="with it"):
        gradgradcheck(lambda x: Forgetful()(x), x)
    assert gradgradcheck(lambda x: x * x, x)


def test_kinks_are_dodged_and_said() -> None:
    notes: list[str] = []
    zeros = td.tensor(np.zeros((3, 4)), requires_grad=True)
    assert gradcheck(td.relu, zeros, notes=notes)
    assert notes == [
        "input 0: no derivative at this point; checked 0.02 away from it",
        "input 0: checked by complex step",
    ]
    assert gradgradcheck(td.relu, zeros, notes=notes)
    assert gradcheck(lambda x: x.max(axis=1), zeros)  # evenly shared ties are the mean of left and right
    near = td.tensor(np.array([2e-4, -3e-4, 7e-4]), requires_grad=True)
    notes.clear()
    assert gradcheck(td.relu, near, notes=notes)
    assert notes == ["input 0: checked by complex step"]  # a short step was enough
    notes.clear()
    assert gradcheck(td.abs, near, notes=notes)
    assert len(notes) == 1
    assert notes[0].startswith("input 0: checked by differences")  # the second, shorter one


def test_a_wrong_gradient_is_found_at_kinks_too() -> None:
    class Wrong(td.Op):
        def forward(self, x: Any) -> Any:
            return np.maximum(x, 0.0)

        def backward(self, g: Any, x: Any) -> Any:
            return g * (x < 0)

    with pytest.raises(GradientError, match="away from it"):
        gradcheck(lambda x: Wrong()(x), td.tensor(np.zeros(4), requires_grad=True))


@pytest.mark.parametrize("full", [False, True])
def test_right_functions_pass(full: bool, random: Any) -> None:
    x, w = random(3, 4), random(4, 2, seed=1)
    constant = td.tensor(np.ones(2))
    assert gradcheck(lambda x, w: ((x @ w).tanh(), x.sum(), w * 1.0), [x, w], full=full)
    assert gradgradcheck(lambda x, w, c: (x @ w + c).sin(), [x, w, constant], full=full)
    assert gradcheck(lambda x: x, x, full=full)


def test_inputs_of_all_kinds(random: Any) -> None:
    empty, scalar = random(0, 3), random()
    assert gradcheck(lambda e, s: e * s, [empty, scalar])
    assert gradgradcheck(lambda s: s * s * s, scalar, full=True)
    view = np.broadcast_to(np.array([1.0, 2.0]), (3, 2))
    assert gradcheck(lambda x: x.exp(), td.Tensor(view, requires_grad=True), full=True)
    back = td.Tensor(np.arange(12.0).reshape(3, 4).T[::-1, ::2], requires_grad=True)
    assert gradgradcheck(lambda x: x.sin(), back)
    places = td.tensor([0, 2, 0])
    assert gradgradcheck(lambda x, i: x[i], [random(3), places])  # an integer tensor is passed as it is
    assert gradcheck(
        lambda x, other: x * 2.0, [random(3), random(2)]
    )  # the output does not depend on `other`
    assert gradcheck(lambda x: (x * 2.0, x > 0, x.argmax()), random(3))  # and some have no gradient
    computed = random(3) * 2.0
    assert gradcheck(lambda x: x * x, computed)


def test_nothing_of_the_callers_is_touched(random: Any) -> None:
    x = random(3)
    before = x.numpy().copy()
    gradgradcheck(lambda x: x * x, x)
    assert x.grad is None
    assert x.is_leaf
    assert np.array_equal(x.numpy(), before)
    first = td.manual_seed(5).random()
    td.manual_seed(5)
    gradcheck(lambda x: x * x, x)
    assert td.rand().item() == first  # the default generator is left alone


def test_it_is_the_same_every_time(random: Any) -> None:
    def message(seed: int) -> str:
        with pytest.raises(GradientError) as info:
            gradcheck(lambda x: Planted(lambda g, a, b: g)(x, x), random(3), generator=seed)
        return str(info.value)

    assert message(1) == message(1) != message(2)


def test_what_can_not_be_checked_is_an_error(random: Any) -> None:
    with pytest.raises(TypeError, match=r"input 0 is float32; checks need float64 throughout"):
        gradcheck(td.exp, td.tensor([1.0], requires_grad=True))
    with pytest.raises(TypeError, match="output 1 is float32"):
        gradcheck(lambda x: (x, x.astype("float32")), random(2))
    with pytest.raises(TypeError, match="must return tensors, got float"):
        gradcheck(lambda x: 1.0, random(2))
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradcheck(td.exp, td.tensor(np.ones(3)))
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradgradcheck(td.exp, [])


def test_tolerances(random: Any) -> None:
    def slightly(x: td.Tensor) -> td.Tensor:
        return Planted(lambda g, a, b: g * b * 1.001)(x, td.tensor(np.ones(3)))

    assert gradcheck(slightly, random(3), rtol=1e-2)
    assert gradcheck(slightly, random(3), atol=1e-1)
    with pytest.raises(GradientError):
        gradcheck(slightly, random(3), rtol=1e-4)
    with pytest.raises(GradientError):
        gradcheck(slightly, random(3))


def test_check_function(random: Any) -> None:
    x = random(3, 4)
    assert check_function(td.exp, [x], np.exp)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        check_function(td.exp, [x], np.cos)
    with pytest.raises(AssertionError, match="expected shape"):
        check_function(lambda x: x.sum(), [x], np.exp)
    with pytest.raises(AssertionError, match="float32 inputs gave float64"):
        check_function(lambda x: x.astype("float64"), [x], lambda x: x)
    with pytest.raises(AssertionError, match="float64 inputs gave float32"):
        check_function(lambda x: x.astype("float32"), [x], lambda x: x)
    with pytest.raises(GradientError):
        check_function(lambda x: Square()(x), [x], np.square)
    assert check_function(lambda x: Square()(x), [x], np.square, order=1)
    assert check_function(td.sign, [td.tensor(np.ones(2))], np.sign)


def test_memory_order() -> None:
    x = np.zeros((2, 3, 4, 5))
    assert memory_order(x) == (0, 1, 2, 3)
    assert memory_order(td.Tensor(x.transpose(3, 1, 0, 2))) == (2, 1, 3, 0)
    assert memory_order(x[:, :1, ::-1]) == (0, 2, 3)
    assert memory_order(np.zeros(())) == ()
