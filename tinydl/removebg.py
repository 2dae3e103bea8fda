"""Cutting the object out of a picture: `tinydl removebg PICTURE -o OUT.png`."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinydl.autograd import no_grad
from tinydl.data.errors import DataError
from tinydl.data.picture_file import read_picture
from tinydl.nn import Module
from tinydl.ops.activation import sigmoid
from tinydl.recipes.recipe import CHECKPOINT
from tinydl.recipes.removebg import SIZE, build
from tinydl.serialization import write_atomically
from tinydl.tensor import tensor
from tinydl.train.checkpoint import load_model

Pixels = npt.NDArray[np.uint8]


def remove_background(
    run: str | os.PathLike[str], picture: str | os.PathLike[str], out: str | os.PathLike[str]
) -> float:
    """Writes the picture as RGBA, the background transparent, and returns the share of it that was kept.

    The network is that of `tinydl train removebg`, trained in the folder `run`. The file `out`, a PNG, appears
    whole or not at all.

    Raises: FileNotFoundError when the run has no checkpoint or the folder of `out` does not exist, ValueError or
    KeyError for a checkpoint of another network and for an `out` that is no name of a PNG or is the picture
    itself, DataError for a picture that can't be read, OSError when `out` can't be written.
    """
    from PIL import Image

    target = Path(out)
    if target.suffix.lower() != ".png":
        raise ValueError(f"{target}: expected a name that ends in .png, a format with transparency")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: there is no folder {target.parent}; make it first")
    pixels = read_picture(picture)
    if target.exists() and target.samefile(picture):
        raise ValueError(f"{target}: this is the picture itself; give another name, so that it is kept")
    model = trained(run)
    rgba = cut_out(model, pixels, os.fspath(picture))
    png = io.BytesIO()
    Image.fromarray(rgba).save(png, "PNG")
    write_atomically(target, png.getvalue())
    return float(rgba[..., 3].mean(dtype=np.float64)) / 255


def trained(run: str | os.PathLike[str]) -> Module:
    """The network that was trained in the folder `run`."""
    checkpoint = Path(run) / CHECKPOINT
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f"there is no {checkpoint}; train first: tinydl train removebg --out {os.fspath(run)}"
        )
    model = build(0)
    load_model(checkpoint, model)
    if not all(np.isfinite(array).all() for array in model.state_dict().values()):
        raise ValueError(f"{checkpoint}: the network holds numbers that are none; its training went wrong")
    return model.eval()


def cut_out(model: Module, pixels: Pixels, name: str = "picture") -> Pixels:
    """The picture, uint8 (H, W, 4), with an alpha that is smaller where the network sees background.

    The network sees the whole of it, `SIZE` pixels along the longer side, on white where it is transparent. The
    probability of the object at each of those few pixels becomes the alpha at its full size, so edges are soft.
    What was transparent stays so. Raises DataError for a picture without pixels.
    """
    from PIL import Image, ImageChops

    if 0 in pixels.shape:
        raise DataError(f"{name}: the picture has no pixels")
    picture = Image.fromarray(pixels)
    scale = SIZE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = picture.resize((width, height), Image.Resampling.BILINEAR)
    seen = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
    x = np.asarray(seen.convert("RGB"), np.float32).transpose(2, 0, 1) / 255
    x = np.pad(x, ((0, 0), (0, SIZE - height), (0, SIZE - width)), mode="edge")
    with no_grad():
        answer = sigmoid(model(tensor(np.ascontiguousarray(x[None])))).to("cpu")
    probability = answer.numpy()[0, 0, :height, :width]
    mask = Image.fromarray(np.rint(255 * probability).astype(np.uint8))
    alpha = mask.resize(picture.size, Image.Resampling.BICUBIC)
    picture.putalpha(ImageChops.multiply(alpha, picture.getchannel("A")))
    return np.asarray(picture)
