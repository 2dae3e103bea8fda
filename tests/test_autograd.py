"""The backward pass: values, accumulation, what it refuses, and what is recorded at all."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import autograd


def leaf(*values: float, dtype: str = "float64") -> td.Tensor:
    return td.tensor(np.array(values, dtype), requires_grad=True)


def scalar(value: float) -> td.Tensor:
    return td.tensor(np.float64(value), requires_grad=True)


def gradient(x: td.Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.data.tolist()


class Counted(td.Op):
    """Twice x; every gradient that comes back joins a list."""

    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def forward(self, x: Any) -> Any:
        return x * 2

    def backward(self, g: Any) -> Any:
        self.calls.append(g.copy())
        return g * 2


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
    calls: list[Any] = []
    x = leaf(1.0)
    h = Counted(calls)(x)
    (h * 3 + h * 5).backward()
    assert [c.tolist() for c in calls] == [[8.0]]
    assert gradient(x) == [16.0]


def test_several_tensors_go_back_through_what_they_share_once() -> None:
    calls: list[Any] = []
    x = leaf(1.0, 2.0)
    h = Counted(calls)(x)
    outputs = [h * 3, (h * 5).sum(), x * 7]
    gradients = [td.tensor([1.0, 2.0], dtype="float64"), None, td.tensor([0.5, 0.5], dtype="float64")]
    autograd.backward_all(outputs, gradients)
    assert [c.tolist() for c in calls] == [[8.0, 11.0]]
    assert gradient(x) == [2 * 8 + 3.5, 2 * 11 + 3.5]
    with pytest.raises(ValueError, match="zip"):
        autograd.backward_all(outputs, gradients[:2])


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
    assert isinstance(x.grad.data, x.device.array_type)


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
    assert np.array_equal(x.grad.numpy(), np.full((3, 1), 16.0))
    assert np.array_equal(y.grad.numpy(), np.full((4,), 6.0))


def test_the_gradient_of_what_is_broadcast_to_nothing_is_zero() -> None:
    x = td.tensor(np.ones((3, 1)), requires_grad=True)
    (x * td.zeros(3, 0, dtype="float64")).sum().backward()
    assert x.grad is not None
    assert np.array_equal(x.grad.numpy(), np.zeros((3, 1)))


# ---- accumulation, aliases


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
    before = seed.numpy().copy()
    if way == "grad":
        grads = td.grad(h, [a, b, a], seed)
    else:
        h.backward(seed, create_graph=way == "create_graph")
        grads = a.grad, b.grad
    arrays = [g.data for g in grads if g is not None] + [a.data, b.data, seed.data, h.data]
    for i, one in enumerate(arrays[: len(grads)]):
        for other in arrays[i + 1 :]:
            assert not h.device.xp.shares_memory(one, other)
    for one in arrays[: len(grads)]:
        one += 1000.0  # it may be written to, and writes into no other
    assert np.array_equal(seed.numpy(), before)


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


def test_a_pass_that_fails_halfway_changes_no_gradient() -> None:
    class Fails(td.Op):
        def forward(self, x: Any) -> Any:
            return x * 1.0

        def backward(self, g: Any) -> Any:
            raise ZeroDivisionError

    x, y = leaf(1.0), leaf(2.0)
    x.grad = td.tensor(np.array([7.0]))
    kept = x.grad
    h = x * 3
    h.retain_grad()
    z = Fails()(y) + h
    with pytest.raises(ZeroDivisionError):
        z.backward()
    assert x.grad is kept
    assert kept.data.tolist() == [7.0]
    assert y.grad is None
    assert h.grad is None


def test_a_failed_pass_leaves_recording_on() -> None:
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError):
        y.backward()
    assert (x * 2).requires_grad
    with pytest.raises(TypeError):  # and plain arrays are refused again
        x * np.ones(1)


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
    assert not y.device.xp.shares_memory(y.grad.data, seed.data)


def test_retain_grad_of_a_constant_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not require"):
        td.ones(1).retain_grad()
    leaf(1.0).retain_grad()  # a leaf keeps it anyway


def test_detach_stops_the_gradient_and_shares_memory() -> None:
    x = leaf(2.0)
    h = x * x
    d = h.detach()
    assert not d.requires_grad
    assert d.device.xp.shares_memory(d.data, h.data)
    (h * d).backward()
    assert gradient(x) == [16.0]


def test_requires_grad_can_be_switched_off_on_leaves() -> None:
    x, w = leaf(2.0), leaf(3.0)
    x.requires_grad = False
    (x * w).backward()
    assert x.grad is None
    assert gradient(w) == [2.0]
