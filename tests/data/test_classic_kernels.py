"""The kernels of image editors, applied through conv2d."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tinydl.data import KERNELS, apply_kernel, photos
from tinydl.random import Generator

EDGES = {"Sobel x", "Sobel y", "Laplace"}


@pytest.mark.parametrize("name", KERNELS)
def test_an_even_area_stays_or_is_no_edge(name):
    level = 0 if name in EDGES else 1
    assert KERNELS[name].sum() == pytest.approx(level, abs=1e-6)
    y = apply_kernel(np.full((1, 2, 6, 5), 0.7, np.float32), KERNELS[name])
    np.testing.assert_allclose(y, 0.7 * level, atol=1e-5)  # up to the edge


@pytest.mark.parametrize("name", KERNELS)
@given(seed=st.integers(0, 99))
def test_it_is_the_sum_over_neighbours_of_every_channel(name, seed):
    x, kernel = Generator(seed).random((2, 3, 4, 5)), KERNELS[name]
    before = x.copy()
    reach = len(kernel) // 2
    around = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge").astype(np.float64)
    want = sum(kernel[i, j] * around[:, :, i : i + 4, j : j + 5] for i, j in np.ndindex(kernel.shape))
    y = apply_kernel(x, kernel)
    assert (y.dtype, y.shape) == (np.float32, x.shape)
    np.testing.assert_allclose(y, want, atol=1e-5)
    assert (x == before).all()


def test_sobel_sees_the_direction_in_which_it_gets_lighter():
    ramp = np.arange(6, dtype=np.float32) * np.ones((6, 1), np.float32)
    right, down = (apply_kernel(x[None, None], KERNELS["Sobel x"])[0, 0, 1:-1, 1:-1] for x in (ramp, ramp.T))
    assert (right == 8).all()
    assert (down == 0).all()
    assert (apply_kernel(ramp.T[None, None], KERNELS["Sobel y"])[0, 0, 1:-1, 1:-1] == 8).all()


@pytest.mark.parametrize("name", ["Gaussian blur", "sharpen", "emboss"])
def test_a_photo_looks_as_pillow_makes_it(name):
    """Pillow lays the kernel on the image bottom up, and leaves the edge alone."""
    photo = photos.load()["chelsea"][40:140, 60:160]
    kernel = KERNELS[name]
    size = kernel.shape
    theirs = np.asarray(
        Image.fromarray(photo).filter(
            ImageFilter.Kernel(size, list(kernel[::-1].ravel().astype(float)), scale=1)
        )
    )
    ours = apply_kernel(photo.transpose(2, 0, 1)[None] / 255, kernel)[0].transpose(1, 2, 0)
    inner = (slice(3, -3), slice(3, -3))
    assert np.abs(np.clip(ours * 255, 0, 255) - theirs)[inner].max() <= 1.01


def test_kernels_are_constants_and_ones_own_may_be_any_odd_rectangle():
    with pytest.raises(ValueError, match="read-only"):
        KERNELS["sharpen"][0, 0] = 1
    assert apply_kernel(np.ones((1, 1, 4, 4)), [[1, 1, 1]]).tolist() == (3 * np.ones((1, 1, 4, 4))).tolist()


@pytest.mark.parametrize(
    ("shape", "kernel"), [((4, 4), (3, 3)), ((1, 1, 4, 4), (2, 3)), ((1, 1, 4, 4), (3,))]
)
def test_other_shapes_are_refused(shape, kernel):
    with pytest.raises(
        ValueError, match=r"apply_kernel: expected images \(N, C, H, W\) and a kernel with odd sides"
    ):
        apply_kernel(np.ones(shape, np.float32), np.ones(kernel))
