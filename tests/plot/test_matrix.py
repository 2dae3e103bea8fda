from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinydl as td
from tinydl.plot import confusion

Texts = Callable[[Figure], list[str]]
COUNTS = np.array([[50, 1, 0], [3, 40, 7], [0, 0, 0]])


def cells(figure: Figure) -> dict[tuple[int, int], str]:
    """The numbers by row and column."""
    return {
        (round(t.get_position()[1]), round(t.get_position()[0])): t.get_text()
        for t in figure.axes[0].texts
        if t.get_text() != "Recall"
    }


def test_counts_stand_in_their_cells() -> None:
    figure = confusion(COUNTS)
    assert cells(figure) == {
        (0, 0): "50", (0, 1): "1", (1, 0): "3", (1, 1): "40", (1, 2): "7",
    }  # fmt: skip
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted class", "True class")


def test_mistakes_are_coloured_by_their_share_of_the_true_class_and_right_answers_are_not() -> None:
    figure = confusion(COUNTS)
    (image,) = figure.axes[0].images
    shares = image.get_array()
    assert np.ma.getmaskarray(shares).tolist() == np.eye(3, dtype=bool).tolist()
    assert shares[0, 1] == 1 / 51
    assert shares[1, 2] == 7 / 50
    assert image.get_clim() == (0, 7 / 50)  # 90 % right answers do not take the colours away
    no_mistakes = confusion(np.diag([3, 4]))
    assert no_mistakes.axes[0].images[0].get_clim() == (0, 1)


def test_accuracy_recall_and_names(texts: Texts) -> None:
    figure = confusion(COUNTS, ["ant", "bee", "cat"], title="Insects")
    assert figure.get_suptitle() == "Insects: accuracy 89.1% (90 of 101)"
    said = texts(figure)
    assert said.count("ant") == said.count("bee") == said.count("cat") == 2
    for recall in ("Recall", "98.0%", "80.0%", "none"):
        assert recall in said
    assert confusion(td.tensor(COUNTS)).get_suptitle().startswith("Confusion matrix: ")


def test_many_classes_have_no_numbers_and_small_names() -> None:
    figure = confusion(np.eye(60, dtype=int) * 10 + 1)
    assert cells(figure) == {}
    assert all(t.get_fontsize() < 6 for t in figure.axes[0].get_xticklabels())


def test_one_class() -> None:
    assert cells(confusion([[3]])) == {(0, 0): "3"}


def test_numbers_are_legible_on_their_cell() -> None:
    figure = confusion([[5, 95], [1, 99]])
    colours = {t.get_text(): t.get_color() for t in figure.axes[0].texts}
    assert colours["95"] == "#ffffff"
    assert colours["5"] == colours["1"] == colours["99"] == "#222222"


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (np.ones((2, 3)), r"confusion: expected a square matrix of counts \(C, C\), got \(2, 3\)"),
        (np.ones(4), r"expected a square matrix of counts \(C, C\), got \(4,\)"),
        (np.ones((0, 0)), r"expected a square matrix of counts \(C, C\), got \(0, 0\)"),
        ([[1, -1], [0, 1]], "expected counts"),
        ([[0.5, 0.5], [0, 1]], "expected counts"),
        ([[np.nan, 1], [0, 1]], "expected counts"),
        ([[np.inf, 1], [0, 1]], "expected counts"),
        (np.zeros((2, 2)), "expected at least one count, got none"),
    ],
)
def test_refuses(matrix: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        confusion(matrix)


def test_refuses_names_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="confusion: expected names of 3 classes, got 2"):
        confusion(COUNTS, ["a", "b"])
