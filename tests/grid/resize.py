"""Rows of tinydl/ops/resize.py."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.ops import pool, resize
from tinydl.testing import strategies

FACTORS = (0.3, 0.5, 2 / 3, 0.99, 1, 1.1, 1.5, 2, 2.1, 2.5, 3, 3.7)
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))


def images(min_dims: int = 4, max_dims: int = 4) -> Any:
    pixels = st.tuples(st.integers(1, 4), st.integers(1, 4))
    lead = strategies.shapes(min_dims - 2, max_dims - 2, 0, 2)
    return st.builds(lambda a, b: (*a, *b), lead, pixels)


def nearest(a: Any, size: tuple[int, int]) -> Any:
    """Output i is where its place begins: pixel floor(i n / m), in integers."""
    (h, w), (rows, cols) = a.shape[2:], size
    out = np.zeros((*a.shape[:2], rows, cols))
    for i, j in np.ndindex(rows, cols):
        out[:, :, i, j] = a[:, :, i * h // rows, j * w // cols]
    return out


def bilinear(a: Any, size: tuple[int, int], align_corners: bool, factors: Any = None) -> Any:
    """Each output is a place between pixel centres; pixels beyond the edge repeat it."""

    def place(i: int, n: int, m: int, factor: float | None) -> float:
        if align_corners:
            return i * (n - 1) / (m - 1) if m > 1 else 0.0
        step = n / m if factor is None or m == n else 1 / factor
        return min(max((i + 0.5) * step - 0.5, 0.0), n - 1)

    out = np.zeros((*a.shape[:2], *size))
    factors = factors or (None, None)
    for i, j in np.ndindex(*size):
        y, x = (place(k, a.shape[2 + d], size[d], factors[d]) for d, k in enumerate((i, j)))
        for u, v in np.ndindex(*a.shape[2:]):
            out[:, :, i, j] += a[:, :, u, v] * max(0.0, 1 - abs(y - u)) * max(0.0, 1 - abs(x - v))
    return out


def by_factors(a: Any, mode: str, factors: Any, align_corners: bool) -> Any:
    size = tuple(math.floor(n * f) for n, f in zip(a.shape[2:], factors, strict=True))
    if mode == "bilinear":
        return bilinear(a, size, align_corners, factors)

    def pixel(i: int, n: int, m: int, factor: float) -> int:
        """floor(i / factor) with a factor in float32; what kept or doubled its length did so exactly (PyTorch)."""
        return i * n // m if m in (n, 2 * n) else min(math.floor(i / np.float32(factor)), n - 1)

    out = np.zeros((*a.shape[:2], *size))
    for place in np.ndindex(*size):
        row, col = map(pixel, place, a.shape[2:], size, factors)
        out[:, :, place[0], place[1]] = a[:, :, row, col]
    return out


def draw_interpolate(data: Any) -> tuple[Case, dict[str, Any]]:
    """A case, and the options in it."""
    x = data.draw(strategies.tensors(images()))
    mode = data.draw(st.sampled_from(("nearest", "bilinear")))
    corners = mode == "bilinear" and data.draw(st.booleans())
    options: dict[str, Any] = {"mode": mode}
    if corners:
        options["align_corners"] = True
    if data.draw(st.booleans()):
        size = options["size"] = data.draw(SIZES)
        plain = lambda a: nearest(a, size) if mode == "nearest" else bilinear(a, size, corners)
    else:
        factors = options["scale_factor"] = tuple(
            data.draw(st.sampled_from([f for f in FACTORS if int(n * f) > 0])) for n in x.shape[2:]
        )
        plain = lambda a: by_factors(a, mode, factors, corners)
    case = Case(
        [x],
        lambda x: resize.interpolate(x, **options),
        plain,
        # PyTorch takes no images of no channels and, for some modes, no batches of none.
        torch=(lambda torch, a: torch.nn.functional.interpolate(a, **options)) if x.size else None,
    )
    return case, options


def interpolate(data: Any) -> Case:
    return draw_interpolate(data)[0]


def adaptive(a: Any, output_size: Any) -> Any:
    """The mean of all pixels that window i overlaps: those with u + 1 > i h / m and u < (i + 1) h / m."""
    wanted = output_size if isinstance(output_size, tuple) else (output_size, output_size)
    size = [n if m is None else m for n, m in zip(a.shape[-2:], wanted, strict=True)]
    h, w = a.shape[-2:]
    out = np.zeros((*a.shape[:-2], *size))
    for i, j in np.ndindex(*size):
        rows = [u for u in range(h) if (u + 1) * size[0] > i * h and u * size[0] < (i + 1) * h]
        cols = [v for v in range(w) if (v + 1) * size[1] > j * w and v * size[1] < (j + 1) * w]
        for u, v in itertools.product(rows, cols):
            out[..., i, j] += a[..., u, v] / (len(rows) * len(cols))
    return out


def draw_adaptive(data: Any) -> tuple[Case, Any]:
    """A case, and the size in it."""
    x = data.draw(strategies.tensors(images(3, 4)))
    size = data.draw(st.none() | st.integers(1, 6) | st.tuples(*[st.none() | st.integers(1, 6)] * 2))
    given = (None, None) if size is None else size  # PyTorch's function takes no None alone
    case = Case(
        [x],
        lambda x: resize.adaptive_avg_pool2d(x, size),
        lambda a: adaptive(a, size),
        torch=(lambda torch, a: torch.nn.functional.adaptive_avg_pool2d(a, given)) if x.size else None,
    )
    return case, size


def adaptive_avg_pool2d(data: Any) -> Case:
    return draw_adaptive(data)[0]


def max_unpool2d(data: Any) -> Case:
    """Values at the places where pooled images had their maxima; windows may overlap and share a place."""
    g = data.draw(strategies.pool_geometries())
    options = {k: g.options[k] for k in ("kernel_size", "stride", "padding")}
    images = data.draw(strategies.tensors(g.input_shape, layout="contiguous"))
    maxima, found = pool.max_pool2d(images, return_indices=True, **options)
    places = found.numpy()
    x = data.draw(strategies.tensors(maxima.shape))
    h, w = g.input_shape[-2:]
    covered = [
        (n - 1) * s - 2 * p + k
        for n, s, p, k in zip(
            x.shape[-2:],
            options["stride"] or options["kernel_size"],
            options["padding"],
            options["kernel_size"],
            strict=True,
        )
    ]
    # Without an output_size the result is what the windows cover; all places must lie in there.
    if min(covered) > 0 and places.max(initial=0) < math.prod(covered) and data.draw(st.booleans()):
        h, w = covered
    else:
        options["output_size"] = (h, w)

    def loops(a: Any) -> Any:
        out = np.zeros((*a.shape[:-2], h, w))
        for *lead, i, j in np.ndindex(a.shape):
            row, col = divmod(int(places[(*lead, i, j)]), w)
            out[(*lead, row, col)] += a[(*lead, i, j)]
        return out

    def torchs(torch: Any, a: Any) -> Any:
        return torch.nn.functional.max_unpool2d(a, torch.tensor(places), **options)

    # Where windows chose the same place PyTorch keeps one of the values; output_size it limits to what is near.
    shared = any(np.unique(places[at]).size < places[at].size for at in np.ndindex(x.shape[:-2]))
    return Case(
        [x],
        lambda x: resize.max_unpool2d(x, td.tensor(places, device=x.device), **options),
        loops,
        torch=torchs if x.size and not shared and "output_size" not in options else None,
    )


ROWS: dict[str, Row] = {
    "interpolate": interpolate,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "max_unpool2d": max_unpool2d,
}
