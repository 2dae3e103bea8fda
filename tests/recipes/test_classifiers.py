"""`tinydl train alexnet`, `vgg` and `resnet` on a handful of images, and the clock that all classifiers have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tinydl import models
from tinydl.data import fashion_mnist, mnist
from tinydl.data.images import ImageLoader, Images, ImageSet
from tinydl.data.loader import DataLoader
from tinydl.optim import SGD
from tinydl.random import Generator
from tinydl.recipes import RECIPES, Options, classify, resnet
from tinydl.recipes.training import Clock

PARAMETERS = {"alexnet": 287_674, "vgg": 163_450, "resnet": 269_434}


class Few:
    """A set with 100 training images, ten of each class, and 20 held out."""

    def __init__(self, whole: ImageLoader) -> None:
        self.whole = whole

    def load(self, source: str) -> ImageSet:
        assert source == "embedded"
        whole = self.whole.load()
        rows = np.concatenate([np.flatnonzero(whole.train.labels == label)[:10] for label in range(10)])
        train = Images(whole.train.images[rows], whole.train.labels[rows])
        test = Images(whole.test.images[:20], whole.test.labels[:20])
        return type(whole)(**{**vars(whole), "train": train, "test": test})


@pytest.mark.parametrize(
    ("name", "data"), [("alexnet", "mnist"), ("vgg", "fashion_mnist"), ("resnet", "mnist")]
)
def test_its_files_and_figures(name: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(classify.DATA, data, Few(mnist if data == "mnist" else fashion_mnist))
    options = Options(tmp_path, epochs=1, batch_size=45, data=data, progress=False)
    metrics = RECIPES[name].run(options)
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures >= {"confusion.png", "curves.png", "mistakes.png"}
    for picture in pictures:
        with Image.open(tmp_path / picture) as image:
            assert np.asarray(image.convert("L")).std() > 5
    assert metrics["parameters"] == PARAMETERS[name]
    assert 0 <= metrics["test_accuracy"] <= 1
    assert metrics["test_name"].startswith("held-out part of")
    assert metrics["cpu_seconds"] > 0
    assert metrics["seconds"] > 0


def test_they_are_on_the_list_and_take_images_of_either_kind() -> None:
    for name in PARAMETERS:
        assert RECIPES[name].images


def test_resnet_is_trained_by_nesterovs_momentum_in_one_cycle() -> None:
    x = resnet.SETTINGS.prepare(mnist.load().train.images[:4])
    train = DataLoader((x, np.arange(4)), 2)
    trainer = resnet.SETTINGS.trainer(train, 5, Generator(0), progress=False)
    assert isinstance(trainer.model, models.CifarResNet)
    assert isinstance(trainer.optimizer, SGD)
    assert trainer.optimizer.state_dict()["hyperparameters"] | {"lr": 0} == {
        "lr": 0,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
    }
    rates = []
    for _ in range(10):
        rates.append(trainer.optimizer.lr)
        trainer.schedule.step()
    assert max(rates) == resnet.SETTINGS.max_lr
    assert rates[0] < rates[1] < rates[2] > rates[-1]


@pytest.mark.parametrize("name", ["resnet", "vgg", "alexnet"])
def test_clothes_are_mirrored_and_digits_are_not(name: str) -> None:
    module: Any = __import__(f"tinydl.recipes.{name}", fromlist=[name])
    lopsided = np.zeros((200, 1, 28, 28), np.float32)
    lopsided[:, :, 8:20, 4:10] = 1.0
    left = lambda settings: settings.transform(lopsided, Generator(0))[:, 0, :, :14].sum((1, 2)) > 0
    assert left(module.SETTINGS).all()
    assert 60 < left(module.ON_CLOTHES).sum() < 140


def test_the_clock_adds_up_over_interruptions_but_leaves_the_pause_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr("tinydl.recipes.training.time.perf_counter", lambda: now["wall"])
    monkeypatch.setattr("tinydl.recipes.training.time.process_time", lambda: now["cpu"])
    trainer: Any = None
    first, second = Clock(), Clock()
    first.on_fit_begin(trainer)
    for wall, cpu in ((10.0, 7.0), (25.0, 12.0)):
        now.update(wall=wall, cpu=cpu)
        first.on_epoch_end(trainer, {})
    assert first.state_dict() == {"seconds": 25.0, "cpu_seconds": 12.0}
    now.update(wall=1000.0, cpu=1.0)  # a new process
    second.load_state_dict(first.state_dict())
    second.on_fit_begin(trainer)
    now.update(wall=1003.0, cpu=3.0)
    second.on_epoch_end(trainer, {})
    assert (second.seconds, second.cpu_seconds) == (28.0, 14.0)
