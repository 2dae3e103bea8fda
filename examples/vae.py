"""A variational autoencoder from layers: it learns to draw digits.

python examples/vae.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
LATENT = 20

train, held_out = td.data.mnist.load()
generator = td.Generator(0)

encoder = nn.Sequential(nn.Flatten(), nn.Dense(784, 400, generator=generator), nn.ReLU())
to_mu = nn.Dense(400, LATENT, generator=generator)
to_logvar = nn.Dense(400, LATENT, generator=generator)
decoder = nn.Sequential(
    nn.Dense(LATENT, 400, generator=generator),
    nn.ReLU(),
    nn.Dense(400, 784, generator=generator),
    nn.Reshape(1, 28, 28),
)


def negative_elbo(x):
    """The bound on -log p(x): sums over pixels and over latents, means over the images of the batch."""
    features = encoder(x)
    mu, logvar = to_mu(features), to_logvar(features)
    noise = td.randn(mu.shape, generator=generator)
    z = mu + td.exp(logvar / 2) * noise  # exp(logvar / 2) is the standard deviation
    logits = decoder(z)
    # A grey pixel counts as the probability of white: the likelihood is Bernoulli.
    reconstruction = td.losses.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    kl = -0.5 * (1 + logvar - mu * mu - td.exp(logvar)).sum(1).mean()
    return reconstruction, kl


parts = nn.ModuleList([encoder, to_mu, to_logvar, decoder])
optimizer = td.optim.Adam(parts.parameters(), lr=2e-3)
images = td.data.to_float(train.images)
loader = td.data.DataLoader((images,), batch_size=100, shuffle=True, generator=generator)
test = td.tensor(td.data.to_float(held_out.images))

for epoch in range(EPOCHS):
    for (x,) in loader:
        reconstruction, kl = negative_elbo(x)
        optimizer.zero_grad()
        (reconstruction + kl).backward()
        optimizer.step()
    with td.no_grad():
        reconstruction, kl = (term.item() for term in negative_elbo(test))
    print(
        f"epoch {epoch + 1}: {reconstruction + kl:.1f} nats a held-out digit = {reconstruction:.1f} + {kl:.1f}"
    )

p = (images.mean(axis=0) + 1e-3) / (1 + 2e-3)
pixels = td.data.to_float(held_out.images)
alone = -(pixels * np.log(p) + (1 - pixels) * np.log(1 - p)).sum(axis=(1, 2, 3)).mean()
print(f"without a network, each pixel for itself: {alone:.1f}")

with td.no_grad():
    samples = td.functional.sigmoid(decoder(td.randn(64, LATENT, generator=generator)))
Path("runs").mkdir(exist_ok=True)
td.plot.images(samples, columns=16, path="runs/vae.png", title="Decoded from random codes")
print("runs/vae.png shows digits that nobody wrote")
