"""A photo divided into regions without any labels: k-means on colours, on principal components, on learned codes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import nn, plot
from tinydl.autograd import no_grad
from tinydl.data import kmeans, photos, principal_components
from tinydl.data.crops import RandomCrops
from tinydl.data.loader import DataLoader
from tinydl.losses import mse
from tinydl.ops.resize import interpolate
from tinydl.optim import Adam, OneCycleLR
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import Trainer

REGIONS = 5
CODES = 8  # numbers for each pixel, of the principal components and of the autoencoder alike
PATCH = 9  # pixels a side, for the principal components
EDGE = 12  # pixels around the picture, as far as the encoder sees, a multiple of 4
CROP = 32
STEPS = 30  # batches in an epoch
MAX_LR = 1e-2
NAMES = {"colour": "k-means on colour", "pca": "on principal components", "autoencoder": "on learned codes"}
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


class Codes(nn.Module):
    """A convolutional autoencoder: pictures (N, 3, H, W), H and W multiples of 4, to pictures of that shape.

    The code is a quarter as high and wide, with `CODES` maps: each of its pixels must tell what about 20 pixels
    around it look like. Raises, when called, ValueError for other shapes.
    """

    def __init__(self, generator: Generator) -> None:
        def conv(before: int, after: int) -> nn.Conv2d:
            return nn.Conv2d(before, after, kernel_size=3, padding=1, generator=generator)

        self.encoder = nn.Sequential(
            conv(3, 16), nn.ReLU(), nn.AvgPool2d(2), conv(16, 32), nn.ReLU(), nn.AvgPool2d(2), conv(32, CODES)
        )
        self.decoder = nn.Sequential(
            conv(CODES, 32), nn.ReLU(), nn.Upsample(scale_factor=2), conv(32, 16), nn.ReLU(),
            nn.Upsample(scale_factor=2), conv(16, 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.encoder(x))
        return out


def run(options: Options) -> dict[str, Any]:
    """Trains the autoencoder on crops of the photos, divides each photo in three ways, and draws them together."""
    start = time.perf_counter()
    pictures = of_one_size(photos.load())
    print(f"data: {len(pictures)} embedded photos, without any labels")
    generator = Generator(options.seed)
    model = train(options, pictures, generator)

    figures: dict[str, list[dict[str, float]]] = {way: [] for way in NAMES}
    drawn, titles = [], []
    for name, picture in pictures.items():
        features = {
            "colour": colours(picture),
            "pca": components(picture),
            "autoencoder": codes(model, picture),
        }
        drawn.append(picture)
        titles.append(name)
        for way, points in features.items():
            labels = kmeans(points, REGIONS, generator.fork())[1].reshape(picture.shape[1:])
            figures[way].append(measured(picture, labels))
            drawn.append(in_mean_colours(picture, labels))
            titles.append(NAMES[way])
    seconds = time.perf_counter() - start
    plot.images(
        np.stack(drawn),
        titles=titles,
        columns=1 + len(NAMES),
        path=options.out / "regions.png",
        title=f"Three photos in {REGIONS} regions each, found without labels",
    )
    metrics = {
        f"{way}_{what}": float(np.mean([row[what] for row in rows]))
        for way, rows in figures.items()
        for what in rows[0]
    }
    for way, said in NAMES.items():
        print(
            f"{said}: {metrics[f'{way}_colour_explained']:.1%} of the colours' variance explained, "
            f"edges {metrics[f'{way}_edge_contrast']:.2f} times as strong on borders as elsewhere, "
            f"{metrics[f'{way}_border_share']:.1%} of the neighbours divided"
        )
    print("there are no true regions to compare with: these figures describe, they do not judge")
    return {**metrics, "parameters": count(model), "seconds": round(seconds, 2)}


def train(options: Options, pictures: dict[str, Floats], generator: Generator) -> Codes:
    """An autoencoder of random crops of all photos, turned and mirrored."""
    draws = generator.fork()
    whole = np.stack(list(pictures.values()))
    crops = RandomCrops(whole, whole, size=CROP, count=STEPS * options.batch_size, generator=draws)
    loader = DataLoader(crops, options.batch_size, generator=draws, device=options.device)
    model = Codes(generator.fork()).to(options.device)
    optimizer = Adam(model.parameters())
    schedule = OneCycleLR(optimizer, MAX_LR, total_steps=options.epochs * len(loader))
    trainer = Trainer(
        model, mse, optimizer, (), callbacks(options), schedule=schedule, progress=options.progress
    )
    fit(options, trainer, loader, None)
    return model.eval()


# ---- what each pixel is described by: (H W, D)


def of_one_size(photos: dict[str, npt.NDArray[np.uint8]]) -> dict[str, Floats]:
    """Photos (H, W, 3) as float32 (3, H, W) from 0 to 1, cut below to the height of the lowest."""
    height = min(len(pixels) for pixels in photos.values())
    return {
        name: np.ascontiguousarray(pixels[:height].transpose(2, 0, 1), np.float32) / np.float32(255)
        for name, pixels in photos.items()
    }


def colours(picture: Floats) -> Floats:
    """The colour of each pixel, alone."""
    return picture.reshape(3, -1).T


def components(picture: Floats) -> Floats:
    """The first principal components of the patch around each pixel: its colours and how they change nearby."""
    edge = PATCH // 2
    around = np.pad(picture, ((0, 0), (edge, edge), (edge, edge)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(around, (PATCH, PATCH), axis=(1, 2))
    patches = windows.transpose(1, 2, 0, 3, 4).reshape(-1, 3 * PATCH * PATCH)
    return principal_components(patches[::8], CODES).encode(
        patches
    )  # neighbours' patches are nearly the same


def codes(model: Codes, picture: Floats) -> Floats:
    """What the encoder says of each pixel, all numbers of the code scaled to one variance.

    The picture is mirrored at its border first, or the zeros around it would show in the codes.
    """
    height, width = picture.shape[1:]
    whole = np.pad(picture, ((0, 0), (EDGE, EDGE + -height % 4), (EDGE, EDGE + -width % 4)), mode="reflect")
    device = next(iter(model.parameters())).device
    with no_grad():
        code = interpolate(model.encoder(tensor(whole[None], device=device)), scale_factor=4, mode="bilinear")
    inner = code.to("cpu").numpy()[0, :, EDGE : EDGE + height, EDGE : EDGE + width]
    points = inner.reshape(CODES, -1).T
    return np.asarray((points - points.mean(0)) / np.maximum(points.std(0), 1e-6))


# ---- regions


def measured(picture: Floats, labels: Labels) -> dict[str, float]:
    """What can be said of regions (H, W) without knowing the true ones.

    The share of the variance of the colours (3, H, W) that the mean colours of the regions explain; how much two
    neighbours differ in colour across a border, divided by how much neighbours differ on average; and the share
    of neighbours that a border divides.
    """
    total = ((picture - picture.mean((1, 2), keepdims=True)) ** 2).sum()
    within = ((picture - in_mean_colours(picture, labels)) ** 2).sum()
    steps = [np.abs(np.diff(picture, axis=axis)).sum(0).ravel() for axis in (1, 2)]
    divided = np.concatenate([(np.diff(labels, axis=axis) != 0).ravel() for axis in (0, 1)])
    step = np.concatenate(steps)
    across = float(step[divided].mean()) if divided.any() else 0.0
    return {
        "colour_explained": float(1 - within / total),
        "edge_contrast": across / float(step.mean()),
        "border_share": float(divided.mean()),
    }


def in_mean_colours(picture: Floats, labels: Labels) -> Floats:
    """The picture (3, H, W) with each region (H, W) in its mean colour."""
    sizes = np.bincount(labels.ravel())
    means = np.stack([np.bincount(labels.ravel(), c.ravel()) / np.maximum(sizes, 1) for c in picture])
    return np.asarray(means[:, labels], np.float32)


UNSUPERVISED_SEGMENTATION = Recipe(
    "unsupervised-segmentation", "photos divided into regions without labels", 16, 16, run
)
