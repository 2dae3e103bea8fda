import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.data.augment import Compose, RandomAffine, RandomHorizontalFlip, affine, resample
from tinydl.random import Generator

IDENTITY = np.eye(2, dtype=np.float32)[None]
QUARTER = np.array([[[0, 1], [-1, 0]]], np.float32)


def picture(n=1, c=1, h=6, w=6, dtype=np.float32):
    return Generator(0).random((n, c, h, w), dtype)


def test_the_identity_changes_nothing():
    x = picture(3, 2, 5, 7)
    assert (affine(x, np.repeat(IDENTITY, 3, 0), np.zeros((3, 2), np.float32)) == x).all()


@given(st.integers(-7, 7), st.integers(-7, 7))
def test_a_shift_by_whole_pixels_moves_every_pixel_by_exactly_that(down, right):
    x = picture(h=6, w=5)
    moved = affine(x, IDENTITY, np.array([[down, right]], np.float32))
    for i in range(6):
        for j in range(5):
            inside = 0 <= i + down < 6 and 0 <= j + right < 5
            assert moved[0, 0, i, j] == (x[0, 0, i + down, j + right] if inside else 0)


def test_a_quarter_turn_is_exact_and_four_are_the_identity():
    x = picture()
    zero = np.zeros((1, 2), np.float32)
    turned = affine(x, QUARTER, zero)
    assert (turned[0, 0] == np.rot90(x[0, 0], k=-1)).all() or (turned[0, 0] == np.rot90(x[0, 0])).all()
    for _ in range(3):
        turned = affine(turned, QUARTER, zero)
    assert (turned == x).all()


def test_half_a_pixel_is_the_mean_of_two_neighbours():
    x = picture(dtype=np.float64)
    moved = affine(x, IDENTITY, np.array([[0.0, 0.5]]))
    np.testing.assert_allclose(moved[..., :-1], (x[..., :-1] + x[..., 1:]) / 2, rtol=1e-15)


def test_every_image_gets_amounts_of_its_own_and_channels_move_together():
    x = np.repeat(picture(1, 1, 12, 12), 8, 0).repeat(2, 1)
    y = RandomAffine(degrees=20, translate=2, scale=0.2, shear=10)(x, Generator(1))
    assert (y[:, 0] == y[:, 1]).all()
    assert len({y[i].tobytes() for i in range(8)}) == 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_and_the_range_are_kept_and_the_input_is_left_alone(dtype):
    x = picture(4, 1, 9, 9, dtype)
    before = x.copy()
    y = RandomAffine(10, 1, 0.1, 8)(x, Generator(2))
    assert y.dtype == dtype
    assert y.shape == x.shape
    assert y.min() >= 0
    assert y.max() <= 1 + 1e-6
    assert (x == before).all()


def test_no_amounts_mean_no_change_and_one_seed_one_result():
    x = picture(3)
    np.testing.assert_allclose(RandomAffine()(x, Generator(0)), x, atol=1e-6)
    change = RandomAffine(30, 3)
    assert (change(x, Generator(4)) == change(x, Generator(4))).all()
    assert (change(x, Generator(4)) != change(x, Generator(5))).any()


def test_amounts_stay_within_their_bounds():
    """A shift of at most 2 pixels keeps a dot within 2 pixels of where it was."""
    x = np.zeros((200, 1, 15, 15), np.float32)
    x[:, :, 7, 7] = 1
    y = RandomAffine(translate=2)(x, Generator(0))
    rows, cols = np.nonzero(y.sum((0, 1)))
    assert {rows.min(), rows.max(), cols.min(), cols.max()} == {5, 9}


@pytest.mark.parametrize("bad", [{"degrees": -1}, {"scale": 1.0}, {"translate": -0.1}])
def test_impossible_amounts_are_refused(bad):
    with pytest.raises(ValueError, match="RandomAffine: expected amounts of 0 or more"):
        RandomAffine(**bad)


def test_integers_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"affine: expected floating images \(N, C, H, W\), got \(2, 3\)"):
        affine(np.zeros((2, 3), np.float32), IDENTITY, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="uint8"):
        affine(np.zeros((1, 1, 3, 3), np.uint8), IDENTITY, np.zeros((1, 2)))


def test_matrices_and_shifts_that_do_not_fit_are_refused():
    """One for all is not meant: with many images only the first would find it."""
    with pytest.raises(
        ValueError, match=r"expected matrices \(3, 2, 2\) and shifts \(3, 2\), got \(1, 2, 2\)"
    ):
        affine(picture(3), IDENTITY, np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"got \(1, 2, 2\) and \(2,\)"):
        affine(picture(), IDENTITY, np.zeros(2, np.float32))


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", resample.NUMPY_MODES)
def test_how_many_images_are_computed_together_does_not_matter(fill_mode, interpolation, monkeypatch):
    x, how = picture(7, 2, 9, 8), (fill_mode, 0.5, interpolation)
    matrices, shifts = RandomAffine(40, 3, 0.3, 20).draw(x.shape, Generator(0))
    alone = [affine(x[[i]], matrices[[i]], shifts[[i]], *how) for i in range(7)]
    for together in (1, 300, 10**6):  # one image, two and seven
        monkeypatch.setattr(resample, "BLOCK", together)
        assert (affine(x, matrices, shifts, *how) == np.concatenate(alone)).all()


def test_pixels_of_huge_images_are_found():
    """Their numbers are more than float32 tells apart."""
    huge = np.broadcast_to(np.float32(0), (1, 2, 5000, 5001))
    place = resample._first(huge, np.array([[4999]], np.float32), np.array([[4997]], np.float32))
    assert place.tolist() == [[[4999 * 5001 + 4997], [9999 * 5001 + 4997]]]


def test_a_flip_mirrors_the_chosen_images_and_only_them():
    x = picture(200, 2, 3, 5)
    y = RandomHorizontalFlip(0.3)(x, Generator(1))
    mirrored = (y == x[..., ::-1]).all((1, 2, 3))
    assert ((y == x).all((1, 2, 3)) != mirrored).all()
    assert 40 < mirrored.sum() < 80  # 60 expected, deviation 6.5
    assert (RandomHorizontalFlip(1)(RandomHorizontalFlip(1)(x, Generator(1)), Generator(2)) == x).all()
    assert (RandomHorizontalFlip(0)(x, Generator(1)) == x).all()
    with pytest.raises(ValueError, match=r"RandomHorizontalFlip: p must be in \[0, 1\], got 1.5"):
        RandomHorizontalFlip(1.5)


def test_transforms_run_one_after_the_other():
    x = picture(3)
    both = Compose(RandomHorizontalFlip(1), lambda images, generator: images[..., :2])
    assert (both(x, Generator(1)) == x[..., :3:-1]).all()
