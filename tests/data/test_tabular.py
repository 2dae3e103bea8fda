from __future__ import annotations

import gzip

import numpy as np
import pytest

from tinydl.data import breast_cancer, digits8x8, wine
from tinydl.data.sources import embedded
from tinydl.data.tabular import TableLoader

COUNTS = [
    (breast_cancer, 30, [212, 357]),
    (wine, 13, [59, 71, 48]),
    (digits8x8, 64, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
]


@pytest.mark.parametrize(("loader", "features", "counts"), COUNTS)
def test_counts(loader: TableLoader, features: int, counts: list[int]) -> None:
    table = loader.load()
    assert table.x.shape == (sum(counts), features)
    assert table.x.dtype == np.float32
    assert np.isfinite(table.x).all()
    assert table.y.dtype == np.int64
    assert np.bincount(table.y).tolist() == counts
    assert len(set(table.features)) == features
    assert len(table.classes) == len(counts)
    assert table.name == loader.name
    assert f"{sum(counts):,} rows, {features} features, {len(counts)} classes" in table.source


@pytest.mark.parametrize("loader", [breast_cancer, wine])
def test_the_header_agrees(loader: TableLoader) -> None:
    with gzip.open(embedded("tabular", loader.file), "rt") as file:
        header = next(file).strip().split(",")
    table = loader.load()
    assert header == [str(len(table.x)), str(len(table.features)), *table.classes]


def test_columns_are_what_their_names_say() -> None:
    table = breast_cancer.load()
    mean, error, worst = (table.x[:, i : i + 10] for i in (0, 10, 20))
    assert (worst >= mean * np.float32(0.999)).all()
    assert (error[:, 0] < mean[:, 0]).all()
    radius, area = (table.x[:, table.features.index(f"mean {name}")] for name in ("radius", "area"))
    assert np.corrcoef(radius**2, area)[0, 1] > 0.999
    alcohol = wine.load().x[:, 0]
    assert 11 < alcohol.min() < alcohol.max() < 15


def test_digits_are_pictures() -> None:
    table = digits8x8.load()
    assert (table.x.min(), table.x.max()) == (0, 16)
    zeros = table.x[table.y == 0].reshape(-1, 8, 8).mean(axis=0)
    assert zeros[3:5, 3:5].max() < 3 < 10 < zeros[3:5, 2].min()  # a hole with a stroke beside it
    assert table.features[8] == "pixel_1_0"
