"""Tensors: what they are made of, how they look from outside, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td

# ---- making tensors: dtypes


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        (3, "int64"),
        (True, "bool"),
        ([1.0, 2.0], "float32"),
        ([1, 2], "int64"),
        ([True, False], "bool"),
        ([1, 2.0], "float32"),
        ([True, 2], "int64"),
        ([[1, 2], [3, 4.5]], "float32"),
        ((1.0, 2.0), "float32"),
        ([], "float32"),
        (float("nan"), "float32"),
        (np.ones(2), "float64"),
        (np.ones(2, "float32"), "float32"),
        (np.arange(2, dtype="int32"), "int32"),
        (np.array([1, 2], "uint8"), "uint8"),
        (np.array([True]), "bool"),
        (np.float64(1.0), "float64"),
        (np.float32(1.0), "float32"),
        (np.int16(1), "int16"),
        (np.bool_(True), "bool"),
        (np.array(2.5), "float64"),
        ([np.float32(1.0), np.float32(2.0)], "float32"),
        ([np.float64(1.0), 2.0], "float64"),
        ([np.float32(1.0), 2.0], "float32"),  # a Python float never widens
        ([np.int64(1), 2.5], "float32"),
        ([np.ones(2, "float32"), [1.0, 2.0]], "float32"),
        ([np.ones(2), [1.0, 2.0]], "float64"),
        ([td.tensor(1.0), td.tensor(2.0)], "float32"),
        ([td.tensor(1.0), 2.0], "float32"),
        ([[td.tensor(1.0), 2.0]], "float32"),
        ([td.tensor(np.float64(1.0)), 2.0], "float64"),
        (td.tensor(np.ones(2)), "float64"),
        (np.arange(2, dtype=">f4"), "float32"),
        (np.arange(2, dtype=">i8"), "int64"),
    ],
)
def test_dtype_of_new_tensors(data: Any, dtype: str) -> None:
    t = td.tensor(data)
    assert t.dtype == np.dtype(dtype)
    assert t.dtype.isnative


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_a_named_dtype_wins(dtype: str) -> None:
    for data in (1, 1.0, [1.0, 0.0], np.ones(3), np.float64(1)):
        assert td.tensor(data, dtype=dtype).dtype == np.dtype(dtype)


@pytest.mark.parametrize("make", [
    lambda d: td.tensor([1, 0], dtype=d), lambda d: td.ones(2, dtype=d), lambda d: td.zeros(2, dtype=d),
    lambda d: td.ones(2).astype(d), lambda d: td.tensor(np.ones(2, np.dtype(d).newbyteorder("="))),
    lambda d: td.tensor(np.ones(2, np.dtype(d).newbyteorder(">"))),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_a_dtype_is_the_one_object_that_numpy_has_for_it(make: Any, dtype: str) -> None:
    """The gate of operations compares dtypes by identity, and takes a longer way for others."""
    assert make(dtype)._data.dtype is np.dtype(dtype)


def test_big_endian_values_survive() -> None:
    assert td.tensor(np.array([1.5, -2.25], ">f8")).data.tolist() == [1.5, -2.25]
    assert td.tensor(np.array([3, 70000], ">i4")).data.tolist() == [3, 70000]


@pytest.mark.parametrize(
    "data",
    [
        "abc",
        b"abc",
        ["a", "b"],
        None,
        [None],
        object(),
        {"a": 1},
        {1, 2},
        np.array(["a"]),
        np.array([object()]),
        np.array([1], "datetime64[s]"),
        np.ones(2, "float16"),
        np.ones(2, "complex64"),
    ],
)
def test_what_is_not_numbers_of_a_supported_dtype_is_a_type_error(data: Any) -> None:
    with pytest.raises(TypeError, match="tensor: "):
        td.tensor(data)


@pytest.mark.parametrize("make", [
    lambda d: td.tensor([1.0], dtype=d), lambda d: td.zeros(2, dtype=d), lambda d: td.ones((2,), dtype=d),
    lambda d: td.full(2, 1.0, dtype=d), lambda d: td.eye(2, dtype=d), lambda d: td.arange(2, dtype=d),
    lambda d: td.zeros_like(td.ones(1), dtype=d), lambda d: td.ones_like(td.ones(1), dtype=d),
    lambda d: td.rand(2, dtype=d), lambda d: td.randn(2, dtype=d), lambda d: td.ones(2).astype(d),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float16", "complex64", "object", "U3"])
def test_no_function_makes_an_unsupported_dtype(make: Any, dtype: str) -> None:
    with pytest.raises(TypeError, match="dtype"):
        make(dtype)


@pytest.mark.parametrize("data", [[[1], [1, 2]], [[1.0, 2.0], 3.0], [np.ones(2), np.ones(3)]])
def test_ragged_lists_are_a_value_error(data: Any) -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        td.tensor(data)


def test_an_unknown_device_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="device 'gpu'"):
        td.tensor(1.0, device="gpu")


# ---- making tensors: copies


def test_a_tensor_copies_an_array() -> None:
    array = np.ones(3)
    t = td.tensor(array)
    array[0] = 5.0
    assert t.data.tolist() == [1.0, 1.0, 1.0]
    t.data[1] = 7.0
    assert array.tolist() == [5.0, 1.0, 1.0]


def test_a_tensor_copies_a_tensor_and_leaves_its_graph() -> None:
    x = td.tensor([1.0, 2.0], requires_grad=True)
    t = td.tensor(x * 2)
    assert t.is_leaf
    assert not t.requires_grad
    assert not x.device.xp.shares_memory(td.tensor(x).data, x.data)
    assert td.tensor(x, requires_grad=True).requires_grad


@pytest.mark.parametrize("dtype", ["float64", None])
def test_read_only_input_gives_a_writable_tensor(dtype: str | None) -> None:
    array = np.ones(3)
    array.flags.writeable = False
    t = td.tensor(array, dtype=dtype)
    t.data[0] = 2.0
    assert array[0] == 1.0
    assert t.data[0] == 2.0


def test_strides_are_kept() -> None:
    array = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)
    assert td.tensor(array).data.strides == array.strides
    assert np.array_equal(td.tensor(array).numpy(), array)
    assert np.array_equal(td.tensor(array[::-1]).numpy(), array[::-1])


# ---- what a tensor says of itself


def test_attributes() -> None:
    t = td.tensor(np.zeros((2, 3, 4), "float32"))
    assert (t.shape, t.ndim, t.size, t.dtype) == ((2, 3, 4), 3, 24, np.dtype("float32"))
    assert t.device == "cpu"
    assert t.grad is None
    assert not t.requires_grad
    assert t.is_leaf
    assert t.T.shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (td.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (td.tensor(3), "tensor(3)"),
        (td.tensor([True]), "tensor([ True])"),
        (td.tensor(np.ones(1)), "tensor([1.], dtype=float64)"),
        (td.tensor(np.ones(1, "int8")), "tensor([1], dtype=int8)"),
        (td.tensor(1.0, requires_grad=True), "tensor(1., requires_grad=True)"),
        (td.tensor(1.0, requires_grad=True) * 2, "tensor(2., op=multiply)"),
        (td.tensor([]), "tensor([])"),
    ],
)
def test_repr(tensor: td.Tensor, text: str) -> None:
    assert repr(tensor) == text


def test_repr_of_a_matrix_lines_up() -> None:
    assert repr(td.tensor([[1, 2], [3, 4]])) == "tensor([[1, 2],\n        [3, 4]])"


def test_item() -> None:
    assert td.tensor(2.5).item() == 2.5
    assert type(td.tensor(2.5).item()) is float
    assert type(td.tensor([[3]]).item()) is int
    assert td.tensor([True]).item() is True
    with pytest.raises(ValueError, match=r"one element, got shape \(2,\)"):
        td.tensor([1, 2]).item()


def test_len_and_iteration() -> None:
    t = td.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2
    assert [row.data.tolist() for row in t] == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(TypeError, match="0-d"):
        len(td.tensor(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(td.tensor(1.0))


def test_iteration_is_differentiable() -> None:
    x = td.tensor([1.0, 2.0], requires_grad=True)
    a, b = x
    (a * 3 + b * 4).backward()
    assert x.grad is not None
    assert x.grad.data.tolist() == [3.0, 4.0]


def test_bool() -> None:
    assert td.tensor(1)
    assert not td.tensor([0.0])
    assert td.tensor([[True]])
    for t in (td.tensor([1, 2]), td.tensor([])):
        with pytest.raises(ValueError, match="ambiguous"):
            bool(t)


def test_numbers() -> None:
    assert float(td.tensor(2.5)) == 2.5
    assert int(td.tensor(2.9)) == 2
    assert [10, 20, 30][td.tensor(1)] == 20
    assert list(range(td.tensor(3))) == [0, 1, 2]
    with pytest.raises(TypeError, match="float32"):
        [10, 20][td.tensor(1.0)]
    with pytest.raises(TypeError, match="bool"):
        [10, 20][td.tensor(True)]
    with pytest.raises(ValueError, match="one element"):
        float(td.tensor([1.0, 2.0]))


def test_numpy_shares_memory_and_asarray_converts() -> None:
    t = td.tensor([1.0, 2.0])
    assert np.shares_memory(t.numpy(), t.data)
    assert np.asarray(t, dtype="float64").dtype == np.float64
    assert not np.shares_memory(np.array(t), t.data)
    assert np.stack([t, t]).shape == (2, 2)


def test_tensors_are_keys_by_identity() -> None:
    a, b = td.tensor(1.0), td.tensor(1.0)
    assert {a: 1, b: 2}[a] == 1
    assert len({a, b, a}) == 2


def test_comparisons_give_boolean_tensors() -> None:
    t = td.tensor([1.0, 2.0, 3.0])
    for result, expected in [
        (t == 2, [False, True, False]), (t != 2, [True, False, True]), (t < 2, [True, False, False]),
        (t <= 2, [True, True, False]), (t > 2, [False, False, True]), (t >= 2, [False, True, True]),
        ((t > 1) & (t < 3), [False, True, False]), ((t < 2) | (t > 2), [True, False, True]),
        (~(t > 1), [True, False, False]), ((t > 1) ^ (t > 2), [False, True, False]),
    ]:  # fmt: skip
        assert result.dtype == np.bool_
        assert result.data.tolist() == expected
    assert 2.0 in t
    assert 9.0 not in t


def test_detach_and_data_share_memory() -> None:
    t = td.tensor([1.0])
    t.detach().data[0] = 5.0
    assert t.item() == 5.0


# ---- dtypes of operations


OPERATORS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a**b,
    lambda a, b: td.maximum(a, b),
    lambda a, b: td.minimum(a, b),
]


@pytest.mark.parametrize("scalar", [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.int8(2)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_scalars_never_widen_on_either_side(operator: Any, dtype: str, scalar: Any) -> None:
    t = td.tensor(np.full(3, 3.0, dtype), requires_grad=True)
    for result in (operator(t, scalar), operator(scalar, t)):
        assert isinstance(result, td.Tensor)
        assert result.dtype == np.dtype(dtype)
        t.grad = None
        result.sum().backward()
        assert t.grad is not None
        assert t.grad.dtype == np.dtype(dtype)
    if operator in OPERATORS[:5]:
        threes = np.full(3, 3.0)
        np.testing.assert_allclose(operator(t, scalar).numpy(), operator(threes, float(scalar)), rtol=1e-7)
        np.testing.assert_allclose(operator(scalar, t).numpy(), operator(float(scalar), threes), rtol=1e-7)


@pytest.mark.parametrize("operator", OPERATORS)
def test_floats_that_differ_are_an_error_that_names_both(operator: Any) -> None:
    a, b = td.tensor(np.ones(2)), td.tensor(np.ones(2, "float32"))
    for x, y in ((a, b), (b, a)):
        with pytest.raises(TypeError, match=r"float32 with float64; convert one with \.astype"):
            operator(x, y)


def test_integers_and_booleans_beside_floats_give_the_float() -> None:
    for other in (td.tensor([1, 2]), td.tensor([True, False]), td.tensor(np.array([1, 2], "int8"))):
        for dtype in ("float32", "float64"):
            t = td.tensor(np.ones(2, dtype))
            assert (t * other).dtype == dtype
            assert (other * t).dtype == dtype


def test_integers_become_float32_where_they_must() -> None:
    i = td.tensor([1, 2, 4])
    for result in (i / 2, i / i, 1 / i, i.mean(), i.exp(), i.log(), i.sqrt(), i * 1.5, i + 0.5):
        assert result.dtype == np.float32
    assert (i * 2).dtype == np.int64
    assert (i + i).dtype == np.int64
    assert i.sum().dtype == np.int64
    assert (i / 2).data.tolist() == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("operator", OPERATORS[:5])
@pytest.mark.parametrize("other", [np.ones(2), np.ones(2, "float32"), np.array(2.0), np.arange(2)])
def test_a_plain_array_as_an_operand_says_how_to_wrap_it(operator: Any, other: Any) -> None:
    t = td.tensor([1.0, 2.0])
    for a, b in ((t, other), (other, t)):
        with pytest.raises(TypeError, match=r"plain array; wrap it with td\.tensor\(\.\.\.\)"):
            operator(a, b)


@pytest.mark.parametrize(
    "compute", [lambda t, a: t @ a, lambda t, a: a @ t, lambda t, a: t == a, lambda t, a: a < t]
)
def test_a_plain_array_is_refused_by_products_and_comparisons_too(compute: Any) -> None:
    with pytest.raises(TypeError, match="wrap it"):
        compute(td.tensor([1.0, 2.0]), np.ones(2, "float32"))


@pytest.mark.parametrize("other", [[1.0, 2.0], "a", object()])
def test_other_operands_are_a_type_error(other: Any) -> None:
    for compute in (lambda: td.ones(2) + other, lambda: other + td.ones(2), lambda: td.ones(2) * other):
        with pytest.raises(TypeError):
            compute()


def test_numpy_functions_refuse_tensors_rather_than_dropping_the_graph() -> None:
    with pytest.raises(TypeError):
        np.sin(td.ones(2))
    with pytest.raises(TypeError):
        np.add(np.ones(2), td.ones(2))


def test_shapes_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(ValueError, match=r"add: shapes \(2, 3\) and \(4,\) can't be broadcast together"):
        td.ones(2, 3) + td.ones(4)


# ---- requires_grad, grad, data


@pytest.mark.parametrize("data", [1, [1, 2], True, np.ones(2, "uint8")])
def test_integers_can_not_require_gradients(data: Any) -> None:
    with pytest.raises(TypeError, match="only floating tensors"):
        td.tensor(data, requires_grad=True)
    t = td.tensor(data)
    with pytest.raises(TypeError, match="only floating tensors"):
        t.requires_grad = True
    t.requires_grad = False
    assert not t.requires_grad


def test_requires_grad_of_a_computed_tensor_can_not_be_set() -> None:
    y = td.tensor(1.0, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match=r"computed by multiply: use \.detach\(\)"):
        y.requires_grad = False
    assert y.requires_grad


def test_setting_grad_checks_type_shape_and_dtype() -> None:
    x = td.tensor([1.0, 2.0], requires_grad=True)
    x.grad = td.tensor([3.0, 4.0])
    assert x.grad is not None
    assert x.grad.data.tolist() == [3.0, 4.0]
    with pytest.raises(TypeError, match="ndarray"):
        x.grad = np.ones(2)
    for wrong in (td.ones(3), td.ones(1, 2), td.ones(2, dtype="float64"), td.tensor([1, 2])):
        with pytest.raises(ValueError, match="grad must have"):
            x.grad = wrong
    assert x.grad.data.tolist() == [3.0, 4.0]
    x.grad = None
    assert x.grad is None


def test_assigning_data_copies_into_the_tensor() -> None:
    x = td.tensor([1.0, 2.0])
    memory = x.data
    values = np.array([5.0, 6.0], "float32")
    x.data = values
    assert x.data is memory
    values[0] = 0.0
    assert x.data.tolist() == [5.0, 6.0]
    x.data = td.tensor([7.0, 8.0])
    assert x.data.tolist() == [7.0, 8.0]
    x.data += 1
    assert x.data.tolist() == [8.0, 9.0]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([1.0, 2.0], TypeError),
        (3.0, TypeError),
        (None, TypeError),
        (np.ones(3, "float32"), ValueError),
        (np.ones((1, 2), "float32"), ValueError),
        (np.ones(1, "float32"), ValueError),  # nothing is broadcast
        (np.ones(2), ValueError),
        (np.ones(2, "int64"), ValueError),
    ],
)
def test_assigning_data_checks_type_shape_and_dtype(values: Any, error: type[Exception]) -> None:
    x = td.tensor([1.0, 2.0])
    with pytest.raises(error, match="data"):
        x.data = values
    assert x.data.tolist() == [1.0, 2.0]
