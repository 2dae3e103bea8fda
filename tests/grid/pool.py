"""Rows of tinydl/ops/pool.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from grid.case import Case, Row
from tinydl.ops import pool as ops
from tinydl.testing import strategies


def places(size: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """How many windows fit: with `ceil`, also one that reaches over the end, if it starts before the end."""
    n = 0
    while True:
        start = n * s - p
        last = start + d * (k - 1)
        fits = last <= size + p - 1
        hangs = ceil and last - (s - 1) <= size + p - 1 and start < size
        if not (fits or hangs):
            return n
        n += 1


def windows(
    a: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    ceil_mode: bool = False,
) -> Any:
    """For every output place: the elements of its window, and how many places it has inside the border."""
    s = stride or kernel_size
    h, w = a.shape[-2:]
    sizes = [
        places(a.shape[-2 + i], kernel_size[i], s[i], padding[i], dilation[i], ceil_mode) for i in (0, 1)
    ]
    for *lead, i, j in np.ndindex(*a.shape[:-2], *sizes):
        inside, counted = [], 0
        for u, v in np.ndindex(*kernel_size):
            row, col = i * s[0] + u * dilation[0] - padding[0], j * s[1] + v * dilation[1] - padding[1]
            if 0 <= row < h and 0 <= col < w:
                inside.append((a[(*lead, row, col)], row * w + col))
            counted += -padding[0] <= row < h + padding[0] and -padding[1] <= col < w + padding[1]
        yield (*lead, i, j), inside, counted
    if a.size == 0:
        yield None, sizes, 0


def pooled(a: Any, number: Callable[[Any, int], float], options: dict[str, Any]) -> Any:
    """`number` of the elements of each window, each with its place, and of how many places it has."""
    found = list(windows(a, **options))
    if a.size == 0:
        return np.zeros((*a.shape[:-2], *found[0][1]))
    out = np.zeros([n + 1 for n in found[-1][0]])
    for at, inside, counted in found:
        out[at] = number(inside, counted)
    return out


def largest(a: Any, **options: Any) -> Any:
    return pooled(a, lambda inside, _: max(v for v, _ in inside), options)


def smallest(a: Any, **options: Any) -> Any:
    return pooled(a, lambda inside, _: min(v for v, _ in inside), options)


def mean(a: Any, count_include_pad: bool = True, **options: Any) -> Any:
    return pooled(
        a,
        lambda inside, counted: sum(v for v, _ in inside) / (counted if count_include_pad else len(inside)),
        options,
    )


# The function, the loops, PyTorch's function of the module, and the sign of x where MyGrad's pooling is ours.
TABLE: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], int | None]] = {
    "max_pool2d": (
        ops.max_pool2d,
        largest,
        lambda torch, a, **options: torch.nn.functional.max_pool2d(a, **options),
        1,
    ),
    "min_pool2d": (
        ops.min_pool2d,
        smallest,
        lambda torch, a, **options: -torch.nn.functional.max_pool2d(-a, **options),
        -1,
    ),
    "avg_pool2d": (
        ops.avg_pool2d,
        mean,
        lambda torch, a, **options: torch.nn.functional.avg_pool2d(a, **options),
        None,
    ),
}


def in_mygrad(shape: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, **_: Any) -> bool:
    """It takes no padding and no dilation, and its windows must fill the image."""
    sizes = zip(shape[-2:], kernel_size, stride or kernel_size, strict=True)
    return padding == (0, 0) and dilation == (1, 1) and all((n - k) % s == 0 for n, k, s in sizes)


def draw(data: Any, name: str) -> tuple[Case, dict[str, Any]]:
    """A case, and the options in it."""
    function, plain, torchs, sign = TABLE[name]
    g = data.draw(strategies.pool_geometries(dilated=sign is not None))
    options, mygrad = g.options, None
    x = data.draw(strategies.tensors(g.input_shape))
    if sign is not None and x.size > 0 and in_mygrad(g.input_shape, **options):
        window, step = options["kernel_size"], options["stride"] or options["kernel_size"]
        mygrad = lambda mg, a: sign * mg.nnet.layers.max_pool(sign * a, window, step)
    case = Case(
        [x],
        lambda x: function(x, **options),
        lambda a: plain(a, **options),
        torch=lambda torch, a: torchs(torch, a, **options),
        mygrad=mygrad,
    )
    return case, options


def row(name: str) -> Row:
    return lambda data: draw(data, name)[0]


ROWS: dict[str, Row] = {name: row(name) for name in TABLE}
