"""Batch norm and sums of the CUDA kernels, run on the CPU, against the textbook's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels import cuda, reference
from tinydl.kernels.cuda import norm
from tinydl.testing import memory_order, strategies


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    """What both functions take, some with so many rows that sums are trees: 64 and 4096 are the limits."""
    channels, dtype = draw(st.integers(1, 5)), draw(st.sampled_from((np.float32, np.float64)))
    images = draw(st.sampled_from((1, 2, 4)))
    rest = draw(st.sampled_from(((), (3,), (64,), (5, 4), (13, 17), (1, 1025), (65, 64))))
    shape = (images, channels, *rest)
    x, g = (draw(strategies.arrays(shape, dtype)) for _ in "xg")
    parts = {
        name: draw(st.none() | strategies.arrays((channels,), dtype, 0.5, 2.0)) for name in ("weight", "bias")
    }
    return {"x": x, "g": g, **parts, "eps": draw(st.sampled_from((0.1, 1e-3)))}


def computed(kernels: Any, drawn: dict[str, Any]) -> dict[str, Any]:
    options = {name: drawn[name] for name in ("weight", "bias", "eps")}
    found = dict(zip(("out", "mean", "var"), kernels.batch_norm(np, drawn["x"], **options), strict=True))
    _, mean, var = reference.batch_norm(np, drawn["x"], **options)
    gradients = kernels.batch_norm_gradient(
        np, drawn["g"], drawn["x"], drawn["weight"], mean, var, drawn["eps"]
    )
    return found | dict(zip(("dx", "dweight", "dbias"), gradients, strict=True))


def bits(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: a.tobytes() for name, a in arrays.items() if isinstance(a, np.ndarray)}


@given(drawn=batches())
def test_batch_norm(drawn: dict[str, Any], launcher: Any) -> None:
    before = bits(drawn)
    found = computed(cuda, drawn)
    assert bits(drawn) == before
    tol = 1e-10 if drawn["x"].dtype == np.float64 else 2e-4
    for name, want in computed(reference, drawn).items():
        assert (found[name].shape, found[name].dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(
            found[name], want, rtol=tol, atol=tol * max(1.0, np.abs(want).max()), err_msg=name
        )


@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
def test_a_large_mean_costs_little_precision(layout: str, launcher: Any) -> None:
    """10000, of which float32 keeps three decimals: a variance as mean(x^2) - mean(x)^2 would be wrong by 8."""
    random = td.Generator(0)
    x = strategies.lay_out((random.normal((16, 4, 16, 16)) + 1e4).astype(np.float32), layout)
    out, mean, var = cuda.batch_norm(np, x, None, None, 1e-5)
    want = reference.batch_norm(np, x.astype(np.float64), None, None, 1e-5)
    for ours, theirs in zip((out, mean, var), want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-3)
    assert memory_order(out) == (0, 2, 3, 1)


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 4096, 4097])
def test_sums_of_channels(rows: int, launcher: Any) -> None:
    """Exact where all sums are whole numbers; errors of a tree are small where one sum after the other loses digits."""
    whole = (np.arange(3 * rows, dtype=np.float32) % 100).reshape(rows, 3)
    np.testing.assert_array_equal(norm.channel_sums(np, whole), whole.astype(np.float64).sum(0))
    tenths = np.full((rows, 2), 0.1, np.float32)
    np.testing.assert_allclose(norm.channel_sums(np, tenths), rows * np.float64(np.float32(0.1)), rtol=2e-6)


def test_no_channels_and_empty_images_are_left_to_the_textbook(launcher: Any) -> None:
    launcher.calls.clear()
    assert [a.shape for a in cuda.batch_norm(np, np.empty((2, 0, 4)), None, None, 1e-5)] == [
        (2, 0, 4), (0,), (0,)
    ]  # fmt: skip
    assert norm.channel_sums(np, np.empty((0, 3, 2))).tolist() == [0, 0, 0]
    assert launcher.calls == []


def test_second_derivatives_of_batch_norm(on_cuda_kernels: Any) -> None:
    x = td.tensor(td.Generator(0).normal((4, 3, 5, 5), np.float64), requires_grad=True)
    weight, bias = td.tensor(np.array([0.5, 1.0, 2.0]), requires_grad=True), td.tensor(np.zeros(3))
    assert td.testing.gradgradcheck(
        lambda x, w: td.functional.batch_norm(x, None, None, w, bias, training=True), (x, weight)
    )
    assert "batch_norm_float64" in on_cuda_kernels.calls
