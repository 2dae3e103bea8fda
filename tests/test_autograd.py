"""The graph: recording, the backward pass, what it frees, what it refuses."""

from __future__ import annotations

import gc
import math
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def scalar(value: float) -> td.Tensor:
    return td.tensor(np.float64(value), requires_grad=True)


def gradient(x: td.Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.data.tolist()


# ---- values


def test_sum_of_squares_has_gradient_two_x() -> None:
    x = td.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).sum().backward()
    assert gradient(x) == [2.0, 4.0, 6.0]
    assert x.grad is not None
    assert x.grad.dtype == np.float32


def test_fan_out_adds_the_gradients_of_all_uses() -> None:
    x = leaf(2.0)
    (x * 3 + x * 4 + x).backward()
    assert gradient(x) == [8.0]


def test_a_diamond_visits_the_shared_operation_once_with_the_whole_gradient() -> None:
    calls = []

    class Counted(td.Op):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            calls.append(g.copy())
            return g * 2

    x = leaf(1.0)
    h = Counted()(x)
    (h * 3 + h * 5).backward()
    assert [c.tolist() for c in calls] == [[8.0]]
    assert gradient(x) == [16.0]


def test_a_tensor_used_twice_by_one_operation_gets_both_gradients() -> None:
    x = leaf(3.0)
    (x * x).backward()
    assert gradient(x) == [6.0]
    y = leaf(1.0, 2.0)
    (y / y).sum().backward()
    assert gradient(y) == [0.0, 0.0]


def test_a_graph_whose_branches_differ_in_depth_waits_for_the_longest() -> None:
    x = scalar(1.5)
    h = x * x
    y = h
    for _ in range(5):
        y = y * h
    (y + h).backward()  # h^6 + h
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(12 * 1.5**11 + 2 * 1.5, rel=1e-14)


def test_gradients_of_scalars_add_up() -> None:
    """NumPy's 0-d results are scalars: `total += part` on them would lose gradients."""
    x = scalar(2.0)
    total = x
    for _ in range(4):
        total = total + x
    total.backward()
    assert x.grad is not None
    assert x.grad.item() == 5.0
    assert isinstance(x.grad.data, np.ndarray)


def test_backward_weighs_by_the_given_gradient() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward(td.tensor(np.array([10.0, 100.0])))
    assert gradient(x) == [20.0, 400.0]


def test_backward_of_a_leaf_gives_the_seed() -> None:
    x = leaf(4.0)
    x.backward()
    assert gradient(x) == [1.0]


def test_broadcast_inputs_get_gradients_of_their_own_shape() -> None:
    x = td.tensor(np.ones((3, 1)), requires_grad=True)
    y = td.tensor(np.full((4,), 2.0), requires_grad=True)
    z = td.tensor(np.ones((2, 3, 4)))
    (x * y * z).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert np.array_equal(x.grad.data, np.full((3, 1), 16.0))
    assert np.array_equal(y.grad.data, np.full((4,), 6.0))


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """A random program on a growing list of vectors: (operation, first operand, second operand)."""
    length = draw(st.integers(1, 14))
    lines = []
    for i in range(length):
        name = draw(st.sampled_from(["add", "sub", "mul", "div", "sin", "tanh", "maximum", "square", "mean"]))
        lines.append((name, draw(st.integers(0, i + 2)), draw(st.integers(0, i + 2))))
    return lines


def _run(lines: list[tuple[str, int, int]], start: list[Any], lib: Any) -> Any:
    values = list(start)
    for name, i, j in lines:
        a, b = values[i], values[j]
        values.append(
            {
                "add": lambda a=a, b=b: a + b,
                "sub": lambda a=a, b=b: a - b,
                "mul": lambda a=a, b=b: a * b,
                "div": lambda a=a, b=b: a / (b * b + 1.0),
                "sin": lambda a=a: lib.sin(a),
                "tanh": lambda a=a: lib.tanh(a),
                "maximum": lambda a=a, b=b: lib.maximum(a, b + 0.25),
                "square": lambda a=a: a * a * 0.1,
                "mean": lambda a=a, b=b: a.mean() * b,
            }[name]()
        )
    total = values[-1].sum()
    for value in values[3::2]:
        total = total + 0.5 * value.sum()
    return total


