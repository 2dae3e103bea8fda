"""Variational autoencoders: the sample, the bound and the networks, against formulas and PyTorch."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.models import VAE, ConditionalVAE, ConvVAE
from tinydl.models.vae import kl_loss, negative_elbo, reconstruction_loss, sample_gaussian
from tinydl.recipes.bernoulli import pixel_means
from tinydl.testing import gradcheck
from tinydl.testing.point import host
from tinydl.train import Checkpoint, Trainer

SMALL = {"latent": 3, "hidden": 5, "shape": (1, 4, 4)}


def outputs(device: str = "cpu") -> tuple[tuple[td.Tensor, td.Tensor, td.Tensor], td.Tensor]:
    """Logits, mu and logvar of four images of 3x5 with two latents; and the images, grey."""
    rng = np.random.default_rng(0)
    shapes = ((4, 1, 3, 5), (4, 2), (4, 2))
    logits, mu, logvar = (td.tensor(rng.normal(size=s), requires_grad=True, device=device) for s in shapes)
    return (logits, mu, logvar), td.tensor(rng.random((4, 1, 3, 5)), device=device)


def test_logvar_is_the_logarithm_of_the_variance_of_a_sample(device: str) -> None:
    """exp(logvar) in place of exp(logvar / 2) would give deviations of 9 and 1/4."""
    mu = td.tensor(np.tile([5.0, -1.0], (50_000, 1)), device=device)
    logvar = td.tensor(np.tile(np.log([9.0, 0.25]), (50_000, 1)), device=device)
    z = host(sample_gaussian(mu, logvar, td.Generator(0)))
    np.testing.assert_allclose(z.mean(0), [5, -1], atol=0.05)
    np.testing.assert_allclose(z.std(0), [3, 0.5], rtol=0.02)


def test_gradients_of_the_sample_and_of_the_bound() -> None:
    (logits, mu, logvar), target = outputs()
    assert gradcheck(lambda m, v: sample_gaussian(m, v, td.Generator(3)), [mu, logvar])
    assert gradcheck(lambda *p: negative_elbo(p, target, beta=2.0), [logits, mu, logvar])


def test_the_bound_sums_over_pixels_and_latents_and_averages_over_images(device: str) -> None:
    prediction, target = outputs(device)
    o, m, v = (host(p) for p in prediction)
    t, p = host(target), 1 / (1 + np.exp(-o))
    per_image = -(t * np.log(p) + (1 - t) * np.log(1 - p)).reshape(4, -1).sum(1)
    per_code = 0.5 * (m**2 + np.exp(v) - v - 1).sum(1)
    assert reconstruction_loss(prediction, target).item() == pytest.approx(per_image.mean(), rel=1e-12)
    assert kl_loss(prediction).item() == pytest.approx(per_code.mean(), rel=1e-12)
    for beta in (0.0, 1.0, 4.0):
        want = (per_image + beta * per_code).mean()
        assert negative_elbo(prediction, target, beta).item() == pytest.approx(want, rel=1e-12)
    with pytest.raises(ValueError, match="beta must be 0 or more, got -1"):
        negative_elbo(prediction, target, -1)


def test_the_terms_are_those_of_torchs_distributions(torch: Any) -> None:
    prediction, target = outputs()
    o, m, v = (torch.tensor(host(p)) for p in prediction)
    d = torch.distributions
    likelihood = d.Bernoulli(logits=o, validate_args=False).log_prob(torch.tensor(host(target)))
    assert reconstruction_loss(prediction, target).item() == pytest.approx(
        -likelihood.sum((1, 2, 3)).mean().item(), rel=1e-12
    )
    kl = d.kl_divergence(d.Normal(m, (v / 2).exp()), d.Normal(torch.zeros(()).double(), 1.0))
    assert kl_loss(prediction).item() == pytest.approx(kl.sum(1).mean().item(), rel=1e-12)


def test_a_grey_pixel_costs_its_entropy_at_least() -> None:
    target = td.full((2, 1, 2, 2), 0.25)
    best = td.full((2, 1, 2, 2), math.log(0.25 / 0.75))
    entropy = -4 * (0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    zero = td.zeros(2, 1)
    assert reconstruction_loss((best, zero, zero), target).item() == pytest.approx(entropy, rel=1e-6)
    assert reconstruction_loss((best + 0.3, zero, zero), target).item() > entropy


def test_a_pass_and_its_gradients_are_torchs(torch: Any, device: str) -> None:
    model = VAE(**SMALL, generator=1).astype("float64").to(device)
    state = {name: torch.tensor(a, requires_grad=True) for name, a in model.state_dict().items()}
    images = np.random.default_rng(2).random((6, 1, 4, 4))
    place = model.generator.get_state()
    loss = negative_elbo(model(td.tensor(images, device=device)), td.tensor(images, device=device))
    loss.backward()

    again = td.Generator()
    again.set_state(place)
    noise, x = torch.tensor(again.normal((6, 3), np.float64)), torch.tensor(images).flatten(1)
    dense = lambda h, name: h @ state[f"{name}.weight"].T + state[f"{name}.bias"]
    h = dense(x, "encoder.1").relu()
    mu, logvar = dense(h, "to_mu"), dense(h, "to_logvar")
    z = mu + logvar.exp().sqrt() * noise
    logits = dense(dense(z, "decoder.0").relu(), "decoder.2")
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / 6
    want = bce - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum() / 6
    want.backward()
    assert loss.item() == pytest.approx(want.item(), rel=1e-12)
    for name, p in model.named_parameters():
        assert p.grad is not None
        np.testing.assert_allclose(host(p.grad), state[name].grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("build", "parameters"), [(VAE, 652_824), (ConvVAE, 112_649)])
def test_shapes_and_sizes(build: Any, parameters: int, device: str) -> None:
    model = build(generator=0).to(device)
    assert sum(p.size for p in model.parameters()) == parameters
    x = td.rand(2, 1, 28, 28, generator=0, device=device)
    assert [out.shape for out in model(x)] == [(2, 1, 28, 28), (2, 20), (2, 20)]
    assert model.decode(td.zeros(3, 20, device=device)).shape == (3, 1, 28, 28)
    with pytest.raises(ValueError, match="Dense"):
        model(td.rand(2, 1, 20, 20, device=device))


@pytest.mark.parametrize(
    ("build", "sizes"),
    [(VAE, {"latent": 0}), (VAE, {"hidden": 0}), (ConvVAE, {"width": 0}), (ConditionalVAE, {"classes": 0})],
)
def test_sizes_below_1_are_refused(build: Any, sizes: dict[str, int]) -> None:
    (name,) = sizes
    with pytest.raises(ValueError, match=f"{build.__name__}: {name} must be 1 or more, got 0"):
        build(**sizes)


def test_a_conditional_vae_is_told_the_class(device: str) -> None:
    model = ConditionalVAE(**SMALL, classes=4, generator=0).to(device)
    x, labels = td.rand(2, 1, 4, 4, generator=0, device=device), td.tensor([0, 3], device=device)
    assert [out.shape for out in model(x, labels)] == [(2, 1, 4, 4), (2, 3), (2, 3)]
    other = td.tensor([0, 1], device=device)
    z = td.zeros(2, 3, device=device)
    for a, b in ((model.decode(z, labels), model.decode(z, other)),
                 (model.encode(x, labels)[0], model.encode(x, other)[0])):  # fmt: skip
        assert np.array_equal(host(a)[0], host(b)[0])
        assert not np.allclose(host(a)[1], host(b)[1])
    with pytest.raises(ValueError, match="one_hot"):
        model.decode(z, td.tensor([0, 4], device=device))
    with pytest.raises(TypeError, match="expected an integer tensor of labels"):
        model.decode(z, td.zeros(2, device=device))


def test_evaluation_draws_as_well() -> None:
    model, x = VAE(**SMALL, generator=0).eval(), td.rand(2, 1, 4, 4, generator=0)
    assert not np.array_equal(model(x)[0].numpy(), model(x)[0].numpy())


def test_a_resumed_training_goes_on_with_the_same_noise(tmp_path: Path) -> None:
    x = td.Generator(0).random((20, 1, 4, 4))

    def trainer() -> Trainer:
        model = VAE(**SMALL, generator=1)
        optimizer = td.optim.Adam(model.parameters(), lr=0.01)
        kept = [Checkpoint(tmp_path / "vae.safetensors")]
        return Trainer(model, negative_elbo, optimizer, callbacks=kept, progress=False)

    loader = partial(td.data.DataLoader, (x, x), 5)
    whole, first, second = trainer(), trainer(), trainer()
    whole.fit(loader(), epochs=3)
    first.fit(loader(), epochs=1)
    second.fit(loader(), epochs=3, resume=tmp_path / "vae.safetensors")
    for name, a in whole.model.state_dict().items():
        assert np.array_equal(a, second.model.state_dict()[name]), name


def test_a_few_epochs_beat_independent_pixels_on_digits_never_seen() -> None:
    train, test = (td.data.to_float(part.images) for part in td.data.mnist.load())
    model = VAE(latent=5, hidden=64, generator=0)
    trainer = Trainer(model, negative_elbo, td.optim.Adam(model.parameters(), lr=5e-3), progress=False)
    trainer.fit(td.data.DataLoader((train, train), 50, shuffle=True, generator=0), epochs=3)
    measured = trainer.evaluate(td.data.DataLoader((test, test), 250))["loss"]
    assert measured < pixel_means(train).nats(test) - 30
