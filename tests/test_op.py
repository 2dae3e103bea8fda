"""One's own operation: what the gate asks of it, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.autograd import Op


class Cube(td.Op):
    """out = x^3,  dx = 3 x^2 g."""

    def forward(self, x: Any) -> Any:
        return x * x * x

    def backward(self, g: Any, x: Any) -> Any:
        return 3 * x * x * g


def leaf(*values: float, dtype: str = "float64") -> td.Tensor:
    return td.tensor(np.array(values, dtype), requires_grad=True)


def gradient(x: td.Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.data.tolist()


def test_the_example_of_the_docstring() -> None:
    x = leaf(2.0, -1.0)
    Cube()(x).sum().backward()
    assert gradient(x) == [12.0, 3.0]
    assert Cube.name == "cube"


def test_names_are_words() -> None:
    class SoftPlus2d(td.Op):
        pass

    class Named(td.Op):
        name = "other"

    assert SoftPlus2d.name == "soft_plus2d"
    assert Named.name == "other"


@pytest.mark.parametrize(
    "reads",
    ["unknown", "a, unknown", "b, a", "out, a", "grad, out"],
)
def test_backward_that_names_something_else_is_refused_when_the_class_is_made(reads: str) -> None:
    source = (
        "class Wrong(Op):\n"
        "    def forward(self, a, b): return a * b\n"
        f"    def backward(self, g, {reads}): return g, g\n"
    )
    with pytest.raises(TypeError, match=r"Wrong\.backward.*inputs of forward\('a', 'b'\)"):
        exec(source, {"Op": Op})


def test_backward_may_read_all_inputs() -> None:
    class Product(td.Op):
        def forward(self, *arrays: Any) -> Any:
            return math.prod(arrays[1:], start=arrays[0])

        def backward(self, g: Any, *arrays: Any) -> Any:
            out = math.prod(arrays[1:], start=arrays[0])
            return tuple(g * out / a for a in arrays)

    x, y, z = leaf(2.0), leaf(3.0), leaf(4.0)
    op_out = Product()(x, y, z)
    gx, gy, gz = td.grad(op_out, [x, y, z], create_graph=True)
    assert gx is not None
    assert (gx.item(), gy.item(), gz.item()) == (12.0, 8.0, 6.0)
    (second,) = td.grad(gx, y)
    assert second is not None
    assert second.item() == 4.0


def test_an_operation_may_read_its_output() -> None:
    class Root(td.Op):
        def forward(self, x: Any) -> Any:
            return x**0.5

        def backward(self, g: Any, out: Any) -> Any:
            return g / (2 * out)

    x = leaf(4.0)
    (g,) = td.grad(Root()(x), x, create_graph=True)
    assert g is not None
    assert g.item() == 0.25
    (second,) = td.grad(g, x)
    assert second is not None
    assert second.item() == -0.25 * 4.0**-1.5


def _wrong(returns: Any) -> td.Tensor:
    class Faulty(td.Op):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, g: Any, a: Any, b: Any) -> Any:
            return returns(g, a, b)

    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    return Faulty()(a, b).sum()


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (lambda g, a, b: g, r"faulty: backward returned 1 gradients for 2 inputs"),
        (lambda g, a, b: (g, g, g), r"faulty: backward returned 3 gradients for 2 inputs"),
        (lambda g, a, b: (g * b, (g * a)[:1]), r"faulty: .* shape \(1,\) for an input of \(2,\)"),
        (lambda g, a, b: (g * b, (g * a)[None]), r"faulty: .* shape \(1, 2\) for an input of \(2,\)"),
        (lambda g, a, b: ((g * b).astype("float32"), g), r"faulty: .* float32 gradient for float64"),
        (lambda g, a, b: (1.0, g), r"faulty: backward returned float where an array was due"),
        (lambda g, a, b: (g, [1.0, 2.0]), r"faulty: backward returned list where an array was due"),
    ],
)
def test_a_wrong_gradient_is_an_error_that_names_the_operation(returns: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        _wrong(returns).backward()


def test_a_plain_array_where_a_tensor_is_due_is_an_error() -> None:
    class Escapes(td.Op):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            return np.full(1, 2.0)

    x = leaf(1.0)
    y = Escapes()(x)
    with pytest.raises(RuntimeError, match="escapes: backward returned ndarray where a tensor was due"):
        td.grad(y, x, create_graph=True)


def test_an_operation_runs_once() -> None:
    op = Cube()
    x = leaf(1.0)
    op(x)
    with pytest.raises(RuntimeError, match=r"cube: .*make a new one"):
        op(x)


def test_a_second_call_that_is_refused_leaves_the_first_as_it_was() -> None:
    class Product(td.Op):
        def forward(self, x: Any, y: Any) -> Any:
            return x * y

        def backward(self, g: Any, x: Any, y: Any) -> Any:
            return g * y if self.needs[0] else None, g * x if self.needs[1] else None

    op = Product()
    x, y = (td.tensor([2.0, 3.0], dtype="float64", requires_grad=True) for _ in range(2))
    out = op(x, y)
    with pytest.raises(RuntimeError, match=r"product: .*make a new one"):
        op(x.detach(), y)
    out.backward(td.tensor([1.0, 1.0], dtype="float64"))
    assert x.grad is not None
    assert x.grad.numpy().tolist() == [2.0, 3.0]


def test_an_operation_without_backward_says_so() -> None:
    class Lame(td.Op):
        differentiable = False

        def forward(self, x: Any) -> Any:
            return x * 2

    assert not Lame()(leaf(1.0)).requires_grad


def test_an_operation_on_numbers_only_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a tensor"):
        Cube()(2.0)
    with pytest.raises(TypeError, match="wrap"):
        Cube()(np.ones(2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_of_one_floating_dtype_pass_the_gate_without_a_look_at_promotion(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule costs more than the rest of the gate, and nearly every call needs none."""

    class Sum(td.Op):
        def forward(self, a: Any, b: Any, c: Any) -> Any:
            return a + b + c

    def look(self: td.Op, arrays: list[Any]) -> list[Any]:
        raise AssertionError("looked")

    monkeypatch.setattr(td.Op, "_promote", look)
    a, b = leaf(1.0, 2.0, dtype=dtype), leaf(3.0, 5.0, dtype=dtype)
    with td.no_grad():
        assert Sum()(a, b, 0.5).data.tolist() == [4.5, 7.5]
        with pytest.raises(AssertionError, match="looked"):
            Sum()(a, td.tensor([1, 2]), 0.5)


def test_none_as_a_gradient_means_nothing_flows() -> None:
    class First(td.Op):
        def forward(self, a: Any, b: Any) -> Any:
            return a + 0 * b

        def backward(self, g: Any) -> Any:
            return g, None

    a, b = leaf(1.0), leaf(2.0)
    First()(a, b).backward()
    assert gradient(a) == [1.0]
    assert b.grad is None


def test_inputs_are_never_modified_by_a_pass() -> None:
    rng = np.random.default_rng(0)
    x = td.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    before = x.numpy().copy()
    y = td.tanh(x @ x.T).sum(0).exp() + x[0, :3] * x[1, 1:] - td.maximum(x.mean(1), 0.1)
    y.sum().backward()
    assert np.array_equal(x.numpy(), before)
