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


@given(data=st.data())
def test_the_two_are_adjoint(data: Any) -> None:
    """<conv2d(x, w), y> = <x, conv_transpose2d(y, w)>, with the output padding that gives back the size of x."""
    g = data.draw(strategies.conv_geometries())
    x, w = data.draw(strategies.tensors(g.input_shape)), data.draw(strategies.tensors(g.weight_shape))
    out = conv2d(x, w, **g.options)
    y = data.draw(strategies.tensors(out.shape))
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


def images(rows: Any) -> td.Tensor:
    return td.tensor(np.array(rows, np.float32)[None, None])


def test_the_7x7_correlation_of_the_course() -> None:
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
    assert conv2d(images(image), images(DIAGONAL)).numpy()[0, 0].tolist() == want


def test_the_5x5_correlation_of_the_course() -> None:
    image = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
    out = conv2d(images(image), images(DIAGONAL))
    assert out.shape == (1, 1, 3, 3)
    assert out.numpy()[0, 0, 0, 0] == 4


@pytest.mark.parametrize(
    ("m", "k", "s", "p", "want"),
    [(32, 5, 1, 0, 28), (28, 2, 2, 0, 14), (227, 11, 4, 0, 55), (27, 5, 1, 2, 27)],
)
def test_output_sizes_of_the_course(m: int, k: int, s: int, p: int, want: int) -> None:
    """(m - k + 2p) / s + 1."""
    out = conv2d(td.zeros(1, 1, m, m), td.zeros(1, 1, k, k), stride=s, padding=p)
    assert out.shape == (1, 1, want, want)


# ---- dtypes, layout, errors


def test_integers() -> None:
    x, w = td.tensor(np.arange(16).reshape(1, 1, 4, 4)), td.tensor(np.ones((1, 1, 2, 2), int))
    out = conv2d(x, w)
    assert out.dtype == np.int64
    assert out.numpy()[0, 0].tolist() == [[10, 14, 18], [26, 30, 34], [42, 46, 50]]
    assert conv2d(x, w.astype("float32")).dtype == np.float32
    with pytest.raises(TypeError, match="conv2d: float32 with float64"):
        conv2d(x.astype("float64"), w.astype("float32"))


def test_every_layout_gives_the_same() -> None:
    random = td.Generator(0)
    values, w = random.normal((2, 3, 6, 5), np.float64), td.tensor(random.normal((4, 3, 3, 2), np.float64))
    results = [
        conv2d(td.Tensor(strategies.lay_out(values, layout)), w, padding=1).numpy()
        for layout in (*strategies.IMAGE_LAYOUTS, "reversed", "strided")
    ]
    for out in results[1:]:
        np.testing.assert_allclose(out, results[0], rtol=1e-13)


def test_a_bias_keeps_the_layout() -> None:
    x, w, b = td.ones(2, 3, 6, 5), td.ones(4, 3, 3, 3), td.ones(4)
    assert memory_order(conv2d(x, w, b)) == memory_order(conv2d(x, w))


def test_second_derivatives_mix_the_inputs(random: Any) -> None:
    """d/dw of the gradient by x is not zero, although the function is linear in each."""
    x, w = random(1, 1, 3, 3), random(1, 1, 2, 2, seed=1)
    (dx,) = td.grad(conv2d(x, w).sum(), x, create_graph=True)
    (dxdw,) = td.grad((dx * x).sum(), w)
    assert np.all(dxdw.numpy() != 0)


