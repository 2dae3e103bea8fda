"""The recipes of variational autoencoders: what they measure, and the files of a short run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.data.augment import RandomCrop
from tinydl.data.images import Images
from tinydl.models import VAE
from tinydl.recipes import RECIPES, Options, conditional_vae, judge, variational
from tinydl.recipes.bernoulli import fit_mixture, grey_nats, pixel_means
from tinydl.recipes.training import Reconstruction
from tinydl.recipes.variational import Digits, bound
from tinydl.train import Trainer


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eighth of the digits, a small mixture, a classifier of one epoch."""
    whole = td.data.mnist.load()
    parts = {p: Images(*(a[::8] for a in getattr(whole, p))) for p in ("train", "test")}
    loader = SimpleNamespace(load=lambda: replace(whole, **parts))
    monkeypatch.setattr(variational, "mnist", loader)
    monkeypatch.setattr(conditional_vae, "mnist", loader)
    monkeypatch.setattr(variational, "COMPONENTS", 5)
    monkeypatch.setattr(variational, "SAMPLES", 2)
    monkeypatch.setattr(judge, "EPOCHS", 1)


PICTURES = {
    "vae": ["kl.png", "reconstructions.png", "samples.png", "walk.png"],
    "conv-vae": ["kl.png", "reconstructions.png", "samples.png", "walk.png"],
    "vae-plane": ["manifold.png", "plane.png", "reconstructions.png"],
    "beta-vae": ["beta-1/samples.png", "beta-4/samples.png", "kl.png", "latents.png"],
    "conditional-vae": ["rewritten.png", "samples.png"],
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_short_run(name: str, small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = RECIPES[name].run(Options(tmp_path, 2, 50, progress=False))
    for picture in PICTURES[name]:
        assert (tmp_path / picture).stat().st_size > 5000, picture
    parts = {"beta-vae": ["beta-1", "beta-4"], "conditional-vae": ["beta-1", "beta-4", "judge"]}.get(
        name, ["."]
    )
    for part in parts:
        assert (tmp_path / part / "checkpoint.safetensors").exists()
        assert (tmp_path / part / "curves.png").exists()
    total = metrics["test_reconstruction"] + metrics["test_kl"]
    assert metrics["test_negative_elbo"] == pytest.approx(total, abs=1e-9)
    assert metrics["least_possible_nats"] < metrics["baseline_mixture_nats"]
    assert metrics["baseline_mixture_nats"] < metrics["baseline_pixel_means_nats"] < 230
    assert f"{metrics['test_negative_elbo']:.1f} nats" in capsys.readouterr().out
    if name == "conditional-vae":
        assert metrics["baseline_class_means_nats"] < metrics["baseline_pixel_means_nats"]
        assert 0 <= metrics["recognised"] <= 1
        assert 0 < metrics["sample_variance"] < metrics["test_digits_variance"]


def test_a_resumed_run_ends_with_the_same_numbers(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(tmp_path / "whole", 2, 50, progress=False)
    whole = RECIPES["vae-plane"].run(options)
    epoch = Trainer._epoch

    def interrupted(self: Trainer, *arguments: Any) -> Any:
        if len(self.history.rows) == 1:
            raise KeyboardInterrupt
        return epoch(self, *arguments)

    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    options = replace(options, out=tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        RECIPES["vae-plane"].run(options)
    monkeypatch.setattr(Trainer, "_epoch", epoch)
    resumed = RECIPES["vae-plane"].run(replace(options, resume=True))
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}


def test_the_bound_of_a_model_that_says_what_it_is_told() -> None:
    """Logits 0 cost log 2 a pixel; a mean of 2 costs 2 nats, a variance of 4 costs 3/2 - log 2."""
    model = VAE(latent=3, hidden=2, generator=0)
    for parameter in model.parameters():
        parameter.data = td.zeros_like(parameter)
    model.to_mu.bias.data = td.tensor([0.0, 2.0, 0.0])
    model.to_logvar.bias.data = td.tensor([0.0, 0.0, math.log(4)])
    images, labels = td.data.to_float(td.data.mnist.load().test.images)[::3], np.zeros(334, np.int64)
    data = Digits((images,), (images, images), (images, images), labels, "digits")
    measured = bound(model, data, Options(Path(), 1, 1))
    assert measured.reconstruction == pytest.approx(784 * math.log(2), rel=1e-6)
    np.testing.assert_allclose(measured.kl, [0, 2, 1.5 - math.log(2)], rtol=1e-5, atol=1e-6)
    metrics = measured.metrics()
    assert metrics["test_latents_used"] == 2
    assert metrics["test_negative_elbo"] == pytest.approx(784 * math.log(2) + 3.5 - math.log(2), rel=1e-6)


def test_the_target_is_the_image_as_it_was_shifted() -> None:
    class Copy(nn.Module):
        def __init__(self) -> None:
            self.scale = nn.Parameter(td.ones(1))

        def forward(self, x: td.Tensor, labels: td.Tensor) -> td.Tensor:
            return self.scale * x

    x, labels = td.Generator(0).random((8, 1, 6, 6)), np.arange(8)
    model, seen = Copy(), []

    def loss(prediction: td.Tensor, target: td.Tensor) -> td.Tensor:
        seen.append(target.numpy())
        return td.losses.mse(prediction, target)

    loader = td.data.DataLoader((x, labels), 8, generator=0, transform=RandomCrop(padding=2))
    trainer = Reconstruction(model, loss, td.optim.SGD(model.parameters(), lr=0.1), progress=False)
    assert trainer.fit(loader)["loss"] == [0.0]
    assert not np.array_equal(seen[0], x)


def test_grey_pixels_cost_their_entropy() -> None:
    assert grey_nats(np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)) == 0
    assert grey_nats(np.array([[0.5, 0.0], [0.5, 0.5]], np.float32)) == pytest.approx(1.5 * math.log(2))


def test_pixel_means_and_mixtures_of_them() -> None:
    rng = np.random.default_rng(0)
    p = np.array([[0.05] * 8 + [0.95] * 8, [0.95] * 8 + [0.05] * 8], np.float32)
    x, new = ((rng.random((400, 16)) < p[rng.integers(0, 2, 400)]).astype(np.float32) for _ in range(2))
    one = pixel_means(x)
    m = one.means[0].astype(np.float64)
    want = -(new * np.log(m) + (1 - new) * np.log(1 - m)).sum(1).mean()
    assert one.nats(new) == pytest.approx(want, rel=1e-5)
    assert fit_mixture(x, td.Generator(0), 1).nats(new) == pytest.approx(want, rel=1e-3)
    two = fit_mixture(x, td.Generator(0), 2)
    each = math.log(2) - 16 * (0.05 * math.log(0.05) + 0.95 * math.log(0.95))  # what the truth costs
    assert two.nats(new) == pytest.approx(each, rel=0.1)
    np.testing.assert_allclose(two.weights, 0.5, atol=0.1)


def test_a_pixel_that_was_never_white_may_be_white_in_a_new_image() -> None:
    x = np.zeros((50, 2), np.float32)
    x[:, 1] = 1
    for mixture in (pixel_means(x), fit_mixture(x, td.Generator(0), 3)):
        assert mixture.nats(x) < 0.1 < mixture.nats(1 - x) < 20
