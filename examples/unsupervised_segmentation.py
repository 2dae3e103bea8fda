"""A photo divided into regions without labels: k-means on colours, and on the codes of an autoencoder.

python examples/unsupervised_segmentation.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 6
REGIONS = 5
generator = td.Generator(0)

photo = td.data.photos.load()["astronaut"].transpose(2, 0, 1).astype(np.float32) / 255  # (3, 256, 256)


def conv(before, after):
    """A 3x3 convolution that keeps the image's size."""
    return nn.Conv2d(before, after, kernel_size=3, padding=1, generator=generator)


# Eight numbers for every 4x4 pixels must be enough to draw them and what is around them.
encoder = nn.Sequential(
    conv(3, 16), nn.ReLU(), nn.AvgPool2d(2), conv(16, 32), nn.ReLU(), nn.AvgPool2d(2), conv(32, 8)
)
decoder = nn.Sequential(
    nn.Upsample(scale_factor=2), conv(8, 16), nn.ReLU(), nn.Upsample(scale_factor=2), conv(16, 3)
)
model = nn.Sequential(encoder, decoder)
crops = td.data.RandomCrops(photo[None], size=32, count=320, generator=generator)
loader = td.data.DataLoader(crops, batch_size=16, generator=generator)
optimizer = td.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(EPOCHS):
    for (x,) in loader:
        loss = td.losses.mse(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: squared error of a pixel {loss.item():.4f}")

with td.no_grad():
    codes = td.functional.interpolate(encoder(td.tensor(photo[None])), scale_factor=4, mode="bilinear")
features = {"colour": photo, "learned codes": codes.numpy()[0]}

pictures, titles = [photo], ["photo"]
for name, feature in features.items():
    points = feature.reshape(len(feature), -1).T  # one row for each pixel
    points = (points - points.mean(0)) / points.std(0)
    _, region = td.data.kmeans(points, REGIONS, generator=generator)
    means = np.stack([photo.reshape(3, -1)[:, region == k].mean(1) for k in range(REGIONS)], axis=1)
    pictures.append(means[:, region].reshape(photo.shape))
    titles.append(f"k-means on {name}")
    divided = np.mean(np.diff(region.reshape(photo.shape[1:])) != 0)
    print(f"k-means on {name}: a border between {divided:.1%} of neighbouring pixels")

Path("runs").mkdir(exist_ok=True)
td.plot.images(np.stack(pictures), titles=titles, path="runs/unsupervised_segmentation_example.png")
