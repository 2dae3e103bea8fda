"""Augmentation is for training: loaders that measure must not have a transform."""

from __future__ import annotations

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.data import DataLoader
from tinydl.data.augment import Compose, GaussianNoise, ImageDataGenerator, Mixup, RandomShift
from tinydl.random import Generator

X, Y = Generator(0).random((20, 1, 4, 4)), np.arange(20) % 2


def trainer(**options):
    model = nn.Sequential(nn.Flatten(), nn.Dense(16, 2, generator=0))
    optimizer = td.optim.SGD(model.parameters(), lr=0.1)
    return td.train.Trainer(model, td.losses.cross_entropy, optimizer, progress=False, **options)


@pytest.mark.parametrize("transform", [GaussianNoise(0.1), lambda images, generator: images])
def test_a_loader_that_measures_is_refused_if_it_changes_images(transform):
    changing, plain = DataLoader((X, Y), 10, transform=transform), DataLoader((X, Y), 10)
    new = trainer()
    with pytest.raises(
        ValueError, match=r"Trainer.fit: the validation loader has a transform; .* for training alone"
    ):
        new.fit(plain, changing)
    assert new.history.rows == []  # at once, not after an epoch
    with pytest.raises(ValueError, match=r"Trainer.evaluate: the loader has a transform"):
        new.evaluate(changing)
    assert len(new.fit(changing, plain, epochs=2).rows) == 2
    assert new.evaluate(plain)["loss"] > 0
    assert new.evaluate([(td.tensor(X), td.tensor(Y))])["loss"] > 0  # type: ignore[arg-type]  # a list will do


def test_accuracy_is_measured_on_mixed_images_too():
    loader = DataLoader((X, Y), 10, shuffle=True, generator=0, transform=Compose(RandomShift(1), Mixup(2)))
    history = trainer(metrics=[td.metrics.accuracy]).fit(loader, DataLoader((X, Y), 10))
    assert 0 <= history["accuracy"][0] <= 1


def test_an_endless_flow_is_no_loader():
    with pytest.raises(TypeError, match="has no len"):
        trainer().fit(ImageDataGenerator().flow(X, Y))


def test_the_same_seeds_train_the_same_network():
    def train():
        loader = DataLoader(
            (X, Y), 8, shuffle=True, generator=3, transform=ImageDataGenerator(rotation_range=30)
        )
        new = trainer()
        new.fit(loader, epochs=2)
        return new.model.state_dict()

    one, two = train(), train()
    assert all((one[name] == two[name]).all() for name in one)
