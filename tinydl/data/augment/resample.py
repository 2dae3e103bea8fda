"""Resampling: images read at other places than those of their pixels, which turns, scales and shears them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from tinydl.data.transform import Array

# What lies outside an image a b c d, by Keras's names (NumPy says "edge" for nearest, "symmetric" for reflect):
#     constant  k k k k | a b c d | k k k k        nearest  a a a a | a b c d | d d d d
#     reflect   d c b a | a b c d | d c b a        wrap     a b c d | a b c d | a b c d
FillMode: TypeAlias = Literal["constant", "nearest", "reflect", "wrap"]
Interpolation: TypeAlias = Literal["bilinear", "nearest"]
BLOCK = 50_000  # values at a time: all that is computed on the way stays in the processor's cache
NUMPY_MODES = {"constant": "constant", "nearest": "edge", "reflect": "symmetric", "wrap": "wrap"}


def affine(
    images: Array,
    matrices: Array,
    shifts: Array,
    fill_mode: FillMode = "constant",
    fill_value: float = 0.0,
    interpolation: Interpolation = "bilinear",
) -> Array:
    """Resamples each image (N, C, H, W): result[p] = image[M (p - c) + c + s], c the centre of the image.

    M is `matrices` (N, 2, 2) and s is `shifts` (N, 2), in rows and columns. The value between pixels is bilinear
    in the four neighbours, or that of the nearest one; outside the image it is what `fill_mode` says. The dtype is
    kept; for "bilinear" it must be floating. Raises ValueError for other images, modes and interpolations, and for
    as many matrices or shifts as do not fit.
    """
    check_filling("affine", fill_mode, interpolation)
    bilinear = interpolation == "bilinear"
    floating = images.dtype.kind == "f"
    if images.ndim != 4 or (bilinear and not floating):
        raise ValueError(f"affine: expected floating images (N, C, H, W), got {images.shape}, {images.dtype}")
    n, c, h, w = images.shape
    if matrices.shape != (n, 2, 2) or shifts.shape != (n, 2):
        raise ValueError(
            f"affine: expected matrices ({n}, 2, 2) and shifts ({n}, 2), got {matrices.shape} and {shifts.shape}"
        )
    dtype = images.dtype if floating else np.dtype(np.float32)  # of places
    centre = np.array([(h - 1) / 2, (w - 1) / 2], dtype)
    grid = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij")).reshape(2, h * w).astype(dtype)
    from_centre, starts = grid - centre[:, None], (centre + shifts.astype(dtype))[:, :, None]
    matrices = matrices.astype(dtype)
    result = np.empty_like(images)
    together = max(1, BLOCK // max(1, c * h * w))
    for i in range(0, n, together):
        some = slice(i, i + together)
        places = matrices[some] @ from_centre
        places += starts[some]
        row, col = (_inside(places[:, axis], size, fill_mode) for axis, size in enumerate((h, w)))
        # One pixel all around of what lies outside: no neighbour is missing.
        bordered = padded(images[some], 1, fill_mode, fill_value)
        result[some] = (_between if bilinear else _nearest)(bordered, row, col).reshape(-1, c, h, w)
    return result


def _nearest(images: Array, row: Array, col: Array) -> Array:
    """The pixels of images (N, C, H, W) nearest to places (N, P) within: (N, C, P)."""
    h, w = images.shape[2:]
    nearest: Array = images.reshape(-1).take(
        _first(images, np.floor(row + 0.5).clip(max=h - 1), np.floor(col + 0.5).clip(max=w - 1))
    )
    return nearest


def _between(images: Array, row: Array, col: Array) -> Array:
    """The values of images (N, C, H, W) at places (N, P) within, bilinear in four pixels: (N, C, P)."""
    h, w = images.shape[2:]
    top, left = np.minimum(np.floor(row), h - 2), np.minimum(np.floor(col), w - 2)
    down, right = (row - top)[:, None], (col - left)[:, None]
    up, back = 1 - down, 1 - right
    flat, corner = images.reshape(-1), _first(images, top, left)
    upper: Array = flat.take(corner)
    upper *= back
    beside = flat[1:].take(corner)
    beside *= right
    upper += beside
    upper *= up
    lower = flat[w:].take(corner)
    lower *= back
    beside = flat[w + 1 :].take(corner)
    beside *= right
    lower += beside
    lower *= down
    upper += lower
    return upper


def _first(images: Array, row: Array, col: Array) -> Array:
    """Where pixels (N, P) of images (N, C, H, W) stand in memory: (N, C, P)."""
    n, c, h, w = images.shape
    planes = (np.arange(n * c, dtype=np.intp) * (h * w)).reshape(n, c, 1)
    place = row.astype(np.intp)  # before it is multiplied: float32 counts no further than 2^24
    place *= w
    place += col.astype(np.intp)
    places: Array = place[:, None] + planes
    return places


def padded(images: Array, width: int, fill_mode: FillMode, fill_value: float) -> Array:
    """Images (N, C, H, W) with `width` pixels more on each side. Raises ValueError as `numpy.pad` does."""
    if fill_mode == "constant":  # quicker than numpy.pad
        n, c, h, w = images.shape
        bordered = np.full((n, c, h + 2 * width, w + 2 * width), fill_value, images.dtype)
        bordered[:, :, width : width + h, width : width + w] = images
        return bordered
    pairs = ((0, 0), (0, 0), (width, width), (width, width))
    mode: Any = NUMPY_MODES[fill_mode]
    return np.pad(images, pairs, mode)


def _inside(places: Array, size: int, fill_mode: FillMode) -> Array:
    """Where to read instead of places along one axis, counted in the image with its border."""
    if fill_mode == "wrap":
        return _modulo(places, size) + 1
    if fill_mode == "reflect":  # the image and its mirror image take turns
        along = _modulo(places + 0.5, 2 * size)
        return np.minimum(along, 2 * size - along) + 0.5
    return np.clip(places + 1, 0, size + 1)  # the border is what lies outside


def _modulo(places: Array, size: int) -> Array:
    """places mod size, from 0 to size: several times quicker than numpy.mod, which is exact for huge numbers."""
    return places - size * np.floor(places / size)


def check_filling(who: str, fill_mode: str, interpolation: str = "nearest") -> None:
    """Raises ValueError unless both are known."""
    if fill_mode not in NUMPY_MODES:
        raise ValueError(f"{who}: fill_mode must be one of {list(NUMPY_MODES)}, got {fill_mode!r}")
    if interpolation not in get_args(Interpolation):
        raise ValueError(f"{who}: interpolation must be 'bilinear' or 'nearest', got {interpolation!r}")
