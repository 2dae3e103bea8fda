"""Layers that make images larger or smaller without weights."""

from __future__ import annotations

from collections.abc import Sequence

from tinydl.nn.module import Module
from tinydl.ops.resize import adaptive_avg_pool2d, interpolate
from tinydl.tensor import Tensor


class Upsample(Module):
    """Images (N, C, H, W) at another size: see `functional.interpolate`. Integers give float32.

    Raises, when called: ValueError for other shapes and modes, and unless exactly one of size and scale_factor
    was given.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ) -> None:
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def options(self) -> str:
        what = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f"{what}, mode={self.mode!r}"


class AdaptiveAvgPool2d(Module):
    """The means over windows that cover the image (N, C, H, W): see `functional.adaptive_avg_pool2d`.

    Integers give float32. Raises, when called: ValueError for other shapes and for sizes below 1.
    """

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return adaptive_avg_pool2d(x, self.output_size)

    def options(self) -> str:
        return str(self.output_size)
