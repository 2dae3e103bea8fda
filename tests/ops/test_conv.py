"""Convolution and transposed convolution: what is true of both, the course's numbers, dtypes, layout, errors.

Loops, derivatives and PyTorch are in tests/grid/conv.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.functional import conv2d, conv_transpose2d
from tinydl.testing import memory_order, strategies
from tinydl.testing.point import host


@given(data=st.data())
def test_the_two_are_adjoint(data: Any, on: Any) -> None:
    """<conv2d(x, w), y> = <x, conv_transpose2d(y, w)>, with the output padding that gives back the size of x."""
    g = data.draw(strategies.conv_geometries())
    x, w = (on.leaf(data.draw(strategies.arrays(s))) for s in (g.input_shape, g.weight_shape))
    out = conv2d(x, w, **g.options)
    y = on.leaf(data.draw(strategies.arrays(out.shape)))
    back = []
    for i in (0, 1):
        reach = g.options["dilation"][i] * (w.shape[2 + i] - 1)
        least = (y.shape[-2 + i] - 1) * g.options["stride"][i] - 2 * g.options["padding"][i] + reach + 1
        back.append(x.shape[-2 + i] - least)
    # The size of x is reached only where output_padding may be that large; elsewhere the rest of x is never read.
    if all(e < max(s, d) for e, s, d in zip(back, g.options["stride"], g.options["dilation"], strict=True)):
        x_again = conv_transpose2d(y, w, output_padding=back, **g.options)
        assert x_again.shape == x.shape
        left, right = (out * y).sum().item(), (x * x_again).sum().item()
        assert left == pytest.approx(right, rel=1e-10, abs=1e-10)


# ---- numbers of the course

DIAGONAL = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def images(on: Any, rows: Any) -> td.Tensor:
    return on.tensor(np.array(rows, np.float32)[None, None])


def test_the_7x7_correlation_of_the_course(on: Any) -> None:
    image = [
        [0, 1, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 1, 0],
        [0, 0, 0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
    ]
    want = [[1, 4, 3, 4, 1], [1, 2, 4, 3, 3], [1, 2, 3, 4, 1], [1, 3, 3, 1, 1], [3, 3, 1, 1, 0]]
    assert host(conv2d(images(on, image), images(on, DIAGONAL)))[0, 0].tolist() == want


def test_the_5x5_correlation_of_the_course(on: Any) -> None:
    image = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
    out = conv2d(images(on, image), images(on, DIAGONAL))
    assert out.shape == (1, 1, 3, 3)
    assert host(out)[0, 0, 0, 0] == 4


@pytest.mark.parametrize(
    ("m", "k", "s", "p", "want"),
    [(32, 5, 1, 0, 28), (28, 2, 2, 0, 14), (227, 11, 4, 0, 55), (27, 5, 1, 2, 27)],
)
def test_output_sizes_of_the_course(m: int, k: int, s: int, p: int, want: int, on: Any) -> None:
    """(m - k + 2p) / s + 1."""
    out = conv2d(on.zeros(1, 1, m, m), on.zeros(1, 1, k, k), stride=s, padding=p)
    assert out.shape == (1, 1, want, want)


# ---- dtypes, layout, errors


def test_integers(on: Any) -> None:
    x, w = on.tensor(np.arange(16).reshape(1, 1, 4, 4)), on.tensor(np.ones((1, 1, 2, 2), int))
    out = conv2d(x, w)
    assert out.dtype == np.int64
    assert host(out)[0, 0].tolist() == [[10, 14, 18], [26, 30, 34], [42, 46, 50]]
    assert conv2d(x, w.astype("float32")).dtype == np.float32
    with pytest.raises(TypeError, match="conv2d: float32 with float64"):
        conv2d(x.astype("float64"), w.astype("float32"))


def test_every_layout_gives_the_same(on: Any) -> None:
    random = td.Generator(0)
    values, w = random.normal((2, 3, 6, 5), np.float64), on.tensor(random.normal((4, 3, 3, 2), np.float64))
    results = [
        host(conv2d(on.leaf(strategies.lay_out(values, layout)), w, padding=1))
        for layout in (*strategies.IMAGE_LAYOUTS, "reversed", "strided")
    ]
    for out in results[1:]:
        np.testing.assert_allclose(out, results[0], rtol=1e-13)


def test_a_bias_keeps_the_layout(on: Any) -> None:
    x, w, b = on.ones(2, 3, 6, 5), on.ones(4, 3, 3, 3), on.ones(4)
    assert memory_order(conv2d(x, w, b)) == memory_order(conv2d(x, w))


def test_second_derivatives_mix_the_inputs(on: Any) -> None:
    """d/dw of the gradient by x is not zero, although the function is linear in each."""
    x, w = on.random(1, 1, 3, 3), on.random(1, 1, 2, 2, seed=1)
    (dx,) = td.grad(conv2d(x, w).sum(), x, create_graph=True)
    (dxdw,) = td.grad((dx * x).sum(), w)
    assert np.all(host(dxdw) != 0)
    (dw,) = td.grad(conv2d(x, w).sum(), w, create_graph=True)
    (dwdx,) = td.grad((dw * w).sum(), x)
    assert np.all(host(dwdx) != 0)


ERRORS: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "channels": (
        lambda on: conv2d(on.ones(2, 1, 28, 28), on.ones(6, 3, 5, 5)),
        ValueError,
        r"conv2d: input has 1 channel, expected 3 \(input shape \(2, 1, 28, 28\), layout N, C, H, W; .* groups 1\)",
    ),
    "more channels": (
        lambda on: conv2d(on.ones(2, 4, 5, 5), on.ones(6, 3, 1, 1)),
        ValueError,
        "conv2d: input has 4 channels, expected 3",
    ),
    "channels of groups": (
        lambda on: conv2d(on.ones(2, 3, 5, 5), on.ones(6, 3, 1, 1), groups=2),
        ValueError,
        "conv2d: input has 3 channels, expected 6",
    ),
    "groups": (
        lambda on: conv2d(on.ones(1, 4, 5, 5), on.ones(3, 2, 1, 1), groups=2),
        ValueError,
        "conv2d: 3 output channels can't be split into 2 groups",
    ),
    "no groups": (
        lambda on: conv2d(on.ones(1, 4, 5, 5), on.ones(3, 2, 1, 1), groups=0),
        ValueError,
        "conv2d: groups must be 1 or more, got 0",
    ),
    "kernel": (
        lambda on: conv2d(on.ones(1, 1, 4, 4), on.ones(1, 1, 3, 3), dilation=2),
        ValueError,
        r"conv2d: a kernel of \(3, 3\) with dilation \(2, 2\) is larger than the padded image \(input shape",
    ),
    "kernel, one axis": (
        lambda on: conv2d(on.ones(1, 1, 4, 2), on.ones(1, 1, 3, 3)),
        ValueError,
        "conv2d: a kernel of",
    ),
    "image": (
        lambda on: conv2d(on.ones(4, 4), on.ones(1, 1, 3, 3)),
        ValueError,
        r"conv2d: expected images \(N, C, H, W\) or one image \(C, H, W\), got shape \(4, 4\)",
    ),
    "weight": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(3, 3)),
        ValueError,
        r"conv2d: expected a weight \(out, in / groups, kh, kw\), none of them 0, got shape \(3, 3\)",
    ),
    "empty weight": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(0, 1, 3, 3)),
        ValueError,
        "conv2d: expected a weight",
    ),
    "bias": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(2, 1, 3, 3), on.ones(1)),
        ValueError,
        r"conv2d: expected a bias of shape \(2,\) for weight \(2, 1, 3, 3\), got \(1,\)",
    ),
    "stride": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(2, 1, 3, 3), stride=0),
        ValueError,
        "conv2d: stride must be 1 or more, got 0",
    ),
    "stride type": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(2, 1, 3, 3), stride=1.5),
        TypeError,
        "conv2d: stride must be an integer or two of them, got 1.5",
    ),
    "stride pair": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(2, 1, 3, 3), stride=(1, 2, 3)),
        TypeError,
        r"conv2d: stride must be an integer or two of them, got \(1, 2, 3\)",
    ),
    "padding": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(2, 1, 3, 3), padding=(0, -1)),
        ValueError,
        r"conv2d: padding must be 0 or more, got \(0, -1\)",
    ),
    "dilation": (
        lambda on: conv2d(on.ones(1, 4, 4), on.ones(2, 1, 3, 3), dilation=0),
        ValueError,
        "conv2d: dilation must be 1 or more, got 0",
    ),
    "array": (
        lambda on: conv2d(np.ones((1, 1, 4, 4)), on.ones(1, 1, 3, 3)),
        TypeError,
        "conv2d: expected tensors, got a plain array",
    ),
    "t channels": (
        lambda on: conv_transpose2d(on.ones(1, 2, 4, 4), on.ones(3, 1, 2, 2)),
        ValueError,
        r"conv_transpose2d: input has 2 channels, expected 3 \(input shape \(1, 2, 4, 4\)",
    ),
    "t groups": (
        lambda on: conv_transpose2d(on.ones(1, 3, 4, 4), on.ones(3, 1, 2, 2), groups=2),
        ValueError,
        "conv_transpose2d: 3 input channels can't be split into 2 groups",
    ),
    "t weight": (
        lambda on: conv_transpose2d(on.ones(1, 3, 4, 4), on.ones(3, 1)),
        ValueError,
        r"conv_transpose2d: expected a weight \(in, out / groups, kh, kw\)",
    ),
    "t bias": (
        lambda on: conv_transpose2d(on.ones(1, 4, 4, 4), on.ones(4, 3, 2, 2), on.ones(3), groups=2),
        ValueError,
        r"conv_transpose2d: expected a bias of shape \(6,\)",
    ),
    "t output padding": (
        lambda on: conv_transpose2d(on.ones(1, 1, 4, 4), on.ones(1, 1, 2, 2), stride=2, output_padding=2),
        ValueError,
        r"conv_transpose2d: output_padding \(2, 2\) must be smaller than stride \(2, 2\) or dilation",
    ),
    "t negative": (
        lambda on: conv_transpose2d(on.ones(1, 1, 4, 4), on.ones(1, 1, 2, 2), output_padding=-1),
        ValueError,
        "conv_transpose2d: output_padding must be 0 or more",
    ),
    "t padding": (
        lambda on: conv_transpose2d(on.ones(1, 1, 2, 2), on.ones(1, 1, 1, 1), padding=1),
        ValueError,
        r"conv_transpose2d: padding \(1, 1\) leaves nothing of the output",
    ),
    "t image": (
        lambda on: conv_transpose2d(on.ones(2, 2), on.ones(1, 1, 1, 1)),
        ValueError,
        "conv_transpose2d: expected images",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case: str, on: Any) -> None:
    wrong, kind, sentence = ERRORS[case]
    with pytest.raises(kind, match="^" + sentence):
        wrong(on)


def test_integers_and_pairs_mean_the_same(on: Any) -> None:
    x, w = on.random(1, 2, 7, 7), on.random(2, 2, 3, 3, seed=1)
    for option, least in itertools.product(("stride", "padding", "dilation"), (1, 2)):
        same = [host(conv2d(x, w, **{option: value})) for value in (least, (least, least), [least, least])]
        assert np.array_equal(same[0], same[1])
        assert np.array_equal(same[0], same[2])
