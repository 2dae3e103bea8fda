"""ENet from layers: segmentation with few weights, most of them at a quarter of the image's size.

python examples/enet.py [EPOCHS]
"""

import sys
import time

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 8
generator = td.Generator(0)


def conv(before, after, size=3, stride=1, dilation=1):
    """A convolution that keeps the image's size (at stride 1), batch norm and ReLU."""
    options = {"padding": dilation * (size // 2), "stride": stride, "dilation": dilation}
    return nn.Sequential(
        nn.Conv2d(before, after, size, generator=generator, **options), nn.BatchNorm2d(after), nn.ReLU()
    )


class Bottleneck(nn.Module):
    """ENet's block: squeeze to a quarter of the maps, look far by dilation, expand, add."""

    def __init__(self, dilation):
        self.inside = nn.Sequential(conv(64, 16, 1), conv(16, 16, dilation=dilation), conv(16, 64, 1))

    def forward(self, x):
        return td.functional.relu(x + self.inside(x))


model = nn.Sequential(
    conv(1, 16, stride=2),  # half the size at once: convolutions on the whole cost most
    conv(16, 64, stride=2),
    *[Bottleneck(dilation) for dilation in (1, 2, 1, 4)],
    nn.ConvTranspose2d(64, 16, kernel_size=2, stride=2, generator=generator),
    nn.ReLU(),
    nn.ConvTranspose2d(16, 1, kernel_size=2, stride=2, generator=generator),  # a logit for each pixel
)
model.summary((1, 64, 64))

data = td.data.nuclei.load()
(x_train, y_train), (x_test, y_test) = (
    (image[None, None].astype(np.float32) / 255, (labels > 0)[None, None].astype(np.float32))
    for image, labels in (data.train, data.test)
)
crops = td.data.RandomCrops(x_train, y_train, size=64, count=160, generator=generator)
loader = td.data.DataLoader(crops, batch_size=8, generator=generator)

optimizer = td.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(EPOCHS):
    model.train()
    for x, y in loader:
        loss = td.losses.binary_cross_entropy_with_logits(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    start = time.perf_counter()
    with td.no_grad():
        found = model(td.tensor(x_test)) > 0
    milliseconds = 1000 * (time.perf_counter() - start)
    dice = td.metrics.dice(found, td.tensor(y_test > 0.5))
    print(
        f"epoch {epoch + 1}: Dice of columns never seen {dice:.3f}, {milliseconds:.0f} ms for 512x160 pixels"
    )
