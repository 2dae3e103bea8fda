"""ImageDataGenerator: Keras's names, ranges and matrices; an endless flow."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.data.augment import ImageDataGenerator, affine
from tinydl.data.augment.keras import keras_affine
from tinydl.random import Generator

SCIPY = {"nearest": "nearest", "reflect": "reflect", "wrap": "grid-wrap", "constant": "grid-constant"}


def pictures(n=4, h=10, w=8, c=1):
    return Generator(0).random((n, c, h, w))


def draws(n=400, shape=(1, 20, 10), **options):
    """Matrices, shifts and factors that are drawn for many images."""
    return ImageDataGenerator(**options).draw((n, *shape), Generator(3))


def in_keras(image, turn, tx, ty, shear, zx, zy, mode):
    """One channel, as `apply_affine_transform` of Keras is documented to do it: product of 3 x 3 matrices."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed: no comparison with it")
    c, s = np.cos(turn), np.sin(turn)
    whole = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    whole = whole @ np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    whole = whole @ np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    whole = whole @ np.diag([zx, zy, 1])
    ox, oy = image.shape[0] / 2 - 0.5, image.shape[1] / 2 - 0.5
    to, back = np.eye(3), np.eye(3)
    to[:2, 2], back[:2, 2] = (ox, oy), (-ox, -oy)
    whole = to @ whole @ back
    return ndimage.affine_transform(image, whole[:2, :2], whole[:2, 2], order=1, mode=SCIPY[mode], cval=0.3)


@pytest.mark.parametrize("mode", SCIPY)
@given(
    angles=st.tuples(st.floats(-1.5, 1.5), st.floats(-0.8, 0.8)),
    shifts=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    zooms=st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)),
)
def test_its_matrices_move_pixels_as_kerass(mode, angles, shifts, zooms):
    x = pictures(1, 11, 8).astype(np.float64)
    parts = [np.array([values]) for values in (angles[0], shifts, angles[1], zooms)]
    # continuous but not smooth: float32 matrices may fall on the other side of an edge
    ours = affine(x, *keras_affine(*parts), fill_mode=mode, fill_value=0.3)
    theirs = in_keras(x[0, 0], angles[0], *shifts, angles[1], *zooms, mode)
    np.testing.assert_allclose(ours[0, 0], theirs, atol=1e-4)


def test_rotation_is_in_degrees_to_both_sides():
    matrices, shifts, factors = draws(rotation_range=30)
    angles = np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert -30 <= angles.min() < -29
    assert 29 < angles.max() <= 30
    assert not shifts.any()
    assert (factors == 1).all()


def test_shear_is_in_degrees():
    matrices = draws(shear_range=45)[0]
    slopes = np.rad2deg(np.arcsin(-matrices[:, 0, 1]))
    assert -45.001 < slopes.min() < -44
    assert 44 < slopes.max() < 45.001
    np.testing.assert_allclose(matrices[:, 1, 1], np.cos(np.deg2rad(slopes)), atol=1e-6)


def test_shifts_are_fractions_below_1_pixels_from_1_whole_pixels_as_integers_or_a_choice():
    def reach(index, **options):
        found = draws(**options)[1]
        assert not found[:, 1 - index].any()
        return found[:, index]

    rows, columns = reach(0, height_shift_range=0.5), reach(1, width_shift_range=0.5)
    assert 9.5 < rows.max() <= 10  # of 20
    assert -5 <= columns.min() < -4.7  # of 10
    pixels = reach(0, height_shift_range=3.0)
    assert 2.9 < pixels.max() <= 3
    assert set(reach(1, width_shift_range=3)) == {-2, -1, 0, 1, 2}
    assert set(reach(1, width_shift_range=[-4, 1])) == {-4, 1}
    assert set(reach(0, height_shift_range=[-0.5, 0.25])) == {-10, 5}


def test_zoom_is_around_1_or_a_pair_and_stretches():
    matrices = draws(zoom_range=0.5)[0]
    for axis in (0, 1):
        factors = matrices[:, axis, axis]
        assert 0.5 <= factors.min() < 0.52
        assert 1.48 < factors.max() <= 1.5
    assert (matrices[:, 0, 0] != matrices[:, 1, 1]).all()
    pair = draws(zoom_range=[0.2, 0.4])[0][:, 0, 0]
    assert 0.2 <= pair.min() < 0.22 < 0.38 < pair.max() <= 0.4
    spot = np.zeros((1, 1, 9, 9), np.float32)
    spot[..., 4, 4] = 1
    larger = ImageDataGenerator(zoom_range=(0.5, 0.5))(spot, 0)  # less than 1 makes larger, as in Keras
    assert larger.sum() == pytest.approx(4)


