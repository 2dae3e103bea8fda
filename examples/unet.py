"""U-Net from layers: which pixels of a microscope image belong to a cell nucleus?

python examples/unet.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 12


class Block(nn.Sequential):
    """Two 3x3 convolutions: each pixel learns of its neighbours."""

    def __init__(self, before, after, generator):
        super().__init__(
            nn.Conv2d(before, after, kernel_size=3, padding=1, generator=generator),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, kernel_size=3, padding=1, generator=generator),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """Down to a quarter of the size and up again; on the way up, the maps of the way down are joined in."""

    def __init__(self, generator):
        self.down1, self.down2 = Block(1, 8, generator), Block(8, 16, generator)
        self.bottom = Block(16, 32, generator)
        self.up2 = nn.ConvTranspose2d(32, 16, kernel_size=2, stride=2, generator=generator)
        self.join2 = Block(32, 16, generator)
        self.up1 = nn.ConvTranspose2d(16, 8, kernel_size=2, stride=2, generator=generator)
        self.join1 = Block(16, 8, generator)
        self.output = nn.Conv2d(8, 1, kernel_size=1, generator=generator)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        fine = self.down1(x)
        coarse = self.down2(self.pool(fine))
        x = self.bottom(self.pool(coarse))
        x = self.join2(td.cat([coarse, self.up2(x)], axis=1))
        x = self.join1(td.cat([fine, self.up1(x)], axis=1))
        return self.output(x)  # a logit for each pixel


data = td.data.nuclei.load()
(x_train, y_train), (x_test, y_test) = (
    (image[None, None].astype(np.float32) / 255, (labels > 0)[None, None].astype(np.float32))
    for image, labels in (data.train, data.test)
)
generator = td.Generator(0)
crops = td.data.RandomCrops(x_train, y_train, size=64, count=160, generator=generator)
loader = td.data.DataLoader(crops, batch_size=8, generator=generator)
model = UNet(generator)
optimizer = td.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(EPOCHS):
    model.train()
    for x, y in loader:
        z = model(x)
        loss = td.losses.binary_cross_entropy_with_logits(z, y) + td.losses.dice(td.functional.sigmoid(z), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with td.no_grad():
        found = model(td.tensor(x_test)) > 0
    dice = td.metrics.dice(found, td.tensor(y_test > 0.5))
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, Dice of columns never seen {dice:.3f}")

Path("runs").mkdir(exist_ok=True)
td.plot.masks(x_test[0, 0], {"found": found[0, 0]}, y_test[0, 0], path="runs/unet_example.png")
