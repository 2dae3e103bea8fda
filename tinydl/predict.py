"""Asking a trained network about a picture: `tinydl predict runs/lenet PICTURE`, and why: `tinydl explain`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinydl.autograd import no_grad
from tinydl.data.errors import DataError
from tinydl.data.picture_file import read_picture
from tinydl.models import LeNet5
from tinydl.ops.activation import softmax
from tinydl.ops.shape import cat
from tinydl.recipes.explain import explanations
from tinydl.recipes.lenet import images
from tinydl.recipes.recipe import CHECKPOINT
from tinydl.tensor import Tensor, tensor
from tinydl.train.checkpoint import load_model, read_checkpoint

_BAR = 40  # characters


def predict_digit(run: str | os.PathLike[str], picture: str | os.PathLike[str]) -> npt.NDArray[np.float32]:
    """The ten probabilities that LeNet-5, trained in the folder `run`, gives to the digit in a picture file.

    Raises: FileNotFoundError when the run has no checkpoint, ValueError or KeyError for one of another network
    or of other data, DataError for a picture that can't be read or shows nothing.
    """
    return _answer(run, digit_reader(run), digit_in(picture))


def explain_digit(
    run: str | os.PathLike[str], picture: str | os.PathLike[str], path: str | os.PathLike[str]
) -> npt.NDArray[np.float32]:
    """Draws what the network's answer depends on into a PNG file, for its two most probable classes.

    Returns the probabilities, and raises what `predict_digit` does; ValueError for a path that is no PNG.
    """
    from tinydl import plot

    model, digit = digit_reader(run), digit_in(picture)
    probabilities = _answer(run, model, digit)
    classes = np.argsort(-probabilities)[:2]
    both = cat([digit, digit])
    plot.explanations(
        both,
        explanations(model, both, classes),
        titles=[f"for a {c}\n({float(probabilities[c]):.1%})" for c in classes],
        path=path,
        title=f"What speaks for a {classes[0]}, and what for a {classes[1]}",
    )
    return probabilities


def _answer(run: str | os.PathLike[str], model: LeNet5, digit: Tensor) -> npt.NDArray[np.float32]:
    with no_grad():
        probabilities = softmax(model(digit)).to("cpu").numpy()[0]
    if not np.isfinite(probabilities).all():
        raise ValueError(
            f"{Path(run) / CHECKPOINT}: the network answers with no numbers; its training went wrong"
        )
    return np.asarray(probabilities)


def digit_reader(run: str | os.PathLike[str]) -> LeNet5:
    """LeNet-5 as it was trained on digits in the folder `run`, in evaluation mode.

    Raises: FileNotFoundError when the run has no checkpoint, ValueError or KeyError for one of another network
    or of other data.
    """
    checkpoint = Path(run) / CHECKPOINT
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f"there is no {checkpoint}; train first: tinydl train lenet --out {os.fspath(run)}"
        )
    model = LeNet5(generator=0)
    load_model(checkpoint, model)
    callbacks = read_checkpoint(checkpoint)[1]["callbacks"]
    for state in callbacks if isinstance(callbacks, list) else []:
        if isinstance(state, dict) and state.get("data", "mnist") != "mnist":
            raise ValueError(f"{checkpoint}: trained on {state['data']}, which shows no digits")
    return model.eval()


def digit_in(picture: str | os.PathLike[str]) -> Tensor:
    """The digit in a picture file as LeNet-5 wants it, float32 (1, 1, 32, 32).

    Raises: DataError for a picture that can't be read or shows nothing.
    """
    return tensor(images(as_digit(read_picture(picture), os.fspath(picture))[None]))


def as_digit(pixels: npt.NDArray[np.uint8], name: str = "picture") -> npt.NDArray[np.uint8]:
    """A picture (H, W, 4) of a digit as MNIST shows it: white on black, 28x28, uint8.

    The ink is what differs from the colour of the border, whichever is lighter. As in MNIST it is scaled to
    fit 20x20 and its centre of mass put in the middle (LeCun et al., 1998). Raises DataError when there is
    none.
    """
    from PIL import Image

    if 0 in pixels.shape:
        raise DataError(f"{name}: the picture has no pixels")
    picture = Image.fromarray(pixels)
    pixels = np.asarray(picture.reduce(max(1, max(picture.size) // 300)))  # less noise, less memory
    rgb: npt.NDArray[np.floating] = pixels[..., :3].astype(np.float32)
    alpha = pixels[..., 3:].astype(np.float32) / 255
    if alpha.min() < 1:  # ink on glass: lay it on a ground that it stands out from
        light = (rgb * alpha).sum() / max(3 * float(alpha.sum()), 1e-6) > 127
        ground = (
            _border(rgb) if np.median(_border(alpha)) > 0.5 else np.array([0 if light else 255], np.float32)
        )
        rgb = rgb * alpha + np.median(ground, axis=0) * (1 - alpha)
    ink = np.sqrt(((rgb - _ground(rgb)) ** 2).mean(axis=-1))
    if ink.max() < 16:
        raise DataError(f"{name}: there is nothing to see: all of it has nearly the colour of its border")
    ink = np.clip((ink / ink.max() - 0.15) / 0.7, 0, 1)  # noise goes, strokes become full
    for axis in (0, 1):  # cut to the rows and columns with more ink than a speck of dust
        filled = (ink > 0.3).sum(axis=1 - axis)
        there = np.flatnonzero(filled > 0.04 * filled.max())
        ink = ink.take(range(there[0], there[-1] + 1), axis)
    scale = 20 / max(ink.shape)
    size = tuple(max(1, round(n * scale)) for n in ink.shape)
    small = Image.fromarray(ink).resize(
        (size[1], size[0]), Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    )
    strokes = np.asarray(small)
    strokes = strokes / strokes.max()  # a thin pen writes as white as a thick one
    weights = strokes / strokes.sum()
    top = round(14 - float((weights.sum(1) * np.arange(size[0])).sum()))
    left = round(14 - float((weights.sum(0) * np.arange(size[1])).sum()))
    top, left = min(max(top, 0), 28 - size[0]), min(max(left, 0), 28 - size[1])
    digit = np.zeros((28, 28), np.float32)
    digit[top : top + size[0], left : left + size[1]] = strokes
    return (digit * 255).round().astype(np.uint8)


def _border(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The outermost pixels of a picture (H, W, channels), one after the other."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _ground(rgb: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """What the picture would be without ink: its border, light falling from a side included.

    A plane a + b row + c column through the colours of the border, without those that are far from most.
    """
    rows, columns = np.meshgrid(
        *(np.linspace(-1, 1, n, dtype=np.float32) for n in rgb.shape[:2]), indexing="ij"
    )
    plane = np.stack([np.ones_like(rows), rows, columns], axis=-1)
    border, where = _border(rgb), _border(plane)
    far = np.abs(border - np.median(border, axis=0)).max(axis=-1)
    near = far <= 3 * np.median(far) + 8
    fit = np.linalg.lstsq(where[near], border[near], rcond=1e-4)[0]
    ground: npt.NDArray[np.floating] = plane @ fit
    return ground


def bars(probabilities: npt.NDArray[np.float32], block: str = "█") -> str:
    """Probabilities as lines of text: class, bar, percent."""
    return "\n".join(
        f"{i}  {block * round(_BAR * float(p)):{_BAR}}  {float(p):6.1%}" for i, p in enumerate(probabilities)
    )
