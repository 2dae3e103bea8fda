"""Two methods to know a derivative: which one is used, and how small an error each of them finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import functional as F
from tinydl import losses, op
from tinydl.testing import GradientError, gradcheck, gradgradcheck

BY_COMPLEX_STEP = "input 0: checked by complex step"


class Scaled(td.Op):
    """A function of x, and its gradient times a factor that should be 1."""

    __slots__ = ("factor", "fn", "slope")

    def __init__(self, fn: Any, slope: Any, factor: float) -> None:
        self.fn, self.slope, self.factor = fn, slope, factor

    def forward(self, x: Any) -> Any:
        return self.fn(x)

    def backward(self, g: Any, x: Any) -> Any:
        return g * self.slope(x) * self.factor


def cubed(factor: float) -> Any:
    return lambda x: Scaled(lambda x: x**3, lambda x: 3 * x**2, factor)(x)


def bent(share: float, factor: float = 1.0) -> Any:
    """x^2 + share |x|, which is not analytic."""
    return lambda x: Scaled(lambda x: x**2 + share * np.abs(x), lambda x: 2 * x + share * np.sign(x), factor)(
        x
    )


@pytest.mark.parametrize("error", [1e-3, 1e-7, -1e-9])
@pytest.mark.parametrize("full", [False, True])
def test_small_errors_are_found_by_the_complex_step(error: float, full: bool, random: Any) -> None:
    x = random(3, 4)
    assert gradcheck(cubed(1.0), x, full=full)
    with pytest.raises(GradientError, match="by complex step"):
        gradcheck(cubed(1.0 + error), x, full=full)


@pytest.mark.parametrize("share", [1.0, 1e-3])
def test_small_errors_are_found_by_differences_where_it_fails(share: float, random: Any) -> None:
    x = random(3, 4)
    notes: list[str] = []
    assert gradcheck(bent(share), x, notes=notes)
    assert notes == [
        "input 0: checked by differences, not by complex step "
        "(it disagrees with them, the function is not analytic here)"
    ]
    with pytest.raises(GradientError, match=r"by differences.*\n(.*\n)+.*not analytic here\)"):
        gradcheck(bent(share, factor=1.0 + 1e-7), x)


def test_a_part_too_small_for_differences_that_is_not_analytic_is_not_blamed(random: Any) -> None:
    """The complex step misses |x|; differences can't see so little of it; the backward pass is right."""
    assert gradcheck(bent(2e-9), random(3, 4))
    assert gradcheck(bent(1e-9), random(3, 4), full=True)


def test_differences_find_what_backward_and_complex_step_both_miss(random: Any) -> None:
    x = random(3, 4)
    for share in (1.0, 1e-6):  # np.abs drops the imaginary part: a derivative of 0
        forgets = Scaled(lambda x, share=share: x**2 + share * np.abs(x), lambda x: 2 * x, 1.0)
        with pytest.raises(GradientError, match="by differences"):
            gradcheck(lambda x, f=forgets: Scaled(f.fn, f.slope, 1.0)(x), x)


def test_ties_are_no_business_of_the_complex_step() -> None:
    """It takes the larger imaginary part, so the derivative from one side."""
    notes: list[str] = []
    x = td.tensor(np.ones((4, 2)), requires_grad=True)
    assert gradcheck(lambda x: x.max(axis=1), x, notes=notes)
    assert notes[0].startswith("input 0: checked by differences")


@pytest.mark.parametrize("refuses", [TypeError, ValueError, ZeroDivisionError, AssertionError])
def test_a_function_that_refuses_complex_numbers_is_checked_by_differences(refuses: Any, random: Any) -> None:
    def real(x: Any) -> Any:
        if x.dtype.kind == "c":
            raise refuses("real numbers only")
        return x**2

    def check(factor: float, notes: list[str]) -> bool:
        return gradcheck(lambda x: Scaled(real, lambda x: 2 * x, factor)(x), random(3), notes=notes)

    notes: list[str] = []
    assert check(1.0, notes)
    assert notes == [
        f"input 0: checked by differences, not by complex step ({refuses.__name__}: real numbers only)"
    ]
    with pytest.raises(GradientError, match="by differences"):
        check(1.0 + 1e-7, [])


@pytest.mark.parametrize(
    ("drops", "reason"),
    [
        (lambda x: np.asarray(x, np.float64), "ComplexWarning: Casting complex"),
        (lambda x: x.real, "it disagrees"),
        (lambda x: np.where(x.imag != 0, np.nan, x), "it disagrees"),
    ],
)
def test_a_function_that_drops_the_imaginary_part(drops: Any, reason: str, random: Any) -> None:
    notes: list[str] = []
    fn = lambda x: Scaled(lambda x: drops(x) ** 2, lambda x: 2 * x, 1.0)(x)
    assert gradcheck(fn, random(3), notes=notes)
    assert notes[0].startswith(f"input 0: checked by differences, not by complex step ({reason}")


def test_a_conjugate_is_not_analytic(random: Any) -> None:
    notes: list[str] = []
    assert gradcheck(
        lambda x: Scaled(lambda x: x * np.conj(x), lambda x: 2 * x, 1.0)(x), random(3), notes=notes
    )
    assert notes[0].startswith("input 0: checked by differences")


