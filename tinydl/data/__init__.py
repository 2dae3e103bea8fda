"""Data: real sets that are part of the package, toy problems, splitting and batching.

Every set has `.load()`, and none is read before that. The embedded sets need no network:

    images.py     mnist, fashion_mnist (idx.py reads their files, sources.py finds the full sets)
    pictures.py   nuclei, photos
    tabular.py    breast_cancer, wine, digits8x8
    toys.py       apples_oranges, or_gate, xor, moons, spiral
    split.py      train_validation_test_split
    loader.py     TensorDataset, DataLoader
    augment.py    changes of training images
    baselines.py  what a network must beat
    catalogue.py  the list of all sets
"""

from __future__ import annotations

from tinydl.data import augment
from tinydl.data.baselines import nearest_neighbour_accuracy
from tinydl.data.catalogue import catalogue
from tinydl.data.errors import DataError, DataNotFound
from tinydl.data.images import fashion_mnist, mnist, to_float
from tinydl.data.loader import DataLoader, TensorDataset
from tinydl.data.pictures import nuclei, photos
from tinydl.data.split import train_validation_test_split
from tinydl.data.tabular import breast_cancer, digits8x8, wine
from tinydl.data.toys import apples_oranges, moons, or_gate, spiral, xor

__all__ = [
    "DataError",
    "DataLoader",
    "DataNotFound",
    "TensorDataset",
    "apples_oranges",
    "augment",
    "breast_cancer",
    "catalogue",
    "digits8x8",
    "fashion_mnist",
    "mnist",
    "moons",
    "nearest_neighbour_accuracy",
    "nuclei",
    "or_gate",
    "photos",
    "spiral",
    "to_float",
    "train_validation_test_split",
    "wine",
    "xor",
]
