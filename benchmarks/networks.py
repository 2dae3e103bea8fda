"""The networks that `python -m benchmarks.speed` times: written once, in names that tinydl and PyTorch share.

Each is an ordinary network of layers, as a user of either library would write it. The names and shapes of its weights
agree, so that a state dict of one can be loaded into the other.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

import tinydl as td

Library: TypeAlias = SimpleNamespace  # what a row asks of a library, under the same names in both


def tinydl() -> Library:
    """tinydl under the shared names."""
    return Library(
        nn=SimpleNamespace(**vars(td.nn), Linear=td.nn.Dense),
        optim=td.optim,
        cat=td.cat,
        cross_entropy=td.losses.cross_entropy,
        mse=td.losses.mse,
        bce_with_logits=td.losses.binary_cross_entropy_with_logits,
        gaussian_kl=lambda mu, logvar: td.losses.gaussian_kl(mu, logvar, reduction="sum"),
    )


def pytorch(torch: ModuleType) -> Library:
    """PyTorch under the shared names; it has no such divergence, so its users write the formula."""
    loss = torch.nn.functional
    return Library(
        nn=torch.nn,
        optim=torch.optim,
        cat=torch.cat,
        cross_entropy=loss.cross_entropy,
        mse=loss.mse_loss,
        bce_with_logits=loss.binary_cross_entropy_with_logits,
        gaussian_kl=lambda mu, logvar: -0.5 * (1 + logvar - mu * mu - logvar.exp()).sum(),
    )


def mlp(library: Library, first: int = 512, second: int = 256) -> Any:
    """784-first-second-10 with ReLU."""
    nn = library.nn
    return nn.Sequential(
        *(nn.Linear(784, first), nn.ReLU()),
        *(nn.Linear(first, second), nn.ReLU()),
        nn.Linear(second, 10),
    )


def lenet(library: Library) -> Any:
    """LeNet-5 with tanh and average pooling, on 32x32."""
    nn = library.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def autoencoder(library: Library, first: int = 16, second: int = 32) -> Any:
    """Two convolutions of stride 2, 28x28 to 7x7 with `second` channels, and back."""
    nn = library.nn
    return nn.Sequential(
        *(nn.Conv2d(1, first, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(first, second, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.ConvTranspose2d(second, first, 3, stride=2, padding=1, output_padding=1), nn.ReLU()),
        *(nn.ConvTranspose2d(first, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid()),
    )


def vae(library: Library) -> Any:
    """784-400-20-400-784 with ReLU (Kingma and Welling, 2013)."""
    nn = library.nn

    class VAE(nn.Module):
        """The noise is an input, so that all contenders sample the same latents."""

        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
            self.mu, self.logvar = nn.Linear(400, 20), nn.Linear(400, 20)
            self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

        def forward(self, x: Any, noise: Any) -> Any:
            h = self.hidden(x)
            mu, logvar = self.mu(h), self.logvar(h)
            return self.decoder(mu + (0.5 * logvar).exp() * noise), mu, logvar

    return VAE()


def unet(library: Library, base: int = 16) -> Any:
    """Three levels of max pooling, `base` channels on the first (Ronneberger et al., 2015; with batch norm)."""
    nn = library.nn

    def half(channels: int, out: int) -> tuple[Any, ...]:
        return nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()

    def block(channels: int, out: int) -> Any:
        return nn.Sequential(*half(channels, out), *half(out, out))

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1, self.down2 = block(1, base), block(base, 2 * base)
            self.down3, self.bottom = block(2 * base, 4 * base), block(4 * base, 8 * base)
            self.pool = nn.MaxPool2d(2)
            self.up3, self.join3 = (
                nn.ConvTranspose2d(8 * base, 4 * base, 2, stride=2),
                block(8 * base, 4 * base),
            )
            self.up2, self.join2 = (
                nn.ConvTranspose2d(4 * base, 2 * base, 2, stride=2),
                block(4 * base, 2 * base),
            )
            self.up1, self.join1 = nn.ConvTranspose2d(2 * base, base, 2, stride=2), block(2 * base, base)
            self.head = nn.Conv2d(base, 1, 1)

        def forward(self, x: Any) -> Any:
            first = self.down1(x)
            second = self.down2(self.pool(first))
            third = self.down3(self.pool(second))
            x = self.bottom(self.pool(third))
            x = self.join3(library.cat([self.up3(x), third], 1))
            x = self.join2(library.cat([self.up2(x), second], 1))
            return self.head(self.join1(library.cat([self.up1(x), first], 1)))

    return UNet()


def resnet18(library: Library) -> Any:
    """ResNet-18 with a stem for 32x32: one 3x3 convolution, no pooling (He et al., 2015)."""
    nn = library.nn

    class Block(nn.Module):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.relu = nn.ReLU()
            self.shortcut = nn.Sequential()
            if stride != 1 or channels != out:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
                )

        def forward(self, x: Any) -> Any:
            h = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(h)) + self.shortcut(x))

    layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    channels = 64
    for out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(channels, out, stride), Block(out, out, 1)]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