@given(programs(), st.integers(0, 2**32))
def test_random_graphs_have_the_gradients_of_torch(lines: list[tuple[str, int, int]], seed: int) -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.random.default_rng(seed).normal(size=3) for _ in range(3)]
    ours = [td.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = _run(lines, ours, td), _run(lines, theirs, torch)
    np.testing.assert_allclose(y.item(), z.item(), rtol=1e-11, atol=1e-11)
    if not y.requires_grad:
        return
    y.backward()
    z.backward()
    for a, b in zip(ours, theirs, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            scale = 1.0 + float(b.grad.abs().max())
            np.testing.assert_allclose(a.grad.data / scale, b.grad.numpy() / scale, rtol=1e-9, atol=1e-11)


@given(programs(), st.integers(0, 2**32))
def test_random_graphs_have_the_second_derivatives_of_torch(
    lines: list[tuple[str, int, int]], seed: int
) -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.random.default_rng(seed).normal(size=3) for _ in range(3)]
    ours = [td.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    first = td.grad(_run(lines, ours, td), ours, create_graph=True, allow_unused=True)
    other = torch.autograd.grad(_run(lines, theirs, torch), theirs, create_graph=True, allow_unused=True)
    ours_sum = sum(((g * g).sum() for g in first if g is not None and g.requires_grad), start=scalar(0.0))
    their_sum = sum(
        ((g * g).sum() for g in other if g is not None and g.requires_grad),
        start=torch.zeros((), dtype=torch.float64, requires_grad=True),
    )
    second = td.grad(ours_sum, ours, allow_unused=True)
    expected = torch.autograd.grad(their_sum, theirs, allow_unused=True)
    for a, b in zip(second, expected, strict=True):
        a_data = np.zeros(3) if a is None else a.data
        b_data = np.zeros(3) if b is None else b.numpy()
        scale = 1.0 + np.abs(b_data).max()
        np.testing.assert_allclose(a_data / scale, b_data / scale, rtol=1e-8, atol=1e-10)


# ---- depth and memory


def cyclic_garbage() -> list[Any]:
    """What of the engine only the collector of cycles could free."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    found = [
        thing
        for thing in gc.garbage
        if isinstance(thing, td.Tensor | Op)
        or str(getattr(thing, "__module__", type(thing).__module__)).startswith("tinydl")
    ]
    gc.set_debug(0)
    gc.garbage.clear()
    return found


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What dies in the test dies by reference counting."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_a_chain_of_100_000_operations_runs_and_dies(no_collector: None) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert gradient(x) == [1.0]
    end = weakref.ref(y)
    del y
    assert end() is None
    assert cyclic_garbage() == []


def test_a_chain_of_100_000_operations_dies_without_a_backward_pass(no_collector: None) -> None:
    x = leaf(1.0)
    first = x * 1.0
    y = first
    for _ in range(100_000):
        y = y * 1.0
    start = weakref.ref(first)
    del first
    assert start() is None  # a graph does not keep tensors alive, only what backward reads
    assert y.item() == 1.0
    del y
    assert cyclic_garbage() == []


def test_a_deep_graph_of_gradients_dies(no_collector: None) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    (g,) = td.grad(y, x, create_graph=True)
    assert g.item() == 1.0
    del y, g
    assert cyclic_garbage() == []


def test_training_steps_leave_no_garbage(no_collector: None) -> None:
    model = td.nn.Sequential(
        td.nn.Conv2d(1, 2, 3), td.nn.ReLU(), td.nn.MaxPool2d(2), td.nn.Flatten(), td.nn.Dense(18, 3)
    )
    optimizer = td.optim.Adam(model.parameters())
    x, labels = td.randn(4, 1, 8, 8, generator=0), td.tensor([0, 1, 2, 1])
    for _ in range(3):
        optimizer.zero_grad()
        loss = td.losses.cross_entropy(model(x), labels)
        loss.backward()
        td.optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    del loss
    assert cyclic_garbage() == []


def test_second_derivatives_leave_no_garbage(no_collector: None) -> None:
    x = leaf(0.3, 0.4)
    y = (td.tanh(x) * x.exp()).sum()
    (g,) = td.grad(y, x, create_graph=True)
    (h,) = td.grad((g * g).sum(), x)
    del y, g, h
    assert cyclic_garbage() == []


def test_a_failed_backward_pass_leaves_no_garbage(no_collector: None) -> None:
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError):
        y.backward()
    del y
    assert cyclic_garbage() == []


class Holds(td.Op):
    """out = x, and it keeps a private array: shows how long an operation's values live."""

    __slots__ = ("__weakref__",)

    def forward(self, x: Any) -> Any:
        return x * 1.0

    def backward(self, g: Any, x: Any) -> Any:
        return g * 1.0


def test_the_graph_is_freed_when_the_output_is_dropped(no_collector: None) -> None:
    x = leaf(1.0)
    op = Holds()
    watched = weakref.ref(op)
    y = op(x * 2.0) * 3.0
    del op
    assert watched() is not None
    del y
    assert watched() is None


def test_backward_frees_the_graph_while_the_output_lives(no_collector: None) -> None:
    x = leaf(1.0)
    op = Holds()
    watched = weakref.ref(op)
    y = op(x * 2.0) * 3.0
    del op
    y.backward()
    assert watched() is None
    assert y.item() == 6.0


def test_backward_frees_what_was_saved_while_the_output_lives(no_collector: None) -> None:
    x = leaf(1.0)
    h = x * 2.0
    y = Cube()(h)
    saved = weakref.ref(h.data)
    del h
    assert saved() is not None
    y.backward()
    assert saved() is None
    assert y.item() == 8.0


def test_retain_graph_keeps_it(no_collector: None) -> None:
    x = leaf(1.0)
    op = Holds()
    watched = weakref.ref(op)
    y = op(x * 2.0) * 3.0
    del op
    y.backward(retain_graph=True)
    assert watched() is not None


@pytest.mark.parametrize("reads", ["nothing", "input", "output"])
def test_only_what_backward_names_stays_alive(reads: str, no_collector: None) -> None:
    class Nothing(td.Op):
        def forward(self, x: Any) -> Any:
            return x * 2.0

        def backward(self, g: Any) -> Any:
            return g * 2.0

    class Input(Nothing):
        def backward(self, g: Any, x: Any) -> Any:
            return g * 2.0

    class Output(Nothing):
        def backward(self, g: Any, out: Any) -> Any:
            return g * 2.0

    h = leaf(1.0) * 1.0
    y = {"nothing": Nothing, "input": Input, "output": Output}[reads]()(h)
    z = y + 0.0
    before, after = weakref.ref(h.data), weakref.ref(y.data)
    del h, y
    assert (before() is not None) == (reads == "input")
    assert (after() is not None) == (reads == "output")
    assert z.requires_grad


# ---- backward twice, accumulation, aliases


def test_backward_twice_is_an_error_that_says_what_to_do() -> None:
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    assert gradient(x) == [2.0]


def test_backward_through_a_part_that_was_freed_is_an_error() -> None:
    x = leaf(1.0)
    h = x * x
    (h * 2).backward()
    with pytest.raises(RuntimeError, match="freed"):
        (h * 3).backward()
    assert gradient(x) == [4.0]


def test_retain_graph_allows_a_second_pass_and_the_gradients_add() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert gradient(x) == [12.0]


def test_two_passes_of_two_graphs_add_into_grad() -> None:
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    (x * x).sum().backward()
    assert gradient(x) == [5.0, 7.0]


def test_a_grad_that_the_user_keeps_is_not_changed_by_later_passes() -> None:
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    kept = x.grad
    assert kept is not None
    array = kept.data
    (x * x).sum().backward()
    assert kept.data.tolist() == [3.0, 3.0]
    assert array.tolist() == [3.0, 3.0]
    assert gradient(x) == [5.0, 7.0]


def test_grad_set_to_none_starts_anew() -> None:
    x = leaf(1.0)
    (x * 3).backward()
    x.grad = None
    (x * 4).backward()
    assert gradient(x) == [4.0]


def _graphs() -> dict[str, Any]:
    return {
        "add": lambda a, b: a + b,
        "add twice": lambda a, b: (a + b) + (a + b),
        "sub": lambda a, b: a - b,
        "reshape": lambda a, b: a.reshape(2, 3) + b.reshape(2, 3),
        "views": lambda a, b: a[1:] + b[:-1],
        "sum": lambda a, b: a.sum() + b.sum(),
        "transpose": lambda a, b: a.reshape(2, 3).T + b.reshape(3, 2),
        "cat": lambda a, b: td.cat([a, b, a]),
        "stack": lambda a, b: td.stack([a, b]),
        "identity": lambda a, b: a.astype("float64") + b.broadcast_to((6,)),
        "where": lambda a, b: td.where(a > 0.0, a, b),
    }


@pytest.mark.parametrize("name", list(_graphs()))
@pytest.mark.parametrize("way", ["backward", "grad", "create_graph"])
def test_gradients_share_memory_with_nothing(name: str, way: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (td.tensor(rng.normal(size=6), requires_grad=True) for _ in range(2))
    h = _graphs()[name](a, b)
    seed = td.tensor(rng.normal(size=h.shape))
    before = seed.data.copy()
    if way == "grad":
        grads = td.grad(h, [a, b, a], seed)
    else:
        h.backward(seed, create_graph=way == "create_graph")
        grads = a.grad, b.grad
    arrays = [g.data for g in grads if g is not None] + [a.data, b.data, seed.data, h.data]
    for i, one in enumerate(arrays[: len(grads)]):
        for other in arrays[i + 1 :]:
            assert not np.shares_memory(one, other)
    for one in arrays[: len(grads)]:
        assert one.flags.writeable
        one += 1000.0  # writes into no other
    assert np.array_equal(seed.data, before)


def test_the_seed_of_a_leaf_is_copied() -> None:
    x = leaf(1.0, 2.0)
    seed = td.tensor(np.array([5.0, 6.0]))
    x.backward(seed)
    assert x.grad is not seed
    seed.data[...] = 0.0
    assert gradient(x) == [5.0, 6.0]


def test_gradients_that_an_operation_hands_out_twice_are_added_not_overwritten() -> None:
    a, b, c = leaf(1.0), leaf(1.0), leaf(1.0)
    s = a + b  # hands the same array to both
    (s + c * s).backward()
    assert (gradient(a), gradient(b), gradient(c)) == ([2.0], [2.0], [2.0])


# ---- what is refused


def test_backward_of_several_elements_needs_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"shape \(2,\) needs a gradient"):
        (x * x).backward()


@pytest.mark.parametrize(
    ("seed", "error"),
    [
        (np.ones(2), TypeError),
        (1.0, TypeError),
        (td.tensor(np.ones(3)), ValueError),
        (td.tensor(np.ones((1, 2))), ValueError),
        (td.tensor(np.ones(2, "float32")), ValueError),
    ],
)
def test_a_gradient_that_does_not_fit_is_refused(seed: Any, error: type[Exception]) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(error, match="gradient"):
        (x * x).backward(seed)
    assert x.grad is None


def test_backward_of_what_requires_no_gradient_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not require gradients"):
        (td.ones(1) * 2).backward()
    with td.no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


def test_a_comparison_carries_no_gradient() -> None:
    x = leaf(1.0)
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad
    assert not x.astype("int64").requires_grad


def test_a_pass_that_fails_halfway_changes_no_leaf() -> None:
    class Fails(td.Op):
        def forward(self, x: Any) -> Any:
            return x * 1.0

        def backward(self, g: Any) -> Any:
            raise ZeroDivisionError

    x, y = leaf(1.0), leaf(2.0)
    x.grad = td.tensor(np.array([7.0]))
    kept = x.grad
    z = Fails()(y) + x * 3
    with pytest.raises(ZeroDivisionError):
        z.backward()
    assert x.grad is kept
    assert kept.data.tolist() == [7.0]
    assert y.grad is None


def test_a_failed_td_grad_does_not_narrow_later_passes() -> None:
    class Moody(td.Op):
        cheerful = False

        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, g: Any, a: Any, b: Any) -> Any:
            if not Moody.cheerful:
                raise ZeroDivisionError
            return g * b if self.needs[0] else None, g * a if self.needs[1] else None

    a, b = leaf(2.0), leaf(3.0)
    y = Moody()(a, b)
    with pytest.raises(ZeroDivisionError):
        td.grad(y, a, retain_graph=True)
    Moody.cheerful = True
    y.backward()
    assert (gradient(a), gradient(b)) == ([3.0], [2.0])


def test_a_failed_pass_leaves_recording_on() -> None:
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError):
        y.backward()
    assert (x * 2).requires_grad
    with pytest.raises(TypeError):  # and plain arrays are refused again
        x * np.ones(1)


