"""Data: real sets that are part of the package, toy problems, splitting and batching.

Every set has `.load()`, and none is read before that. The embedded sets need no network:

    images.py     mnist, fashion_mnist (idx.py reads their files, sources.py finds the full sets)
    pictures.py   nuclei, photos
    tabular.py    breast_cancer, wine, digits8x8
    toys.py       apples_oranges, or_gate, xor, moons, spiral
    split.py      train_validation_test_split
    loader.py     TensorDataset, DataLoader
    crops.py      RandomCrops: training images cut from a large one, with their masks
    augment/      changes of training images (transform.py: what they share)
    balance.py    BalancedSampler, oversample: for classes of different sizes
    colour.py     colour spaces
    classic_kernels.py  blur, sharpen, find edges
    filters.py    median_filter, gaussian_filter, bicubic: to clean and to enlarge pictures without learning
    composites.py digits_on_photos, objects_on_photos: pictures with known masks
    kmeans.py     kmeans: groups found without labels
    baselines.py  what a network must beat
    catalogue.py  the list of all sets
"""

from __future__ import annotations

from tinydl.data import augment, colour
from tinydl.data.balance import BalancedSampler, oversample
from tinydl.data.baselines import PrincipalComponents, nearest_neighbour_accuracy, principal_components
from tinydl.data.catalogue import catalogue
from tinydl.data.classic_kernels import KERNELS, apply_kernel
from tinydl.data.composites import digits_on_photos, objects_on_photos
from tinydl.data.crops import RandomCrops
from tinydl.data.errors import DataError, DataNotFound
from tinydl.data.filters import bicubic, gaussian_filter, median_filter
from tinydl.data.images import fashion_mnist, mnist, to_float
from tinydl.data.kmeans import kmeans
from tinydl.data.loader import DataLoader, TensorDataset
from tinydl.data.pictures import nuclei, photos
from tinydl.data.split import train_validation_test_split
from tinydl.data.tabular import breast_cancer, digits8x8, wine
from tinydl.data.toys import apples_oranges, moons, or_gate, spiral, xor

__all__ = [
    "KERNELS",
    "BalancedSampler",
    "DataError",
    "DataLoader",
    "DataNotFound",
    "PrincipalComponents",
    "RandomCrops",
    "TensorDataset",
    "apples_oranges",
    "apply_kernel",
    "augment",
    "bicubic",
    "breast_cancer",
    "catalogue",
    "colour",
    "digits8x8",
    "digits_on_photos",
    "fashion_mnist",
    "gaussian_filter",
    "kmeans",
    "median_filter",
    "mnist",
    "moons",
    "nearest_neighbour_accuracy",
    "nuclei",
    "objects_on_photos",
    "or_gate",
    "oversample",
    "photos",
    "principal_components",
    "spiral",
    "to_float",
    "train_validation_test_split",
    "wine",
    "xor",
]
