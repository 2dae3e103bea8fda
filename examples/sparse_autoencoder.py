"""A sparse autoencoder from layers: 256 units, of which each digit may use only a few.

python examples/sparse_autoencoder.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 8
RHO = 0.05  # the share of digits for which a unit shall be active

train, held_out = td.data.mnist.load()
x_train, x_test = td.data.to_float(train.images), td.data.to_float(held_out.images)


def kl_sparsity(code):
    """The sum over units of KL(RHO || mean activation of the unit)."""
    r = code.mean(axis=0)
    return (RHO * td.log(RHO / r) + (1 - RHO) * td.log((1 - RHO) / (1 - r))).sum()


def train_with(strength):
    """The encoder and decoder that this strength of the penalty leads to."""
    generator = td.Generator(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Dense(784, 256, generator=generator), nn.Sigmoid())
    decoder = nn.Sequential(nn.Dense(256, 784, generator=generator), nn.Sigmoid(), nn.Reshape(1, 28, 28))
    loader = td.data.DataLoader((x_train,), batch_size=64, shuffle=True, generator=generator)
    optimizer = td.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    for epoch in range(EPOCHS):
        for (x,) in loader:
            code = encoder(x)
            squared_error = td.losses.mse(decoder(code), x, reduction="sum") / len(x)
            loss = squared_error + strength * kl_sparsity(code)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(
            f"epoch {epoch + 1}: squared error {squared_error.item():.2f}, mean activation {code.mean().item():.3f}"
        )
    return encoder, decoder


rows = {"original": x_test[::100]}
for name, strength in {"no penalty": 0.0, "KL": 0.5}.items():
    print(name)
    encoder, decoder = train_with(strength)
    with td.no_grad():
        code = encoder(td.tensor(x_test))
        rebuilt = decoder(code).numpy()
    error = np.square(rebuilt - x_test).mean()
    print(f"held-out digits: mean squared error {error:.4f}, mean activation {code.mean().item():.3f}")
    rows[name] = rebuilt[::100]

Path("runs").mkdir(exist_ok=True)
td.plot.rows(rows, "runs/sparse_autoencoder_example.png")
