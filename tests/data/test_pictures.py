from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinydl.data import catalogue, nuclei, photos


def test_nuclei() -> None:
    loaded = nuclei.load()
    for array in (loaded.image, loaded.labels):
        assert array.shape == (512, 512)
        assert array.dtype == np.uint8
        assert array.flags.writeable
    assert len(np.unique(loaded.labels)) == 1 + 125
    assert "125 nuclei" in loaded.source


def test_no_nucleus_is_in_both_regions() -> None:
    loaded = nuclei.load()
    (image, labels), (test_image, test_labels) = loaded.train, loaded.test
    assert image.shape == labels.shape == (512, 320)
    assert test_image.shape == test_labels.shape == (512, 160)
    np.testing.assert_array_equal(np.hstack([image, loaded.image[:, 320:352], test_image]), loaded.image)
    np.testing.assert_array_equal(np.hstack([labels, loaded.labels[:, 320:352], test_labels]), loaded.labels)
    assert np.intersect1d(labels, test_labels).tolist() == [0]
    assert (len(np.unique(labels)), len(np.unique(test_labels))) == (90, 36)


def test_baselines_of_the_nuclei(bare_machine: Path) -> None:
    """The threshold is chosen on the training region and judged on the test region."""
    (baselines,) = (row.baselines for row in catalogue() if row.name == "nuclei")
    (image, labels), (test_image, test_labels) = nuclei.load().train, nuclei.load().test

    def dice(predicted: np.ndarray, true: np.ndarray) -> float:
        return 2 * np.count_nonzero(predicted & true) / (predicted.sum() + true.sum())

    best = max(range(255), key=lambda threshold: dice(image > threshold, labels > 0))
    assert dice(test_image > best, test_labels > 0) == pytest.approx(
        baselines["best_threshold_dice"], abs=5e-4
    )
    assert np.mean(test_labels == 0) == pytest.approx(baselines["all_background_pixel_accuracy"], abs=5e-4)


def test_photos() -> None:
    loaded = photos.load()
    assert {name: photo.shape for name, photo in loaded.items()} == {
        "astronaut": (256, 256, 3),
        "chelsea": (170, 256, 3),
        "coffee": (171, 256, 3),
    }
    for photo in loaded.values():
        assert photo.dtype == np.uint8
        assert photo.std() > 30
