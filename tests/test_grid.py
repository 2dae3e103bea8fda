"""Every public operation, loss and layer against everything that must be true of it.

The rows are in tests/grid/, one file for each source file. A public name without a row fails a test.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
import weakref
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl import losses, nn, ops
from tinydl.testing import check_function

# Functions in the modules of ops that prepare arguments for the operations and are not operations themselves.
HELPERS = {"ops.conv.pair", "ops.index.integer", "ops.index.normalize_axis", "ops.shape.normalize_axes"}
# What nn offers that is not a layer.
NO_LAYERS = {"Module", "Parameter"}

# What has no functions of its own: operations as methods, and operations that losses are made of.
NO_FUNCTIONS = {"methods", "logits"}

_MODULES = [f"ops.{m.name}" for m in pkgutil.iter_modules(ops.__path__) if m.name not in NO_FUNCTIONS]


def rows_of(name: str) -> dict[str, Row]:
    rows: dict[str, Row] = importlib.import_module(f"grid.{name.removeprefix('ops.')}").ROWS
    return {f"{name}.{function}": row for function, row in rows.items()}


ROWS = {name: row for module in (*_MODULES, "losses", "nn") for name, row in rows_of(module).items()}
NO_PEERS = "no comparison with HIPS autograd and MyGrad: pip install '.[peers]'"
each_row = pytest.mark.parametrize("name", ROWS)


def test_every_public_name_has_a_row(public_functions: Any) -> None:
    names = {f"losses.{name}" for name in public_functions(losses)}
    names |= {f"nn.{name}" for name in nn.__all__ if name not in NO_LAYERS}
    assert not any(public_functions(importlib.import_module(f"tinydl.ops.{name}")) for name in NO_FUNCTIONS)
    for module in _MODULES:
        found = public_functions(importlib.import_module(f"tinydl.{module}"))
        names |= {f"{module}.{name}" for name in found}
    assert set(ROWS) == names - HELPERS
    for name in td.functional.__all__:
        function = getattr(td.functional, name)
        assert f"{function.__module__.removeprefix('tinydl.')}.{name}" in ROWS


@each_row
@given(data=st.data())
def test_values_and_derivatives(name: str, data: Any) -> None:
    """Value by the reference, first and second derivatives by differences, dtypes, and what must not change."""
    case = ROWS[name](data)
    if case.order > 0:
        assert check_function(
            case.ours, case.inputs, case.reference, order=case.order, rtol=case.tol, atol=case.tol
        )
        return
    before = [x.numpy().copy() for x in case.inputs]
    out, want = case.ours(*case.inputs), np.asarray(case.reference(*before))
    assert not out.requires_grad
    assert out.dtype == want.dtype
    assert out.shape == want.shape
    np.testing.assert_allclose(out.numpy(), want, rtol=case.tol, atol=case.tol)
    for x, array in zip(case.inputs, before, strict=True):
        assert np.array_equal(x.numpy(), array)


@each_row
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
def test_the_strict_device_has_the_same_bits(name: str, dtype: str, data: Any) -> None:
    """On arrays in C order, as a GPU's arrays are, and by the same kernels: sums depend on the order."""
    case = ROWS[name](data)
    found = []
    for device in ("cpu", "strict"):
        inputs = [td.tensor(in_c_order(x, dtype), x.requires_grad, device=device) for x in case.inputs]
        with td.textbook():
            out = case.ours(*inputs)
            results = [out]
            if out.requires_grad:
                wanted = [x for x in inputs if x.requires_grad]
                cotangent = td.tensor(td.Generator(1).normal(out.shape, dtype), device=device)
                results += td.grad(out, wanted, cotangent, allow_unused=True)
        found.append([None if y is None else y.to("cpu").detach().numpy() for y in results])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
            assert theirs.tobytes() == ours.tobytes(), f"differ by up to {np.abs(theirs - ours).max()}"


def in_c_order(x: td.Tensor, dtype: str) -> np.ndarray[Any, Any]:
    return np.array(x.numpy(), dtype if x.dtype.kind == "f" else None, order="C")


