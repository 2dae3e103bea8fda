"""Small tables of the UCI Machine Learning Repository that are part of this package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinydl.data.sources import embedded

_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)


@dataclass(frozen=True, eq=False)
class Table:
    """Points in feature space with their classes.

    `x`: float32 (N, F), not scaled. `y`: int64 (N,), so that `classes[y[i]]` is the class of row i.
    `features`: the names of the F columns. `source`: a sentence that says what data these are, with counts.
    """

    name: str
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class TableLoader:
    """Loads one table from a file of comma-separated numbers, the class last."""

    name: str
    title: str
    file: str
    header: bool
    classes: tuple[str, ...]
    features: tuple[str, ...]

    def load(self) -> Table:
        """The whole table, x float32 (N, F) and y int64 (N,); divide it with `train_validation_test_split`."""
        rows = np.loadtxt(embedded("tabular", self.file), delimiter=",", skiprows=int(self.header))
        return Table(
            name=self.name,
            x=rows[:, :-1].astype(np.float32),
            y=rows[:, -1].astype(np.int64),
            classes=self.classes,
            features=self.features,
            source=f"embedded {self.title}: {len(rows):,} rows, {len(self.features)} features, "
            f"{len(self.classes)} classes",
        )


breast_cancer = TableLoader(
    name="breast_cancer",
    title="Breast Cancer Wisconsin (Diagnostic)",
    file="breast_cancer.csv.gz",
    header=True,
    classes=("malignant", "benign"),
    features=(
        *(f"mean {measure}" for measure in _MEASURES),
        *(f"{measure} error" for measure in _MEASURES),
        *(f"worst {measure}" for measure in _MEASURES),
    ),
)

wine = TableLoader(
    name="wine",
    title="Wine",
    file="wine_data.csv.gz",
    header=True,
    classes=("class_0", "class_1", "class_2"),
    features=(
        "alcohol",
        "malic_acid",
        "ash",
        "alcalinity_of_ash",
        "magnesium",
        "total_phenols",
        "flavanoids",
        "nonflavanoid_phenols",
        "proanthocyanins",
        "color_intensity",
        "hue",
        "od280/od315_of_diluted_wines",
        "proline",
    ),
)

# Images of 8x8 pixels, row by row, from 0 to 16: `table.x.reshape(-1, 8, 8)`.
digits8x8 = TableLoader(
    name="digits8x8",
    title="Optical Recognition of Handwritten Digits",
    file="digits8x8.csv.gz",
    header=False,
    classes=tuple("0123456789"),
    features=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
)
