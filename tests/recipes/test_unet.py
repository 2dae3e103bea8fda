"""`tinydl train unet`, `unet-losses` and `segmentation`: their data, figures and pictures, on real nuclei."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.data import nuclei
from tinydl.models import UNet
from tinydl.recipes import RECIPES, Options, segment, segmentation, unet, unet_losses
from tinydl.recipes.segment import Part, best_threshold, parts, probabilities, scores, train_on_nuclei
from tinydl.tensor import Tensor
from tinydl.train import Trainer


def options(out: Path, **others: Any) -> Options:
    return Options(**{"out": out, "epochs": 1, "batch_size": 1, "progress": False, **others})


def check_picture(path: Path) -> None:
    with Image.open(path) as picture:
        assert min(picture.size) > 300
        assert np.asarray(picture.convert("L")).std() > 5


def small_parts() -> tuple[Part, Part, Part]:
    """A corner of each, to be quick."""
    train, validation, test = parts()
    return (
        train,
        Part(validation.image[:32, :64], validation.labels[:32, :64]),
        Part(test.image[:64, :64], test.labels[:64, :64]),
    )


def test_the_parts_have_no_pixel_in_common() -> None:
    data = nuclei.load()
    train, validation, test = parts()
    assert [p.image.shape for p in (train, validation, test)] == [(416, 320), (96, 320), (512, 160)]
    np.testing.assert_array_equal(np.concatenate([train.image, validation.image]), data.image[:, :320])
    np.testing.assert_array_equal(test.labels, data.labels[:, 352:])
    x, y = train.x, train.y
    assert (x.shape, x.dtype, y.shape, y.dtype) == (
        (1, 1, 416, 320),
        np.float32,
        (1, 1, 416, 320),
        np.float32,
    )
    np.testing.assert_array_equal(y[0, 0] == 1, train.labels > 0)
    np.testing.assert_array_equal(np.rint(x[0, 0] * 255), train.image)


def test_the_threshold_is_the_best_and_gives_the_figure_of_the_data_readme() -> None:
    train, validation, test = parts()
    best = best_threshold(train, validation)
    whole = Part(*nuclei.load().train)
    values = [scores(whole.image > grey, whole)["dice"] for grey in (best - 1, best, best + 1)]
    assert max(values) == values[1]
    assert scores(test.image > best, test)["dice"] == pytest.approx(0.881, abs=5e-4)


def test_scores_of_the_true_mask() -> None:
    _, _, test = parts()
    perfect = scores(test.labels > 0, test)
    assert (perfect["dice"], perfect["iou"]) == (1, 1)
    assert perfect["nuclei_found"] < len(np.unique(test.labels)) - 1  # those that touch are one component
    nothing = scores(np.zeros(test.labels.shape, bool), test)
    assert (nothing["dice"], nothing["nuclei_found"], nothing["nuclei_false"]) == (0, 0, 0)


def test_orientations_are_turned_back_before_they_are_averaged() -> None:
    class Itself(td.nn.Module):
        """Says of every pixel what is there."""

        def forward(self, x: Tensor) -> Tensor:
            return x

    x = np.random.default_rng(0).normal(size=(1, 1, 8, 16)).astype(np.float32)
    expected = 1 / (1 + np.exp(-x[0, 0]))
    np.testing.assert_allclose(probabilities(Itself(), x, "cpu"), expected, rtol=1e-5)

    model = UNet(base=2, depth=1, generator=0)
    mean = probabilities(model, x, "cpu")
    np.testing.assert_allclose(probabilities(model, x[..., ::-1], "cpu"), mean[:, ::-1], rtol=1e-4)
    alone = probabilities(model, x, "cpu", ways=1)
    model.eval()
    np.testing.assert_allclose(alone, td.functional.sigmoid(model(td.tensor(x))).numpy()[0, 0], rtol=1e-5)


def test_losses_are_their_formulas() -> None:
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=(2, 1, 4, 5)), (rng.random((2, 1, 4, 5)) < 0.4).astype(float)
    o = 1 / (1 + np.exp(-z))
    cross = -(t * np.log(o) + (1 - t) * np.log(1 - o)).mean()
    axes = (1, 2, 3)
    overlap = 1 - ((2 * (o * t).sum(axes) + 1) / (o.sum(axes) + t.sum(axes) + 1)).mean()
    for loss, expected in (
        (segment.bce, cross),
        (segment.soft_dice, overlap),
        (segment.bce_dice, cross + overlap),
    ):
        assert loss(td.tensor(z), td.tensor(t)).item() == pytest.approx(expected, rel=1e-9)


def test_a_small_u_net_beats_the_threshold_on_columns_never_seen(tmp_path: Path) -> None:
    """100 steps of 4 crops; the claim of the full run stands in benchmarks/results."""
    train, validation, test = parts()
    trainer = train_on_nuclei(
        options(tmp_path, epochs=5, batch_size=4),
        lambda generator: UNet(base=6, depth=2, generator=generator),
        segment.bce_dice,
        train,
        validation,
        max_lr=1e-2,
    )
    found = scores(probabilities(trainer.model, test.x, "cpu", ways=1) > 0.5, test)
    assert found["dice"] > 0.881


def test_its_figures_and_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unet, "parts", small_parts)
    monkeypatch.setattr(segment, "STEPS", 2)
    metrics = RECIPES["unet"].run(options(tmp_path, epochs=2))
    assert metrics["test_iou"] == pytest.approx(metrics["test_dice"] / (2 - metrics["test_dice"]))
    assert metrics["baseline_threshold_dice"] > 0.8
    assert metrics["parameters"] == 482_449
    assert metrics["test_nuclei"] == len(np.unique(small_parts()[2].labels)) - 1
    assert 0 <= metrics["test_nuclei_found"] <= metrics["test_nuclei"]
    assert 0 < metrics["test_nuclei_found_by_the_true_mask"] <= metrics["test_nuclei"]
    for name in ("nuclei.png", "curves.png"):
        check_picture(tmp_path / name)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 3
    assert "test part: Dice 0." in capsys.readouterr().out


def test_brightness_changes_image_by_image() -> None:
    x = np.random.default_rng(0).random((50, 1, 4, 4)).astype(np.float32)
    changed = segment.exposed(x, td.Generator(0))
    assert changed.dtype == np.float32
    factors = (changed / x).reshape(50, 16)
    np.testing.assert_allclose(factors, factors[:, :1].repeat(16, axis=1), rtol=1e-5)
    assert 0.67 < factors.min() < 0.8
    assert 1.25 < factors.max() < 1.5


def test_the_losses_are_compared_and_an_interrupted_run_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unet_losses, "parts", small_parts)
    monkeypatch.setattr(segment, "STEPS", 2)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    expected = RECIPES["unet-losses"].run(options(whole, epochs=2))
    for name in ("losses.png", "probabilities.png"):
        check_picture(whole / name)
    for loss in ("bce", "dice", "bce_dice"):
        assert 0 <= expected[f"test_{loss}_dice"] <= 1
        assert expected[f"test_{loss}_cross_entropy"] > 0
        assert (whole / loss / "curves.png").exists()

    epoch, begun = Trainer._epoch, []

    def interrupted(self: Trainer, *arguments: Any) -> Any:
        begun.append(self)
        if len(begun) == 4:  # in the second epoch of the second network
            raise KeyboardInterrupt
        return epoch(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            RECIPES["unet-losses"].run(options(cut, epochs=2))
    again = RECIPES["unet-losses"].run(options(cut, epochs=2, resume=True))
    del again["seconds"], expected["seconds"]
    assert again == expected
    assert (cut / "losses.png").read_bytes() == (whole / "losses.png").read_bytes()


def test_four_networks_are_measured_on_one_chart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(segmentation, "parts", small_parts)
    monkeypatch.setattr(segmentation, "REPEATS", 1)
    monkeypatch.setattr(segment, "STEPS", 1)
    metrics = RECIPES["segmentation"].run(options(tmp_path))
    for name in ("unet", "fcn", "segnet", "enet"):
        assert 0 <= metrics[f"test_{name}_dice"] <= 1
        assert metrics[f"test_{name}_milliseconds"] > 0
        assert (tmp_path / name / "checkpoint.safetensors").exists()
    assert metrics["test_unet_parameters"] > metrics["test_fcn_parameters"] > metrics["test_enet_parameters"]
    for name in ("tradeoff.png", "nuclei.png"):
        check_picture(tmp_path / name)
    assert "ENet: Dice 0." in capsys.readouterr().out
