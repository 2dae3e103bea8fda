"""LeNet-5 from layers, trained on real digits by a loop that fits on one screen.

python examples/lenet.py [EPOCHS]
"""

import sys

import numpy as np

import tinydl as td
from tinydl import nn

train, held_out = td.data.mnist.load()


def images(pixels):
    """Digits (N, 28, 28) as float32 in [0, 1] with a black border: (N, 1, 32, 32)."""
    return np.pad(td.data.to_float(pixels), ((0, 0), (0, 0), (2, 2), (2, 2)))


generator = td.Generator(0)
model = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5, generator=generator),  # C1: 6 maps of 28x28
    nn.Tanh(),
    nn.AvgPool2d(2),  # S2: 14x14
    nn.Conv2d(6, 16, kernel_size=5, generator=generator),  # C3: 16 maps of 10x10
    nn.Tanh(),
    nn.AvgPool2d(2),  # S4: 5x5
    nn.Conv2d(16, 120, kernel_size=5, generator=generator),  # C5: 120 numbers
    nn.Tanh(),
    nn.Flatten(),
    nn.Dense(120, 84, generator=generator),  # F6
    nn.Tanh(),
    nn.Dense(84, 10, generator=generator),  # a score for each digit
)
model.summary((1, 32, 32))

loader = td.data.DataLoader(
    (images(train.images), train.labels), batch_size=64, shuffle=True, generator=generator
)
optimizer = td.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
    for x, y in loader:
        loss = td.losses.cross_entropy(model(x), y)  # forward: every operation is recorded
        optimizer.zero_grad()
        loss.backward()  # backward: d loss / d weight for every weight
        optimizer.step()  # a small step against it
    with td.no_grad():
        scores = model(td.tensor(images(held_out.images)))
    right = td.metrics.accuracy(scores, td.tensor(held_out.labels))
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {right:.1%} of the held-out digits right")
