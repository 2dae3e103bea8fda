"""Two ways up again: FCN enlarges scores and adds them, SegNet puts maxima back to where they stood.

python examples/segmentation.py [EPOCHS]
"""

import sys
import time

import numpy as np

import tinydl as td
from tinydl import nn
from tinydl.functional import max_pool2d, max_unpool2d

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 6
generator = td.Generator(0)


def conv(before, after):
    """A 3x3 convolution that keeps the image's size, batch norm and ReLU."""
    layer = nn.Conv2d(before, after, kernel_size=3, padding=1, generator=generator)
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU())


def score(maps):
    """A logit for each pixel of these maps."""
    return nn.Conv2d(maps, 1, kernel_size=1, generator=generator)


class FCN(nn.Module):
    """Scores at a quarter of the size, doubled, added to the scores at half the size, and doubled again."""

    def __init__(self):
        self.half = nn.Sequential(conv(1, 16), nn.MaxPool2d(2), conv(16, 32))
        self.quarter = nn.Sequential(nn.MaxPool2d(2), conv(32, 64))
        self.fine, self.coarse = score(32), score(64)
        self.double = nn.Upsample(scale_factor=2, mode="bilinear")

    def forward(self, x):
        half = self.half(x)
        return self.double(self.fine(half) + self.double(self.coarse(self.quarter(half))))


class SegNet(nn.Module):
    """Pooling remembers where each maximum stood; unpooling puts it back there."""

    def __init__(self):
        self.down1, self.down2 = conv(1, 16), conv(16, 32)
        self.up2, self.up1 = conv(32, 16), conv(16, 16)
        self.output = score(16)

    def forward(self, x):
        x, places1 = max_pool2d(self.down1(x), 2, return_indices=True)
        x, places2 = max_pool2d(self.down2(x), 2, return_indices=True)
        x = self.up2(max_unpool2d(x, places2, 2))
        return self.output(self.up1(max_unpool2d(x, places1, 2)))


data = td.data.nuclei.load()
(x_train, y_train), (x_test, y_test) = (
    (image[None, None].astype(np.float32) / 255, (labels > 0)[None, None].astype(np.float32))
    for image, labels in (data.train, data.test)
)
crops = td.data.RandomCrops(x_train, y_train, size=64, count=160, generator=generator)
loader = td.data.DataLoader(crops, batch_size=8, generator=generator)

for name, model in {"FCN": FCN(), "SegNet": SegNet()}.items():
    optimizer = td.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for x, y in loader:
            loss = td.losses.binary_cross_entropy_with_logits(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    start = time.perf_counter()
    with td.no_grad():
        found = model(td.tensor(x_test)) > 0
    seconds = time.perf_counter() - start
    dice, weights = td.metrics.dice(found, td.tensor(y_test > 0.5)), sum(p.size for p in model.parameters())
    print(f"{name}: Dice {dice:.3f} with {weights:,} parameters, {1000 * seconds:.0f} ms for 512x160 pixels")
