"""Convolutions of the CUDA kernels, run on the CPU, against the textbook's over drawn geometries and layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels import cuda, reference
from tinydl.kernels.cuda import conv
from tinydl.testing import memory_order, strategies

ONE, NONE = (1, 1), (0, 0)
NHWC = (0, 2, 3, 1)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, Any, Any, tuple[int, int], dict[str, Any]]:
    """Images, a weight, a cotangent for some of the windows, another image size, and options."""
    geometry = draw(strategies.conv_geometries())
    dtype = draw(st.sampled_from((np.float32, np.float64)))
    shape, options = geometry.input_shape, geometry.options
    x = draw(strategies.arrays(shape if len(shape) == 4 else (1, *shape), dtype))
    weight = draw(strategies.arrays(geometry.weight_shape, dtype))
    kernel = weight.shape[2:]
    numbers = zip(x.shape[2:], kernel, *(options[k] for k in ("stride", "padding", "dilation")), strict=True)
    places = [reference.output_size(*n) for n in numbers]
    if draw(st.booleans()):
        places = [draw(st.integers(1, most)) for most in places]
    # As with the padding of the output: rests that no window reads.
    size = tuple(
        max(1, s * (places[i] - 1) - 2 * options["padding"][i] + options["dilation"][i] * (kernel[i] - 1) + 1)
        + draw(st.integers(0, s - 1))
        for i, s in enumerate(options["stride"])
    )
    g = draw(strategies.arrays((len(x), len(weight), *places), dtype))
    return x, weight, g, size, options


def convolved(kernels: Any, drawn: Any) -> list[Any]:
    """The convolution, and both of its gradients; that of the input also for another size."""
    x, weight, g, size, options = drawn
    out = kernels.conv2d(np, x, weight, **options)
    return [
        out,
        kernels.conv2d_input_gradient(np, out, weight, x.shape[2:], **options),
        kernels.conv2d_input_gradient(np, g, weight, size, **options),
        kernels.conv2d_weight_gradient(np, x, g, weight.shape[2:], **options),
    ]


def bits(arrays: Any) -> list[Any]:
    return [(a.shape, a.dtype, a.tobytes()) for a in arrays]


@given(drawn=convolutions(), few=st.booleans())
def test_convolutions(drawn: Any, few: bool, launcher: Any) -> None:
    before = bits(drawn[:3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "_COLUMNS", 1 if few else conv._COLUMNS)  # one image at a time
        found = convolved(cuda, drawn)
    assert bits(drawn[:3]) == before
    tol = 1e-12 if drawn[0].dtype == np.float64 else 1e-5
    for ours, theirs in zip(found, convolved(reference, drawn), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        if ours.size:
            np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol * max(1.0, np.abs(theirs).max()))


@given(geometry=strategies.conv_geometries(), transposed=strategies.conv_geometries(transposed=True))
def test_gradients_of_gradients(geometry: Any, transposed: Any, on_cuda_kernels: Any) -> None:
    """Through the public functions: values, first and second derivatives of a convolution and of a transposed one."""

    def derivatives(fn: Any, g: Any) -> list[Any]:
        x, weight = (
            td.tensor(td.Generator(i).normal(shape, np.float64), requires_grad=True)
            for i, shape in enumerate((g.input_shape, g.weight_shape))
        )
        out = fn(x, weight, **g.options)
        v = td.tensor(td.Generator(2).normal(out.shape, np.float64), requires_grad=True)
        first = td.grad(out, (x, weight), v, create_graph=True)
        second = td.grad((first[0] * first[0]).sum() + (first[1] ** 2).sum(), (x, weight, v))
        return [t.detach().numpy() for t in (out, *first, *second)]

    for fn, g in ((td.functional.conv2d, geometry), (td.functional.conv_transpose2d, transposed)):
        with td.textbook():
            want = derivatives(fn, g)
        for ours, theirs in zip(derivatives(fn, g), want, strict=True):
            scale = max(1.0, np.abs(theirs).max(initial=0.0))
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10 * scale)


def test_results_lie_channels_last_and_are_not_copied_again(launcher: Any) -> None:
    """N, H, W, C in memory, whatever the input was: the kernels between two convolutions copy nothing."""
    x, weight = np.ones((3, 4, 8, 8), np.float32), np.ones((5, 4, 3, 3), np.float32)
    options: Any = {"stride": ONE, "padding": ONE, "dilation": ONE, "groups": 1}
    out = cuda.conv2d(np, x, weight, **options)
    assert memory_order(out) == NHWC
    assert memory_order(cuda.conv2d_input_gradient(np, out, weight, (8, 8), **options)) == NHWC
    assert memory_order(cuda.conv2d_weight_gradient(np, x, out, (3, 3), **options)) == NHWC


@pytest.mark.parametrize("kernel", [(1, 1), (5, 4)])
def test_where_columns_are_the_image_nothing_is_gathered(kernel: Any, launcher: Any) -> None:
    x, weight = np.ones((2, 3, 5, 4)), np.ones((6, 3, *kernel))
    options: Any = {"stride": ONE, "padding": NONE, "dilation": ONE, "groups": 1}
    launcher.calls.clear()
    launcher.products = 0
    out = cuda.conv2d(np, x, weight, **options)
    cuda.conv2d_input_gradient(np, out, weight, (5, 4), **options)
    cuda.conv2d_weight_gradient(np, x, out, kernel, **options)
    assert (launcher.calls, launcher.products) == ([], 3)


def test_columns_in_memory_are_limited(launcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = np.ones((5, 2, 6, 6)), np.ones((1, 2, 3, 3))
    monkeypatch.setattr(conv, "_COLUMNS", 2 * 9 * 16 * 2)  # those of two images
    launcher.calls.clear()
    cuda.conv2d(np, x, weight, ONE, NONE, ONE, 1)
    assert launcher.calls == ["im2col_float64"] * 3


@pytest.mark.parametrize("dtype", [np.int64, np.complex128])
def test_other_dtypes_run_the_textbook(dtype: Any, launcher: Any) -> None:
    x, weight = np.ones((1, 1, 3, 3), dtype), np.ones((1, 1, 2, 2), dtype)
    launcher.calls.clear()
    out = cuda.conv2d(np, x, weight, ONE, NONE, ONE, 1)
    assert (out.dtype, out.sum(), launcher.calls) == (dtype, 16, [])
