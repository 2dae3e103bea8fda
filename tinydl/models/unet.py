"""U-Net (Ronneberger, Fischer and Brox, 2015): every pixel is classified, from its surroundings and its details."""

from __future__ import annotations

from tinydl import nn
from tinydl.models.blocks import check_halvings, conv_norm_relu
from tinydl.ops.shape import cat
from tinydl.random import Generator, GeneratorLike, as_generator
from tinydl.tensor import Tensor


class UNet(nn.Module):
    """U-Net: images (N, in_channels, H, W) to logits (N, classes, H, W), one for every pixel and class.

        image                                                     logits
        | base maps, H x W        ---- copied ---->      base maps, H x W
          | 2 base, H/2 x W/2     ---- copied ---->    2 base, H/2 x W/2
            | 4 base, H/4 x W/4   ---- copied ---->  4 base, H/4 x W/4
              | 8 base, H/8 x W/8      (depth=3)

    On the left every level has two 3x3 convolutions and is then halved by max pooling: the maps know less of
    where and more of what. On the right they are doubled by a transposed convolution and joined to the maps of
    the same size from the left, which still know where. Published with base=64 and depth=4; unlike there,
    convolutions are padded, so that the size stays, and are followed by batch norm.

    Raises: ValueError for counts below 1; when called, for sizes that are no multiples of 2**depth and another
    number of channels.
    """

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 1,
        base: int = 16,
        depth: int = 3,
        generator: GeneratorLike = None,
    ) -> None:
        if min(in_channels, classes, base, depth) < 1:
            raise ValueError(
                "UNet: in_channels, classes, base and depth must be 1 or more, "
                f"got {in_channels}, {classes}, {base}, {depth}"
            )
        generator = as_generator(generator)
        widths = [base << level for level in range(depth + 1)]
        self.depth = depth
        self.down = nn.ModuleList(
            _double(before, width, generator)
            for before, width in zip([in_channels, *widths], widths[:-1], strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottom = _double(widths[-2], widths[-1], generator)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, kernel_size=2, stride=2, generator=generator)
            for width in widths[:-1]
        )
        self.join = nn.ModuleList(_double(2 * width, width, generator) for width in widths[:-1])
        self.output = nn.Conv2d(base, classes, kernel_size=1, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        check_halvings("UNet", x, self.depth)
        left = []
        for down in self.down:
            x = down(x)
            left.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for level in reversed(range(self.depth)):
            x = cat([left[level], self.up[level](x)], axis=1)
            x = self.join[level](x)
        out: Tensor = self.output(x)
        return out


def _double(in_channels: int, out_channels: int, generator: Generator) -> nn.Sequential:
    return nn.Sequential(
        *conv_norm_relu(in_channels, out_channels, generator),
        *conv_norm_relu(out_channels, out_channels, generator),
    )
