"""Cleaning and enlarging pictures: the data, the fairness of the filters beside the networks, and short runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.data import gaussian_filter, photos
from tinydl.models import DnCNN
from tinydl.recipes import RECIPES, Options, denoising, denoising_photos, restoring, super_resolution
from tinydl.recipes.restoring import best, filters, measured, patches, photo_parts, shown


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_digits: Any) -> Callable[..., dict[str, Any]]:
    """Trains by a recipe on few digits, or on pieces of the photos."""

    def run(name: str, **options: Any) -> dict[str, Any]:
        for module in (denoising, super_resolution):
            monkeypatch.setattr(module, "mnist", few_digits)
        train, validation, test = photo_parts()
        pieces = (
            [x[..., 64:128, :64] for x in train],
            [x[..., :64, :64] for x in validation],
            test[..., 50:150, 60:220],
        )
        for photo_recipe in (denoising_photos, super_resolution):
            monkeypatch.setattr(photo_recipe, "photo_parts", lambda: pieces)
        recipe = RECIPES[name]
        chosen = {"epochs": 1, "batch_size": recipe.batch_size, **options}
        return recipe.run(Options(tmp_path, progress=False, **chosen))

    return run


def test_the_test_photo_and_the_columns_for_validation_are_not_trained_on() -> None:
    train, validation, test = photo_parts()
    known = photos.load()
    others = [known[name].transpose(2, 0, 1) / np.float32(255) for name in ("astronaut", "chelsea")]
    for x, y, whole in zip(train, validation, others, strict=True):
        np.testing.assert_allclose(np.concatenate([x, y], axis=3)[0], whole, atol=1e-6)
        assert x.shape[3] == 192
    assert test.shape == (1, 3, 170, 256)  # of 171 rows: halved sizes must be whole
    np.testing.assert_allclose(test[0], known["coffee"][:170].transpose(2, 0, 1) / np.float32(255), atol=1e-6)


def test_patches_are_squares_of_the_picture_that_overlap_by_half() -> None:
    picture = np.arange(2 * 8 * 12, dtype=np.float32).reshape(1, 2, 8, 12)
    got = patches([picture], 4)
    want = [picture[0, :, i : i + 4, j : j + 4] for i in (0, 2, 4) for j in (0, 2, 4, 6, 8)]
    assert (got == np.stack(want)).all()
    turned = patches([picture], 4, ways=8)
    assert len(turned) == 8 * len(want)
    assert (turned[: len(want)] == got).all()
    assert len(np.unique(turned[:: len(want)].reshape(8, -1), axis=0)) == 8


def test_small_and_large_patches_show_the_same() -> None:
    picture = td.Generator(0).random((1, 3, 24, 40))
    small = patches([picture[..., ::2, ::2]], 8, ways=8)
    large = patches([picture], 16, ways=8)
    assert small.shape == (len(large), 3, 8, 8)
    matches = [
        any((s == large[i, :, a::2, b::2]).all() for a in (0, 1) for b in (0, 1)) for i, s in enumerate(small)
    ]
    assert all(matches)


def test_filters_are_as_good_as_they_can_be_on_validation_pictures(few_digits: Any) -> None:
    clean = few_digits.load().test.images[:, None].astype(np.float32) / 255
    noisy = td.data.augment.GaussianNoise(0.4)(clean, 0)
    ways, settings = filters((noisy, clean))
    for name, values in (("gaussian_sigma", restoring.SIGMAS), ("median_size", restoring.SIZES)):
        assert settings[name] in values
    error = {s: np.mean((np.clip(gaussian_filter(noisy, s), 0, 1) - clean) ** 2) for s in restoring.SIGMAS}
    assert settings["gaussian_sigma"] == min(error, key=lambda s: error[s])
    assert 0.6 < settings["gaussian_sigma"] < 1.2  # not at the end of what was tried
    assert (ways["gaussian"](noisy) == gaussian_filter(noisy, settings["gaussian_sigma"])).all()


def test_best_and_measured_are_of_pictures_as_they_are_shown() -> None:
    clean = np.ones((1, 1, 12, 12), np.float32)
    assert measured("x", clean * 3, clean)["x_psnr"] == float("inf")
    assert (shown(np.array([-1.0, 0.5, 2.0])) == [0, 0.5, 1]).all()
    assert best((1.0, 0.5, 0.9), lambda x, factor: x * factor, (clean * 0.95, clean)) == 1.0


def test_denoising_digits(train: Callable[..., Any], tmp_path: Path) -> None:
    metrics = train("denoising", epochs=1)
    assert {p.name for p in tmp_path.iterdir()} == {"dense", "convolutional", "digits.png"}
    assert metrics["baseline_noisy_psnr"] < metrics["baseline_gaussian_psnr"] < 20
    for name in ("baseline_median", "baseline_pca"):
        assert metrics["baseline_noisy_psnr"] < metrics[f"{name}_psnr"] < 20
    for name in ("test_dense", "test_convolutional"):
        assert 5 < metrics[f"{name}_psnr"] < 20
        assert -1 < metrics[f"{name}_ssim"] < 1
    again = train("denoising", epochs=1, resume=True)  # finished: nothing is trained, all is measured
    assert {**again, "seconds": 0} == {**metrics, "seconds": 0}


def test_denoising_photos(train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoising_photos, "DnCNN", lambda generator, **_: DnCNN(3, 8, 3, generator))
    metrics = train("denoising-photos", epochs=12, batch_size=8)
    assert {"photo.png", "detail.png", "history.csv", "curves.png"} < {p.name for p in tmp_path.iterdir()}
    assert (
        20
        < metrics["baseline_noisy_psnr"]
        < metrics["baseline_median_psnr"]
        < metrics["baseline_gaussian_psnr"]
    )
    assert metrics["test_psnr"] > metrics["baseline_noisy_psnr"] + 0.5


def test_a_few_hundred_digits_are_enough_to_enlarge_better_than_bicubic(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    metrics = train("super-resolution", epochs=4, batch_size=20)
    assert {"digits.png", "history.csv", "curves.png"} < {p.name for p in tmp_path.iterdir()}
    assert metrics["baseline_nearest_psnr"] < metrics["baseline_bicubic_psnr"] == pytest.approx(19.4, abs=1)
    assert metrics["test_psnr"] > metrics["baseline_bicubic_psnr"] + 2
    assert metrics["test_ssim"] > metrics["baseline_bicubic_ssim"]


def test_super_resolution_of_photos(train: Callable[..., Any], tmp_path: Path) -> None:
    metrics = train("super-resolution-photos", epochs=2)
    assert {"detail.png", "history.csv", "curves.png"} < {p.name for p in tmp_path.iterdir()}
    assert metrics["baseline_nearest_psnr"] < metrics["baseline_bicubic_psnr"]
    assert metrics["test_psnr"] > metrics["baseline_nearest_psnr"] - 3
