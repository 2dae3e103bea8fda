"""A convolutional autoencoder from layers: clothes, rebuilt from 32 numbers.

python examples/conv_autoencoder.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
generator = td.Generator(0)

train, held_out = td.data.fashion_mnist.load()
x_train, x_test = td.data.to_float(train.images), td.data.to_float(held_out.images)

conv = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1, generator=generator),  # 28x28 -> 14x14
    nn.ELU(),
    nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1, generator=generator),  # -> 7x7
    nn.ELU(),
    nn.Flatten(),
    nn.Dense(32 * 7 * 7, 32, generator=generator),  # the code
    nn.Dense(32, 32 * 7 * 7, generator=generator),
    nn.ELU(),
    nn.Reshape(32, 7, 7),
    nn.ConvTranspose2d(32, 16, kernel_size=4, stride=2, padding=1, generator=generator),  # -> 14x14
    nn.ELU(),
    nn.ConvTranspose2d(16, 1, kernel_size=4, stride=2, padding=1, generator=generator),  # -> 28x28
    nn.Sigmoid(),
)
dense = nn.Sequential(
    nn.Flatten(),
    nn.Dense(784, 70, generator=generator),
    nn.ELU(),
    nn.Dense(70, 32, generator=generator),  # the code
    nn.Dense(32, 70, generator=generator),
    nn.ELU(),
    nn.Dense(70, 784, generator=generator),
    nn.Sigmoid(),
    nn.Reshape(1, 28, 28),
)
flips = td.data.augment.RandomHorizontalFlip()  # a mirrored shirt is a shirt
rows = {"original": x_test[:10]}

for name, model in {"dense": dense, "convolutional": conv}.items():
    parameters = sum(p.size for p in model.parameters())
    loader = td.data.DataLoader((x_train,), 64, shuffle=True, generator=generator, transform=flips)
    optimizer = td.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(EPOCHS):
        for (x,) in loader:
            loss = td.losses.mse(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"{name}, epoch {epoch + 1}: loss {loss.item():.4f}")
    with td.no_grad():
        rebuilt = model(td.tensor(x_test)).numpy()
    error = np.square(rebuilt - x_test).mean()
    print(f"{name}, {parameters:,} parameters: held-out clothes, mean squared error {error:.4f}")
    rows[name] = rebuilt[:10]

Path("runs").mkdir(exist_ok=True)
td.plot.rows(rows, "runs/conv_autoencoder_example.png")
