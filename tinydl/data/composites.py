"""Pictures with known masks: objects of the embedded sets, cut out and pasted on crops of the embedded photos.

What a network is measured on shares neither objects nor photos with what it learned from:

    part         objects                                                       crops of
    train        nine tenths of the training digits, clothes and nuclei        astronaut and chelsea, columns x < 176
    validation   the last tenth of them                                        the same, columns x >= 176
    test         held-out digits and clothes, nuclei of columns x >= 352       coffee
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from tinydl.data.images import fashion_mnist, mnist
from tinydl.data.pictures import nuclei, photos
from tinydl.random import Generator, GeneratorLike, as_generator

Part: TypeAlias = Literal["train", "validation", "test"]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
T = TypeVar("T")

PARTS = ("train", "validation", "test")
DIGITS = ("background", "0", "1", "2", "3", "4")  # the classes of `digits_on_photos`
KINDS = (
    "digits",
    "clothes",
    "nuclei",
)  # of objects; picture i of `objects_on_photos` has one of KINDS[i % 3]


class Composites(NamedTuple):
    """Pictures, float32 (N, 3, size, size) in [0, 1], and the class of every pixel, int64 (N, size, size)."""

    images: Floats
    labels: npt.NDArray[np.int64]


class Cutout(NamedTuple):
    """One object: how light it is, how much of each pixel it covers (uint8 (h, w) both), and its class."""

    shade: Pixels
    cover: Pixels
    label: int


def digits_on_photos(
    count: int, part: Part = "train", size: int = 32, generator: GeneratorLike = None
) -> Composites:
    """`count` crops of photos with one or two digits from 0 to 4 each, in light colours.

    Images float32 (count, 3, size, size), labels int64 (count, size, size): 0 is background, k + 1 the digit k.
    Five digits and not ten: to tell ten apart at any place takes far more training than one minute. The same
    generator gives the same pictures. Raises ValueError for another part, a count below 1, a size below 32.
    """
    generator = _checked("digits_on_photos", count, part, size, generator)
    painter = Painter(_crops_of(part), size, generator, darkest_ink=0.6)
    digits = [digit for digit in _digits(part) if digit.label < len(DIGITS)]
    for _ in range(count):
        painter.new_picture()
        for _ in range(int(generator.integers(1, 3))):
            digit = digits[int(generator.integers(0, len(digits)))]
            painter.paste(digit, size * float(generator.uniform(0.5, 0.7)))
    return painter.composites()


def objects_on_photos(
    count: int, part: Part = "train", size: int = 64, generator: GeneratorLike = None
) -> Composites:
    """`count` crops of photos with one digit, piece of clothing or nucleus each, tinted in any colour.

    Images float32 (count, 3, size, size), labels int64 (count, size, size): 0 is background, 1 the object. The
    same generator gives the same pictures. Raises ValueError for another part, a count below 1, a size below 32.
    """
    generator = _checked("objects_on_photos", count, part, size, generator)
    painter = Painter(_crops_of(part), size, generator)
    cutouts = (_digits(part), _clothes(part), _nuclei(part))
    for i in range(count):
        painter.new_picture()
        kind = cutouts[i % len(KINDS)]
        cutout = kind[int(generator.integers(0, len(kind)))]
        painter.paste(cutout._replace(label=1), size * float(generator.uniform(0.5, 1.0)))
    return painter.composites()


class Painter:
    """Crops photos, uint8 (H, W, 3), to squares of `size` pixels and pastes cut-out objects on them.

    The three channels of an object's colour are drawn from `darkest_ink` to 1.
    """

    def __init__(
        self, backgrounds: Sequence[Pixels], size: int, generator: Generator, darkest_ink: float = 0.0
    ) -> None:
        self.backgrounds, self.size, self.generator = backgrounds, size, generator
        self.darkest_ink = darkest_ink
        self.images: list[Floats] = []
        self.labels: list[npt.NDArray[np.int64]] = []

    def new_picture(self) -> None:
        """A square crop of any scale, mirrored half of the time, darkened a little."""
        from PIL import Image

        draw = self.generator
        photo = self.backgrounds[int(draw.integers(0, len(self.backgrounds)))]
        height, width = photo.shape[:2]
        largest = min(height, width)
        side = float(draw.uniform(min(self.size, largest), largest))
        top, left = float(draw.uniform(0, height - side)), float(draw.uniform(0, width - side))
        crop = Image.fromarray(photo).resize(
            (self.size, self.size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
        )
        picture = np.asarray(crop, np.float32) / np.float32(255)
        if draw.random() < 0.5:
            picture = picture[:, ::-1]
        self.images.append(picture * np.asarray(draw.uniform(0.5, 1.0), np.float32))
        self.labels.append(np.zeros((self.size, self.size), np.int64))

    def paste(self, cutout: Cutout, height: float) -> None:
        """Puts an object, `height` pixels high, where the picture is most empty, in a colour that can be seen."""
        from PIL import Image

        draw = self.generator
        h, w = cutout.cover.shape
        scale = min(height / h, self.size / max(h, w))
        box = (max(1, round(w * scale)), max(1, round(h * scale)))
        shade, cover = (
            np.asarray(Image.fromarray(a).resize(box, Image.Resampling.BILINEAR), np.float32)[..., None] / 255
            for a in (cutout.shade, cutout.cover)
        )
        picture, labels = self.images[-1], self.labels[-1]
        room = np.array([self.size - box[1], self.size - box[0]])
        places = np.rint(draw.random((20, 2)) * room).astype(int)
        ink = cover[..., 0] > 0.5
        hidden = [(labels[t : t + box[1], left : left + box[0]] > 0)[ink].sum() for t, left in places]
        top, left = places[int(np.argmin(hidden))]
        spot = (slice(top, top + box[1]), slice(left, left + box[0]))

        beneath = (picture[spot] * cover).sum((0, 1)) / np.maximum(cover.sum(), 1e-6)
        look = (shade * cover).sum() / np.maximum(cover.sum(), 1e-6)
        colours = draw.uniform(self.darkest_ink, 1.0, (3, 3))
        colour = colours[int(np.argmax(((colours * look - beneath) ** 2).sum(1)))]
        picture[spot] = picture[spot] * (1 - cover) + colour * shade * cover
        labels[spot][ink] = cutout.label

    def composites(self) -> Composites:
        """All that was painted."""
        images = np.ascontiguousarray(np.stack(self.images).transpose(0, 3, 1, 2))
        return Composites(images, np.stack(self.labels))


def _crops_of(part: Part) -> list[Pixels]:
    """The photos, or their columns, that the backgrounds of this part are cut from."""
    found = photos.load()
    if part == "test":
        return [found["coffee"]]
    columns = slice(None, 176) if part == "train" else slice(176, None)
    return [found[name][:, columns] for name in ("astronaut", "chelsea")]


def _digits(part: Part) -> list[Cutout]:
    """The digits of MNIST-5k: flat ink."""
    train, test = mnist.load()
    digits = test if part == "test" else train
    white = np.full((20, 20), 255, np.uint8)
    inner = digits.images[:, 4:24, 4:24]  # without the border, which is black in all of them
    return _share([Cutout(white, d, int(k) + 1) for d, k in zip(inner, digits.labels, strict=True)], part)


def _clothes(part: Part) -> list[Cutout]:
    """The pieces of Fashion-2k: what the black around them does not reach."""
    train, test = fashion_mnist.load()
    images = test.images if part == "test" else train.images
    covers = np.where(_outside(images < 24), 0, 255).astype(np.uint8)
    return _share([_cut(*pair) for pair in zip(images, covers, strict=True)], part)


def _nuclei(part: Part) -> list[Cutout]:
    """The nuclei by their outlines; specks of less than 8 pixels are left out, and what is cut by the border."""
    found = nuclei.load()
    image, labels = found.test if part == "test" else found.train
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    cutouts = []
    for number in np.setdiff1d(labels, np.append(border, 0)):
        cover = np.where(labels == number, 255, 0).astype(np.uint8)
        shade = np.where(cover > 0, image, 0)
        if min(cover[_box(cover)].shape) >= 8:
            cutouts.append(_cut(shade, cover))
    return _share(cutouts, part)


def _cut(shade: Pixels, cover: Pixels) -> Cutout:
    """An object, cut to the rows and columns that it covers, its lightest pixel white."""
    there = _box(cover)
    shade, cover = shade[there], cover[there]
    light = shade.astype(np.float32) / max(float(shade[cover > 0].max(initial=1)), 1.0)
    return Cutout((255 * light).astype(np.uint8), cover, 1)


def _box(cover: Pixels) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _outside(dark: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of dark pixels (N, H, W) those that are joined to the border by dark pixels: not the holes of an object."""
    reached = np.pad(np.zeros_like(dark), ((0, 0), (1, 1), (1, 1)), constant_values=True)
    inner = reached[:, 1:-1, 1:-1]
    count = -1
    while count != (count := int(inner.sum())):
        beside = reached[:, :-2, 1:-1] | reached[:, 2:, 1:-1] | reached[:, 1:-1, :-2] | reached[:, 1:-1, 2:]
        inner |= beside & dark
    return inner


def _share(items: list[T], part: Part) -> list[T]:
    """Nine tenths of what there is to train with, or the last tenth; all of the test part."""
    first = len(items) * 9 // 10
    return {"train": items[:first], "validation": items[first:], "test": items}[part]


def _checked(who: str, count: int, part: str, size: int, generator: GeneratorLike) -> Generator:
    if part not in PARTS:
        raise ValueError(f"{who}: part must be one of {list(PARTS)}, got {part!r}")
    if count < 1 or size < 32:
        raise ValueError(f"{who}: expected count >= 1 and size >= 32, got count={count}, size={size}")
    return as_generator(generator)
