"""Augmentation: small changes of the training images that do not change what they show.

    geometry.py  RandomAffine, RandomRotation, RandomZoom, RandomShift, RandomShear
    resample.py  affine: how they read images between the pixels, and outside
    cuts.py      RandomHorizontalFlip, RandomVerticalFlip, RandomCrop, Cutout
    tones.py     RandomBrightness, RandomContrast, ColourJitter, GaussianNoise
    mixup.py     Mixup
    keras.py     ImageDataGenerator: most of them at once, by Keras's names
    amounts.py   how amounts are given

They are for training alone, given to the loader of the training images, and draw from its generator:

    changes = Compose(RandomAffine(degrees=10, translate=2), RandomHorizontalFlip())
    train = DataLoader((images, labels), 64, shuffle=True, generator=0, transform=changes)

By themselves they are called with NumPy images (N, C, H, W) and a `generator`, and return images of the same dtype;
most keep the shape. Masks in a batch follow (see `Augmentation`).
"""

from __future__ import annotations

from tinydl.data.augment.cuts import Cutout, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from tinydl.data.augment.geometry import (
    RandomAffine,
    RandomRotation,
    RandomShear,
    RandomShift,
    RandomZoom,
    Resampling,
)
from tinydl.data.augment.keras import ImageDataGenerator
from tinydl.data.augment.mixup import Mixup
from tinydl.data.augment.resample import affine
from tinydl.data.augment.tones import ColourJitter, GaussianNoise, RandomBrightness, RandomContrast
from tinydl.data.transform import Augmentation, Compose

__all__ = [
    "Augmentation",
    "ColourJitter",
    "Compose",
    "Cutout",
    "GaussianNoise",
    "ImageDataGenerator",
    "Mixup",
    "RandomAffine",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomShear",
    "RandomShift",
    "RandomVerticalFlip",
    "RandomZoom",
    "Resampling",
    "affine",
]
