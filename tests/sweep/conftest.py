from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tinydl.data import mnist
from tinydl.data.images import Images, ImageSet
from tinydl.recipes import classify


class FewDigits:
    """MNIST with 200 training images and 50 held out, where a training must take no time."""

    def load(self, source: str) -> ImageSet:
        assert source == "embedded"
        whole = mnist.load()

        def part(of: Images, each: int) -> Images:
            rows = np.concatenate([np.flatnonzero(of.labels == label)[:each] for label in range(10)])
            return Images(of.images[rows], of.labels[rows])

        few = part(whole.train, 20), part(whole.test, 5)
        return ImageSet(whole.name, "a few digits", whole.classes, *few, test_name="few digits held out")


@pytest.fixture(scope="module", autouse=True)
def few_digits() -> Iterator[ImageSet]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classify.DATA, "mnist", FewDigits())
        yield FewDigits().load("embedded")
