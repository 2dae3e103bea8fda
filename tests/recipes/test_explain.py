"""`tinydl train explain` on a handful of digits: its pictures, its figures, and the run of another command."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.data.images import ImageSet
from tinydl.recipes import RECIPES, Options, classify, explain, lenet
from tinydl.train import GradientFlow, History

PICTURES = [
    "black.png", "deceived.png", "deceived_accuracy.png", "explanations.png", "ideals.png", "inverted.png",
]  # fmt: skip


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, few_digits: Any
) -> Any:  # the folder, the figures, and the rows that the pictures of the five cases were drawn from
    class Few:
        def load(self, source: str) -> ImageSet:
            return few_digits.load()

    out = tmp_path_factory.mktemp("explain")
    drawn: dict[str, Any] = {}
    draw = td.plot.explanations

    def watched(images: Any, maps: Any, titles: Any, **others: Any) -> Any:
        drawn.update(images=images, maps=maps, titles=titles)
        return draw(images, maps, titles, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classify.DATA, "mnist", Few())
        patch.setattr(td.plot, "explanations", watched)
        patch.setattr(explain, "DELETED", 6)
        patch.setattr(td.explain, "maximise_activation", partial(td.explain.maximise_activation, steps=2))
        for picture in ("confusion", "mistakes"):  # not those of this recipe
            patch.setattr(td.plot, picture, lambda *_, **__: None)
        for cls in (History, GradientFlow):
            patch.setattr(cls, "plot", lambda *_: None)
        options = Options(out, epochs=2, batch_size=64, progress=False)
        first = lenet.train(options)  # as `tinydl train lenet` does
        metrics = explain.run(Options(out, epochs=2, batch_size=64, progress=False, resume=True))
    return out, first, metrics, drawn


def test_it_explains_the_run_that_is_there(done: Any) -> None:
    out, first, metrics, _ = done
    assert metrics["test_accuracy"] == first.metrics["test_accuracy"]
    for name in PICTURES:
        with Image.open(out / name) as picture:
            assert picture.width > 800
            assert np.asarray(picture.convert("L")).std() > 5


def test_the_figures_are_shares_and_have_baselines(done: Any) -> None:
    metrics = done[2]
    methods = ("saliency", "smoothgrad", "integrated_gradients", "grad_cam", "occlusion")
    names = ["test_fgsm_accuracy", "baseline_noise_accuracy"]
    names += ["ideal_probability", "baseline_mean_digit_probability"]
    for how in ("black", "inverted"):
        names += [f"test_{how}_{method}" for method in methods]
        names += [f"baseline_{how}_random", f"baseline_{how}_brightest"]
    assert [name for name in names if not 0 <= metrics[name] <= 1] == []
    assert metrics["test_fgsm_accuracy"] < metrics["test_accuracy"]


def test_three_right_answers_and_two_wrong_ones_explained_both_ways(done: Any) -> None:
    drawn = done[3]
    assert list(drawn["maps"]) == [
        "saliency", "SmoothGrad", "integrated gradients", "Grad-CAM of C3", "occlusion",
    ]  # fmt: skip
    titles = drawn["titles"]
    assert len(drawn["images"]) == len(titles) == 3 + 2 * 2
    for title in titles[:3]:
        true, answer = title[2], title.split("read as ")[1][0]
        assert true == answer
    images = drawn["images"].numpy()
    for answered, truth in ((3, 4), (5, 6)):
        assert (images[answered] == images[truth]).all()
        true, answer = titles[answered][2], titles[answered].split("read as ")[1][0]
        assert true != answer
        assert f"for the {answer} (" in titles[answered]
        assert f"for the {true} (" in titles[truth]


def test_the_first_right_answers_are_of_different_classes() -> None:
    labels = np.array([3, 3, 1, 2, 1, 5])
    answers = np.array([9, 3, 1, 2, 1, 5])
    assert explain._first_right(answers, labels, 3) == [1, 2, 3]
    assert explain._first_right(answers, labels, 9) == [1, 2, 3, 5]


def test_a_network_without_mistakes_has_fewer_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    monkeypatch.setattr(td.plot, "explanations", lambda images, *_, **__: rows.append(len(images)))
    model = td.models.LeNet5(generator=0).eval()
    digits = td.tensor(td.Generator(1).random((4, 1, 32, 32)))
    shares = np.eye(10, dtype=np.float32)[[4, 7, 7, 1]]
    explain.cases(Options(tmp_path, 1, 1), model, digits, np.array([4, 7, 7, 1]), shares)
    assert rows == [3]


def test_it_is_on_the_list() -> None:
    assert RECIPES["explain"].run is explain.run
    assert (RECIPES["explain"].epochs, RECIPES["explain"].batch_size) == (
        RECIPES["lenet"].epochs,
        RECIPES["lenet"].batch_size,
    )
