"""Training parity: the same weights, data and order give the losses and weights of PyTorch, for twenty steps.

Each network is written once, in names that both libraries share, and built twice. Every step of a run feeds the
next, so that a wrong gradient, update rule, running average or rate shows in the end, however small it is.
ReLU and max pooling could take another branch in one library where two numbers are equal but for rounding. With
these seeds none does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tinydl as td

Array = npt.NDArray[Any]
Library = SimpleNamespace  # what a run asks of one of the two libraries, under the same names
STEPS = 20


def tinydl() -> Library:
    return Library(
        nn=SimpleNamespace(**vars(td.nn), Linear=td.nn.Dense),
        optim=td.optim,
        schedules=td.optim,
        cat=td.cat,
        lenet=td.models.LeNet5,
        cross_entropy=td.losses.cross_entropy,
        mse=td.losses.mse,
        bce=td.losses.binary_cross_entropy,
        bce_with_logits=td.losses.binary_cross_entropy_with_logits,
        gaussian_kl=td.losses.gaussian_kl,
        dice=td.losses.dice,
    )


def pytorch(torch: ModuleType) -> Library:
    """PyTorch under the same names; what it lacks is written here from the formula."""
    schedules = torch.optim.lr_scheduler
    library = Library(
        nn=torch.nn,
        optim=torch.optim,
        schedules=SimpleNamespace(
            StepLR=schedules.StepLR,
            CosineAnnealingLR=schedules.CosineAnnealingLR,
            OneCycleLR=partial(schedules.OneCycleLR, cycle_momentum=False),
        ),
        cat=torch.cat,
        cross_entropy=torch.nn.functional.cross_entropy,
        mse=torch.nn.functional.mse_loss,
        bce=torch.nn.functional.binary_cross_entropy,
        bce_with_logits=torch.nn.functional.binary_cross_entropy_with_logits,
    )

    def gaussian_kl(mu: Any, logvar: Any, reduction: str) -> Any:
        normal = torch.distributions.Normal
        posterior, prior = normal(mu, (logvar / 2).exp()), normal(0.0, 1.0)
        assert reduction == "sum"
        return torch.distributions.kl_divergence(posterior, prior).sum()

    def dice(prediction: Any, target: Any) -> Any:
        overlap, total = (prediction * target).sum((2, 3)), (prediction + target).sum((2, 3))
        return 1 - ((2 * overlap + 1) / (total + 1)).mean()

    library.gaussian_kl, library.dice, library.lenet = gaussian_kl, dice, lambda: lenet(library)
    return library


# ---- networks


def lenet(library: Library) -> Any:
    """LeNet-5 as `td.models.LeNet5` has it."""
    nn = library.nn

    class LeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c1, self.s2 = nn.Conv2d(1, 6, 5), nn.AvgPool2d(2)
            self.c3, self.s4 = nn.Conv2d(6, 16, 5), nn.AvgPool2d(2)
            self.c5 = nn.Conv2d(16, 120, 5)
            self.f6 = nn.Linear(120, 84)
            self.output = nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = self.s4(self.c3(self.s2(self.c1(x).tanh())).tanh())
            return self.output(self.f6(self.c5(x).tanh().flatten(1)).tanh())

    return LeNet()


def dense_autoencoder(library: Library) -> Any:
    nn = library.nn
    encoder = nn.Flatten(), nn.Linear(784, 48), nn.ReLU(), nn.Linear(48, 8)
    return nn.Sequential(*encoder, nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 784), nn.Sigmoid())


def conv_autoencoder(library: Library) -> Any:
    """28x28 to 14x14 to 7x7 and back."""
    nn = library.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2, padding=1),
        nn.ELU(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ELU(),
        nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1),
        nn.ELU(),
        nn.ConvTranspose2d(6, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def vae(library: Library) -> Any:
    nn = library.nn

    class VAE(nn.Module):
        """The noise is an input, so that both libraries sample the same latents."""

        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(784, 40)
            self.mu, self.logvar = nn.Linear(40, 5), nn.Linear(40, 5)
            self.decoder = nn.Sequential(nn.Linear(5, 40), nn.Tanh(), nn.Linear(40, 784))

        def forward(self, x: Any, noise: Any) -> Any:
            h = self.hidden(x.flatten(1)).tanh()
            mu, logvar = self.mu(h), self.logvar(h)
            return self.decoder(mu + (logvar / 2).exp() * noise), mu, logvar

    return VAE()


def unet(library: Library) -> Any:
    """Two levels. A bias before batch norm has no gradient but rounding, which Adagrad would blow up: none there."""
    nn = library.nn

    def block(channels: int, out: int) -> Any:
        first = nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
        return nn.Sequential(
            *first, nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
        )

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1, self.down2, self.bottom = block(1, 4), block(4, 8), block(8, 16)
            self.pool = nn.MaxPool2d(2)
            self.up2, self.join2 = nn.ConvTranspose2d(16, 8, 2, stride=2), block(16, 8)
            self.up1, self.join1 = nn.ConvTranspose2d(8, 4, 2, stride=2), block(8, 4)
            self.head = nn.Conv2d(4, 1, 1)

        def forward(self, x: Any) -> Any:
            first = self.down1(x)
            second = self.down2(self.pool(first))
            x = self.bottom(self.pool(second))
            x = self.join2(library.cat([self.up2(x), second], 1))
            return self.head(self.join1(library.cat([self.up1(x), first], 1)))

    return UNet()


# ---- data


def pixels(images: npt.NDArray[np.uint8], margin: int = 0) -> Array:
    return np.pad(images[:, None] / 255.0, ((0, 0), (0, 0), (margin, margin), (margin, margin)))


def digits() -> tuple[Array, ...]:
    images, labels = td.data.mnist.load().train
    return pixels(images[:160], margin=2), labels[:160]


def clothes() -> tuple[Array, ...]:
    images = pixels(td.data.fashion_mnist.load().train.images[:160])
    return images, images.reshape(160, -1)


def pictures() -> tuple[Array, ...]:
    return (pixels(td.data.fashion_mnist.load().train.images[160:280]),)


def digits_and_noise() -> tuple[Array, ...]:
    images = pixels(td.data.mnist.load().train.images[:160])
    return images, images.reshape(160, -1), td.Generator(5).normal((160, 5), np.float64)


def cells() -> tuple[Array, ...]:
    """60 tiles of 32x32 of the picture, and which of their pixels are nucleus."""

    def tiles(picture: Array) -> Array:
        return picture.reshape(16, 32, 10, 32).swapaxes(1, 2).reshape(-1, 32, 32)[::2][:60]

    image, labels = td.data.nuclei.load().train
    return pixels(tiles(image)), (tiles(labels) > 0)[:, None].astype(np.float64)


# ---- runs


@dataclass(frozen=True)
class Run:
    """A network, its data (rows in equal parts for the steps), its loss for a batch, and how it is trained."""

    network: Callable[[Library], Any]
    data: Callable[[], tuple[Array, ...]]
    loss: Callable[..., Any]
    optimizer: str
    options: dict[str, Any]
    schedule: Callable[[Any, Any], Any]

    def batches(self, dtype: str) -> list[tuple[Array, ...]]:
        rows = [a.astype(dtype) if a.dtype.kind == "f" else a for a in self.data()]
        loader = td.data.DataLoader(tuple(rows), len(rows[0]) // STEPS, shuffle=True, generator=7)
        return [tuple(a.numpy() for a in batch) for batch in loader]


def vae_loss(library: Library, model: Any, x: Any, flat: Any, noise: Any) -> Any:
    logits, mu, logvar = model(x, noise)
    error = library.bce_with_logits(logits, flat, reduction="sum")
    return (error + library.gaussian_kl(mu, logvar, reduction="sum")) / x.shape[0]


def unet_loss(library: Library, model: Any, x: Any, mask: Any) -> Any:
    logits = model(x)
    return library.bce_with_logits(logits, mask) + library.dice(logits.sigmoid(), mask)


RUNS = {
    "LeNet": Run(
        lambda library: library.lenet(),
        digits,
        lambda library, model, x, labels: library.cross_entropy(model(x), labels, label_smoothing=0.1),
        "SGD",
        {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
        lambda s, o: s.StepLR(o, 8, 0.7),
    ),
    "dense autoencoder": Run(
        dense_autoencoder,
        clothes,
        lambda library, model, x, flat: library.mse(model(x), flat),
        "Adam",
        {"lr": 5e-3, "weight_decay": 1e-4},
        lambda s, o: s.CosineAnnealingLR(o, 12),
    ),
    "conv autoencoder": Run(
        conv_autoencoder,
        pictures,
        lambda library, model, x: library.bce(model(x), x),
        "RMSprop",
        {"lr": 2e-3, "momentum": 0.5, "weight_decay": 1e-3},
        lambda s, o: s.StepLR(o, 10, 0.5),
    ),
    "VAE": Run(
        vae,
        digits_and_noise,
        vae_loss,
        "AdamW",
        {"betas": (0.9, 0.99), "weight_decay": 0.05},
        lambda s, o: s.OneCycleLR(o, 0.01, STEPS),
    ),
    "U-Net": Run(
        unet,
        cells,
        unet_loss,
        "Adagrad",
        {"lr": 0.02, "lr_decay": 0.01, "weight_decay": 1e-3},
        lambda s, o: s.CosineAnnealingLR(o, STEPS, 2e-3),
    ),
}


def train(library: Library, model: Any, run: Run, batches: list[tuple[Any, ...]]) -> list[float]:
    """The losses of all steps, and last that in evaluation mode on the first batch."""
    optimizer = getattr(library.optim, run.optimizer)(model.parameters(), **run.options)
    schedule = run.schedule(library.schedules, optimizer)
    losses = []
    for batch in batches:
        loss = run.loss(library, model, *batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    losses.append(run.loss(library, model.eval(), *batches[0]).item())
    return losses


def built(run: Run, dtype: str) -> Any:
    td.manual_seed(3)
    return run.network(tinydl()).astype(dtype)


def twins(torch: ModuleType, run: Run, dtype: str) -> tuple[list[float], list[float], Any, Any]:
    """Trains the network in both libraries: our losses, PyTorch's losses, our network and PyTorch's."""
    library, ours = pytorch(torch), built(run, dtype)
    theirs = run.network(library).to(getattr(torch, dtype))
    theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})
    batches = run.batches(dtype)
    assert len(batches) == STEPS
    our_losses = train(tinydl(), ours, run, [tuple(map(td.tensor, b)) for b in batches])
    their_losses = train(library, theirs, run, [tuple(map(torch.tensor, b)) for b in batches])
    return our_losses, their_losses, ours, theirs


def distance(a: Array, b: Array) -> float:
    """How far a is from b relative to b: the larger of the two by Euclidean norm and by largest element."""
    error = np.abs(a - b)
    return float(max(np.linalg.norm(error) / np.linalg.norm(b), error.max() / np.abs(b).max()))


@pytest.mark.parametrize("name", RUNS)
def test_twenty_steps_are_torchs(name: str, torch: ModuleType) -> None:
    run = RUNS[name]
    start = built(run, "float64").state_dict()
    our_losses, their_losses, ours, theirs = twins(torch, run, "float64")
    np.testing.assert_allclose(our_losses, their_losses, rtol=1e-9, atol=0)
    assert our_losses[-1] < 0.95 * our_losses[0]  # it did learn
    state, wanted = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(wanted)
    for key, value in state.items():
        b = wanted[key].numpy()
        assert value.dtype == b.dtype
        assert distance(value, b) <= 1e-9, f"{key} differs by {distance(value, b):.1e}"
        assert distance(start[key], b) > 1e-4, f"{key} was not trained"


@pytest.mark.parametrize("name", RUNS)
def test_in_float32_twenty_losses_stay_within_1e_4_of_torchs(name: str, torch: ModuleType) -> None:
    our_losses, their_losses, ours, _ = twins(torch, RUNS[name], "float32")
    np.testing.assert_allclose(our_losses, their_losses, rtol=1e-4, atol=0)
    assert {p.dtype.name for p in ours.parameters()} == {"float32"}


def test_the_unet_trains_on_the_strict_device_as_on_the_cpu() -> None:
    run, found = RUNS["U-Net"], []
    for device in ("cpu", "strict"):
        batches = [tuple(td.tensor(a, device=device) for a in b) for b in run.batches("float64")[:3]]
        model = built(run, "float64").to(device)
        losses = train(tinydl(), model, run, batches)
        found.append([np.array(losses), *model.state_dict().values()])
    for a, b in zip(*found, strict=True):
        assert distance(a, b) <= 1e-10
