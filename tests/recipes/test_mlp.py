"""`tinydl train mlp` on a handful of images: its files, its figures, the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.data import mnist
from tinydl.data.images import Images, ImageSet
from tinydl.recipes import RECIPES, Options, classify
from tinydl.recipes.mlp import SETTINGS, run


class Few:
    """MNIST with 400 training images and 100 held out."""

    def load(self, source: str) -> ImageSet:
        assert source == "embedded"
        whole = mnist.load()
        return type(whole)(
            **{
                **vars(whole),
                "train": Images(whole.train.images[:400], whole.train.labels[:400]),
                "test": Images(whole.test.images[:100], whole.test.labels[:100]),
            }
        )


def train(out: Path, **others: Any) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classify.DATA, "mnist", Few())
        return run(Options(**{"out": out, "epochs": 2, "batch_size": 64, "progress": False, **others}))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("mlp")
    return out, train(out)


def test_its_files_and_figures(done: tuple[Path, dict[str, Any]]) -> None:
    out, metrics = done
    pictures = ["confusion.png", "curves.png", "filters.png", "mistakes.png"]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [*pictures, "checkpoint.safetensors", "history.csv"]
    )
    for name in pictures:
        with Image.open(out / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    assert metrics["parameters"] == 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    assert 0.2 < metrics["test_accuracy"] <= 1
    assert len((out / "history.csv").read_text().splitlines()) == 3


def test_the_same_seed_gives_the_same_bits_and_another_others(
    done: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, metrics = done
    again = train(tmp_path / "again")
    seconds = {"seconds": 0, "cpu_seconds": 0}
    assert again | seconds == metrics | seconds
    train(tmp_path / "other", seed=1)
    ours, same, other = (
        td.load(folder / "checkpoint.safetensors") for folder in (out, tmp_path / "again", tmp_path / "other")
    )
    assert all(ours[name].tobytes() == same[name].tobytes() for name in ours)
    assert any(ours[name].tobytes() != other[name].tobytes() for name in ours)


def test_the_checkpoint_holds_the_network_that_was_measured(done: tuple[Path, dict[str, Any]]) -> None:
    from tinydl.train.checkpoint import load_model

    out, metrics = done
    model = SETTINGS.build(td.Generator(9))
    load_model(out / "checkpoint.safetensors", model)
    test = Few().load("embedded").test
    with td.no_grad():
        scores = model.eval()(td.tensor(SETTINGS.prepare(test.images)))
    assert td.metrics.accuracy(scores, td.tensor(test.labels)) == metrics["test_accuracy"]


def test_it_is_on_the_list() -> None:
    assert RECIPES["mlp"].images
    assert (RECIPES["mlp"].epochs, RECIPES["mlp"].batch_size) == (40, 64)
