"""What the autoencoders share: images that are their own targets, training, and PCA to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.autograd import no_grad
from tinydl.data import PrincipalComponents, to_float, train_validation_test_split
from tinydl.data.images import ImageSet
from tinydl.data.loader import DataLoader, Transform
from tinydl.losses import mse
from tinydl.models import Autoencoder, ConvAutoencoder
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import Reconstruction, callbacks, fit
from tinydl.tensor import tensor
from tinydl.train import EarlyStopping, Trainer

Images = npt.NDArray[np.float32]


def stopping(options: Options) -> EarlyStopping:
    """Stops when a quarter of all epochs went by without a better validation loss: OneCycleLR has a rough middle."""
    return EarlyStopping(patience=options.epochs // 4)


def train_and_validation(data: ImageSet, generator: Generator) -> tuple[Images, Images]:
    """Nine tenths of the training images and the last tenth, float32 (N, 1, 28, 28), all classes alike in both."""
    x, y = to_float(data.train.images), data.train.labels
    train, validation, _ = train_validation_test_split(
        x, y, fractions=(0.9, 0.1, 0.0), stratify=y, generator=generator
    )
    return train[0], validation[0]


def train_to_reconstruct(
    options: Options,
    model: Autoencoder | ConvAutoencoder,
    images: tuple[Images, Images],
    max_lr: float,
    transform: Transform,
    generator: Generator,
) -> Reconstruction:
    """Trains the model to rebuild images (training and validation part) until the validation loss stops to fall."""
    train, validation = images
    model.to(options.device)
    loader = DataLoader(
        (train,), options.batch_size, True, generator.fork(), transform, device=options.device
    )
    optimizer = Adam(model.parameters())
    trainer = Reconstruction(
        model,
        mse,
        optimizer,
        callbacks=callbacks(options, stopping(options)),
        schedule=OneCycleLR(optimizer, max_lr=max_lr, total_steps=options.epochs * len(loader)),
        progress=options.progress,
    )
    fit(options, trainer, loader, DataLoader((validation, validation), 250, device=options.device))
    return trainer


def rebuilt(trainer: Trainer, x: Images, options: Options) -> Images:
    """What the trained network makes of images (N, 1, H, W)."""
    return np.asarray(trainer.predict(tensor(x, device=options.device)).to("cpu").numpy())


def codes(model: Autoencoder, x: Images, options: Options) -> Images:
    """The codes (N, size) of images (N, 1, H, W)."""
    with no_grad():
        return np.asarray(model.encode(tensor(x, device=options.device)).to("cpu").numpy())


def rebuilt_by_pca(pca: PrincipalComponents, x: Images) -> Images:
    """What is left of images (N, 1, H, W) in these components, clipped to [0, 1] as the network's output is."""
    return np.clip(pca.decode(pca.encode(x)), 0, 1).reshape(x.shape)


def error(x: Images, other: Images) -> float:
    """The mean squared error of all pixels."""
    return float(np.square(x - other, dtype=np.float64).mean())


def one_of_each(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The place of the first image of every class."""
    return np.unique(labels, return_index=True)[1].astype(np.int64)
