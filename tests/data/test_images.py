from __future__ import annotations

import dataclasses
import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinydl.data import DataNotFound, fashion_mnist, mnist, sources, to_float
from tinydl.data.images import ImageLoader

SHA256 = {
    ("mnist5k", sources.TRAIN_IMAGES): "f7fc79d1910d94e370217945ff37b1984980f0418e427c2a5f9f929e0705c977",
    ("mnist5k", sources.TRAIN_LABELS): "9e9ecb8ff4ddc76244e95bddc2a2ac9136832e8cf72e2fc9ea18ace9c3d5c7fd",
    ("mnist5k", sources.TEST_IMAGES): "53e8a35f0344f41c24be425bc3fb6c8665520130289c0fca047f8136ba8ba502",
    ("mnist5k", sources.TEST_LABELS): "d6d5cd907c6a59432c286a98f67d1dfc33a1baf2ff2524bed5b6225269a6ac88",
    ("fashion2k", sources.TRAIN_IMAGES): "d95ad6bfabd44a451c8734d0abb8630d06484fc537e4b797549c440cb151c001",
    ("fashion2k", sources.TRAIN_LABELS): "95eb3bec47ff6c73f0e0eb9484f0374539894d5d802d340d510815e6a5b694b9",
    ("fashion2k", sources.TEST_IMAGES): "c27738f929373656f4393ab362eca6c58967b6e91ae4a4777d3009b8061ee8e0",
    ("fashion2k", sources.TEST_LABELS): "a933c1fe0211535abd8103ba7c36a31d175ea92496c08bdf13e9554af39085b7",
}


@pytest.mark.parametrize(("folder", "name"), SHA256)
def test_embedded_files_are_the_ones_meant(folder: str, name: str) -> None:
    data = gzip.decompress(sources.embedded(folder, f"{name}.gz").read_bytes())
    assert hashlib.sha256(data).hexdigest() == SHA256[folder, name]


@pytest.mark.parametrize(
    ("loader", "per_class", "source"),
    [
        (mnist, (400, 100), "embedded MNIST-5k: 4,000 training images, 1,000 held out"),
        (fashion_mnist, (150, 50), "embedded Fashion-2k: 1,500 training images, 500 held out"),
    ],
)
def test_embedded_sets_are_balanced(loader: ImageLoader, per_class: tuple[int, int], source: str) -> None:
    loaded = loader.load()
    assert loaded.source == source
    assert loaded.name == loader.name
    assert len(loaded.classes) == 10
    for (images, labels), count in zip(loaded, per_class, strict=True):
        assert images.dtype == np.uint8
        assert images.shape == (10 * count, 28, 28)
        assert labels.dtype == np.int64
        assert np.bincount(labels).tolist() == [count] * 10


def test_unpacks_in_both_ways() -> None:
    loaded = mnist.load()
    train, test = loaded
    (x, y), (x_test, y_test) = loaded
    assert train is loaded.train
    assert test is loaded.test
    assert x is train.images
    assert y is train.labels
    assert x_test is test.images
    assert y_test is test.labels


def test_no_image_is_in_both_parts() -> None:
    for loader in (mnist, fashion_mnist):
        train, test = loader.load()
        assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}


def test_labels_fit_the_images() -> None:
    """Ones have the least ink of all digits and zeros the most; trousers are upright, sneakers lie flat."""
    train = mnist.load().train
    ink = [train.images[train.labels == digit].mean() for digit in range(10)]
    assert np.argmin(ink) == 1
    assert np.argmax(ink) == 0
    fashion = fashion_mnist.load()
    sneakers = fashion.train.images[fashion.train.labels == fashion.classes.index("Sneaker")]
    trousers = fashion.train.images[fashion.train.labels == fashion.classes.index("Trouser")]
    assert sneakers[:, :6].mean() < 1 < 40 < trousers[:, :6].mean()


def test_what_is_written_into_one_set_does_not_reach_the_next() -> None:
    first = mnist.load()
    first.train.images[:] = 0
    first.train.labels[:] = 0
    assert mnist.load().train.images.any()
    assert mnist.load().train.labels.any()


def test_full_set(
    bare_machine: Path, small_set: sources.FullSet, small_files: dict[str, bytes], lay: Callable[..., None]
) -> None:
    loader = dataclasses.replace(mnist, full=small_set)
    with pytest.raises(DataNotFound, match="the full Small was not found"):
        loader.load("full")
    lay(bare_machine / "root")
    loaded = loader.load(source="full", root=bare_machine / "root")
    assert loaded.source == f"full Small from {bare_machine / 'root'}: 7 training images, 3 test images"
    assert loaded.train.images.tobytes() == small_files[sources.TRAIN_IMAGES][16:]
    assert loaded.test.images.tobytes() == small_files[sources.TEST_IMAGES][16:]
    for part, name in ((loaded.train, sources.TRAIN_LABELS), (loaded.test, sources.TEST_LABELS)):
        assert part.labels.dtype == np.int64
        assert part.labels.tolist() == list(small_files[name][8:])


def test_the_subset_never_stands_in_for_the_full_set(bare_machine: Path) -> None:
    for loader in (mnist, fashion_mnist):
        with pytest.raises(DataNotFound):
            loader.load(source="full", root=bare_machine)


def test_refuses_arguments_that_would_do_nothing() -> None:
    with pytest.raises(ValueError, match="source must be 'embedded' or 'full', got 'web'"):
        mnist.load(source="web")
    with pytest.raises(ValueError, match="root and download are for source='full'"):
        mnist.load(root="folder")
    with pytest.raises(ValueError, match=r"fashion_mnist\.load: root and download are for source='full'"):
        fashion_mnist.load(download=True)


def test_to_float() -> None:
    images = np.array([[[0, 51], [102, 255]]], np.uint8)
    floats = to_float(images)
    expected = np.array([[[[0, 51 / 255], [102 / 255, 1]]]], np.float32)
    np.testing.assert_array_equal(floats, expected, strict=True)
    assert to_float(np.zeros((0, 28, 28), np.uint8)).shape == (0, 1, 28, 28)
    with pytest.raises(TypeError, match="expected uint8 images, got float32"):
        to_float(floats[0])
    with pytest.raises(ValueError, match=r"expected images of shape \(N, H, W\), got \(2, 2\)"):
        to_float(images[0])
