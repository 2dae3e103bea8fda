"""A network from layers cuts objects out of photos: background removal, trained on pictures that we make ourselves.

python examples/removebg.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn
from tinydl.functional import sigmoid

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
generator = td.Generator(0)

# An object of known outline is pasted on a photo, so the true mask of every picture is known for nothing.
train = td.data.objects_on_photos(450, "train", size=48, generator=0)
test = td.data.objects_on_photos(150, "test", size=48, generator=0)  # other objects on another photo


def conv(before, after):
    """A 3x3 convolution that keeps the image's size, batch norm and ReLU."""
    layer = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False, generator=generator)
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU())


class Cutter(nn.Module):
    """Sees the picture at full size, at half, at a quarter and at an eighth; the coarse views tell the fine ones."""

    def __init__(self):
        self.down = nn.ModuleList([conv(3, 12), conv(12, 24), conv(24, 48)])
        self.bottom = nn.Sequential(conv(48, 48), conv(48, 48))
        self.up = nn.ModuleList([conv(24 + 12, 12), conv(48 + 24, 24), conv(48 + 48, 48)])
        self.output = nn.Conv2d(12, 1, kernel_size=1, generator=generator)
        self.halve, self.double = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)

    def forward(self, x):
        views = []
        for down in self.down:
            views.append(down(x))
            x = self.halve(views[-1])
        x = self.bottom(x)
        for view, up in zip(reversed(views), reversed(self.up), strict=True):
            x = up(td.cat([view, self.double(x)], axis=1))
        return self.output(x)  # a logit for each pixel: object or background


def masks(data):
    """The pixels of the object as (N, 1, H, W), float32."""
    return data.labels[:, None].astype(np.float32)


model = Cutter()
loader = td.data.DataLoader((train.images, masks(train)), batch_size=8, shuffle=True, generator=generator)
optimizer = td.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(EPOCHS):
    model.train()
    for x, y in loader:
        z = model(x)
        loss = td.losses.binary_cross_entropy_with_logits(z, y) + td.losses.dice(sigmoid(z), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with td.no_grad():
        found = model(td.tensor(test.images)) > 0
    iou = td.metrics.iou(found, td.tensor(masks(test) > 0.5))
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, IoU of objects never seen {iou:.3f}")

shown = test.images[:8]
kept = np.where(found.numpy()[:8], shown, 1.0)  # on white
Path("runs").mkdir(exist_ok=True)
td.plot.images(np.concatenate([shown, kept]), columns=8, path="runs/removebg_example.png")