# ---- td.grad


def test_grad_returns_a_tuple_and_touches_no_grad() -> None:
    x, y = leaf(2.0), leaf(5.0)
    grads = td.grad(x * x * y, [x, y])
    assert isinstance(grads, tuple)
    assert [g.item() for g in grads if g is not None] == [20.0, 4.0]
    assert x.grad is None
    assert y.grad is None
    (alone,) = td.grad(x * 3, x)
    assert alone is not None
    assert alone.item() == 3.0


def test_grad_of_computed_tensors() -> None:
    x = leaf(2.0)
    h = x * x
    y = h * h * h
    gh, gx = td.grad(y, [h, x])
    assert gh is not None
    assert gx is not None
    assert gh.item() == 48.0
    assert gx.item() == 192.0


def test_grad_of_the_output_itself_is_the_seed() -> None:
    x = leaf(2.0)
    y = x * x
    (g,) = td.grad(y, y)
    assert g is not None
    assert g.item() == 1.0
    (g,) = td.grad(x, x)
    assert g is not None
    assert g.item() == 1.0


def test_grad_of_several_outputs_sums_with_their_weights() -> None:
    x = leaf(2.0, 3.0)
    outputs = [x * x, x.sum()]
    (g,) = td.grad(outputs, x, [td.tensor(np.array([1.0, 10.0])), None])
    assert g is not None
    assert g.data.tolist() == [5.0, 61.0]