X, Y, P = (td.Generator(i).uniform(0.1, 0.9, (3, 4), np.float64) for i in range(3))
IMAGES = td.Generator(4).normal((2, 2, 5, 5), np.float64)
LABELS = td.tensor([0, 3, 1])
ANALYTIC = {
    "power": lambda x, y: x**y + x**3 + x**0.5,
    "functions": lambda x, y: td.exp(x) * td.sin(y) / td.cos(x) + td.log(y) - td.sqrt(x),
    "choices": lambda x, y: td.maximum(x, y) * td.minimum(x, 0.5) + td.where(x > y, x, y * y).clip(0.2, 0.7),
    "products": lambda x, y: td.einsum("ij,kj->ik", x, y) @ td.cumsum(x, 0) * (y.prod(1) + x.var(1)).sum(),
    "reductions": lambda x, y: x.std(1) + y.max(1) * F.logsumexp(x) - y.mean(1) + x.min(1),
    "places": lambda x, y: td.cat([x[LABELS - 1], td.pad(y, ((1, 0), (0, 0)), mode="edge")]) ** 2,
    "activations": lambda x, y: F.softplus(x - 0.5) * F.sigmoid(y - 0.5) * F.elu(x - 0.5) * td.tanh(y),
    "relus": lambda x, y: F.relu(x - 0.5) * F.leaky_relu(y - 0.5) + F.dropout(x, 0.5, True, 1),
    "softmaxes": lambda x, y: F.softmax(x) * F.log_softmax(y) + F.layer_norm(x, 4),
    "losses": lambda x, y: losses.binary_cross_entropy(x, y) + losses.mse(x, y) * losses.focal(x, y),
    "classes": lambda x, y: losses.cross_entropy(x, LABELS) + losses.cross_entropy(y, F.softmax(x)),
}  # fmt: skip
ON_IMAGES = {
    "conv": lambda x, w: F.conv_transpose2d(F.conv2d(x, w, stride=2, padding=1), w),
    "pool": lambda x, w: F.max_pool2d(x, 3, 2, 1) * F.avg_pool2d(x, 3, 2, 1) - F.min_pool2d(x, 3, 2, 1),
    "resize": lambda x, w: F.interpolate(x, size=(4, 7), mode="bilinear").sum() * F.adaptive_avg_pool2d(x, 2),
    "norm": lambda x, w: F.batch_norm(x, None, None, w[0, :, 0, 0], training=True) + F.group_norm(x, 2),
}


@pytest.mark.parametrize("name", [*ANALYTIC, *ON_IMAGES])
def test_the_operations_that_are_analytic_take_the_complex_step(name: str) -> None:
    fn = ANALYTIC.get(name) or ON_IMAGES[name]
    arrays = (X, Y) if name in ANALYTIC else (IMAGES, IMAGES[:, :, :3, :3])
    inputs = [td.tensor(a, requires_grad=True) for a in arrays]
    notes: list[str] = []
    assert gradcheck(fn, inputs, notes=notes)
    assert gradgradcheck(fn, inputs, notes=notes)
    assert {note.split(": ")[1] for note in notes} == {"checked by complex step"}


def test_what_stands_beside_a_complex_operand(random: Any) -> None:
    """A float64 tensor that the function brings along becomes complex; any other two floats are an error."""
    z = td.tensor(np.array([1 + 2j]))
    assert (z * td.tensor(np.ones(1))).dtype == np.complex128
    assert (td.tensor([2]) * z).dtype == np.complex128
    with pytest.raises(op.DTypeError, match="complex128 with float32"):
        z * td.tensor([1.0])
    with pytest.raises(op.DTypeError, match="float32 with float64"):
        td.tensor([1.0]) * td.tensor(np.ones(1))
    weight = random(4, 2, seed=1)
    notes: list[str] = []
    assert gradcheck(lambda x: (x @ weight).tanh(), random(3, 4), notes=notes)
    assert notes == [BY_COMPLEX_STEP]


def test_several_inputs_are_checked_each_in_its_own_way(random: Any) -> None:
    notes: list[str] = []
    assert gradcheck(lambda a, b: (a.exp() * b, b.abs()), [random(3), random(3, seed=1)], notes=notes)
    assert notes[0] == BY_COMPLEX_STEP
    assert notes[1].startswith("input 1: checked by differences")


def test_the_strict_device(random: Any) -> None:
    x = random(3, 4, device="strict")
    assert gradcheck(lambda x: x.tanh() @ x.T, x)
    with pytest.raises(GradientError, match="most wrong element"):
        gradcheck(cubed(1.0 + 1e-7), x)


def test_where_the_function_bends_much_the_complex_step_is_believed_all_the_same() -> None:
    """The short plain differences are off by 1.5e-8 there; extrapolated ones confirm the complex step."""
    notes: list[str] = []
    assert gradcheck(lambda x: td.sin(30.0 * x), td.tensor(np.array(0.1), requires_grad=True), notes=notes)
    assert notes == [BY_COMPLEX_STEP]


def test_a_function_that_refuses_is_not_asked_for_each_direction(random: Any) -> None:
    asked = []

    def real(x: Any) -> Any:
        if x.dtype.kind == "c":
            asked.append(x)
            raise TypeError("real numbers only")
        return x**2

    assert gradcheck(lambda x: Scaled(real, lambda x: 2 * x, 1.0)(x), random(3), full=True)
    assert len(asked) == 1


def test_one_element_that_is_not_analytic_is_enough_to_say_so(random: Any) -> None:
    notes: list[str] = []
    last = td.tensor(np.array([0.0, 0.0, 1.0]))
    assert gradcheck(lambda x: x.exp() + last * x.abs(), random(3), full=True, notes=notes)
    assert notes[0].startswith("input 0: checked by differences, not by complex step (it disagrees")
