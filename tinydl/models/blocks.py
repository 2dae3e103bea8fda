"""What the networks for segmentation are built from, and the check of the images that they get."""

from __future__ import annotations

from tinydl import nn
from tinydl.errors import ShapeError
from tinydl.ops.pool import max_pool2d
from tinydl.random import Generator
from tinydl.tensor import Tensor


def conv_norm_relu(in_channels: int, out_channels: int, generator: Generator) -> list[nn.Module]:
    """A 3x3 convolution that keeps the size, batch norm and ReLU: (N, in, H, W) to (N, out, H, W)."""
    return [
        # without a bias: batch norm subtracts the mean, and a bias with it
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False, generator=generator),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]


def halved(x: Tensor) -> tuple[Tensor, Tensor]:
    """The maxima of 2x2 windows, (N, C, H/2, W/2), and where in the image they stand, int64, for unpooling.

    Raises: ValueError for what are no images.
    """
    pooled = max_pool2d(x, 2, return_indices=True)
    assert isinstance(pooled, tuple)
    return pooled


def check_halvings(who: str, x: Tensor, halvings: int) -> None:
    """Raises ValueError for what is no batch of images whose height and width can be halved that many times."""
    unit = 2**halvings
    if x.ndim != 4:
        raise ShapeError(who, f"expected images (N, C, H, W), got shape {x.shape}")
    height, width = x.shape[2:]
    if height % unit or width % unit or not height or not width:
        padded = tuple(max(-(-size // unit), 1) * unit for size in (height, width))
        raise ShapeError(
            who,
            f"the image is halved {halvings} times, so height and width must be multiples of {unit}, "
            f"got {height}x{width}; pad it to {padded[0]}x{padded[1]}",
        )
