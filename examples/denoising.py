"""A denoising autoencoder from layers: digits with noise, as they were before.

python examples/denoising.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 8

train, held_out = td.data.mnist.load()
clean, test = td.data.to_float(train.images), td.data.to_float(held_out.images)
generator = td.Generator(0)
noise = td.data.augment.GaussianNoise(0.4)  # x + 0.4 z

model = nn.Sequential(
    nn.Conv2d(1, 32, kernel_size=3, stride=2, padding=1, generator=generator),  # 28x28 -> 14x14
    nn.ReLU(),
    nn.Conv2d(32, 64, kernel_size=3, stride=2, padding=1, generator=generator),  # -> 7x7: the code
    nn.ReLU(),
    nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1, generator=generator),  # -> 14x14
    nn.ReLU(),
    nn.ConvTranspose2d(32, 1, kernel_size=4, stride=2, padding=1, generator=generator),  # -> 28x28
    nn.Sigmoid(),
)
model.summary((1, 28, 28))

# The noise is new in every epoch and is added to the input alone: the target stays clean.
loader = td.data.DataLoader((clean, clean), 64, shuffle=True, generator=generator, transform=noise)
optimizer = td.optim.Adam(model.parameters(), lr=2e-3)
noisy = noise(test, generator)


def quality(images):
    """The peak signal-to-noise ratio in decibels, of the images as a screen shows them."""
    return td.metrics.psnr(td.tensor(np.clip(images, 0, 1)), td.tensor(test))


for epoch in range(EPOCHS):
    for x, y in loader:
        loss = td.losses.mse(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with td.no_grad():
        cleaned = model(td.tensor(noisy)).numpy()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}, held-out digits {quality(cleaned):.1f} dB")

blurred = td.data.gaussian_filter(noisy, sigma=0.9)
print(f"before {quality(noisy):.1f} dB, a Gaussian filter gives {quality(blurred):.1f} dB")

rows = {"with noise": noisy, "Gaussian filter": blurred, "autoencoder": cleaned, "without noise": test}
Path("runs").mkdir(exist_ok=True)
td.plot.rows({name: np.clip(x[:200:20], 0, 1) for name, x in rows.items()}, "runs/denoising_example.png")