def test_grad_of_the_same_output_twice_counts_twice() -> None:
    x = leaf(2.0)
    y = x * x
    (g,) = td.grad([y, y], x)
    assert g is not None
    assert g.item() == 8.0


def test_grad_refuses_unused_inputs_unless_allowed() -> None:
    x, z = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        td.grad(x * 2, [x, z])
    gx, gz = td.grad(x * 2, [x, z], allow_unused=True)
    assert gx is not None
    assert gx.item() == 2.0
    assert gz is None


def test_grad_refuses_inputs_without_gradients() -> None:
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="input 1 does not require"):
        td.grad(x * 2, [x, td.ones(1)])


def test_grad_refuses_a_wrong_number_of_weights() -> None:
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="1 outputs and 2 grad_outputs"):
        td.grad([x * 2], x, [None, None])


class Mine(td.Op):
    """out = x + 0, and its backward must never be called."""

    def forward(self, x: Any) -> Any:
        return x + 0.0

    def backward(self, g: Any) -> Any:
        raise AssertionError("an operation off the path was asked for its gradient")


def test_grad_computes_only_what_lies_between() -> None:
    x, z = leaf(2.0), leaf(3.0)
    h = x * x
    y = h * Mine()(z) + Mine()(h) * 0 + h
    (g,) = td.grad(h * Mine()(z), x)  # the branch to z is not needed
    assert g is not None
    assert g.item() == 12.0
    with pytest.raises(AssertionError):
        td.grad(y, x, retain_graph=True)
    below = Mine()(x)
    (g,) = td.grad(below * below, below)  # what lies below the input is not needed
    assert g is not None
    assert g.item() == 4.0


