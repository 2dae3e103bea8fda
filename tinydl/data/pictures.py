"""Pictures that are part of this package: nuclei under a microscope, with masks, and three photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinydl.data.sources import embedded

_PHOTOS = ("astronaut", "chelsea", "coffee")
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class NucleiImage:
    """One fluorescence image of cell nuclei, and which nucleus each pixel belongs to.

    `image`: uint8 (512, 512). `labels`: uint8 (512, 512), 0 for background, else the number of a nucleus;
    there are 125. For segmentation into nucleus and background take `labels > 0`.

    No nucleus is in both `train` and `test`: 32 columns between them are left out.
    """

    image: Pixels
    labels: Pixels
    source: str

    @property
    def train(self) -> tuple[Pixels, Pixels]:
        """Image and labels of the columns x < 320: uint8 (512, 320) each, views of the whole."""
        return self.image[:, :320], self.labels[:, :320]

    @property
    def test(self) -> tuple[Pixels, Pixels]:
        """Image and labels of the columns x >= 352: uint8 (512, 160) each, views of the whole."""
        return self.image[:, 352:], self.labels[:, 352:]


class Nuclei:
    """Loads one image of the 2018 Data Science Bowl (Caicedo et al. 2019, BBBC038, CC0)."""

    def load(self) -> NucleiImage:
        """The image and its 125 nuclei, outlined by hand: uint8 (512, 512) each."""
        return NucleiImage(
            image=_pixels("nuclei", "image.png"),
            labels=_pixels("nuclei", "labels.png"),
            source="embedded nuclei: one image of 512x512 pixels, 125 nuclei; train on columns x < 320, "
            "test on x >= 352",
        )


class Photos:
    """Loads three colour photographs (public domain and CC0, from scikit-image)."""

    def load(self) -> dict[str, Pixels]:
        """The photographs `astronaut`, `chelsea` and `coffee`: uint8 (H, W, 3), the longer side 256."""
        return {name: _pixels("photos", f"{name}.jpg") for name in _PHOTOS}


def _pixels(folder: str, name: str) -> Pixels:
    from PIL import Image  # here, so that who uses no pictures does not wait for it

    with Image.open(embedded(folder, name)) as picture:
        return np.array(picture)


nuclei = Nuclei()
photos = Photos()
