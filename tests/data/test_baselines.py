from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.data import baselines, catalogue, fashion_mnist, mnist, nearest_neighbour_accuracy
from tinydl.data.images import ImageLoader


@pytest.mark.parametrize(("loader", "accuracy"), [(mnist, 0.934), (fashion_mnist, 0.790)])
def test_embedded_sets(bare_machine: Path, loader: ImageLoader, accuracy: float) -> None:
    train, test = loader.load()
    assert nearest_neighbour_accuracy(train, test) == accuracy
    (row,) = (row for row in catalogue() if row.name == loader.name)
    assert row.baselines["nearest_neighbour_accuracy"] == accuracy


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 4))
def test_equals_the_textbook(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    x, x_test = (rng.integers(0, 256, (n, 2, 3), np.uint8) for n in (8, 7))
    y, y_test = (rng.integers(0, 3, n) for n in (8, 7))
    distances = [np.sum((x.astype(np.int64) - asked) ** 2, axis=(1, 2)) for asked in x_test.astype(np.int64)]
    expected = np.mean([y[np.argmin(d)] == label for d, label in zip(distances, y_test, strict=True)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "_ROWS", rows)
        assert nearest_neighbour_accuracy((x, y), (x_test, y_test)) == pytest.approx(expected)


def test_refuses_images_that_do_not_fit() -> None:
    def part(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(shape, np.uint8), np.zeros(shape[0], np.int64)

    for train, test in [((3, 2, 2), (3, 2, 3)), ((0, 2, 2), (3, 2, 2)), ((3, 2, 2), (0, 2, 2))]:
        with pytest.raises(ValueError, match="expected images of one size in both parts, got"):
            nearest_neighbour_accuracy(part(*train), part(*test))
