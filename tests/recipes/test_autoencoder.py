"""`tinydl train autoencoder` on a handful of digits: files, figures, the same again; and that it can beat PCA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.data import mnist, principal_components, to_float
from tinydl.data.images import Images, ImageSet
from tinydl.models import Autoencoder
from tinydl.recipes import RECIPES, Options
from tinydl.recipes import autoencoder as recipe
from tinydl.recipes.reconstruction import error, rebuilt, rebuilt_by_pca, train_to_reconstruct
from tinydl.train import Trainer


class Few:
    """MNIST with 300 training images and 100 held out."""

    def load(self) -> ImageSet:
        whole = mnist.load()
        parts = {
            name: Images(*(array[:: len(array) // count] for array in part))
            for name, part, count in (("train", whole.train, 250), ("test", whole.test, 100))
        }
        return ImageSet(**{**vars(whole), **parts})


def train(out: Path, **others: Any) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "mnist", Few())
        return RECIPES["autoencoder"].run(
            Options(**{"out": out, "epochs": 1, "batch_size": 128, "progress": False, **others})
        )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("autoencoder")
    return out, train(out, epochs=2)


def test_its_files_and_figures(done: tuple[Path, dict[str, Any]]) -> None:
    out, metrics = done
    assert sorted(p.name for p in out.iterdir()) == ["code16", "code2", "planes.png", "reconstructions.png"]
    for name in ("planes.png", "reconstructions.png"):
        with Image.open(out / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    for part in ("code2", "code16"):
        assert len((out / part / "history.csv").read_text().splitlines()) == 3
    few = Few().load()
    known, x = to_float(few.train.images), to_float(few.test.images)
    for size in (2, 16):
        pca = principal_components(known, size)
        want = np.square(np.clip(pca.decode(pca.encode(x)), 0, 1) - x.reshape(100, 784)).mean()
        assert metrics[f"baseline_pca_mse_{size}"] == pytest.approx(want, rel=1e-5)
        less = 1 - metrics[f"test_mse_{size}"] / metrics[f"baseline_pca_mse_{size}"]
        assert metrics[f"less_than_pca_{size}"] == pytest.approx(less)
    assert metrics["parameters"] == 936_466 + 940_064
    assert 0.1 < metrics["plane_accuracy"] < 1


def test_an_interrupted_run_gives_the_same(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Stopped in the second network, after its first epoch."""
    epoch = Trainer._epoch
    begun = 0

    def interrupted(self: Trainer, *arguments: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun == 4:
            raise KeyboardInterrupt
        return epoch(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, epochs=2)
    again = train(tmp_path, epochs=2, resume=True)
    _, metrics = done
    assert {**again, "seconds": 0} == {**metrics, "seconds": 0}


def test_a_small_one_beats_pca_within_seconds(tmp_path: Path) -> None:
    """The claim of the full run stands in benchmarks/results; this one has an eighth of the digits."""
    train_part, test = mnist.load()
    x, x_test = to_float(train_part.images[::2]), to_float(test.images)
    generator = td.Generator(0)
    model = Autoencoder((784, 128, 8), generator=generator.fork())
    options = Options(tmp_path, epochs=12, batch_size=64, progress=False)
    trainer = train_to_reconstruct(
        options, model, (x, x[:100]), 5e-3, lambda images, generator: images, generator
    )
    baseline = error(rebuilt_by_pca(principal_components(x, 8), x_test), x_test)
    assert error(rebuilt(trainer, x_test, options), x_test) < 0.95 * baseline