@pytest.mark.parametrize(("option", "axis"), [("horizontal_flip", 3), ("vertical_flip", 2)])
def test_half_of_the_images_are_flipped_exactly(option, axis):
    x = pictures(400)
    y = ImageDataGenerator(**{option: True})(x, 0)
    flipped = (y == np.flip(x, axis)).all((1, 2, 3))
    assert (flipped | (y == x).all((1, 2, 3))).all()
    assert 160 < flipped.sum() < 240


def test_brightness_multiplies_and_rescale_makes_bytes_floats():
    x = np.full((300, 1, 2, 2), 100, np.uint8)
    y = ImageDataGenerator(brightness_range=(0.5, 4), rescale=1 / 255)(x, 0)
    assert y.dtype == np.float32
    assert (y == y[:, :, :1, :1]).all()
    assert 0.5 * 100 / 255 <= y.min() < 0.21
    assert y.max() == 1  # cut off
    with pytest.raises(ValueError, match=r"brightness_range: expected images from 0 to 1, got 100 to 100"):
        ImageDataGenerator(brightness_range=(0.5, 1))(x, 0)


def test_the_border_is_that_of_the_mode():
    x = np.full((40, 1, 4, 4), 0.5, np.float32)
    assert (ImageDataGenerator(height_shift_range=2)(x, 0) == 0.5).all()  # "nearest", as in Keras
    y = ImageDataGenerator(height_shift_range=2, fill_mode="constant", cval=9)(x, 0)
    assert set(y.ravel()) == {0.5, 9}


def test_flow_shows_every_image_once_each_pass_and_never_ends():
    x, y = pictures(10), np.arange(10)
    flow = ImageDataGenerator().flow(x, y, batch_size=4, generator=1)
    batches = list(islice(flow, 7))
    assert [len(b) for _, b in batches] == [4, 4, 2, 4, 4, 2, 4]
    orders = [np.concatenate([b.numpy() for _, b in batches[i : i + 3]]) for i in (0, 3)]
    for order in orders:
        assert sorted(order) == list(range(10))
    assert list(orders[0]) != list(orders[1])
    for images, labels in batches:
        assert isinstance(images, td.Tensor)
        assert (images.numpy() == x[labels.numpy()]).all()


def test_flow_repeats_with_the_seed_keeps_order_on_request_and_gives_images_alone():
    x = pictures(6)
    changes = ImageDataGenerator(rotation_range=20, horizontal_flip=True)
    one, two, other = (
        next(iter(changes.flow(x, batch_size=6, generator=seed))).numpy() for seed in (1, 1, 2)
    )
    assert (one == two).all()
    assert (one != other).any()
    in_order = next(iter(ImageDataGenerator().flow(x, batch_size=6, shuffle=False)))
    assert (in_order.numpy() == x).all()


def test_masks_in_a_flow_follow_the_images():
    x = pictures(5, 8, 8)
    mask = (x[:, 0] > 0.5).astype(np.int64)
    changes = ImageDataGenerator(horizontal_flip=True, vertical_flip=True, width_shift_range=4)
    for images, masks in islice(changes.flow(x, mask, 2, generator=0), 10):
        assert masks.dtype == np.int64
        assert ((images.numpy()[:, 0] > 0.5) == masks.numpy()).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation_range": -1}, "rotation_range: expected a number of 0 or more"),
        ({"shear_range": -1}, "shear_range"),
        ({"zoom_range": 1.5}, "zoom_range"),
        ({"zoom_range": (2, 1)}, "zoom_range"),
        (
            {"width_shift_range": -0.1},
            "expected width_shift_range of 0 or more, or a list of shifts, got -0.1",
        ),
        ({"height_shift_range": []}, "height_shift_range"),
        ({"brightness_range": (-1, 1)}, "brightness_range"),
        ({"fill_mode": "edge"}, "ImageDataGenerator: fill_mode must be one of"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ImageDataGenerator(**options)


def test_options_that_are_not_there_are_refused():
    with pytest.raises(TypeError, match="zca_whitening"):
        ImageDataGenerator(zca_whitening=True)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((5, 28, 28)), r"expected images \(N, C, H, W\), got \(5, 28, 28\)"),
        (np.zeros((0, 1, 28, 28)), r"expected images \(N, C, H, W\)"),
        (np.zeros((5, 28, 28, 3)), r"channels last; x.transpose\(0, 3, 1, 2\)"),
    ],
)
def test_other_images_are_refused_at_once(x, message):
    with pytest.raises(ValueError, match=message):
        ImageDataGenerator().flow(x)