def test_grad_up_to_a_computed_tensor_leaves_what_is_below_it_usable() -> None:
    x = leaf(2.0, 3.0)
    h = x * x
    (g,) = td.grad((h * h).sum(), h)
    assert g is not None
    h.backward(g)  # the second half of the chain rule, by hand
    assert gradient(x) == [4 * 8.0, 4 * 27.0]


def test_grad_asks_only_for_wanted_gradients_of_an_operation() -> None:
    asked: list[tuple[bool, ...]] = []

    class Product(td.Op):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, g: Any, a: Any, b: Any) -> Any:
            asked.append(self.needs)
            return g * b if self.needs[0] else None, g * a if self.needs[1] else None

    a, b = leaf(2.0), leaf(3.0)
    y = Product()(a, b)
    td.grad(y, b, retain_graph=True)
    y.backward()
    Product()(a, td.tensor(np.array([1.0]))).backward()
    assert asked == [(False, True), (True, True), (True, False)]
    assert (gradient(a), gradient(b)) == ([4.0], [2.0])


def test_a_graph_of_2_to_the_64_paths_is_walked_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(64):
        y = y * 0.5 + y * 0.5
    (g,) = td.grad(y, x, retain_graph=True)
    assert g is not None
    assert g.item() == 1.0
    y.backward()
    assert gradient(x) == [1.0]


