"""detect_anomaly: the operation where a NaN or Inf is born, forward and backward."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, outside of detect_anomaly


def t(*values: float, **options: Any) -> td.Tensor:
    return td.tensor(np.array(values, np.float32), **options)


FORWARD: dict[str, tuple[Callable[[], td.Tensor], str]] = {
    "log": (lambda: td.log(t(1, 0)), r"inputs of shape \(2,\), output \(2,\)"),
    "sqrt": (lambda: td.sqrt(t(-1)), r"inputs of shape \(1,\), output \(1,\)"),
    "exp": (lambda: td.exp(t(1000)), r"inputs of shape \(1,\), output \(1,\)"),
    "divide": (lambda: td.ones(2, 1) / t(0, 1, 2), r"inputs of shape \(2, 1\), \(3,\), output \(2, 3\)"),
    "multiply": (lambda: t(1e30) * 1e30, r"inputs of shape \(1,\), output \(1,\)"),
    "power": (lambda: t(-8) ** (1 / 3), r"inputs of shape \(1,\), output \(1,\)"),
    "matmul": (lambda: t(1e30)[None] @ t(1e30)[None], r"inputs of shape \(1, 1\), \(1, 1\), output \(1, 1\)"),
    "sum": (lambda: t(3e38, 3e38).sum(), r"inputs of shape \(2,\), output \(\)"),
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward(name: str) -> None:
    fn, shapes = FORWARD[name]
    assert not np.isfinite(fn().numpy()).all()  # nothing is said without the context
    with td.detect_anomaly():
        assert td.log(t(2.0)).item() > 0
        with pytest.raises(
            RuntimeError, match=rf"^{name}: a NaN or Inf was born here, in forward \({shapes}\)"
        ):
            fn()
    assert not np.isfinite(fn().numpy()).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_came_in_was_born_elsewhere(value: float) -> None:
    with td.detect_anomaly():
        with pytest.raises(
            RuntimeError, match=r"^multiply: a NaN or Inf came in with the inputs, in forward"
        ):
            t(value, 1) * 2
        with pytest.raises(
            RuntimeError, match=r"^multiply: a NaN or Inf came in with the inputs, in forward"
        ):
            t(2, 1) * value
        assert t(np.inf, 1)[1:].item() == 1.0  # only outputs count


BACKWARD: dict[str, tuple[Callable[[td.Tensor], td.Tensor], td.Tensor, str]] = {
    "sqrt": (td.sqrt, t(4, 0), r"inputs of shape \(2,\), \(2,\), output \(2,\)"),
    "power": (lambda x: x**0.5, t(0), "inputs of shape"),
    "divide": (lambda x: 1 / x, t(1e-30), "inputs of shape"),
    "log": (td.log, t(1e-40), "inputs of shape"),
}


@pytest.mark.parametrize("when", ["both", "backward"])
@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name: str, when: str) -> None:
    """A finite value with an infinite slope, whether or not the forward pass was watched as well."""
    fn, at, shapes = BACKWARD[name]
    x = td.tensor(at.numpy(), requires_grad=True)
    if when == "backward":
        y = fn(x).sum()
    with td.detect_anomaly():
        if when == "both":
            y = fn(x).sum()
        with pytest.raises(
            RuntimeError, match=rf"^{name}: a NaN or Inf was born here, in backward \({shapes}"
        ):
            y.backward()
    fn(x).sum().backward()
    assert x.grad is not None
    assert not np.isfinite(x.grad.numpy()).all()


def test_the_first_of_a_chain_is_named() -> None:
    x = t(0, requires_grad=True)
    with td.detect_anomaly():
        y = (td.exp(td.sqrt(x * 2)) * 3).sum()
        with pytest.raises(RuntimeError, match=r"^sqrt: a NaN or Inf was born here, in backward"):
            y.backward()
    assert x.grad is None


def test_a_gradient_that_comes_with_an_infinity() -> None:
    x = t(1, requires_grad=True)
    with (
        td.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"^multiply: .*came in with the inputs, in backward"),
    ):
        (x * 2).backward(t(np.inf))


def test_under_create_graph() -> None:
    x = t(0, requires_grad=True)
    with td.detect_anomaly():
        y = td.sqrt(x).sum()
        with pytest.raises(RuntimeError, match="a NaN or Inf was born here"):
            td.grad(y, x, create_graph=True)


def test_second_derivatives() -> None:
    """x^1.5 at 0: value and slope are 0, the curvature is infinite."""
    x = t(0, requires_grad=True)
    (slope,) = td.grad((x**1.5).sum(), x, create_graph=True)
    assert slope is not None
    with td.detect_anomaly(), pytest.raises(RuntimeError, match="a NaN or Inf was born here, in backward"):
        slope.backward()


def test_finite_work_is_not_disturbed() -> None:
    model = nn.Sequential(nn.Dense(3, 4, generator=0), nn.ReLU(), nn.Dense(4, 2, generator=1))
    x, labels = td.randn(5, 3, generator=0), td.tensor([0, 1, 0, 1, 1])

    def gradients() -> list[Any]:
        for p in model.parameters():
            p.grad = None
        td.losses.cross_entropy(model(x), labels).backward()
        return [p.grad.numpy().copy() for p in model.parameters() if p.grad is not None]

    plain = gradients()
    with td.detect_anomaly():
        watched = gradients()
        assert td.zeros(0, 3).sum().item() == 0.0
        assert (td.tensor([1, 2]) + 1).numpy().tolist() == [2, 3]
        assert (~td.tensor([True])).numpy().tolist() == [False]
    assert len(watched) == 4
    assert all(np.array_equal(a, b) for a, b in zip(plain, watched, strict=True))


def test_the_layer_is_named() -> None:
    class Log(nn.Module):
        def forward(self, x: td.Tensor) -> td.Tensor:
            return td.log(x)

    with (
        td.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"^Log\(\): a NaN or Inf was born here, in forward"),
    ):
        nn.Sequential(nn.ReLU(), Log())(t(-1))


def test_own_operations_are_watched() -> None:
    class Broken(td.Op):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            return g * float("nan")

    x = t(1, requires_grad=True)
    with td.detect_anomaly():
        y = Broken()(x).sum()
        with pytest.raises(RuntimeError, match=r"^broken: a NaN or Inf was born here, in backward"):
            y.backward()


def test_the_context_ends() -> None:
    bad = lambda: td.log(t(0))
    before = np.geterr()
    with td.detect_anomaly():
        with td.detect_anomaly():
            pass
        with pytest.raises(RuntimeError, match=r"^log: "):  # the outer one still watches
            bad()
    bad()
    with pytest.raises(ZeroDivisionError), td.detect_anomaly():
        raise ZeroDivisionError
    bad()
    assert np.geterr() == before

    @td.detect_anomaly()
    def decorated() -> None:
        bad()

    with pytest.raises(RuntimeError, match=r"^log: "):
        decorated()
    bad()


def test_other_threads_are_not_watched() -> None:
    found: list[float] = []
    with td.detect_anomaly():
        thread = threading.Thread(target=lambda: found.append(td.log(t(0)).item()))
        thread.start()
        thread.join()
    assert found == [-np.inf]


def test_the_sentence_comes_before_numpys_warning() -> None:
    y = td.sqrt(t(0, requires_grad=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fn, _ in FORWARD.values():
            with td.detect_anomaly(), pytest.raises(RuntimeError, match="a NaN or Inf was born here"):
                fn()
        with td.detect_anomaly(), pytest.raises(RuntimeError, match="born here, in backward"):
            y.backward()
