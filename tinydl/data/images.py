"""MNIST and Fashion-MNIST: balanced subsets that are part of this package, and the full sets where found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tinydl.data import sources
from tinydl.data.idx import read_pair


class Images(NamedTuple):
    """Images, uint8 (N, 28, 28), and their labels, int64 (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A training and a test part: `train, test = mnist.load()`, or `(x, y), (x_test, y_test) = mnist.load()`.

    `source` is the sentence to show with every figure: which data these are, with counts. `classes[label]` is
    the name of a class; `test_name` is what the second part must be called beside a figure.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    test_name: str

    def __iter__(self) -> Iterator[Images]:
        return iter((self.train, self.test))


@dataclass(frozen=True)
class ImageLoader:
    """Loads one set of images, the embedded subset or the full set."""

    name: str
    classes: tuple[str, ...]
    folder: str
    subset: str
    full: sources.FullSet

    def load(
        self,
        source: Literal["embedded", "full"] = "embedded",
        root: str | os.PathLike[str] | None = None,
        download: bool = False,
    ) -> ImageSet:
        """The images and labels of the embedded subset, or of the full set with `source="full"`.

        The test part of the embedded subset is a held-out part of that subset: an accuracy on it can't be
        compared with published test accuracies; one on the full set can.

        The full set, 60,000 and 10,000 images, is looked for in `root`, `$TINYDL_DATA`, the user's cache
        (`$XDG_CACHE_HOME/tinydl` or `~/.cache/tinydl`) and `/usr/share/datasets`, and its sha256 is checked.
        Only `download=True` uses the network, into `root` or the cache, and not if `TINYDL_OFFLINE=1`.

        Raises: DataNotFound when the full set is not found (the subset never stands in for it), DataError
        when a file is damaged, ValueError for another `source`, or for `root` or `download` without
        `source="full"`.
        """
        if source == "full":
            return self._full(root, download)
        if source != "embedded":
            raise ValueError(f"{self.name}.load: source must be 'embedded' or 'full', got {source!r}")
        if root is not None or download:
            raise ValueError(
                f"{self.name}.load: root and download are for source='full', got source='embedded'"
            )
        train = _images(
            *read_pair(
                sources.embedded(self.folder, f"{sources.TRAIN_IMAGES}.gz"),
                sources.embedded(self.folder, f"{sources.TRAIN_LABELS}.gz"),
            )
        )
        test = _images(
            *read_pair(
                sources.embedded(self.folder, f"{sources.TEST_IMAGES}.gz"),
                sources.embedded(self.folder, f"{sources.TEST_LABELS}.gz"),
            )
        )
        said = f"embedded {self.subset}: {len(train.labels):,} training images, {len(test.labels):,} held out"
        return ImageSet(self.name, said, self.classes, train, test, f"held-out part of {self.subset}")

    def _full(self, root: str | os.PathLike[str] | None, download: bool) -> ImageSet:
        found = {name: sources.full_file(self.full, name, root, download) for name in self.full.files}
        train = _images(found[sources.TRAIN_IMAGES][0], found[sources.TRAIN_LABELS][0])
        test = _images(found[sources.TEST_IMAGES][0], found[sources.TEST_LABELS][0])
        folders = " and ".join(dict.fromkeys(str(path.parent) for _, path in found.values()))
        said = (
            f"full {self.full.title} from {folders}: {len(train.labels):,} training images, "
            f"{len(test.labels):,} test images"
        )
        return ImageSet(
            self.name, said, self.classes, train, test, f"official test part of {self.full.title}"
        )


def _images(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Images:
    return Images(images, labels.astype(np.int64))


def to_float(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Grey images as a network takes them: uint8 (N, H, W) in, float32 (N, 1, H, W) from 0 to 1 out.

    Raises: TypeError for another dtype (so that nothing is divided by 255 twice), ValueError for another
    number of axes.
    """
    if images.dtype != np.uint8:
        raise TypeError(
            f"to_float: expected uint8 images, got {images.dtype}; floats are taken to be ready already"
        )
    if images.ndim != 3:
        raise ValueError(f"to_float: expected images of shape (N, H, W), got {images.shape}")
    return images[:, None].astype(np.float32) / np.float32(255)


mnist = ImageLoader(
    name="mnist",
    classes=tuple("0123456789"),
    folder="mnist5k",
    subset="MNIST-5k",
    full=sources.MNIST,
)

fashion_mnist = ImageLoader(
    name="fashion_mnist",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    folder="fashion2k",
    subset="Fashion-2k",
    full=sources.FASHION_MNIST,
)
