"""Training steps inside `no_sync()`: nothing in them makes the host wait, so each could be captured into a CUDA graph.

What has to stay outside of a step is named at the end, each with a test.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import losses, models, nn, optim
from tinydl.models.vae import negative_elbo
from tinydl.strict import SyncError, no_sync

Arrays = tuple[np.ndarray[Any, Any], ...]


def pixels(*shape: int) -> np.ndarray[Any, Any]:
    return td.Generator(0).random(shape)


def labels(high: int, *shape: int) -> np.ndarray[Any, Any]:
    return td.Generator(1).integers(0, high, shape)


def small_layers() -> nn.Module:
    """The layers that draw, resize and look up."""
    return nn.Sequential(
        nn.Embedding(5, 12, generator=1), nn.Dropout(0.3, generator=2), nn.Reshape(3, 2, 2),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.Upsample(scale_factor=1.5), nn.GroupNorm(3, 3),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.LayerNorm(48), nn.Maxout(4), nn.Dense(12, 3, generator=3),
    )  # fmt: skip


# The network, a batch of its inputs and its target on the host, and its loss.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Arrays, Callable[..., td.Tensor]]] = {
    "MLP": (lambda: models.MLP((6, 5, 3), generator=1), (pixels(4, 6), labels(3, 4)), losses.cross_entropy),
    "LeNet5": (
        lambda: models.LeNet5(generator=1),
        (pixels(2, 1, 32, 32), labels(10, 2)),
        losses.cross_entropy,
    ),
    "Autoencoder": (lambda: models.Autoencoder((16, 8, 2), generator=1), (pixels(4, 16),) * 2, losses.mse),
    "ConvAutoencoder": (
        lambda: models.ConvAutoencoder((1, 2, 4), 3, 8, generator=1),
        (pixels(2, 1, 8, 8),) * 2,
        losses.binary_cross_entropy_with_logits,
    ),
    "VAE": (lambda: models.VAE(2, 8, (1, 4, 4), generator=1), (pixels(4, 1, 4, 4),) * 2, negative_elbo),
    "UNet": (
        lambda: models.UNet(1, 1, 2, 2, generator=1),
        (pixels(2, 1, 16, 16), (pixels(2, 1, 16, 16) > 0.5).astype(np.float32)),
        lambda y, t: losses.binary_cross_entropy_with_logits(y, t) + losses.dice(y.sigmoid(), t),
    ),
    "CifarResNet": (
        lambda: models.CifarResNet(8, 3, 1, generator=1),
        (pixels(2, 1, 8, 8), labels(3, 2)),
        lambda y, t: losses.cross_entropy(y, t, label_smoothing=0.1),
    ),
    "layers": (small_layers, (labels(5, 4), labels(3, 4)), losses.cross_entropy),
}
OPTIMISERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True, weight_decay=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr_decay=0.1, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, weight_decay=0.01),
    "AdamW": optim.AdamW,
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.9, weight_decay=0.01),
}
SCHEDULES: dict[str, Callable[[optim.Optimizer], Any]] = {
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 5),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, 0.1, 5),
    "ReduceLROnPlateau": lambda o: optim.ReduceLROnPlateau(o, patience=0),
    "StepLR": lambda o: optim.StepLR(o, 1),
}


def test_every_optimiser_and_schedule_is_here() -> None:
    others = {"Optimizer", "Schedule", "clip_grad_norm_"}
    assert set(optim.__all__) - others == set(OPTIMISERS) | set(SCHEDULES)


def two_steps(network: str, make: Callable[[Any], optim.Optimizer], device: str) -> dict[str, Any]:
    """The state after two steps; on the strict device the second may not sync, the first has made what is made once."""
    build, (x, t), loss = NETWORKS[network]
    model = build().to(device)
    optimizer = make(model.parameters())
    inputs, target = td.tensor(x, device=device), td.tensor(t, device=device)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(inputs), target).backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    step()
    with no_sync() if device == "strict" else nullcontext():
        step()
    return model.state_dict()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_does_not_sync(network: str, optimiser: str) -> None:
    with td.textbook():
        strict, cpu = (two_steps(network, OPTIMISERS[optimiser], device) for device in ("strict", "cpu"))
    for name, value in cpu.items():
        np.testing.assert_allclose(strict[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_between_two_steps_does_not_sync(name: str) -> None:
    p = nn.Parameter(td.ones(3, device="strict"))
    optimizer = optim.Adam([p], 0.5)
    schedule = SCHEDULES[name](optimizer)
    with no_sync():
        for value in (1.0, 2.0, 3.0):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
            schedule.step(*([value] if name == "ReduceLROnPlateau" else []))
    assert optimizer.lr != 0.5
    assert (p.to("cpu").detach().numpy() < 1.0).all()


def test_an_adversarial_step_does_not_sync() -> None:
    """Both networks of a GAN, noise and dropout drawn inside the step."""
    model = models.GAN(2, generator=1).to("strict")
    d, g = (optim.Adam(part.parameters()) for part in (model.discriminator, model.generator))
    real, bce = td.tensor(pixels(2, 1, 28, 28), device="strict"), losses.binary_cross_entropy_with_logits
    with no_sync():
        fake, one, zero = (
            model(model.noise(2, "strict")),
            td.ones(2, 1, device="strict"),
            td.zeros(2, 1, device="strict"),
        )
        d.zero_grad()
        (bce(model.discriminator(real), one) + bce(model.discriminator(fake.detach()), zero)).backward()
        d.step()
        g.zero_grad()
        loss = bce(model.discriminator(fake), one)
        loss.backward()
        g.step()
    assert np.isfinite(loss.item())


# ---- what has to stay outside of a step

SIZES = iter([(1, 90), (1, 91)])  # of which no matrix was made before
NORM = nn.BatchNorm1d(1, momentum=None).to(
    "strict"
)  # divides by the number of batches, which lies on the device
ADAM = optim.Adam(nn.Dense(1, 1).to("strict").parameters())
NOT_INSIDE: dict[str, Callable[[td.Tensor], Any]] = {
    "reading the loss": lambda x: x.sum().item(),
    "a metric": lambda x: td.metrics.accuracy(x.unsqueeze(1), x.astype("int64") - 1),
    "a batch from the host": lambda x: td.tensor(np.ones(3), device="strict"),
    "an index from the host": lambda x: x[[0, 1]],
    "a mask as an index": lambda x: x[x > 0.0],
    "one_hot without the number of classes": lambda x: td.functional.one_hot(x.astype("int64")),
    "the plain average of batch norm": lambda x: NORM(x.unsqueeze(1)),
    "detect_anomaly": lambda x: watched(x),
    "a checkpoint": lambda x: ADAM.state_dict(),
    "the first use of an interpolation": lambda x: td.functional.interpolate(
        x[None, None, None], size=next(SIZES)
    ),
}


def watched(x: td.Tensor) -> td.Tensor:
    with td.detect_anomaly():
        return x * 2.0


@pytest.mark.parametrize("what", NOT_INSIDE)
def test_what_has_to_stay_outside(what: str) -> None:
    x = td.ones(3, device="strict")
    NOT_INSIDE[what](x)
    with no_sync(), pytest.raises(SyncError):
        NOT_INSIDE[what](x)
