"""The classical filters, against their formulas written out pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl.data import bicubic, gaussian_filter, median_filter
from tinydl.random import Generator


def pictures(*shape: int) -> np.ndarray:
    return Generator(0).random(shape)


def mirrored(i: int, size: int) -> int:
    return -i if i < 0 else 2 * (size - 1) - i if i >= size else i


def around(x: np.ndarray, i: int, j: int, reach: int) -> np.ndarray:
    """The (2 reach + 1)^2 pixels around (i, j) of one image, mirrored at its border."""
    h, w = x.shape
    steps = range(-reach, reach + 1)
    return np.array([[x[mirrored(i + a, h), mirrored(j + b, w)] for b in steps] for a in steps], np.float64)


@pytest.mark.parametrize("sigma", [0.4, 0.9, 1.1])
def test_gaussian_filter_is_the_formula(sigma: float) -> None:
    x = pictures(2, 3, 7, 9)
    reach = {0.4: 2, 0.9: 3, 1.1: 4}[sigma]  # 3 sigma, rounded up
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-(steps[:, None] ** 2 + steps**2) / (2 * sigma**2))
    got = gaussian_filter(x, sigma)
    assert (got.shape, str(got.dtype)) == (x.shape, "float32")
    for n, c, i, j in ((0, 0, 0, 0), (0, 1, 3, 4), (1, 2, 6, 8), (1, 0, 2, 7)):
        want = (around(x[n, c], i, j, reach) * weights).sum() / weights.sum()
        assert got[n, c, i, j] == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_median_filter_is_the_formula(size: int) -> None:
    x = pictures(2, 3, 7, 9)
    got = median_filter(x, size)
    assert (got.shape, str(got.dtype)) == (x.shape, "float32")
    for n, c, i, j in ((0, 0, 0, 0), (0, 1, 3, 4), (1, 2, 6, 8), (1, 0, 2, 7)):
        assert got[n, c, i, j] == np.median(around(x[n, c], i, j, size // 2)).astype(np.float32)


def keys(t: np.ndarray) -> np.ndarray:
    """Keys's cubic with a = -1/2."""
    t = np.abs(t)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def matrix(inputs: int, outputs: int) -> np.ndarray:
    """The weights of all inputs for each output: wider by the factor when the image shrinks, and with sum 1."""
    step = inputs / outputs
    centres = (np.arange(outputs) + 0.5) * step - 0.5
    weights = keys((np.arange(inputs) - centres[:, None]) / max(step, 1.0))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("size", "other"), [((6, 10), (12, 20)), ((12, 8), (6, 4)), ((5, 7), (7, 5))])
def test_bicubic_is_the_formula(size: tuple[int, int], other: tuple[int, int]) -> None:
    x = pictures(2, 3, *size)
    got = bicubic(x, other)
    want = matrix(size[0], other[0]) @ x.astype(np.float64) @ matrix(size[1], other[1]).T
    assert (got.shape, str(got.dtype)) == ((2, 3, *other), "float32")
    np.testing.assert_allclose(got, np.clip(want, 0, 1), atol=1e-5)


def test_bicubic_stays_between_0_and_1() -> None:
    edge = np.zeros((1, 1, 4, 8), np.float32)
    edge[..., 4:] = 1  # a step, at which the cubic overshoots
    got = bicubic(edge, (8, 16))
    assert (got.min(), got.max()) == (0, 1)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: gaussian_filter(x, 0.0), "gaussian_filter: sigma must be positive, got 0.0"),
        (lambda x: gaussian_filter(x, float("nan")), "gaussian_filter: sigma must be positive, got nan"),
        (lambda x: gaussian_filter(x, 2.0), r"gaussian_filter: images \(1, 1, 6, 6\) are too small"),
        (lambda x: median_filter(x, 2), "median_filter: size must be odd and positive, got 2"),
        (lambda x: median_filter(x, -1), "median_filter: size must be odd and positive, got -1"),
        (lambda x: median_filter(x, 13), r"median_filter: images .* that reaches 6 pixels"),
        (lambda x: median_filter(x[0], 3), r"median_filter: expected floating images \(N, C, H, W\)"),
        (lambda x: gaussian_filter(x.astype(np.uint8), 1.0), "gaussian_filter: expected floating images"),
        (lambda x: bicubic(x[:0], (3, 3)), r"bicubic: expected floating images .* got \(0, 1, 6, 6\)"),
        (lambda x: bicubic(x, (0, 3)), "height and width"),
    ],
)
def test_refuses(call: Callable[[np.ndarray], Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call(pictures(1, 1, 6, 6))
