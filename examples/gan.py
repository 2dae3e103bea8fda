"""A GAN of convolutions from layers: one network draws digits, the other tells them from real ones.

python examples/gan.py [EPOCHS]
"""

import sys
from pathlib import Path

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
LATENT = 64  # how many random numbers become an image

g = td.Generator(0)
generator = nn.Sequential(
    nn.Dense(LATENT, 32 * 7 * 7, generator=g),
    nn.Reshape(32, 7, 7),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 16, kernel_size=4, stride=2, padding=1, generator=g),  # 14x14
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.ConvTranspose2d(16, 1, kernel_size=4, stride=2, padding=1, generator=g),  # 28x28
    nn.Tanh(),
)
discriminator = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=4, stride=2, padding=1, generator=g),  # 14x14
    nn.LeakyReLU(0.2),
    nn.Conv2d(16, 32, kernel_size=4, stride=2, padding=1, generator=g),  # 7x7
    nn.BatchNorm2d(32),
    nn.LeakyReLU(0.2),
    nn.Flatten(),
    nn.Dense(32 * 7 * 7, 1, generator=g),  # a logit: how real does the image look?
)
draws = td.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
judges = td.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
bce = td.losses.binary_cross_entropy_with_logits

digits = 2 * td.data.to_float(td.data.mnist.load().train.images) - 1  # as tanh: from -1 to 1
loader = td.data.DataLoader((digits,), batch_size=50, shuffle=True, generator=g)
real, fake = td.ones(50, 1), td.zeros(50, 1)
same_noise = td.randn(10, LATENT, generator=g)
over_time = {}

for epoch in range(EPOCHS):
    generator.train()
    for (x,) in loader:
        drawn = generator(td.randn(50, LATENT, generator=g))

        # The discriminator learns to tell them apart; detach() keeps the generator out of it.
        d_loss = bce(discriminator(x), real) + bce(discriminator(drawn.detach()), fake)
        judges.zero_grad()
        d_loss.backward()
        judges.step()

        # The generator learns to pass for real.
        g_loss = bce(discriminator(drawn), real)
        draws.zero_grad()
        g_loss.backward()  # fills the discriminator's gradients as well: its zero_grad() above forgets them
        draws.step()
    generator.eval()
    with td.no_grad():
        over_time[f"epoch {epoch + 1}"] = (generator(same_noise) + 1) / 2
    print(f"epoch {epoch + 1}: discriminator {d_loss.item():.3f}, generator {g_loss.item():.3f}")

Path("runs").mkdir(exist_ok=True)
td.plot.rows(over_time, path="runs/gan.png", title="The same noise, as training goes on")
print("runs/gan.png shows what the same noise gave after each epoch")
