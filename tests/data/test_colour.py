"""Colour spaces, held against colorsys and Pillow, and by round trips; and what light and colour transforms do."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tinydl.data import colour, photos
from tinydl.data.augment import ColourJitter, GaussianNoise, RandomBrightness, RandomContrast
from tinydl.random import Generator

bytes_of_colours = arrays(np.uint8, st.tuples(st.just(3), st.integers(1, 3), st.integers(1, 3)))


def floats(pixels, dtype=np.float32):
    return pixels.astype(dtype) / dtype(255)


def by_pillow(rgb, mode):
    return np.asarray(Image.fromarray(rgb).convert(mode))


@given(bytes_of_colours)
def test_hsv_is_that_of_colorsys(pixels):
    x = floats(pixels, np.float64)
    hsv = colour.rgb_to_hsv(x)
    for i, j in np.ndindex(x.shape[1:]):
        want = colorsys.rgb_to_hsv(*x[:, i, j])
        np.testing.assert_allclose(hsv[:, i, j], want, atol=1e-12)
        np.testing.assert_allclose(colour.hsv_to_rgb(hsv)[:, i, j], colorsys.hsv_to_rgb(*want), atol=1e-12)


@given(bytes_of_colours, st.sampled_from([np.float32, np.float64]))
def test_there_and_back_is_the_same_colour(pixels, dtype):
    x = floats(pixels, dtype)
    before = x.copy()
    for there, back in (
        (colour.rgb_to_hsv, colour.hsv_to_rgb),
        (colour.rgb_to_ycbcr, colour.ycbcr_to_rgb),
    ):
        between = there(x)
        assert between.dtype == dtype
        assert between.min() >= -1e-6
        assert between.max() <= 1 + 1e-6
        np.testing.assert_allclose(back(between), x, atol=2e-6)
    assert (x == before).all()


@given(bytes_of_colours)
def test_grey_has_no_colour(pixels):
    grey = colour.rgb_to_grey(floats(pixels))
    rgb = colour.grey_to_rgb(grey)
    assert grey.shape == (1, *pixels.shape[1:])
    np.testing.assert_allclose(colour.rgb_to_grey(rgb), grey, atol=1e-6)
    assert (colour.rgb_to_hsv(rgb)[:2] == 0).all()
    np.testing.assert_allclose(colour.rgb_to_ycbcr(rgb)[1:], 0.5, atol=1e-6)


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_photos_look_as_they_do_to_pillow(name):
    photo = photos.load()[name]
    x = floats(photo.transpose(2, 0, 1))
    for mode, ours in (
        ("L", colour.rgb_to_grey(x)[0]),
        ("YCbCr", colour.rgb_to_ycbcr(x).transpose(1, 2, 0)),
        ("HSV", colour.rgb_to_hsv(x).transpose(1, 2, 0)),
    ):
        apart = np.abs(ours * 255 - by_pillow(photo, mode))
        if mode == "HSV":  # hues lie on a circle
            apart[..., 0] = np.minimum(apart[..., 0], 255 - apart[..., 0])
        assert apart.max() <= 1.01  # Pillow rounds, and down where it computes hues


def test_known_colours():
    red, yellow, green, blue = np.eye(3)[[0]], [[1, 1, 0]], [[0, 1, 0]], [[0, 0, 1]]
    hues = [colour.rgb_to_hsv(np.float32(c).reshape(3, 1, 1))[0].item() for c in (red, yellow, green, blue)]
    np.testing.assert_allclose(hues, [0, 1 / 6, 1 / 3, 2 / 3], atol=1e-6)
    almost_red = np.float32([1, 0, 1e-9]).reshape(3, 1, 1)
    assert colour.rgb_to_hsv(almost_red)[0].item() == 0  # not 1


def test_axes_before_the_channels_are_kept():
    x = Generator(0).random((2, 4, 3, 5, 6))
    assert colour.rgb_to_hsv(x).shape == x.shape
    assert colour.rgb_to_grey(x).shape == (2, 4, 1, 5, 6)
    assert (colour.rgb_to_hsv(x)[1, 2] == colour.rgb_to_hsv(x[1, 2])).all()


@pytest.mark.parametrize(
    "function", [colour.rgb_to_hsv, colour.hsv_to_rgb, colour.rgb_to_ycbcr, colour.ycbcr_to_rgb, colour.rgb_to_grey]
)  # fmt: skip
def test_other_images_are_refused(function):
    for bad in (np.zeros((1, 4, 4), np.float32), np.zeros((3, 4), np.float32), np.zeros((3, 4, 4), np.uint8)):
        with pytest.raises(
            ValueError, match=rf"{function.__name__}: expected floating images \(\.\.\., 3, H, W\)"
        ):
            function(bad)


def test_colour_is_not_made_grey_again():
    with pytest.raises(
        ValueError, match=r"grey_to_rgb: expected images \(\.\.\., 1, H, W\), got \(3, 4, 4\)"
    ):
        colour.grey_to_rgb(np.zeros((3, 4, 4)))


# --- the transforms that change light and colour ----------------------------------------------------------------------


@given(bytes_of_colours, st.floats(0, 1), st.integers(0, 99))
def test_brightness_adds_one_number_to_all_pixels(pixels, amount, seed):
    x = floats(pixels)[None]
    y = RandomBrightness((amount, amount))(x, seed)
    np.testing.assert_allclose(y, np.minimum(x + amount, 1), atol=1e-6)


@given(bytes_of_colours, st.floats(0, 1), st.integers(0, 99))
def test_contrast_below_1_keeps_the_mean_and_shrinks_what_differs_from_it(pixels, factor, seed):
    x = floats(pixels)[None]
    y = RandomContrast((factor, factor))(x, seed)
    assert y.mean() == pytest.approx(x.mean(), abs=1e-5)
    assert y.std() == pytest.approx(factor * x.std(), abs=1e-5)


@given(bytes_of_colours, st.floats(-720, 720), st.floats(0, 3))
def test_colours_turn_and_fade_as_in_colorsys(pixels, degrees, factor):
    x = floats(pixels, np.float64)[None]
    y = ColourJitter((degrees, degrees), (factor, factor))(x, 0)
    turn, factor = float(np.float32(degrees)) / 360, float(np.float32(factor))
    for i, j in np.ndindex(x.shape[2:]):
        h, s, v = colorsys.rgb_to_hsv(*x[0, :, i, j])
        want = colorsys.hsv_to_rgb((h + turn) % 1, min(s * factor, 1), v)
        np.testing.assert_allclose(y[0, :, i, j], want, atol=1e-6)


def test_without_saturation_all_is_grey():
    x = Generator(0).random((2, 3, 4, 4))
    y = ColourJitter(saturation=(0, 0))(x, 0)
    assert (y == x.max(1, keepdims=True)).all()


def test_noise_has_the_deviation_and_no_mean():
    x = np.full((4, 1, 64, 64), 0.5, np.float32)
    noise = GaussianNoise(0.2)(x, 0) - x
    assert noise.std() == pytest.approx(0.2, rel=0.03)
    assert abs(noise.mean()) < 0.01
