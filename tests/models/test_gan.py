"""GAN, DCGAN, conditional GAN: shapes, first weights, PyTorch's numbers, who gets gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.models import DCGAN, GAN, ConditionalGAN
from tinydl.testing.point import host

BUILDS = [GAN, DCGAN, ConditionalGAN]


def inputs(model: GAN, n: int, device: str = "cpu") -> list[td.Tensor]:
    labels = [td.tensor(np.arange(n) % 10, device=device)] if isinstance(model, ConditionalGAN) else []
    return [model.noise(n, device), *labels]


@pytest.mark.parametrize("build", BUILDS)
def test_noise_becomes_images_and_images_become_logits(build: Any, device: str) -> None:
    model = build(generator=0).to(device)
    z, *labels = inputs(model, 4, device)
    images = model(z, *labels)
    assert (z.shape, images.shape) == ((4, 64), (4, 1, 28, 28))
    assert float(np.abs(host(images)).max()) <= 1
    score = model.discriminator(images, *labels)
    assert score.shape == (4, 1)
    score.sum().backward()
    assert all(
        p.grad is not None and np.abs(host(p.grad)).sum() > 0 for p in model.discriminator.parameters()
    )
    # a bias before batch norm has none but rounding: there is none before it in the convolutional ones
    assert all(p.grad is not None for p in model.generator.parameters())


@pytest.mark.parametrize("build", BUILDS)
def test_the_generator_decides_weights_and_noise(build: Any) -> None:
    a, b, c = (build(generator=seed) for seed in (0, 0, 1))
    for name, values in a.state_dict().items():
        assert np.array_equal(values, b.state_dict()[name])
    assert not np.array_equal(next(iter(a.parameters())).numpy(), next(iter(c.parameters())).numpy())
    first = a.noise(5).numpy()
    assert np.array_equal(first, b.noise(5).numpy())
    assert not np.array_equal(first, a.noise(5).numpy())  # the next ones are others


def test_parameters() -> None:
    def count(model: nn.Module) -> int:
        return sum(p.size for p in model.parameters())

    w = 16
    up = 98 * w * 64 + 2 * 2 * w + 2 * w * w * 16 + 2 * w + w * 16 + 1
    down = w * 16 + w + w * 2 * w * 16 + 2 * 2 * w
    assert count(DCGAN().generator) == up + 98 * w * (256 - 64) + 64 * 256 + 2 * 256
    assert count(DCGAN().discriminator) == down + 98 * w * 256 + 2 * 256 + 256 + 1
    assert count(ConditionalGAN().generator) == up + 10 * 98 * w
    assert count(ConditionalGAN().discriminator) == down + 98 * w + 1 + 10 * 98 * w


@pytest.mark.parametrize("build", [DCGAN, ConditionalGAN])
def test_the_first_weights_are_those_of_the_paper(build: Any) -> None:
    model = build(generator=0)
    seen = 0
    for module in model.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if weight is not None:
            centre = 1.0 if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) else 0.0
            values, room = weight.numpy(), 4 * 0.02 / np.sqrt(weight.size)
            assert abs(values.mean() - centre) < room
            assert values.std() == pytest.approx(0.02, rel=4 / np.sqrt(2 * weight.size))
            seen += 1
        if bias is not None:
            assert not bias.numpy().any()
    assert seen >= 8


def test_a_dcgan_computes_what_pytorch_does() -> None:
    torch = pytest.importorskip("torch")
    model = DCGAN(latent=5, width=3, generator=0).astype("float64")
    t = torch.nn
    up = t.Sequential(
        t.Linear(5, 256, bias=False), t.BatchNorm1d(256), t.ReLU(),
        t.Linear(256, 6 * 49, bias=False), t.Unflatten(1, (6, 7, 7)), t.BatchNorm2d(6), t.ReLU(),
        t.ConvTranspose2d(6, 3, 4, 2, 1, bias=False), t.BatchNorm2d(3), t.ReLU(),
        t.ConvTranspose2d(3, 1, 4, 2, 1), t.Tanh(),
    ).double()  # fmt: skip
    down = t.Sequential(
        t.Sequential(t.Conv2d(1, 3, 4, 2, 1), t.LeakyReLU(0.2), t.Conv2d(3, 6, 4, 2, 1, bias=False),
                     t.BatchNorm2d(6), t.LeakyReLU(0.2), t.Flatten(),
                     t.Linear(6 * 49, 256, bias=False), t.BatchNorm1d(256), t.LeakyReLU(0.2)),
        t.Linear(256, 1),
    ).double()  # fmt: skip
    for ours, theirs in ((model.generator, up), (model.discriminator, down)):
        pairs = zip(theirs.state_dict(), ours.state_dict().values(), strict=True)  # nested differently
        theirs.load_state_dict({name: torch.tensor(values) for name, values in pairs})
    z = td.Generator(3).normal((4, 5), np.float64)
    for mode in (True, False):
        model.train(mode)
        up.train(mode)
        down.train(mode)
        images, drawn = model(td.tensor(z)), up(torch.tensor(z))
        np.testing.assert_allclose(images.numpy(), drawn.detach().numpy(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            model.discriminator(images).numpy(), down(drawn).detach().numpy(), rtol=1e-8, atol=1e-12
        )


def test_the_conditional_discriminator_is_the_projection() -> None:
    model = ConditionalGAN(width=2, generator=0)
    d: Any = model.discriminator
    images, labels = td.randn(3, 1, 28, 28, generator=1), td.tensor(np.array([7, 0, 7]))
    h = d.body(images).numpy()
    expected = h @ d.output.weight.numpy().T + d.output.bias.numpy()
    expected += (d.expected.weight.numpy()[[7, 0, 7]] * h).sum(1, keepdims=True)
    np.testing.assert_allclose(d(images, labels).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_the_label_changes_what_is_drawn() -> None:
    model = ConditionalGAN(generator=0).eval()
    z = td.Generator(2).normal((1, 64)).repeat(10, axis=0)
    images = model(td.tensor(z), td.tensor(np.arange(10))).numpy()
    assert len({image.tobytes() for image in images}) == 10


def test_what_can_not_be_drawn_is_said(device: str) -> None:
    model = ConditionalGAN(generator=0).to(device)
    z = model.noise(2, device)
    with pytest.raises(ValueError, match="one_hot"):
        model(z, td.tensor(np.array([3, 10]), device=device))
    with pytest.raises(TypeError, match="one_hot: expected an integer tensor of labels"):
        model(z, td.zeros(2, device=device))
    for build in (GAN, DCGAN):
        with pytest.raises(ValueError, match=r"Dense\(64, "):
            build()(td.zeros(2, 63))
    with pytest.raises(ValueError, match="expected one feature or more"):
        DCGAN(width=0)
