"""Composites: the same again from the same generator, masks that sit on what was pasted, parts kept apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

import tinydl as td
from tinydl.data import composites
from tinydl.data.composites import DIGITS, KINDS, PARTS, Composites, Cutout, Painter, Part

MAKERS = [td.data.digits_on_photos, td.data.objects_on_photos]
Maker = Callable[..., Composites]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("part", PARTS)
def test_pictures_and_labels(make: Maker, part: str) -> None:
    images, labels = make(6, part, 48, generator=3)
    assert (images.shape, images.dtype) == ((6, 3, 48, 48), np.float32)
    assert (labels.shape, labels.dtype) == ((6, 48, 48), np.int64)
    assert images.flags.c_contiguous
    assert 0 <= images.min() < images.max() <= 1
    classes = len(DIGITS) if make is td.data.digits_on_photos else 2
    assert 0 == labels.min() < labels.max() < classes
    shares = (labels > 0).mean((1, 2))
    assert (shares > 0.01).all()
    assert (shares < 0.9).all()


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_generator_gives_the_same_pictures(make: Maker) -> None:
    first, again, other = (make(3, "train", 32, generator=seed) for seed in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        assert a.tobytes() == b.tobytes()
        assert a.tobytes() != c.tobytes()
    td.manual_seed(1)
    assert make(3, "train", 32).images.tobytes() == first.images.tobytes()


def test_a_mask_sits_on_what_was_pasted() -> None:
    """Outside the mask and its soft edge the photo is as it was; well inside is the one colour of the object."""
    photo = np.full((64, 64, 3), 100, np.uint8)
    cover = np.zeros((20, 20), np.uint8)
    cover[5:15, 5:15] = 255
    painter = Painter([photo], 64, td.Generator(0))
    painter.new_picture()
    before = painter.images[0].copy()
    painter.paste(Cutout(np.full((20, 20), 255, np.uint8), cover, 7), height=40)
    (image,), (labels,) = painter.composites()
    assert set(np.unique(labels)) == {0, 7}
    assert (labels == 7).sum() == 20 * 20  # twice as large
    changed = np.abs(image.transpose(1, 2, 0) - before).max(2) > 1e-6
    assert changed[labels == 7].all()
    assert changed.sum() < 24 * 24  # a soft edge
    rows, columns = np.nonzero(labels)
    inner = image[:, rows.min() + 2 : rows.max() - 1, columns.min() + 2 : columns.max() - 1]
    np.testing.assert_allclose(inner, np.broadcast_to(inner[:, :1, :1], inner.shape), atol=1e-6)
    distance = np.abs(inner[:, 0, 0] - before[0, 0]).max()
    assert distance > 0.1  # of three colours the one that is seen best


def test_the_digits_are_those_of_their_labels() -> None:
    """Pasted at their own size on black and white, they are the training digits themselves."""
    digits = composites._digits("train")
    images, labels = td.data.mnist.load().train
    assert len(digits) == 3600
    for digit, image, label in zip(digits[:50], images, labels, strict=False):
        assert digit.label == label + 1
        assert (digit.cover == image[4:24, 4:24]).all()
    ones = [d for d in digits if d.label == 2][:10]
    assert all(d.cover.sum() < 40_000 for d in ones)


def test_parts_have_nothing_in_common() -> None:
    for source in (composites._digits, composites._clothes, composites._nuclei):
        parts: dict[str, set[bytes]] = {}
        for part in get_args(Part):
            parts[part] = {c.cover.tobytes() + c.shade.tobytes() for c in source(part)}
        assert len(parts["train"]) > 4 * len(parts["validation"]) > 0
        assert len(parts["test"]) > 0
        assert not parts["train"] & parts["validation"]
        assert not (parts["train"] | parts["validation"]) & parts["test"]
    photos = td.data.photos.load()
    train, validation, test = (composites._crops_of(part) for part in get_args(Part))
    assert [p.shape[1] for p in (*train, *validation)] == [176, 176, 80, 80]
    assert (np.hstack([train[0], validation[0]]) == photos["astronaut"]).all()
    assert (test[0] == photos["coffee"]).all()


def test_there_are_as_many_objects_of_each_kind() -> None:
    """Digits are thin, clothes and nuclei are not."""
    labels = td.data.objects_on_photos(60, "train", 48, generator=0).labels
    shares = [labels[i :: len(KINDS)].mean() for i in range(len(KINDS))]
    assert shares[0] < 0.7 * min(shares[1:])


def test_holes_inside_clothes_belong_to_them() -> None:
    dark = np.ones((1, 5, 5), bool)
    dark[0, 1:4, 1:4] = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    outside = composites._outside(dark)
    assert outside.sum() == 16
    assert not outside[0, 2, 2]
    maze = np.zeros((1, 5, 7), bool)
    maze[0, 1, 1:] = maze[0, 1:4, 1] = maze[0, 3, 1:6] = True  # a corridor that begins at the right side
    assert (composites._outside(maze) == maze).all()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((1, "all"), "part must be one of .*'validation'.*, got 'all'"),
        ((0, "train"), "expected count >= 1 and size >= 32, got count=0"),
        ((1, "train", 31), "got count=1, size=31"),
    ],
)
def test_what_is_refused(make: Maker, arguments: tuple[Any, ...], match: str) -> None:
    with pytest.raises(ValueError, match=f"{make.__name__}: .*{match}"):
        make(*arguments)
