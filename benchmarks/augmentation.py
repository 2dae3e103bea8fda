"""Images a second: the random changes of td.data.augment, a batch at a time, beside Pillow, image by image.

    python -m benchmarks.augmentation [--rounds 15]       writes benchmarks/results/augmentation.{json,md}

Both begin with a batch of 64 images as one array and end with one, float32 from 0 to 1, as training needs it. Pillow
(which torchvision's transforms of Pillow images call) works on bytes, so that its images are made from bytes and
divided by 255 at the end. Both draw an amount for every image from the same range. The time is processor time, so
that other programs on the machine do not count, in the fastest round; the share is that of a change's milliseconds in
those of a LeNet-5 training step with such a batch.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, radians, sin, tan
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, ImageEnhance, ImageOps

import tinydl as td
from benchmarks.networks import tinydl
from benchmarks.provenance import provenance
from benchmarks.rows import ROWS
from tinydl.data import augment

OUT = Path(__file__).parent / "results" / "augmentation.json"
BATCH = 64
SHAPES = {"28x28 grey": (1, 28, 28), "64x64 colour": (3, 64, 64)}
LENET_SHAPE = "28x28 grey"

Array: TypeAlias = npt.NDArray[Any]
Draw: TypeAlias = Callable[[float], float]  # an amount within +- the one given
Range: TypeAlias = Callable[[float, float], tuple[float, float]]  # centre -+ amount
Pictures: TypeAlias = list[Image.Image]


@dataclass(frozen=True)
class Change:
    """One line of the table: the change of tinydl for amounts of a range, and Pillow's of one image."""

    tinydl: Callable[[Range], Any]
    pillow: Callable[[Image.Image, Draw], Image.Image] | None = None
    colour: bool = False  # whether it needs three channels


def turned(
    image: Image.Image, a: float, b: float, c: float, d: float, right: float, down: float
) -> Image.Image:
    """The pixel at p, seen from the centre, is the one at (a b; c d) p - (right, down), seen from there."""
    x, y = image.width / 2, image.height / 2
    data = (a, b, x - a * x - b * y - right, c, d, y - c * x - d * y - down)
    return image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)


def all_at_once(image: Image.Image, draw: Draw) -> Image.Image:
    """Turned, sheared, scaled and shifted: one resampling, as RandomAffine does it."""
    angle, lean, scale = radians(draw(10)), radians(draw(8)), 1 + draw(0.1)
    right, down = draw(2), draw(2)
    a, b, c, d = cos(angle + lean), -sin(angle), sin(angle + lean), cos(angle)
    return turned(image, a / scale, b / scale, c / scale, d / scale, -right, -down)


def recoloured(image: Image.Image, draw: Draw) -> Image.Image:
    """Hue turned and saturation multiplied, in HSV."""
    hue, saturation, value = image.convert("HSV").split()
    steps, factor = round(draw(90) * 256 / 360), 1 + draw(0.5)
    hue = hue.point(lambda h: (h + steps) % 256)
    return Image.merge("HSV", (hue, saturation.point(lambda s: s * factor), value)).convert("RGB")


def covered(image: Image.Image, draw: Draw) -> Image.Image:
    """A black square of 10 pixels somewhere inside."""
    left, top = (round((n - 10) / 2 * (1 + draw(1))) for n in image.size)
    image.paste(0, (left, top, left + 10, top + 10))
    return image


def cropped(image: Image.Image, draw: Draw) -> Image.Image:
    """A piece of the same size, with 4 black pixels around."""
    left, top = (round(4 + draw(4)) for _ in range(2))
    return ImageOps.expand(image, 4).crop((left, top, left + image.width, top + image.height))


CHANGES = {
    "flip": Change(
        lambda to: augment.RandomHorizontalFlip(),
        lambda image, draw: ImageOps.mirror(image) if draw(1) > 0 else image,
    ),
    "rotation, 20 degrees": Change(
        lambda to: augment.RandomRotation(to(0, 20)),
        lambda image, draw: image.rotate(draw(20), Image.Resampling.BILINEAR),
    ),
    "zoom, 20%": Change(
        lambda to: augment.RandomZoom(to(1, 0.2)),
        lambda image, draw: turned(image, 1 / (s := 1 + draw(0.2)), 0, 0, 1 / s, 0, 0),
    ),
    "shift, 3 pixels": Change(
        lambda to: augment.RandomShift(to(0, 3), to(0, 3)),
        lambda image, draw: turned(image, 1, 0, 0, 1, draw(3), draw(3)),
    ),
    "shear, 15 degrees": Change(
        lambda to: augment.RandomShear(to(0, 15)),
        lambda image, draw: turned(image, 1, -tan(radians(draw(15))), 0, 1, 0, 0),
    ),
    "RandomAffine: all four at once": Change(
        lambda to: augment.RandomAffine(degrees=10, translate=2, scale=0.1, shear=8), all_at_once
    ),
    "ImageDataGenerator: all four at once": Change(
        lambda to: augment.ImageDataGenerator(
            rotation_range=10, width_shift_range=0.07, height_shift_range=0.07, shear_range=8, zoom_range=0.1
        ),
        all_at_once,
    ),
    "crop, 4 pixels around": Change(lambda to: augment.RandomCrop(padding=4), cropped),
    "cutout, 10 pixels": Change(lambda to: augment.Cutout(10), covered),
    "brightness": Change(
        lambda to: augment.RandomBrightness(to(0, 0.3)),
        lambda image, draw: image.point(_table(draw(0.3))),
    ),
    "contrast": Change(
        lambda to: augment.RandomContrast(to(1, 0.5)),
        lambda image, draw: ImageEnhance.Contrast(image).enhance(1 + draw(0.5)),
    ),
    "colour jitter": Change(
        lambda to: augment.ColourJitter(hue=to(0, 90), saturation=to(1, 0.5)), recoloured, colour=True
    ),
    "noise": Change(lambda to: augment.GaussianNoise(0.1)),
}


