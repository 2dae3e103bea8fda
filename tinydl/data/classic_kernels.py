"""The kernels that image editors blur, sharpen and find edges with: convolutions whose weights nobody had to learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.autograd import no_grad
from tinydl.functional import conv2d
from tinydl.tensor import tensor


def _kernel(*rows: tuple[float, ...], divisor: float = 1.0) -> npt.NDArray[np.float32]:
    kernel = (np.array(rows) / divisor).astype(np.float32)
    kernel.setflags(write=False)
    return kernel


# Those that blur and sharpen add up to 1 and keep an even area as it is; those that find edges add up to 0.
KERNELS = {
    "identity": _kernel((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "box blur": _kernel(*[(1,) * 5] * 5, divisor=25),
    "Gaussian blur": _kernel(
        (1, 4, 6, 4, 1),
        (4, 16, 24, 16, 4),
        (6, 24, 36, 24, 6),
        (4, 16, 24, 16, 4),
        (1, 4, 6, 4, 1),
        divisor=256,
    ),
    "sharpen": _kernel((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "Sobel x": _kernel((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),  # lighter to the right: above 0
    "Sobel y": _kernel((-1, -2, -1), (0, 0, 0), (1, 2, 1)),  # lighter below: above 0
    "Laplace": _kernel((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "emboss": _kernel((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
}


def apply_kernel(images: npt.NDArray[Any], kernel: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Images (N, C, H, W) after `td.functional.conv2d` with one kernel (kh, kw), every channel by itself.

    float32 of the same shape, not cut off at 0 and 1; beyond the edge its pixels are repeated. As everywhere in deep
    learning the kernel is laid on the image as it is, not mirrored. Raises ValueError for other axes, and for a
    kernel whose sides are not odd.
    """
    weight = np.asarray(kernel, np.float32)
    if images.ndim != 4 or weight.ndim != 2 or 0 in (weight.shape[0] % 2, weight.shape[1] % 2):
        raise ValueError(
            "apply_kernel: expected images (N, C, H, W) and a kernel with odd sides, "
            f"got {images.shape} and {weight.shape}"
        )
    n, c, h, w = images.shape
    (down, right) = (side // 2 for side in weight.shape)
    channels = images.astype(np.float32).reshape(n * c, 1, h, w)
    padded = np.pad(channels, ((0, 0), (0, 0), (down, down), (right, right)), mode="edge")
    with no_grad():
        filtered = conv2d(tensor(padded), tensor(weight[None, None])).to("cpu")
    return filtered.numpy().reshape(images.shape)
