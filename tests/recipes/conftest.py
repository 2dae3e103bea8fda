from __future__ import annotations

import numpy as np
import pytest

from tinydl.data import mnist
from tinydl.data.images import Images, ImageSet


class FewDigits:
    """Loads the first digits of every class: 400 to train on, 100 held out."""

    def load(self) -> ImageSet:
        whole = mnist.load()

        def part(of: Images, each: int) -> Images:
            rows = np.concatenate([np.flatnonzero(of.labels == label)[:each] for label in range(10)])
            return Images(of.images[rows], of.labels[rows])

        few = part(whole.train, 40), part(whole.test, 10)
        return ImageSet(whole.name, "a few digits", whole.classes, *few, test_name="few digits held out")


@pytest.fixture(scope="session")
def few_digits() -> FewDigits:
    """Stands in for `mnist` in a recipe, where a run must not take longer than a second."""
    return FewDigits()
