"""`python -m benchmarks.augmentation_gain`: which runs are made, on which digits, and what becomes of them."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tinydl.data import mnist
from tinydl.data.images import Images

gain: ModuleType = pytest.importorskip("benchmarks.augmentation_gain", reason="not started in the repository")


def fake(cell: Any, digits: Images, judged: Images) -> dict[str, float]:
    accuracy = 0.8 + 0.1 * cell.augmented + 0.01 * cell.seed + cell.images * 1e-5
    return {"accuracy": accuracy, "baseline_nearest_neighbour_accuracy": 0.7, "seconds": 1.0}


def test_smaller_sets_are_parts_of_larger_ones_with_as_many_of_every_class() -> None:
    digits = mnist.load().train
    few, more, other = (gain.first(digits, count, seed) for count, seed in ((50, 0), (100, 0), (50, 1)))
    assert np.bincount(few.labels).tolist() == [5] * 10
    assert np.bincount(more.labels).tolist() == [10] * 10
    known = {image.tobytes() for image in more.images}
    assert {image.tobytes() for image in few.images} <= known
    assert not {image.tobytes() for image in other.images} <= known
    assert len(gain.first(digits, 4000, 0).images) == 4000


def test_every_size_gets_whole_epochs_and_as_many_steps() -> None:
    for plan in gain.PLANS.values():
        for count in gain.COUNTS:
            assert plan.shown % count == count % gain.BATCH_SIZE == 0
    assert {(cell.images, cell.augmented) for cell in gain.cells()} == {
        (count, augmented) for count in gain.COUNTS for augmented in (False, True)
    }


def test_a_run_learns_and_only_the_augmented_one_sees_changed_images(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mnist.load()
    judged = Images(whole.test.images[::10], whole.test.labels[::10])
    seen: list[int] = []

    def change(images: Any, generator: Any) -> Any:
        seen.append(len(images))
        return images

    monkeypatch.setattr(gain, "AUGMENTATION", change)
    cell = gain.Cell("LeNet-5", 200, True, 0, shown=2000, max_lr=5e-3)
    found = gain.measure(cell, whole.train, judged)
    assert seen == [gain.BATCH_SIZE] * 40
    again = gain.measure(dataclasses.replace(cell, augmented=False), whole.train, judged)
    assert len(seen) == 40
    assert {**found, "seconds": 0} == {**again, "seconds": 0}
    assert found["accuracy_on_training_images"] > 0.6
    assert 0.4 < found["accuracy"] < 1


def test_runs_that_are_there_are_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "gain.json"
    made: list[Any] = []

    def measured(cell: Any, *data: Images) -> dict[str, float]:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(cell)
        return fake(cell, *data)

    with pytest.raises(KeyboardInterrupt):
        gain.run(path, measured)
    assert len(json.loads(path.read_text())["runs"]) == 3
    result = gain.run(path, fake)
    assert [row["cell"] for row in result["runs"]] == [dataclasses.asdict(cell) for cell in gain.cells()]
    assert json.loads(path.read_text()) == result
    gain.run(path, measured)  # nothing is left to do


def test_table_and_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gain, "OUT", tmp_path / "gain.json")
    run = gain.run
    monkeypatch.setattr(gain, "run", lambda path: run(path, fake))
    monkeypatch.setattr(sys, "argv", ["augmentation_gain"])
    gain.main()
    text = (tmp_path / "gain.md").read_text()
    line = "| LeNet-5 | 500 | 240 | 3 | 81.5% (80.5% to 82.5%) | 91.5% (90.5% to 92.5%) | 70.0% |"
    assert line in text.splitlines()
    assert "| ResNet-20 | 4,000 | 6 | 1 | 84.0% | 94.0% | 70.0% |" in text
    assert (tmp_path / "gain.png").read_bytes()[1:4] == b"PNG"
