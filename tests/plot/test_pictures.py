from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import tinydl as td
from tinydl.plot import images, mistakes, style

Texts = Callable[[Figure], list[str]]
Digits = tuple[np.ndarray, np.ndarray]


def test_a_grid_of_grey_images_with_titles(digits: Digits) -> None:
    x, y = digits
    figure = images(x[:10], titles=y[:10], columns=4, title="Digits")
    assert len(figure.axes) == 10
    for axes, picture, label in zip(figure.axes, x, y, strict=False):
        np.testing.assert_allclose(axes.images[0].get_array(), picture[0])
        assert axes.images[0].get_clim() == (0, 1)
        assert axes.get_title() == str(label)
    lefts = [round(axes.get_position().x0, 3) for axes in figure.axes]
    assert len(set(lefts)) == 4
    assert lefts[:4] == sorted(lefts[:4])
    assert lefts[4] == lefts[0]
    assert figure.get_suptitle() == "Digits"


def test_shapes_and_scales() -> None:
    colour = np.random.default_rng(0).random((2, 3, 4, 5))
    np.testing.assert_allclose(images(colour).axes[1].images[0].get_array(), colour[1].transpose(1, 2, 0))
    photo = td.data.photos.load()["coffee"]
    np.testing.assert_allclose(images(photo[None]).axes[0].images[0].get_array(), photo / 255)
    grey = td.tensor([[[0.0, 1.0]], [[2.0, 4.0]]])
    assert [a.images[0].get_array().tolist() for a in images(grey).axes] == [[[0, 0.25]], [[0.5, 1]]]
    signed = np.array([[[-1.0, 1.0]]])
    assert images(signed).axes[0].images[0].get_array().tolist() == [[0, 1]]
    mask = np.array([[[True, False]]])
    assert images(mask).axes[0].images[0].get_array().tolist() == [[1, 0]]


def test_images_keep_their_proportions() -> None:
    figure = images(np.ones((3, 4, 8)))
    width, height = figure.get_size_inches()
    for axes in figure.axes:
        box = axes.get_position()
        assert box.width * width == pytest.approx(2 * box.height * height)


