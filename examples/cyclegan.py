"""A CycleGAN from layers: white digits become ink on paper and come back, though no two images are ever paired.

python examples/cyclegan.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 6
INK, PAPER = (np.array(colour)[:, None, None] for colour in ((0.1, 0.2, 0.55), (0.97, 0.93, 0.8)))


def translator(channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(channels, 16, kernel_size=4, stride=2, padding=1, generator=g),  # 14x14
        nn.ReLU(),
        nn.Conv2d(16, 16, kernel_size=3, padding=1, generator=g),
        nn.ReLU(),
        nn.ConvTranspose2d(16, out_channels, kernel_size=4, stride=2, padding=1, generator=g),  # 28x28
        nn.Tanh(),
    )


def discriminator(channels):
    return nn.Sequential(
        nn.Conv2d(channels, 16, kernel_size=4, stride=2, padding=1, generator=g),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, kernel_size=4, stride=2, padding=1, generator=g),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, kernel_size=3, padding=1, generator=g),  # a score for each of 7x7 patches
    )


def says(score, answer):
    """The least-squares loss of a discriminator's scores that should be 1 (real) or 0."""
    return td.losses.mse(score, td.full(score.shape, answer))


g = td.Generator(0)
digits = td.data.to_float(td.data.mnist.load().train.images)[g.permutation(4000)]
white, inked = digits[:2000], (PAPER + (INK - PAPER) * digits[2000:]).astype(np.float32)  # other digits
loader = td.data.DataLoader((2 * white - 1, 2 * inked - 1), batch_size=16, shuffle=True, generator=g)

to_ink, to_white = translator(1, 3), translator(3, 1)
ink_judge, white_judge = discriminator(3), discriminator(1)
translate = td.optim.Adam([*to_ink.parameters(), *to_white.parameters()], lr=1e-3, betas=(0.5, 0.999))
judge = td.optim.Adam([*ink_judge.parameters(), *white_judge.parameters()], lr=1e-3, betas=(0.5, 0.999))

for epoch in range(EPOCHS):
    for x, y in loader:
        fake_y, fake_x = to_ink(x), to_white(y)

        d_loss = says(ink_judge(y), 1.0) + says(ink_judge(fake_y.detach()), 0.0)
        d_loss = d_loss + says(white_judge(x), 1.0) + says(white_judge(fake_x.detach()), 0.0)
        judge.zero_grad()
        d_loss.backward()
        judge.step()

        fooled = says(ink_judge(fake_y), 1.0) + says(white_judge(fake_x), 1.0)
        cycle = td.losses.mae(to_white(fake_y), x) + td.losses.mae(to_ink(fake_x), y)  # there and back
        translate.zero_grad()
        (fooled + 10 * cycle).backward()
        translate.step()
    print(f"epoch {epoch + 1}: discriminators {d_loss.item():.3f}, cycle {cycle.item():.3f}")

Path("runs").mkdir(exist_ok=True)
x = td.tensor(2 * td.data.to_float(td.data.mnist.load().test.images[:1000:100]) - 1)
with td.no_grad():
    y = to_ink(x)
    rows = {"digit": x, "in ink": y, "and back": to_white(y)}
td.plot.rows({name: (a.numpy() + 1) / 2 for name, a in rows.items()}, path="runs/cyclegan.png")
print("runs/cyclegan.png shows held-out digits, their translation, and the way back")
