"""One photo and one digit under every random change of td.data.augment, as one picture: runs/augmentation.png.

python examples/augmentation.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

import tinydl as td
from tinydl.data import augment

SIDE = 160
PATH = Path("runs/augmentation.png")

photo = td.data.photos.load()["chelsea"][: SIDE + 10, 45 : 45 + SIDE + 10]
digits = td.data.mnist.load().train
digit = digits.images[digits.labels == 5][1]
blue, orange = np.array([[[30]], [[60]], [[120]]]), np.array([[[255]], [[170]], [[60]]])


def image(pixels):
    """A picture (H, W, 3) as one image (1, 3, SIDE, SIDE), float32 from 0 to 1: what the transforms take."""
    small = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return small.transpose(2, 0, 1)[None].astype(np.float32) / 255


ink = image(np.stack([digit] * 3, axis=-1))
images = np.concatenate([image(photo), (ink * orange + (1 - ink) * blue).astype(np.float32) / 255])

CHANGES = {
    "no change": augment.Compose(),
    "RandomHorizontalFlip()": augment.RandomHorizontalFlip(),
    "RandomRotation(30)": augment.RandomRotation(30),
    "RandomZoom(0.4)": augment.RandomZoom(0.4),
    "RandomShift(40, 40)": augment.RandomShift(40, 40),
    "RandomShear(30)": augment.RandomShear(30),
    'fill_mode="nearest"': augment.RandomRotation((20, 40), fill_mode="nearest"),
    'fill_mode="reflect"': augment.RandomRotation((20, 40), fill_mode="reflect"),
    'fill_mode="wrap"': augment.RandomShift(60, 60, fill_mode="wrap"),
    "RandomCrop(padding=30)": augment.RandomCrop(padding=30),
    "RandomBrightness(0.3)": augment.RandomBrightness(0.3),
    "RandomContrast(0.7)": augment.RandomContrast(0.7),
    "ColourJitter(hue=180)": augment.ColourJitter(hue=180),
    "ColourJitter(saturation=1)": augment.ColourJitter(saturation=1.0),
    "GaussianNoise(0.1)": augment.GaussianNoise(0.1),
    "Cutout(60)": augment.Cutout(60),
    "ImageDataGenerator(...)": augment.ImageDataGenerator(
        rotation_range=30, width_shift_range=0.2, shear_range=20, zoom_range=0.3, brightness_range=(0.6, 1.4)
    ),
}

generator = td.Generator(5)
samples, titles = [], []
for name, change in CHANGES.items():
    for i in range(2):  # first the photo, then the digit
        samples.append(change(images[[i, i]], generator))
        titles += [name, ""] if i == 0 else ["", ""]
    print(f"{name:28} {samples[-1].shape[1:]}, {samples[-1].min():5.2f} to {samples[-1].max():.2f}")

mixup = augment.Mixup(2, alpha=3.0)
mixed, targets = mixup.batch((images[[0, 1, 0, 1]], np.array([0, 1, 0, 1])), generator=0)
samples.append(mixed)
titles += [f"Mixup: {cat:.0%} cat" for cat, _ in targets]

PATH.parent.mkdir(exist_ok=True)
td.plot.images(
    np.clip(np.concatenate(samples), 0, 1),
    titles,
    columns=8,
    path=PATH,
    title="Random changes of a photo and a digit",
)
print(f"written: {PATH}")
