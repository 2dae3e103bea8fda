"""`tinydl train unsupervised-segmentation`: what describes a pixel, what is said of regions, a short run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tinydl as td
from tinydl.recipes import Options
from tinydl.recipes import unsupervised_segmentation as recipe
from tinydl.recipes.unsupervised_segmentation import (
    CODES,
    Codes,
    codes,
    colours,
    components,
    in_mean_colours,
    measured,
)

PICTURE = td.Generator(0).random((3, 14, 18))


def test_every_pixel_is_described_in_its_place() -> None:
    assert (colours(PICTURE)[18 + 4] == PICTURE[:, 1, 4]).all()
    assert components(PICTURE).shape == (14 * 18, CODES)
    described = codes(Codes(td.Generator(0)), PICTURE)
    assert described.shape == (14 * 18, CODES)
    np.testing.assert_allclose(described.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(described.std(0), 1, atol=1e-3)


def test_codes_see_no_frame_around_the_picture() -> None:
    plain = np.full((3, 30, 41), 0.7, np.float32)
    described = codes(Codes(td.Generator(0)), plain)
    assert np.ptp(described) < 0.1  # with zeros around it, more than 5


def test_components_are_those_of_the_patches() -> None:
    """The first component sees what the whole patch has in common."""
    halves = np.zeros((3, 40, 40), np.float32)
    halves[:, :, 20:] = 1
    first = components(halves).reshape(40, 40, CODES)[..., 0]
    assert abs(np.corrcoef(first.ravel(), halves[0].ravel())[0, 1]) > 0.95
    assert np.ptp(first[:, :16]) < 1e-4 * np.ptp(first)  # far from the edge all patches are the same


def test_figures_of_regions_by_hand() -> None:
    picture = np.zeros((3, 4, 4), np.float32)
    picture[:, :, 2:] = 1
    right = np.array([[0, 0, 1, 1]] * 4)
    got = measured(picture, right)
    assert got["colour_explained"] == pytest.approx(1)
    assert got["border_share"] == pytest.approx(4 / 24)
    assert got["edge_contrast"] == pytest.approx(24 / 4)  # all of the contrast is on the border
    across = measured(picture, right.T)
    assert across["colour_explained"] == pytest.approx(0, abs=1e-6)
    assert across["edge_contrast"] == 0
    assert (in_mean_colours(picture, right) == picture).all()
    assert (in_mean_colours(picture, right.T) == 0.5).all()
    assert measured(picture, np.zeros((4, 4), int))["border_share"] == 0


def test_the_autoencoder_learns_and_the_picture_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = {name: p[:64, :100] for name, p in td.data.photos.load().items()}
    photos["coffee"] = photos["coffee"][:50]
    monkeypatch.setattr(type(td.data.photos), "load", lambda self: photos)
    monkeypatch.setattr(recipe, "STEPS", 8)
    metrics = recipe.run(Options(tmp_path, epochs=2, batch_size=8, progress=False))
    first, last = np.loadtxt(tmp_path / "history.csv", delimiter=",", skiprows=1)[:, 1]
    assert last < 0.7 * first
    for way in ("colour", "pca", "autoencoder"):
        assert 0.3 < metrics[f"{way}_colour_explained"] < 1
        assert metrics[f"{way}_edge_contrast"] > 1
    assert metrics["colour_colour_explained"] == max(v for k, v in metrics.items() if "explained" in k)
    assert (tmp_path / "regions.png").is_file()