def test_grad_through_a_part_that_was_freed_is_an_error_and_never_a_part_of_the_gradient() -> None:
    x = leaf(2.0)
    h = x * x
    td.grad(h * 2, x)
    for unused in (False, True):
        with pytest.raises(RuntimeError, match="freed"):
            td.grad(h * 3 + x, x, allow_unused=unused)


def test_grad_frees_the_graph_unless_told_otherwise() -> None:
    x = leaf(2.0)
    y = x * x
    td.grad(y, x, retain_graph=True)
    td.grad(y, x)
    with pytest.raises(RuntimeError, match="freed"):
        td.grad(y, x)


# ---- higher derivatives


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (lambda x: x.sin(), [math.cos, lambda v: -math.sin(v), lambda v: -math.cos(v)]),
        (lambda x: x.exp(), [math.exp] * 3),
        (lambda x: Cube()(x), [lambda v: 3 * v * v, lambda v: 6 * v, lambda v: 6.0]),
        (lambda x: x.log(), [lambda v: 1 / v, lambda v: -1 / v**2, lambda v: 2 / v**3]),
        (lambda x: x * x * x.exp(), [
            lambda v: (v * v + 2 * v) * math.exp(v),
            lambda v: (v * v + 4 * v + 2) * math.exp(v),
            lambda v: (v * v + 6 * v + 6) * math.exp(v),
        ]),
    ],
)  # fmt: skip
def test_create_graph_to_third_order(function: Any, derivatives: list[Any]) -> None:
    x = scalar(0.7)
    y = function(x)
    for derivative in derivatives:
        (y,) = td.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(derivative(0.7), rel=1e-13)


def test_backward_with_create_graph_gives_a_grad_that_can_be_differentiated() -> None:
    x = leaf(2.0)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    assert first is not None
    assert first.item() == 12.0
    x.grad = None
    first.backward()
    assert gradient(x) == [12.0]


def test_two_passes_with_create_graph_add_gradients_that_can_be_differentiated() -> None:
    x = leaf(2.0)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    (x * x).backward(create_graph=True)
    assert first is not None
    assert first.item() == 12.0
    assert gradient(x) == [16.0]
    (second,) = td.grad(x.grad, x)
    assert second is not None
    assert second.item() == 14.0


def test_without_create_graph_gradients_are_constants() -> None:
    x = leaf(2.0)
    (g,) = td.grad(x * x * x, x)
    assert g is not None
    assert not g.requires_grad
    assert g.is_leaf


def test_a_gradient_penalty_reaches_the_weights() -> None:
    rng = np.random.default_rng(0)
    x = td.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    w = td.tensor(rng.normal(size=(3, 2)), requires_grad=True)

    def penalty(w: td.Tensor) -> td.Tensor:
        (g,) = td.grad(td.tanh(x @ w).sum(), x, create_graph=True)
        assert g is not None
        return (g * g).sum()

    (analytic,) = td.grad(penalty(w), w)
    assert analytic is not None
    for place in np.ndindex(3, 2):
        moved = []
        for step in (1e-6, -1e-6):
            data = w.data.copy()
            data[place] += step
            moved.append(penalty(td.tensor(data, requires_grad=True)).item())
        assert analytic.data[place] == pytest.approx((moved[0] - moved[1]) / 2e-6, rel=1e-6, abs=1e-8)


