"""An autoencoder from layers: 784 pixels through 16 numbers and back, beside PCA with 16 components.

python examples/autoencoder.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
CODE = 16

train, held_out = td.data.mnist.load()
x_train, x_test = td.data.to_float(train.images), td.data.to_float(held_out.images)
generator = td.Generator(0)

encoder = nn.Sequential(
    nn.Flatten(),
    nn.Dense(784, 256, generator=generator),
    nn.ReLU(),
    nn.Dense(256, CODE, generator=generator),  # the code: linear, as PCA's is
)
decoder = nn.Sequential(
    nn.Dense(CODE, 256, generator=generator),
    nn.ReLU(),
    nn.Dense(256, 784, generator=generator),
    nn.Sigmoid(),  # pixels lie between 0 and 1
    nn.Reshape(1, 28, 28),
)
model = nn.Sequential(encoder, decoder)
model.summary((1, 28, 28))

# What the best linear code of as many numbers rebuilds.
pca = td.data.principal_components(x_train, CODE)
by_pca = np.clip(pca.decode(pca.encode(x_test)), 0, 1).reshape(x_test.shape)
print(f"PCA with {CODE} components: mean squared error {np.square(by_pca - x_test).mean():.4f}")

loader = td.data.DataLoader((x_train,), batch_size=64, shuffle=True, generator=generator)
optimizer = td.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(EPOCHS):
    for (x,) in loader:
        loss = td.losses.mse(model(x), x)  # the images are their own targets
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with td.no_grad():
        rebuilt = model(td.tensor(x_test)).numpy()
    error = np.square(rebuilt - x_test).mean()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}, held-out digits {error:.4f}")

rows = {"original": x_test, "PCA": by_pca, "autoencoder": rebuilt}
Path("runs").mkdir(exist_ok=True)
td.plot.rows({name: x[::100] for name, x in rows.items()}, "runs/autoencoder_example.png")