def _table(lighter: float) -> Callable[[float], float]:
    return lambda byte: byte + 255 * lighter


def pillow(change: Change, pixels: Array, draw: Draw) -> Array:
    """A batch of bytes (N, H, W) or (N, H, W, 3) changed by Pillow: float32 (N, C, H, W) from 0 to 1."""
    assert change.pillow is not None
    changed = np.stack([np.asarray(change.pillow(Image.fromarray(x), draw)) for x in pixels])
    channels_first = changed[:, None] if changed.ndim == 3 else changed.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(channels_first, np.float32) / np.float32(255)


def batch(shape: tuple[int, int, int]) -> tuple[Array, Array]:
    """Pieces of a photo, as tinydl takes them and as Pillow does."""
    c, h, w = shape
    photo = td.data.photos.load()["chelsea"]
    places = np.random.default_rng(0).integers(0, (photo.shape[0] - h, photo.shape[1] - w), (BATCH, 2))
    pixels = np.stack([photo[top : top + h, left : left + w, :c] for top, left in places])
    x = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
    return x, pixels[..., 0] if c == 1 else pixels


def around(centre: float, amount: float) -> tuple[float, float]:
    """The range that amounts are drawn from."""
    return centre - amount, centre + amount


def fastest(
    contenders: dict[str, Callable[[], object]], rounds: int, seconds: float = 0.02
) -> dict[str, float]:
    """Processor seconds of one call of each: they take turns, and the fastest round counts."""
    found = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, call in contenders.items():
            calls, start = 0, time.process_time()
            while (passed := time.process_time() - start) < seconds or calls < 2:
                call()
                calls += 1
            found[name] = min(found[name], passed / calls)
    return found


def measure(rounds: int, seconds: float = 0.02) -> dict[str, Any]:
    """Images a second of every change, and the milliseconds of a LeNet-5 training step."""
    row = ROWS["lenet-64"]
    arrays = row.initial()
    model = row.network(tinydl())
    inputs = [td.tensor(arrays[f"batch.{i}"]) for i in range(2)]
    step = fastest({"step": row.step(tinydl(), model, inputs)}, rounds, 5 * seconds)["step"]
    generator, drawn = td.Generator(0), random.Random(0)
    rows = []
    for size, shape in SHAPES.items():
        x, pixels = batch(shape)
        for name, change in CHANGES.items():
            if change.colour and shape[0] == 1:
                continue
            ours = change.tinydl(around)
            contenders: dict[str, Callable[[], object]] = {"tinydl": lambda: ours(x, generator)}  # noqa: B023
            if change.pillow is not None:
                contenders["pillow"] = lambda: pillow(change, pixels, lambda a: drawn.uniform(-a, a))  # noqa: B023
            found = fastest(contenders, rounds, seconds)
            rows.append({"change": name, "size": size, **{who: BATCH / s for who, s in found.items()}})
            if size == LENET_SHAPE:
                rows[-1]["share_of_step"] = found["tinydl"] / (found["tinydl"] + step)
    return {"lenet_step_milliseconds": 1e3 * step, "rows": rows}


def report(result: dict[str, Any]) -> str:
    """The table in Markdown."""
    lines = [
        "# Images a second",
        "",
        f"Random changes of batches of {BATCH} images by tinydl, a batch at a time, and by Pillow {result['pillow']}, "
        "image by image, from arrays to arrays: thousands of images in a second of one core, the fastest round. The "
        "last column is the share of a change in the time of a LeNet-5 training step with such a batch, which takes "
        f"{result['lenet_step_milliseconds']:.1f} ms of one core without it.",
        "",
        "| | " + " | ".join(f"{size}: tinydl | Pillow | ratio" for size in SHAPES) + " | share of a step |",
        "| --- |" + " --- |" * (3 * len(SHAPES) + 1),
    ]
    for name in CHANGES:
        cells = []
        share = ""
        for size in SHAPES:
            row = next((r for r in result["rows"] if (r["change"], r["size"]) == (name, size)), {})
            both = "tinydl" in row and "pillow" in row
            cells += [f"{row[who] / 1e3:,.0f}" if who in row else "" for who in ("tinydl", "pillow")]
            cells.append(f"{row['tinydl'] / row['pillow']:.1f}" if both else "")
            share = f"{row['share_of_step']:.0%}" if "share_of_step" in row else share
        lines.append(f"| {name} | {' | '.join(cells)} | {share} |")
    origin = f"`{result['command']}`, {result['date']}, commit {result['commit']}"
    machine = f"NumPy {result['versions']['numpy']}, OPENBLAS_NUM_THREADS {result['OPENBLAS_NUM_THREADS']}"
    lines += ["", f"{origin}, {machine}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures and writes the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    result = {
        "command": f"python -m benchmarks.augmentation --rounds {asked.rounds}",
        "batch_size": BATCH,
        "pillow": PIL.__version__,
        **measure(asked.rounds),
        **provenance(),
    }
    OUT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    OUT.with_suffix(".md").write_text(report(result), encoding="utf-8")


if __name__ == "__main__":
    main()
