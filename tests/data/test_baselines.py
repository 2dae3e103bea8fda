from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.data import (
    baselines,
    catalogue,
    fashion_mnist,
    mnist,
    nearest_neighbour_accuracy,
    principal_components,
)
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


X = np.random.default_rng(0).normal(size=(30, 2, 4)).astype(np.float32) * np.array([4, 3, 2, 1], np.float32)


def test_principal_components_are_eigenvectors_of_the_covariance() -> None:
    pca = principal_components(X, 3)
    rows = X.reshape(30, 8).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    assert pca.components.shape == (3, 8)
    np.testing.assert_allclose(pca.mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(np.abs((pca.components * vectors.T[::-1][:3]).sum(axis=1)), 1, atol=1e-5)
    variances = pca.encode(X).var(axis=0, ddof=1)
    np.testing.assert_allclose(variances, values[::-1][:3], rtol=1e-4)
    assert (np.take_along_axis(pca.components, np.abs(pca.components).argmax(1)[:, None], 1) > 0).all()


def test_what_principal_components_lose_is_the_variance_of_the_others() -> None:
    rows = X.reshape(30, 8)
    values = np.linalg.eigvalsh(np.cov(rows.T.astype(np.float64), ddof=0))[::-1]
    for count in (1, 4, 8):
        pca = principal_components(X, count)
        codes = pca.encode(X)
        assert (codes.shape, codes.dtype, pca.decode(codes).dtype) == ((30, count), np.float32, np.float32)
        lost = np.square(pca.decode(codes) - rows).sum(axis=1).mean()
        assert lost == pytest.approx(values[count:].sum(), rel=1e-4, abs=1e-8)


def test_principal_components_refuse() -> None:
    for count in (0, 9):
        with pytest.raises(
            ValueError, match=rf"expected a count from 1 to 8 for shape \(30, 2, 4\), got {count}"
        ):
            principal_components(X, count)
    with pytest.raises(ValueError, match=r"expected rows of 8 values, got shape \(3, 2, 2\)"):
        principal_components(X, 2).encode(np.zeros((3, 2, 2), np.float32))
