"""Objects found by rules of thumb: what a trained network must beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinydl.recipes.components import components

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


def by_border_colour(images: Floats) -> Mask:
    """What differs from the colour of the border: pictures (N, 3, H, W) to masks (N, H, W).

    Otsu's threshold divides the distances from the median of the border in two.
    """
    ground = np.median(_border(images), axis=2)[:, :, None, None]
    distances = np.sqrt(((images - ground) ** 2).mean(1))
    return np.stack([distance > otsu(distance) for distance in distances])


def by_light(images: Floats) -> Mask:
    """One side of Otsu's threshold of the grey values: (N, 3, H, W) to masks (N, H, W).

    The border of the picture belongs mostly to the other side.
    """
    masks = np.stack([grey > otsu(grey) for grey in images.mean(1)])
    mostly = _border(masks[:, None]).mean((1, 2)) > 0.5
    flipped: Mask = masks ^ mostly[:, None, None]
    return flipped


RULES = {"border_colour": by_border_colour, "threshold": by_light}


def otsu(values: Floats) -> float:
    """The threshold between two groups of values for which their means are furthest apart (Otsu, 1979).

    Furthest by the variance between them, w0 w1 (m0 - m1)^2, with w0 and w1 the shares of the groups.
    """
    counts, edges = np.histogram(values, 128)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    sums = np.cumsum(counts * middle)
    means = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1 + np.argmax(below * above * (means[0] - means[1]) ** 2)])


def named_by_neighbour(
    masks: Mask, digits: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], smallest: int = 12
) -> npt.NDArray[np.int64]:
    """Masks (N, H, W) to label maps: each connected piece gets the label of the most similar digit (M, 28, 28).

    As MNIST's digits are, a piece is scaled to fit 20x20 and laid into 28x28 with its centre of mass in the middle.
    Pieces have no greys, so the digits are taken without theirs. Pieces of fewer than `smallest` pixels become
    background.
    """
    known = (digits > 127).reshape(len(digits), -1).astype(np.float32)
    lengths = known.sum(1)  # of 0 and 1: their squares are themselves
    result = np.zeros(masks.shape, np.int64)
    for mask, out in zip(masks, result, strict=True):
        pieces = components(mask, smallest)
        for number in range(1, int(pieces.max()) + 1):
            piece = pieces == number
            digit = _as_digit(piece).ravel().astype(np.float32)
            out[piece] = labels[np.argmin(lengths - 2 * known @ digit)]
    return result


def _as_digit(piece: Mask) -> Mask:
    """One piece of a mask (H, W) in the size and place of MNIST's digits, (28, 28)."""
    from PIL import Image

    rows, columns = np.flatnonzero(piece.any(1)), np.flatnonzero(piece.any(0))
    cut = piece[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = 20 / max(cut.shape)
    height, width = (max(1, round(side * scale)) for side in cut.shape)
    grey = Image.fromarray(255 * cut.astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    small = np.asarray(grey) > 127
    middle = np.argwhere(small).mean(0) if small.any() else np.array([height, width]) / 2
    top, left = (
        int(np.clip(round(14 - m), 0, 28 - side)) for m, side in zip(middle, (height, width), strict=True)
    )
    digit = np.zeros((28, 28), bool)
    digit[top : top + height, left : left + width] = small
    return digit


def _border(images: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """The outermost pixels of pictures (N, C, H, W): (N, C, number of them)."""
    sides = [images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]]
    return np.concatenate(sides, axis=2).astype(np.float32)
