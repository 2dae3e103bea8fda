"""What holds for every change of images, and what each of them leaves as it is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.data.augment import (
    Augmentation,
    ColourJitter,
    Compose,
    Cutout,
    GaussianNoise,
    ImageDataGenerator,
    RandomAffine,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomShear,
    RandomShift,
    RandomVerticalFlip,
    RandomZoom,
)
from tinydl.random import Generator

FILLS = ("constant", "nearest", "reflect", "wrap")
MOVING = {
    "affine": RandomAffine(degrees=30, translate=2, scale=0.3, shear=20),
    "rotation": RandomRotation(90, fill_mode="reflect"),
    "zoom": RandomZoom(0.5, fill_mode="nearest"),
    "shift": RandomShift(3, 3, fill_mode="wrap"),
    "shear": RandomShear(40),
    "horizontal flip": RandomHorizontalFlip(),
    "vertical flip": RandomVerticalFlip(),
    "crop": RandomCrop(padding=2),
    "Keras": ImageDataGenerator(
        rotation_range=40, width_shift_range=0.3, zoom_range=0.3, horizontal_flip=True
    ),
}
LIGHT = {
    "brightness": RandomBrightness(0.5),
    "contrast": RandomContrast(0.9),
    "colours": ColourJitter(hue=180, saturation=0.8),
    "noise": GaussianNoise(0.1),
    "cutout": Cutout(2),
}
ALL = {
    **MOVING,
    **LIGHT,
    "one after the other": Compose(RandomRotation(20), RandomContrast(0.5), GaussianNoise(0.1)),
}
every = pytest.mark.parametrize("name", ALL)
seeds = st.integers(0, 2**32)
sizes = st.tuples(st.integers(1, 4), st.just(3), st.integers(3, 9), st.integers(3, 9))


def pictures(shape, seed=0, dtype=np.float32):
    return Generator(seed).random(shape, dtype)


@every
@given(shape=sizes, seed=seeds)
def test_shape_dtype_and_input_stay_and_a_seed_decides(name, shape, seed):
    change, x = ALL[name], pictures(shape, seed)
    before = x.copy()
    x.setflags(write=False)
    y = change(x, Generator(seed))
    assert (y.shape, y.dtype) == (x.shape, np.float32)
    assert np.isfinite(y).all()
    assert (x == before).all()
    assert not np.shares_memory(x, y)
    assert (y == change(x, generator=seed)).all()


@every
def test_images_of_a_batch_change_independently(name):
    x = np.repeat(pictures((1, 3, 9, 9)), 12, 0)
    y = ALL[name](x, Generator(1))
    different = len({image.tobytes() for image in y})
    assert different == 2 if "flip" in name else different > 6
    x[1] = 0.25  # what becomes of the others does not depend on it
    again = ALL[name](x, Generator(1))
    assert (np.delete(again, 1, 0) == np.delete(y, 1, 0)).all()


@every
def test_another_seed_gives_another_result_and_labels_stay(name):
    x, labels = pictures((20, 3, 9, 9)), np.arange(20)
    y, kept = ALL[name].batch((x, labels), Generator(1))
    assert (y == ALL[name](x, Generator(1))).all()
    assert (y != ALL[name](x, Generator(2))).any()
    assert kept is labels


@every
def test_no_images_are_no_trouble(name):
    assert ALL[name](pictures((0, 3, 8, 8)), Generator(0)).shape == (0, 3, 8, 8)


@every
def test_images_of_other_axes_are_refused(name):
    with pytest.raises(ValueError, match=r"expected images \(N, C, H, W\), got \(3, 8, 8\)"):
        ALL[name](np.zeros((3, 8, 8), np.float32), Generator(0))


@pytest.mark.parametrize("name", [n for n in ALL if not ALL[n].any_dtype and n != "one after the other"])
def test_bytes_are_refused_where_numbers_are_computed(name):
    with pytest.raises(TypeError, match="expected floating images, got uint8; divide bytes by 255"):
        ALL[name](np.zeros((1, 3, 8, 8), np.uint8), Generator(0))


@pytest.mark.parametrize("name", ["affine", "rotation", "noise", "contrast", "colours", "cutout"])
def test_float64_stays_float64(name):
    assert ALL[name](pictures((2, 3, 8, 8), dtype=np.float64), Generator(0)).dtype == np.float64


# --- masks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MOVING)
@given(shape=sizes, seed=seeds)
def test_integer_masks_stay_integers_and_get_no_new_labels(name, shape, seed):
    labels = Generator(seed).integers(1, 5, (shape[0], *shape[2:])) * 10
    _, moved, planes = MOVING[name].batch((pictures(shape), labels, labels[:, None].astype(np.uint8)), seed)
    assert (moved.dtype, planes.dtype) == (np.int64, np.uint8)
    assert moved.shape == labels.shape
    assert set(moved.ravel()) <= {0, *labels.ravel()}
    assert (planes[:, 0] == moved).all()


NEAREST = {
    **{f"rotation, {m}": RandomRotation(180, fill_mode=m, interpolation="nearest") for m in FILLS},
    **{f"affine, {m}": RandomAffine(40, 3, 0.4, 30, fill_mode=m, interpolation="nearest") for m in FILLS},
    "zoom": RandomZoom(0.6, interpolation="nearest"),
    "shift": RandomShift(4, 4, interpolation="nearest"),
    "shear": RandomShear(50, interpolation="nearest"),
    "flips": Compose(RandomHorizontalFlip(), RandomVerticalFlip()),
    "crop": RandomCrop((3, 2), padding=3),
    "composed": Compose(
        RandomRotation(90, interpolation="nearest"), RandomCrop(padding=1), RandomHorizontalFlip()
    ),
}


@pytest.mark.parametrize("name", NEAREST)
@given(shape=sizes, seed=seeds)
def test_a_mask_that_equals_the_image_stays_equal(name, shape, seed):
    x = pictures(shape, seed)
    numbers = (x * 2**24).astype(np.int64)  # exact
    y, mask, integers = NEAREST[name].batch((x, x.copy(), numbers), seed)
    assert (y == mask).all()
    assert (integers == y * 2**24).all()


@pytest.mark.parametrize(("down", "rows"), [(0.4, 0), (0.6, 1), (-0.4, 0), (-0.6, -1), (1.4, 1)])
def test_nearest_neighbour_takes_the_nearest(down, rows):
    mask = np.arange(25).reshape(1, 5, 5)
    _, moved = RandomShift(rows=(down, down), fill_mode="wrap").batch((pictures((1, 1, 5, 5)), mask), 0)
    assert (moved == np.roll(mask, rows, axis=1)).all()


@pytest.mark.parametrize("name", LIGHT)
def test_masks_do_not_move_where_images_do_not(name):
    x, mask = pictures((3, 3, 8, 8)), np.arange(3 * 64).reshape(3, 8, 8)
    assert (LIGHT[name].batch((x, mask), Generator(0))[1] == mask).all()


def test_what_does_not_lie_on_the_same_pixels_stays():
    x, others = pictures((8, 3, 8, 8)), (np.ones((8, 7, 8)), np.ones((8, 8)), np.ones(8))
    _, *kept = RandomVerticalFlip(1).batch((x, *others), Generator(0))
    assert all(a is b for a, b in zip(kept, others, strict=True))


# --- inverses and changes by nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", FILLS)
@given(n=st.integers(1, 3), side=st.integers(1, 12), seed=seeds)
def test_four_turns_by_90_degrees_are_the_identity_and_one_is_rot90(fill, n, side, seed):
    x = pictures((n, 2, side, side), seed)
    quarter = RandomRotation((90, 90), fill_mode=fill)
    y = quarter(x, seed)
    assert (y == np.rot90(x, axes=(2, 3))).all()
    for _ in range(3):
        y = quarter(y, seed)
    assert (y == x).all()


@given(shape=sizes, seed=seeds)
def test_flips_undo_themselves_and_both_are_half_a_turn(shape, seed):
    x = pictures(shape, seed)
    for flip in (RandomHorizontalFlip(1), RandomVerticalFlip(1)):
        assert (flip(flip(x, seed), seed) == x).all()
    both = Compose(RandomHorizontalFlip(1), RandomVerticalFlip(1))(x, seed)
    np.testing.assert_allclose(both, RandomRotation((180, 180))(x, seed), atol=2e-6)
    assert (RandomVerticalFlip(1)(x, seed) == x[:, :, ::-1]).all()


@given(shape=sizes, seed=seeds)
def test_flips_commute_with_labels(shape, seed):
    """A batch that is flipped and then sorted by its labels is the sorted batch, each image flipped or not."""
    x, labels = pictures(shape, seed), Generator(seed).permutation(shape[0])
    y, kept = RandomHorizontalFlip().batch((x, labels), seed)
    for image, label in zip(y, kept, strict=True):
        original = x[labels == label][0]
        assert (image == original).all() or (image == original[..., ::-1]).all()


NUMPY_MODES = {"nearest": "edge", "reflect": "symmetric", "wrap": "wrap"}


@pytest.mark.parametrize("fill", FILLS)
@given(shape=sizes, down=st.integers(-11, 11), right=st.integers(-11, 11), seed=seeds)
def test_a_shift_moves_every_pixel_by_exactly_that(fill, shape, down, right, seed):
    """numpy.pad says what comes in."""
    x = pictures(shape, seed)
    shift = RandomShift((down, down), (right, right), fill_mode=fill, fill_value=0.5)
    how = {"constant_values": 0.5} if fill == "constant" else {}
    around = np.pad(x, ((0, 0), (0, 0), (11, 11), (11, 11)), mode=NUMPY_MODES.get(fill, fill), **how)
    h, w = shape[2:]
    want = around[:, :, 11 - down : 11 - down + h, 11 - right : 11 - right + w]
    assert (shift(x, seed) == want).all()


@given(shape=sizes, seed=seeds, degrees=st.floats(-60, 60))
def test_a_shear_keeps_the_middle_row_and_moves_others_in_proportion(shape, seed, degrees):
    n, c, h, w = shape
    x = np.repeat(pictures((n, c, 1, w), seed), h, 2)
    y = RandomShear((degrees, degrees), fill_mode="nearest")(x, seed)
    columns = np.arange(w)
    for row in range(h):
        places = columns - np.tan(np.deg2rad(degrees)) * (row - (h - 1) / 2)
        want = [np.interp(places, columns, line) for line in x[:, :, 0].reshape(-1, w)]
        np.testing.assert_allclose(y[:, :, row].reshape(-1, w), want, atol=2e-5)


@given(n=st.integers(1, 3), h=st.integers(5, 12), w=st.integers(5, 12), seed=seeds, factor=st.floats(1, 8))
def test_zoom_stretches_a_ramp_by_its_factor_and_undoes_itself(n, h, w, seed, factor):
    """Bilinear interpolation is exact for brightness that grows evenly: a (row - middle) + b (column - middle) + c."""
    down, right, level = pictures((3, n, 1, 1, 1), seed)
    rows, columns = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2

    def ramp(scale):
        return (down * rows / scale + right * columns / scale + level).astype(np.float32)

    np.testing.assert_allclose(RandomZoom((factor, factor))(ramp(1), seed), ramp(factor), atol=2e-5)
    back = RandomZoom((1 / factor, 1 / factor))(ramp(factor), seed)
    inside = (np.abs(rows) * factor <= (h - 1) / 2) & (np.abs(columns) * factor <= (w - 1) / 2)
    np.testing.assert_allclose(back[..., inside], ramp(1)[..., inside], atol=2e-5)


def test_zoom_by_2_shows_the_middle_twice_as_large():
    x = np.zeros((1, 1, 9, 9), np.float32)
    x[..., 3:6, 3:6] = 1
    y = RandomZoom((2, 2))(x, 0)
    assert (y[..., 2:7, 2:7] == 1).all()
    assert y.sum() == pytest.approx(36)  # of four times the area
    assert RandomZoom((0.5, 0.5))(x, 0).sum() == pytest.approx(1)


NOTHING = {
    "rotation by 0": RandomRotation(0),
    "rotation by 360": RandomRotation((360, 360)),
    "zoom by 1": RandomZoom((1, 1)),
    "shift by 0": RandomShift(),
    "shear by 0": RandomShear(0),
    "brightness 0": RandomBrightness(0),
    "contrast 1": RandomContrast((1, 1)),
    "no noise": GaussianNoise(0),
    "no flip": Compose(RandomHorizontalFlip(0), RandomVerticalFlip(0)),
    "crop of all": RandomCrop(),
    "no change at all": ImageDataGenerator(),
}


@pytest.mark.parametrize("name", NOTHING)
@given(shape=sizes, seed=seeds)
def test_changes_by_nothing(name, shape, seed):
    x = pictures(shape, seed)
    assert (NOTHING[name](x, seed) == x).all()


@given(shape=sizes, seed=seeds, turns=st.integers(-3, 3))
def test_a_hue_turned_by_360_degrees_is_the_same_colour(shape, seed, turns):
    x = pictures(shape, seed)
    np.testing.assert_allclose(ColourJitter(hue=(360 * turns, 360 * turns))(x, seed), x, atol=5e-6)


@given(shape=sizes, seed=seeds)
def test_a_crop_is_a_piece_of_the_image(shape, seed):
    x = pictures(shape, seed)
    size = (shape[2] - 2, shape[3] - 1)
    crops = RandomCrop(size)(x, seed)
    assert crops.shape == (*shape[:2], *size)
    for image, crop in zip(x, crops, strict=True):
        pieces = [image[:, i : i + size[0], j : j + size[1]] for i in range(3) for j in range(2)]
        assert any((crop == piece).all() for piece in pieces)


@given(shape=sizes, seed=seeds, size=st.integers(1, 3))
def test_cutout_removes_exactly_its_square(shape, seed, size):
    x = pictures(shape, seed)
    y = Cutout(size, fill_value=-7)(x, seed)
    gone = y == -7
    assert (y[~gone] == x[~gone]).all()
    for image in gone:
        rows, cols = np.nonzero(image[0])
        assert (image == image[0]).all()
        assert image[0].sum() == size * size
        assert np.ptp(rows) == np.ptp(cols) == size - 1


def test_crops_and_squares_come_from_everywhere():
    x = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5).repeat(300, 0)
    corners = {(i, j) for i in range(3) for j in range(3)}
    crops = Counter(divmod(int(v), 5) for v in RandomCrop(3)(x, 0)[:, 0, 0, 0])
    holes = Cutout(3, fill_value=-1)(x, 0)[:, 0] == -1
    squares = Counter(tuple(np.argwhere(hole)[0].tolist()) for hole in holes)
    for found in (crops, squares):  # 33 of each expected, deviation 5.4
        assert set(found) == corners
        assert min(found.values()) > 17


def test_one_of_ones_own_needs_two_methods():
    class Half(Augmentation):
        def draw(self, shape, generator):
            return None

    with pytest.raises(NotImplementedError, match="Half has no method `change`"):
        Half()(pictures((1, 1, 2, 2)))
    with pytest.raises(NotImplementedError, match="Augmentation has no method `draw`"):
        Augmentation()(pictures((1, 1, 2, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomRotation(-3), "RandomRotation: expected a number of 0 or more"),
        (lambda: RandomRotation((5, -5)), "from 5 to -5"),
        (lambda: RandomRotation(float("nan")), "RandomRotation"),
        (lambda: RandomRotation(5, fill_mode="mirror"), "fill_mode must be one of .*'wrap'.* got 'mirror'"),
        (lambda: RandomZoom(0.1, interpolation="cubic"), "RandomZoom: interpolation must be 'bilinear' or"),
        (lambda: RandomZoom(1), "RandomZoom: expected factors above 0, got 1"),
        (lambda: RandomZoom((0, 2)), "expected factors above 0"),
        (lambda: RandomShift(1, -1), "RandomShift"),
        (lambda: RandomShear(90), r"RandomShear: .* within \[-89, 89\]"),
        (lambda: RandomVerticalFlip(2), r"RandomVerticalFlip: p must be in \[0, 1\], got 2"),
        (lambda: RandomCrop(0), "RandomCrop: expected a size of 1 or more"),
        (lambda: RandomCrop(3, padding=-1), "padding=-1"),
        (lambda: RandomCrop(3, fill_mode="edge"), "RandomCrop: fill_mode"),
        (lambda: RandomCrop(9)(pictures((1, 1, 8, 9))), "are smaller than"),
        (lambda: Cutout(0), "Cutout: expected a size of 1 or more"),
        (lambda: Cutout(9)(pictures((1, 1, 8, 9))), "smaller than a square of 9"),
        (lambda: RandomContrast(1.5), r"RandomContrast: .* within \[0, inf\]; got 1.5, which is from -0.5 to 2.5"),
        (lambda: ColourJitter(saturation=(-1, 1)), "ColourJitter"),
        (lambda: GaussianNoise(-1), "GaussianNoise: expected a deviation of 0 or more, got -1"),
        (lambda: RandomBrightness(0.1)(pictures((1, 1, 2, 2)) * 255), "RandomBrightness: expected images from 0 to 1"),
        (lambda: RandomContrast(0.1)(pictures((1, 1, 2, 2)) - 0.9), "standardise afterwards"),
        (lambda: ColourJitter(9)(pictures((1, 3, 2, 2)) * np.nan), "ColourJitter: expected images from 0 to 1"),
        (lambda: ColourJitter(9)(pictures((1, 1, 2, 2))), r"expected floating images \(\.\.\., 3, H, W\)"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