@each_row
@given(data=st.data())
def test_the_graph_is_freed(name: str, data: Any) -> None:
    """By reference counting alone, after backward and without one."""
    case = ROWS[name](data)
    if case.order == 0:
        return
    gc.disable()
    try:
        for way in ("backward", "dropped"):
            inputs = [td.tensor(x, x.requires_grad) for x in case.inputs]
            inner = [x * 1.0 if x.requires_grad else x for x in inputs]
            watched = [weakref.ref(x) for x in inner if x.requires_grad]
            out = case.ours(*inner)
            if way == "backward":
                out.backward(td.tensor(td.Generator(1).normal(out.shape, np.float64)))
            else:
                del out
            del inner
            assert all(ref() is None for ref in watched), way
    finally:
        gc.enable()


def agree(case: Case, values: list[Any], library: str) -> None:
    """Our value and gradients, and `values`: theirs, for the cotangent that `cotangent` gives."""
    out = case.ours(*case.inputs)
    results = [out]
    if case.order > 0 and out.requires_grad:
        wanted = [x for x in case.inputs if x.requires_grad]
        results += td.grad(out, wanted, td.tensor(cotangent(out.shape)), allow_unused=True)
    assert len(results) == len(values)
    for i, (ours, theirs) in enumerate(zip(results, values, strict=True)):
        what = f"gradient {i - 1}" if i else "the value"
        a = np.zeros(np.shape(theirs)) if ours is None else ours.detach().numpy()
        b = np.zeros(a.shape) if theirs is None else theirs
        assert a.shape == b.shape, f"{what} has shape {a.shape}, in {library} {b.shape}"
        np.testing.assert_allclose(a, b, rtol=10 * case.tol, atol=10 * case.tol, err_msg=f"{what}, {library}")


def cotangent(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return td.Generator(1).normal(shape, np.float64)


@each_row
@given(data=st.data())
def test_agreement_with_torch(name: str, data: Any, torch: ModuleType) -> None:
    case = ROWS[name](data)
    if case.torch is None:
        return
    leaves = [torch.tensor(x.numpy().copy(), requires_grad=x.requires_grad) for x in case.inputs]
    out = case.torch(torch, *leaves)
    values = [out.detach().numpy()]
    if out.requires_grad:
        wanted = [x for x in leaves if x.requires_grad]
        grads = torch.autograd.grad(out, wanted, torch.tensor(cotangent(out.shape)), allow_unused=True)
        values += [None if g is None else g.numpy() for g in grads]
    agree(case, values, "PyTorch")


@each_row
@given(data=st.data())
def test_agreement_with_autograd(name: str, data: Any) -> None:
    """HIPS autograd; its functions on plain arrays are NumPy's."""
    autograd = pytest.importorskip("autograd", reason=NO_PEERS)
    case = ROWS[name](data)
    if case.autograd is None:
        return
    wanted = [i for i, x in enumerate(case.inputs) if x.requires_grad]
    arrays = [x.numpy().copy() for x in case.inputs]
    theirs = lambda *xs: case.autograd(autograd.numpy, *xs)
    values = [np.asarray(theirs(*arrays))]
    if case.order > 0 and wanted:
        vjp, _ = importlib.import_module("autograd.core").make_vjp(
            lambda xs: theirs(*[xs[wanted.index(i)] if i in wanted else a for i, a in enumerate(arrays)]),
            importlib.import_module("autograd.builtins").tuple([arrays[i] for i in wanted]),
        )
        values += list(vjp(cotangent(values[0].shape)))
    agree(case, values, "autograd")


@each_row
@given(data=st.data())
def test_agreement_with_mygrad(name: str, data: Any) -> None:
    mygrad = pytest.importorskip("mygrad", reason=NO_PEERS)
    case = ROWS[name](data)
    if case.mygrad is None:
        return
    leaves = [mygrad.tensor(x.numpy().copy(), constant=not x.requires_grad) for x in case.inputs]
    out = case.mygrad(mygrad, *leaves)
    values = [np.array(out)]
    if case.order > 0:
        out.backward(cotangent(out.shape))
        values += [x.grad for x in leaves if not x.constant]
    agree(case, values, "MyGrad")
