"""Super-resolution from layers: digits of 14x14 pixels at twice their size.

python examples/super_resolution.py [EPOCHS]
"""

import sys
from pathlib import Path

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 6


class SuperResolution(nn.Module):
    """A smooth enlargement, and the detail that it lacks: only the difference must be learned."""

    def __init__(self, generator):
        self.encoder = nn.Sequential(  # at the small size, where it costs a quarter
            nn.Conv2d(1, 32, kernel_size=3, padding=1, generator=generator),
            nn.ReLU(),
            nn.Conv2d(32, 32, kernel_size=3, padding=1, generator=generator),
            nn.ReLU(),
        )
        self.decoder = nn.ConvTranspose2d(
            32, 1, kernel_size=4, stride=2, padding=1, generator=generator
        )  # twice the size

    def forward(self, x):
        smooth = td.functional.interpolate(x, scale_factor=2, mode="bilinear")
        return smooth + self.decoder(self.encoder(x))


train, held_out = td.data.mnist.load()
large, test = td.data.to_float(train.images), td.data.to_float(held_out.images)
small, test_small = td.data.bicubic(large, (14, 14)), td.data.bicubic(test, (14, 14))

generator = td.Generator(0)
model = SuperResolution(generator)
loader = td.data.DataLoader((small, large), batch_size=64, shuffle=True, generator=generator)
optimizer = td.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(EPOCHS):
    for x, y in loader:
        loss = td.losses.mse(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with td.no_grad():
        enlarged = td.clip(model(td.tensor(test_small)), 0, 1)
    quality = td.metrics.psnr(enlarged, td.tensor(test))
    print(f"epoch {epoch + 1}: loss {loss.item():.5f}, held-out digits {quality:.1f} dB")

bicubic = td.data.bicubic(test_small, (28, 28))
print(f"bicubic interpolation gives {td.metrics.psnr(td.tensor(bicubic), td.tensor(test)):.1f} dB")

pixels = test_small.repeat(2, axis=2).repeat(2, axis=3)
rows = {"14x14 pixels": pixels, "bicubic": bicubic, "network": enlarged.numpy(), "28x28, the original": test}
Path("runs").mkdir(exist_ok=True)
td.plot.rows({name: x[:200:20] for name, x in rows.items()}, "runs/super_resolution_example.png")