def test_second_derivatives_through_a_seed_that_requires_gradients() -> None:
    x, v = leaf(2.0, 3.0), leaf(1.0, 1.0)
    (g,) = td.grad(x * x * x, x, v, create_graph=True)
    assert g is not None
    gx, gv = td.grad(g.sum(), [x, v])
    assert gx is not None
    assert gv is not None
    assert gx.data.tolist() == [12.0, 18.0]
    assert gv.data.tolist() == [12.0, 27.0]


# ---- no_grad, retain_grad, detach


def test_no_grad_records_nothing_and_ends() -> None:
    x = leaf(1.0)
    with td.no_grad():
        y = x * 2
        with td.no_grad():
            pass
        z = x * 2
    assert not y.requires_grad
    assert not z.requires_grad  # the inner block did not switch recording on
    assert y.is_leaf
    assert (x * 2).requires_grad


def test_no_grad_ends_after_an_error() -> None:
    x = leaf(1.0)
    with pytest.raises(ZeroDivisionError), td.no_grad():
        raise ZeroDivisionError
    assert (x * 2).requires_grad


def test_no_grad_decorates_functions() -> None:
    @td.no_grad()
    def double(x: td.Tensor) -> td.Tensor:
        return x * 2

    x = leaf(1.0)
    assert not double(x).requires_grad
    assert not double(x).requires_grad  # more than once
    assert (x * 2).requires_grad


def test_no_grad_holds_for_its_own_thread_only() -> None:
    x = leaf(1.0)
    recorded = []
    with td.no_grad():
        thread = threading.Thread(target=lambda: recorded.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        assert not (x * 2).requires_grad
    assert recorded == [True]


def test_threads_train_independently() -> None:
    results: dict[int, list[float]] = {}

    def work(i: int) -> None:
        x = leaf(float(i), 1.0)
        for _ in range(50):
            y = x
            for _ in range(10):
                y = y * 1.0 + x
            y.sum().backward()
        results[i] = gradient(x)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {i: [550.0, 550.0] for i in range(4)}


def test_retain_grad_keeps_the_gradient_of_a_computed_tensor() -> None:
    x = leaf(2.0)
    h = x * x
    h.retain_grad()
    (h * h).backward()
    assert gradient(h) == [8.0]
    assert gradient(x) == [32.0]
    plain = x * x
    (plain * 2).backward()
    assert plain.grad is None


def test_retain_grad_adds_up_over_passes_and_over_uses() -> None:
    x = leaf(2.0)
    h = x * 1.0
    h.retain_grad()
    y = h * h + h
    y.backward(retain_graph=True)
    kept = h.grad
    y.backward()
    assert gradient(h) == [10.0]
    assert kept is not None
    assert kept.data.tolist() == [5.0]


def test_retain_grad_of_the_root_is_the_seed() -> None:
    x = leaf(2.0, 3.0)
    y = x * x
    y.retain_grad()
    seed = td.tensor(np.array([1.0, 2.0]))
    y.backward(seed)
    assert gradient(y) == [1.0, 2.0]
    assert y.grad is not None
    assert not np.shares_memory(y.grad.data, seed.data)


def test_retain_grad_does_not_keep_the_tensor_alive(no_collector: None) -> None:
    x = leaf(2.0)
    h = x * x
    h.retain_grad()
    y = h * 1.0
    watched = weakref.ref(h)
    del h
    assert watched() is None
    y.backward()
    assert gradient(x) == [4.0]


def test_retain_grad_of_a_constant_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not require"):
        td.ones(1).retain_grad()
    leaf(1.0).retain_grad()  # a leaf keeps it anyway


def test_detach_stops_the_gradient_and_shares_memory() -> None:
    x = leaf(2.0)
    h = x * x
    d = h.detach()
    assert not d.requires_grad
    assert np.shares_memory(d.data, h.data)
    (h * d).backward()
    assert gradient(x) == [16.0]


def test_requires_grad_can_be_switched_off_on_leaves() -> None:
    x, w = leaf(2.0), leaf(3.0)
    x.requires_grad = False
    (x * w).backward()
    assert x.grad is None
    assert gradient(w) == [2.0]
