"""The list of all data sets, as `tinydl data list` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinydl.data import sources

_UCI = "CC BY 4.0"
_FORMULA = "none: computed"


@dataclass(frozen=True)
class Row:
    """One data set: what it is, how many items it has, its bytes here, its licence, and from where.

    `baselines`: figures on the embedded data that a network must beat, by name.
    """

    name: str
    what: str
    count: str
    size: int
    licence: str
    source: str
    baselines: Mapping[str, float] = field(default_factory=dict)


def catalogue() -> list[Row]:
    """All data sets; the full ones are looked for on this machine and verified, about a second each."""
    return [
        Row(
            "mnist",
            "handwritten digits, 28x28, 10 classes (MNIST-5k)",
            "4,000 training, 1,000 held-out images",
            _size("mnist5k"),
            "CC BY-SA 3.0",
            _full(sources.MNIST),
            {"nearest_neighbour_accuracy": 0.934},
        ),
        Row(
            "fashion_mnist",
            "articles of clothing, 28x28, 10 classes (Fashion-2k)",
            "1,500 training, 500 held-out images",
            _size("fashion2k"),
            "MIT",
            _full(sources.FASHION_MNIST),
            {"nearest_neighbour_accuracy": 0.790},
        ),
        Row(
            "nuclei",
            "a fluorescence image, 512x512, with the outlines of its nuclei",
            "125 nuclei in 1 image",
            _size("nuclei"),
            "CC0, BSD-3-Clause",
            "embedded",
            {
                "all_background_pixel_accuracy": 0.830,
                "best_threshold_dice": 0.881,
                "boosted_trees_dice": 0.946,
            },
        ),
        Row(
            "photos",
            "colour photographs, 256 pixels long",
            "3 images",
            _size("photos"),
            "public domain, CC0",
            "embedded",
        ),
        Row(
            "breast_cancer",
            "cell nuclei of breast masses, 30 features, 2 classes",
            "569 rows",
            _size("tabular", "breast_cancer*"),
            _UCI,
            "embedded",
            {"pca_anomaly_auc": 0.940, "pca_anomaly_true_positives_at_5_percent": 0.78},
        ),
        Row(
            "wine",
            "chemistry of wines, 13 features, 3 classes",
            "178 rows",
            _size("tabular", "wine*"),
            _UCI,
            "embedded",
        ),
        Row(
            "digits8x8",
            "handwritten digits, 8x8, 10 classes",
            "1,797 rows",
            _size("tabular", "digits*"),
            _UCI,
            "embedded",
        ),
        Row("apples_oranges", "two clusters, linearly separable", "any", 0, _FORMULA, "computed"),
        Row("or_gate", "the logical or", "4 rows", 0, _FORMULA, "computed"),
        Row("xor", "the exclusive or", "4 rows", 0, _FORMULA, "computed"),
        Row("moons", "two half circles that reach into each other", "any", 0, _FORMULA, "computed"),
        Row("spiral", "two spiral arms", "any", 0, _FORMULA, "computed"),
    ]


def _size(folder: str, pattern: str = "*") -> int:
    """Bytes of the data files, the licence left out."""
    files = sources.embedded(folder, "").glob(pattern)
    return sum(path.stat().st_size for path in files if path.name != "LICENSE.txt")


def _full(full: sources.FullSet) -> str:
    found = sources.find_full(full)
    return "embedded; full set " + ("not found on this machine" if found is None else f"in {found}")
