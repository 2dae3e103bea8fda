"""`tinydl train gan`, `dcgan`, `conditional-gan` and `cyclegan`: figures, pictures, resuming, the classifier."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.data import mnist
from tinydl.data.images import Images, ImageSet
from tinydl.models import DCGAN
from tinydl.recipes import RECIPES, Options, cyclegan, gan, judge
from tinydl.recipes.judge import entropy, sure
from tinydl.train import AdversarialTrainer, CycleTrainer


class Few:
    """MNIST with 200 training images and 100 held out."""

    def load(self) -> ImageSet:
        whole = mnist.load()
        few = {
            "train": Images(whole.train.images[::20], whole.train.labels[::20]),
            "test": Images(whole.test.images[::10], whole.test.labels[::10]),
        }
        return type(whole)(**{**vars(whole), **few})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan, "mnist", Few())
    monkeypatch.setattr(cyclegan, "mnist", Few())
    monkeypatch.setattr(judge, "EPOCHS", 1)
    monkeypatch.setattr(gan, "SAMPLES", 140)


def train(name: str, out: Path, **others: Any) -> dict[str, Any]:
    chosen = {"epochs": 1, "batch_size": 40, "progress": False}
    return RECIPES[name].run(Options(**{"out": out, **chosen, **others}))


def bits(path: Path) -> dict[str, bytes]:
    return {name: a.tobytes() for name, a in td.load(path / "checkpoint.safetensors").items()}


def check_pictures(out: Path, names: list[str]) -> None:
    assert sorted(p.name for p in out.iterdir() if p.is_file()) == names
    for name in names:
        with Image.open(out / name) as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 5


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", ["dcgan", "conditional-gan"])
def test_a_short_run_gives_figures_and_pictures(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = train(name, tmp_path)
    check_pictures(tmp_path, ["nearest.png", "over_time.png", "samples.png"])
    for part in ("classifier", "gan"):
        assert {"checkpoint.safetensors", "history.csv", "curves.png"} == {
            p.name for p in (tmp_path / part).iterdir()
        }
    assert all(math.isfinite(value) for value in metrics.values())
    assert 0 <= metrics["entropy"] <= metrics["baseline_uniform_entropy"] == pytest.approx(2.302585)
    assert metrics["baseline_real_nearest_rmse"] > 0.1
    said = capsys.readouterr().out
    if name == "conditional-gan":
        assert 0 <= metrics["recognised"] <= 1
        assert f"reads {metrics['recognised']:.1%} of the samples" in said
    assert f"{metrics['entropy']:.3f} nats" in said


@pytest.mark.usefixtures("few")
def test_an_interrupted_run_is_resumed_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("gan", tmp_path / "whole", epochs=2)
    step, taken = AdversarialTrainer.step, []

    def stopping(self: Any, *batch: Any) -> dict[str, float]:
        taken.append(batch)
        if len(taken) == 8:  # in the second epoch of five steps
            raise KeyboardInterrupt
        return step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(AdversarialTrainer, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train("gan", tmp_path / "cut", epochs=2)
    again = train("gan", tmp_path / "cut", epochs=2, resume=True)
    assert bits(tmp_path / "cut" / "gan") == bits(tmp_path / "whole" / "gan")
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}


@pytest.mark.usefixtures("few")
def test_a_short_run_of_the_cycle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = train("cyclegan", tmp_path, batch_size=20)
    check_pictures(tmp_path, ["from_ink.png", "to_ink.png"])
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["baseline_identity_g_error"] > 0.7
    assert metrics["baseline_identity_recognised"] < 0.3
    assert f"digit to ink {metrics['g_error']:.3f}" in capsys.readouterr().out


def test_two_epochs_of_the_cycle_translate_better_than_no_change() -> None:
    """The claim of the full run stands in benchmarks/results; this one takes seconds."""
    g = td.Generator(0)
    digits = td.data.to_float(mnist.load().train.images)[g.permutation(4000)]
    white, ink = digits[:400], cyclegan.on_paper(digits[400:800])
    model = td.models.CycleGAN(width=4, generator=g)
    trainer = CycleTrainer(
        model,
        td.optim.Adam([*model.g.parameters(), *model.f.parameters()], 3e-3, betas=(0.5, 0.999)),
        td.optim.Adam([*model.d_x.parameters(), *model.d_y.parameters()], 3e-3, betas=(0.5, 0.999)),
        progress=False,
    )
    loader = td.data.DataLoader((2 * white - 1, 2 * ink - 1), 8, shuffle=True, generator=g)
    trainer.fit(loader, epochs=2)
    held_out = digits[2000:2100]
    there = cyclegan.translated(model.g, held_out, "cpu")
    back = cyclegan.translated(model.f, there, "cpu")
    identity = cyclegan.error(np.repeat(held_out, 3, axis=1), cyclegan.on_paper(held_out))
    assert cyclegan.error(there, cyclegan.on_paper(held_out)) < 0.5 * identity
    assert cyclegan.error(back, held_out) < cyclegan.error(white.mean(0), held_out)


def test_paper_and_ink() -> None:
    digits = np.zeros((1, 1, 28, 28), np.float32)
    digits[0, 0, 0, 0] = 1
    images = cyclegan.on_paper(digits)
    assert (images.shape, images.dtype) == ((1, 3, 28, 28), np.float32)
    np.testing.assert_allclose(images[0, :, 0, 0], cyclegan.INK, atol=1e-6)
    np.testing.assert_allclose(images[0, :, 9, 9], cyclegan.PAPER, atol=1e-6)


def test_entropy_of_what_is_seen() -> None:
    spread = np.eye(10, dtype=np.float32)[np.arange(100) % 10]
    assert entropy(spread) == pytest.approx(math.log(10))
    assert entropy(np.eye(10, dtype=np.float32)[[4] * 7]) == 0
    uneven = np.eye(10, dtype=np.float32)[[0, 0, 0, 1]]
    assert entropy(uneven) == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert sure(np.array([[0.95, 0.05], [0.6, 0.4]], np.float32)) == 0.5


def test_the_nearest_training_digit() -> None:
    training = np.stack([np.zeros((1, 2, 2)), np.ones((1, 2, 2))]).astype(np.float32)
    samples = np.stack([np.full((1, 2, 2), 0.75), np.zeros((1, 2, 2))]).astype(np.float32)
    found, distance = gan.nearest_digits(samples, training)
    np.testing.assert_array_equal(found, training[[1, 0]])
    np.testing.assert_allclose(distance, [0.25, 0], atol=1e-6)


def test_drawing_leaves_the_model_as_it_was() -> None:
    model = DCGAN(width=2, generator=0)
    before = model.state_dict()
    images = gan.draw(model, model.noise(3))
    assert model.training
    assert all((before[k] == v).all() for k, v in model.state_dict().items())
    assert images.shape == (3, 1, 28, 28)
    assert 0 <= images.min() <= images.max() <= 1


def test_what_the_same_noise_gave_is_kept_first_last_and_at_doubling_epochs() -> None:
    kept = gan.OverTime(11, td.zeros(1, 64))
    assert kept.epochs == {0, 1, 2, 4, 8, 11}
    kept.kept = {8: np.ones((1, 1, 2, 2), np.float32), 0: np.zeros((1, 1, 2, 2), np.float32)}
    again = gan.OverTime(11, td.zeros(1, 64))
    again.load_state_dict(kept.state_dict())
    assert list(again.rows()) == ["before", "epoch 8"]


def test_the_classifier_learns_from_training_digits_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "EPOCHS", 1)
    few = Few().load()
    options = Options(tmp_path / "a", 1, 64, progress=False)
    trained = judge.train_judge(options, few, td.Generator(0))
    upside_down = type(few)(**{**vars(few), "test": Images(few.test.images[:, ::-1], few.test.labels)})
    other = judge.train_judge(Options(tmp_path / "b", 1, 64, progress=False), upside_down, td.Generator(0))
    ours, theirs = trained.trainer.model.state_dict(), other.trainer.model.state_dict()
    assert all((ours[k] == theirs[k]).all() for k in ours)
    x = few.test.images[:, None].astype(np.float32) / 255
    np.testing.assert_allclose(trained.probabilities(x), trained.real, rtol=1e-5)
    assert trained.real.shape == (100, 10)
    np.testing.assert_allclose(trained.real.sum(1), 1, rtol=1e-5)