def image(*shape: int) -> td.Tensor:
    return td.ones(*shape)


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "channels": (
        lambda: conv2d(image(2, 1, 28, 28), image(6, 3, 5, 5)),
        ValueError,
        r"conv2d: input has 1 channel, expected 3 \(input shape \(2, 1, 28, 28\), layout N, C, H, W; .* groups 1\)",
    ),
    "channels of groups": (
        lambda: conv2d(image(2, 3, 5, 5), image(6, 3, 1, 1), groups=2),
        ValueError,
        "conv2d: input has 3 channels, expected 6",
    ),
    "groups": (
        lambda: conv2d(image(1, 4, 5, 5), image(3, 2, 1, 1), groups=2),
        ValueError,
        "conv2d: 3 output channels can't be split into 2 groups",
    ),
    "no groups": (
        lambda: conv2d(image(1, 4, 5, 5), image(3, 2, 1, 1), groups=0),
        ValueError,
        "conv2d: groups must be 1 or more, got 0",
    ),
    "kernel": (
        lambda: conv2d(image(1, 1, 4, 4), image(1, 1, 3, 3), dilation=2),
        ValueError,
        r"conv2d: a kernel of \(3, 3\) with dilation \(2, 2\) is larger than the padded image \(input shape",
    ),
    "kernel, one axis": (
        lambda: conv2d(image(1, 1, 4, 2), image(1, 1, 3, 3)),
        ValueError,
        "conv2d: a kernel of",
    ),
    "image": (
        lambda: conv2d(image(4, 4), image(1, 1, 3, 3)),
        ValueError,
        r"conv2d: expected images \(N, C, H, W\) or one image \(C, H, W\), got shape \(4, 4\)",
    ),
    "weight": (
        lambda: conv2d(image(1, 4, 4), image(3, 3)),
        ValueError,
        r"conv2d: expected a weight \(out, in / groups, kh, kw\), none of them 0, got shape \(3, 3\)",
    ),
    "empty weight": (
        lambda: conv2d(image(1, 4, 4), image(0, 1, 3, 3)),
        ValueError,
        "conv2d: expected a weight",
    ),
    "bias": (
        lambda: conv2d(image(1, 4, 4), image(2, 1, 3, 3), image(1)),
        ValueError,
        r"conv2d: expected a bias of shape \(2,\) for weight \(2, 1, 3, 3\), got \(1,\)",
    ),
    "stride": (
        lambda: conv2d(image(1, 4, 4), image(2, 1, 3, 3), stride=0),
        ValueError,
        "conv2d: stride must be 1 or more, got 0",
    ),
    "stride type": (
        lambda: conv2d(image(1, 4, 4), image(2, 1, 3, 3), stride=1.5),
        TypeError,
        "conv2d: stride must be an integer or two of them, got 1.5",
    ),
    "stride pair": (
        lambda: conv2d(image(1, 4, 4), image(2, 1, 3, 3), stride=(1, 2, 3)),
        TypeError,
        r"conv2d: stride must be an integer or two of them, got \(1, 2, 3\)",
    ),
    "padding": (
        lambda: conv2d(image(1, 4, 4), image(2, 1, 3, 3), padding=(0, -1)),
        ValueError,
        r"conv2d: padding must be 0 or more, got \(0, -1\)",
    ),
    "dilation": (
        lambda: conv2d(image(1, 4, 4), image(2, 1, 3, 3), dilation=0),
        ValueError,
        "conv2d: dilation must be 1 or more, got 0",
    ),
    "array": (
        lambda: conv2d(np.ones((1, 1, 4, 4)), image(1, 1, 3, 3)),
        TypeError,
        "conv2d: expected tensors, got a plain array",
    ),
    "t channels": (
        lambda: conv_transpose2d(image(1, 2, 4, 4), image(3, 1, 2, 2)),
        ValueError,
        r"conv_transpose2d: input has 2 channels, expected 3 \(input shape \(1, 2, 4, 4\)",
    ),
    "t groups": (
        lambda: conv_transpose2d(image(1, 3, 4, 4), image(3, 1, 2, 2), groups=2),
        ValueError,
        "conv_transpose2d: 3 input channels can't be split into 2 groups",
    ),
    "t weight": (
        lambda: conv_transpose2d(image(1, 3, 4, 4), image(3, 1)),
        ValueError,
        r"conv_transpose2d: expected a weight \(in, out / groups, kh, kw\)",
    ),
    "t bias": (
        lambda: conv_transpose2d(image(1, 4, 4, 4), image(4, 3, 2, 2), image(3), groups=2),
        ValueError,
        r"conv_transpose2d: expected a bias of shape \(6,\)",
    ),
    "t output padding": (
        lambda: conv_transpose2d(image(1, 1, 4, 4), image(1, 1, 2, 2), stride=2, output_padding=2),
        ValueError,
        r"conv_transpose2d: output_padding \(2, 2\) must be smaller than stride \(2, 2\) or dilation",
    ),
    "t negative": (
        lambda: conv_transpose2d(image(1, 1, 4, 4), image(1, 1, 2, 2), output_padding=-1),
        ValueError,
        "conv_transpose2d: output_padding must be 0 or more",
    ),
    "t padding": (
        lambda: conv_transpose2d(image(1, 1, 2, 2), image(1, 1, 1, 1), padding=1),
        ValueError,
        r"conv_transpose2d: padding \(1, 1\) leaves nothing of the output",
    ),
    "t image": (
        lambda: conv_transpose2d(image(2, 2), image(1, 1, 1, 1)),
        ValueError,
        "conv_transpose2d: expected images",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case: str) -> None:
    wrong, kind, sentence = ERRORS[case]
    with pytest.raises(kind, match="^" + sentence):
        wrong()


def test_integers_and_pairs_mean_the_same(random: Any) -> None:
    x, w = random(1, 2, 7, 7), random(2, 2, 3, 3, seed=1)
    for option, least in itertools.product(("stride", "padding", "dilation"), (1, 2)):
        same = [conv2d(x, w, **{option: value}).numpy() for value in (least, (least, least), [least, least])]
        assert np.array_equal(same[0], same[1])
        assert np.array_equal(same[0], same[2])