@pytest.mark.parametrize(
    ("array", "more", "error", "match"),
    [
        (np.ones((0, 4, 4)), {}, ValueError, r"images: expected at least one image, got \(0, 4, 4\)"),
        (np.ones((4, 4)), {}, ValueError, r"images: expected images \(N, H, W\), .*, got \(4, 4\)"),
        (np.ones((2, 2, 4, 4)), {}, ValueError, r"images: expected images .*, got \(2, 2, 4, 4\)"),
        (np.ones((2, 4, 4)), {"titles": ["a"]}, ValueError, "images: expected 2 titles, .*, got 1"),
        (np.ones((2, 4, 4)), {"columns": 0}, ValueError, "images: expected 1 column or more, got 0"),
        (np.full((2, 4, 4), "a"), {}, TypeError, "images: expected images of numbers, got <U1"),
    ],
)
def test_images_refuses(array: Any, more: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        images(array, **more)


# ---- mistakes

SHARES = np.array(
    [
        [0.7, 0.1, 0.1, 0.06, 0.04],  # right
        [0.6, 0.3, 0.06, 0.03, 0.01],  # wrong, 60 % sure; the truth is second
        [0.05, 0.02, 0.9, 0.003, 0.027],  # wrong, 90 % sure; the truth is last
        [0.0, 0.0, 0.0, 0.0, 1.0],  # right
        [0.2, 0.15, 0.1, 0.3, 0.25],  # wrong, 30 % sure; the truth is fourth
    ]
)
LABELS = np.array([0, 1, 3, 4, 1])
PICTURES = np.arange(5)[:, None, None] / 4 * np.ones((5, 6, 6))


def cards(figure: Figure) -> list[tuple[Axes, Axes]]:
    return list(zip(figure.axes[::2], figure.axes[1::2], strict=True))


def bars(axes: Axes) -> list[tuple[str, float, str]]:
    names = [label.get_text() for label in axes.get_yticklabels()]
    return [
        (name, round(float(bar.get_width()), 6), to_hex(bar.get_facecolor()))
        for name, bar in zip(names, axes.patches, strict=True)
    ]


def test_the_surest_mistake_comes_first_with_its_picture_and_probabilities(texts: Texts) -> None:
    figure = mistakes(td.tensor(PICTURES), td.tensor(SHARES), td.tensor(LABELS))
    shown = cards(figure)
    assert [picture.images[0].get_array()[0, 0] for picture, _ in shown] == [0.5, 0.25, 1.0]
    assert bars(shown[0][1]) == [
        ("2", 0.9, style.WRONG),
        ("0", 0.05, style.OTHER),
        ("4", 0.027, style.OTHER),
        ("3", 0.003, style.RIGHT),  # not among the first three
    ]
    assert bars(shown[1][1]) == [("0", 0.6, style.WRONG), ("1", 0.3, style.RIGHT), ("2", 0.06, style.OTHER)]
    said = texts(figure)
    assert "3 of 3 mistakes in 5 images, the surest first" in said
    assert {"90%", "<1%", "60%", "wrong answer", "true class"} <= set(said)


def test_count_classes_and_title(texts: Texts) -> None:
    names = ["ant", "bee", "cat", "dog", "a name of great length"]
    figure = mistakes(PICTURES, SHARES, LABELS, names, count=1, title="Insects")
    ((_, chart),) = cards(figure)
    assert [name for name, _, _ in bars(chart)] == ["cat", "ant", "a name of gre…", "dog"]
    assert "1 of 3 mistakes in 5 images, the surest first" in texts(figure)
    assert figure.get_suptitle() == "Insects"


def test_no_mistakes(texts: Texts) -> None:
    figure = mistakes(PICTURES, np.eye(5)[LABELS], LABELS)
    assert figure.axes == []
    assert "No mistakes: all 5 answers are right." in texts(figure)


def test_labels_of_bars_keep_off_the_pictures() -> None:
    names = ["the longest of names"] * 5
    figure = mistakes(
        np.repeat(PICTURES, 3, axis=0), np.repeat(SHARES, 3, axis=0), np.repeat(LABELS, 3), names
    )
    figure.draw_without_rendering()
    for picture, chart in cards(figure):
        right = picture.get_window_extent().x1
        assert all(label.get_window_extent().x0 > right for label in chart.get_yticklabels())
        assert all(text.get_window_extent().x1 < figure.bbox.x1 for text in chart.texts)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"probabilities": SHARES[:4]}, r"mistakes: expected probabilities \(5, C\), got \(4, 5\)"),
        ({"probabilities": SHARES[0]}, r"mistakes: expected probabilities \(5, C\), got \(5,\)"),
        ({"probabilities": SHARES * 2}, "mistakes: expected probabilities .* take softmax of scores"),
        ({"probabilities": SHARES * np.nan}, "mistakes: expected probabilities"),
        ({"labels": LABELS[:4]}, r"mistakes: expected labels of shape \(5,\), got \(4,\)"),
        ({"labels": LABELS + 1}, "mistakes: expected labels below 5, got 5"),
        ({"labels": LABELS - 1}, "mistakes: expected labels of 0 or more, got -1"),
        ({"count": 0}, "mistakes: expected a count of 1 or more, got 0"),
        ({"classes": ["a"]}, "mistakes: expected names of 5 classes, got 1"),
        ({"images": np.ones((5, 5))}, r"mistakes: expected images \(N, H, W\)"),
    ],
)
def test_mistakes_refuses(change: dict[str, Any], match: str) -> None:
    given: dict[str, Any] = {"images": PICTURES, "probabilities": SHARES, "labels": LABELS, **change}
    with pytest.raises(ValueError, match=match):
        mistakes(**given)
