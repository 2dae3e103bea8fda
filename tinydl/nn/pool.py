"""Pooling layers. Float32 gives float32, and so do integers; settings are looked at in the first call."""

from __future__ import annotations

from collections.abc import Sequence

from tinydl.nn.module import Module
from tinydl.ops.pool import avg_pool2d, max_pool2d, min_pool2d
from tinydl.tensor import Tensor

Size = int | Sequence[int]


class _Pool(Module):
    """A window and how it moves; `stride` is the kernel size unless given."""

    def __init__(self, kernel_size: Size, stride: Size | None, padding: Size) -> None:
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def options(self) -> str:
        said = f"{self.kernel_size}"
        said += f", stride={self.stride}" if self.stride != self.kernel_size else ""
        return said + (f", padding={self.padding}" if self.padding != 0 else "")


class MaxPool2d(_Pool):
    """The largest element of each window of (N, C, H, W): see `functional.max_pool2d`.

    Raises, when called: ValueError for windows larger than the image and a padding larger than half the window,
    TypeError for sizes that are not integers.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        out = max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        assert isinstance(out, Tensor)
        return out


class MinPool2d(MaxPool2d):
    """The smallest element of each window of (N, C, H, W): see `functional.min_pool2d`.

    Raises, when called: ValueError for windows larger than the image and a padding larger than half the window,
    TypeError for sizes that are not integers.
    """

    def forward(self, x: Tensor) -> Tensor:
        return min_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool2d(_Pool):
    """The mean of each window of (N, C, H, W): see `functional.avg_pool2d`.

    Raises, when called: ValueError for windows larger than the image and a padding larger than half the window,
    TypeError for sizes that are not integers.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )
